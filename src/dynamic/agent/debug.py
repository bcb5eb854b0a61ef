"""The debugger in a run under control: `raceproof replay --pdb`."""

import pdb
import sys

from . import core, patch
from .core import R
from .journal import Steps
from .project import PROJECT


class Debugger(pdb.Pdb):
    """`pdb` on the terminal. The scheduler rests while it asks: what it evaluates is no step."""

    def __init__(self, stdin, stdout, stderr):
        pdb.Pdb.__init__(
            self,
            stdin=stdin,
            stdout=stdout,
            nosigint=True,
            skip=["raceproof_agent", "raceproof_agent.*"],
        )
        self.files = (stdin, stdout, stderr)
        # With a stdout of its own, pdb reads lines without their editing.
        self.use_rawinput = stdin.isatty()

    def say(self, text):
        self.stdout.write("raceproof: %s\n" % text)
        self.stdout.flush()

    def interaction(self, *where):
        kept = (R.active, R.solo, sys.stdin, sys.stdout, sys.stderr)
        R.active, R.solo = False, True
        sys.stdin, sys.stdout, sys.stderr = self.files
        try:
            pdb.Pdb.interaction(self, *where)
        finally:
            R.active, R.solo, sys.stdin, sys.stdout, sys.stderr = kept
        if self.quitting:
            patch.real_exit(1)

    def look(self, frame):
        """Shows a frame that stands still."""
        self.reset()
        self.interaction(frame, None)

    def after_death(self, trace):
        """Shows the innermost frame of a traceback."""
        self.reset()
        self.interaction(None, trace)

    def stop(self, frame):
        """Stops the running thread in a frame that goes on afterwards, step by step if told to."""
        self.reset()
        outer = frame
        while outer is not None:
            outer.f_trace = self.trace_dispatch
            self.botframe = outer
            outer = outer.f_back
        self.interaction(frame, None)
        if self.stoplineno != -1 or self.breaks:
            sys.settrace(self.trace_dispatch)

    def waiting(self):
        """Shows each thread where it waits, once none of them can go on."""
        self.say("no thread can go on; `c` leads from one to the next")
        frames = sys._current_frames()
        # The main thread last: most often it only waits for the others.
        for task in sorted(R.live, key=lambda it: it.index == 0):
            if task.wait is not None:
                frame = own_frame(frames.get(task.worker.ident))
                self.say("%s waits for %s" % (task.name, task.wait.describe()))
                if frame is not None:
                    self.look(frame)

    def before(self, number):
        """A trace in which the step of this number, counted at own sites, is stopped at."""
        left = [number]

        def tell(word, corrects):
            if corrects or PROJECT.is_inner(word >> core.SITE_SHIFT & 0xFFFFF):
                return
            left[0] -= 1
            frame = own_frame(sys._getframe(1)) if left[0] == -1 else None
            if frame is not None:
                self.say("%s, before the step that decides" % R.cur.name)
                self.stop(frame)

        return Steps(tell)


def own_frame(frame):
    """The innermost frame of the program's own code, from a frame outwards."""
    while frame is not None and id(frame.f_code) not in core.project_code:
        frame = frame.f_back
    return frame

