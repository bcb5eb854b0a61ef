"""A trace that tells each step at the moment it is taken: what is known of a run that kills its
process, or does not end, and the place at which a debugger stops in one."""

import json
import struct

from .core import R
from .project import PROJECT

# In the place of a status: see `protocol.rs`.
STEP, CORRECTION = 6, 7
_HEADER = struct.Struct("<8I")


class Steps(list):
    """The trace of a run; `tell` is called with what each step changes."""

    __slots__ = ("tell",)

    def __init__(self, tell):
        list.__init__(self)
        self.tell = tell

    def append(self, word):
        list.append(self, word)
        self.tell(word, False)

    def __setitem__(self, at, word):
        # Only the last step is ever corrected.
        if self[at] != word:
            list.__setitem__(self, at, word)
            self.tell(word, True)


class Journal:
    """Sends each step over a channel, with the sites, files, threads and values that are new."""

    def __init__(self, channel):
        self.channel = channel
        self.threads = None
        self.details = 0

    def tell(self, word, corrects):
        text = PROJECT.news()
        threads = [(t.name, t.worker.ident) for t in R.tasks]
        if threads != self.threads:
            self.threads = threads
            text["names"] = [name for name, _ in threads]
            text["idents"] = [ident for _, ident in threads]
        if R.detail is not None and len(R.detail) > self.details:
            text["detail"] = R.detail[self.details :]
            self.details = len(R.detail)
        body = json.dumps(text).encode("utf-8", "surrogatepass") if text else b""
        parents = [t.parent & 0xFFFFFFFF for t in R.tasks]
        kind = CORRECTION if corrects else STEP
        self.channel.send(
            b"".join(
                (
                    _HEADER.pack(kind, 1, 0, len(parents), 0, 0, len(body), 0xFFFFFFFF),
                    word.to_bytes(8, "little"),
                    struct.pack("<%dI" % len(parents), *parents),
                    body,
                )
            )
        )
