# The first code of the agent's process, given to the interpreter on its command line: reads the
# agent itself from standard input, and puts other files in the place of the standard ones.
import sys

# Nothing of ours comes from the present directory, where a file may have a library's name.
sys.path[:] = [_entry for _entry in sys.path if _entry]
import importlib.machinery  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402


def _read(size):
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


_bundle = json.loads(_read(int.from_bytes(_read(4), "little")).decode())
_read_fd, _write_fd, _error_fd = os.dup(0), os.dup(1), os.dup(2)
_null = os.open(os.devnull, os.O_RDONLY)
os.dup2(_null, 0)
os.close(_null)
if hasattr(os, "memfd_create"):
    _raw = os.memfd_create("output")
else:
    import tempfile

    _raw = os.dup(tempfile.TemporaryFile().fileno())
os.dup2(_raw, 1)
os.dup2(_raw, 2)


class _Finder:
    # Makes the agent's modules importable.
    @staticmethod
    def find_spec(name, path=None, target=None):
        package, _, short = name.partition(".")
        if package != "raceproof_agent" or (short or "__init__") not in _bundle["modules"]:
            return None
        return importlib.machinery.ModuleSpec(name, _Finder, is_package=not short)

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        short = module.__name__.partition(".")[2] or "__init__"
        file = "<raceproof_agent>/" + short + ".py"
        exec(compile(_bundle["modules"][short], file, "exec"), module.__dict__)


def _complain(kind, value, trace):
    import traceback

    text = "".join(traceback.format_exception(kind, value, trace))
    os.write(_error_fd, text.encode("utf-8", "replace"))


sys.excepthook = _complain
sys.meta_path.insert(0, _Finder)
from raceproof_agent import program, serve  # noqa: E402

_options = _bundle["options"]
_options["error_fd"] = _error_fd
program.redirect(_raw)
serve.main(_options, serve.Channel(_read_fd, _write_fd))
