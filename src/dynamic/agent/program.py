"""One run of the program under a plan, and what came of it."""

import atexit
import io
import linecache
import os
import reprlib
import sys
import types
import weakref

from . import clock, core, thread
from .core import DEADLOCK, EVERYONE, R, Abort, ProcessExit, sk, wait_for
from .project import PROJECT

UNWIND_SECONDS = 2
MAX_OUTPUT = 1 << 16


class Output(io.TextIOBase):
    """Standard output or error of the program, captured for each run."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self):
        self.parts = []
        self.size = 0
        self.buffer = Bytes(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if self.size < MAX_OUTPUT:
            self.parts.append(text)
            self.size += len(text)
        return len(text)

    def writable(self):
        return True

    def fileno(self):
        return 1

    def isatty(self):
        return False

    def take(self):
        text = "".join(self.parts)
        del self.parts[:]
        self.size = 0
        return text


class Bytes(io.RawIOBase):
    """The `buffer` of an Output."""

    def __init__(self, output):
        self.output = output

    def writable(self):
        return True

    def write(self, data):
        self.output.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


STDOUT = Output()
STDERR = Output()


# A file in the place of descriptors 1 and 2, for what does not go through sys.stdout.
_raw = None


def redirect(descriptor):
    """`descriptor` is the file that raw output goes to."""
    global _raw
    _raw = descriptor


def raw_output():
    """What was written to the descriptors since the last call."""
    if _raw is None or not os.fstat(_raw).st_size:
        return ""
    text = os.pread(_raw, MAX_OUTPUT, 0).decode("utf-8", "replace")
    os.ftruncate(_raw, 0)
    os.lseek(_raw, 0, os.SEEK_SET)
    return text


class Program:
    """What is run: a script, a module, or a function of a file."""

    def __init__(self, kind, target, function, argv):
        self.kind = kind
        self.target = target
        self.function = function
        self.argv = argv
        self.path = list(sys.path)
        self.directory = os.getcwd()
        self.environment = dict(os.environ)
        self.package = None
        if kind == "module":
            self.find_module()
        else:
            self.file = target

    def find_module(self):
        import runpy

        _name, spec, _code = runpy._get_module_details(self.target)
        self.spec = spec
        self.file = spec.origin
        self.package = spec.parent

    def main(self):
        """The body of the main thread."""
        code = PROJECT.code(self.file)
        if self.function is None:
            name = "__main__"
        else:
            name = os.path.splitext(os.path.basename(self.file))[0]
        module = types.ModuleType(name)
        space = module.__dict__
        space["__file__"] = self.file
        if self.package is not None:
            space["__package__"] = self.package
            space["__spec__"] = self.spec
        sys.modules[name] = module
        if name != "__main__":
            PROJECT.loaded.add(name)
        sys.argv[:] = [self.file] + self.argv
        exec(code, space)
        if self.function is not None:
            function = space.get(self.function)
            if not callable(function):
                raise AttributeError("%s has no function %r" % (self.file, self.function))
            return function()
        return None


_exit_callbacks = []


def _register(function, *args, **kwargs):
    if not R.active:
        return real_register(function, *args, **kwargs)
    code = sys._getframe(1).f_code
    # A library that is imported stays for later runs: what it does at exit is not a run's.
    if code.co_name != "<module>" or id(code) in core.project_code:
        _exit_callbacks.append((function, args, kwargs))
    return function


def _unregister(function):
    real_unregister(function)
    _exit_callbacks[:] = [c for c in _exit_callbacks if c[0] != function]


real_register = atexit.register
real_unregister = atexit.unregister


def _finalize():
    """Calls the finalizers that a run left, and allows those of the next one, and its pools."""
    pools = sys.modules.get("concurrent.futures.thread")
    if pools is not None:
        pools._shutdown = False
        pools._threads_queues.clear()
    finalize = weakref.finalize
    finalize._exitfunc()
    finalize._shutdown = False
    finalize._registered_with_atexit = False


def install():
    atexit.register = _register
    atexit.unregister = _unregister


def _end_pools():
    """What the interpreter does for executors that were not shut down, before it waits for
    threads."""
    module = sys.modules.get("concurrent.futures.thread")
    if module is None or not module._threads_queues:
        return
    items = list(module._threads_queues.items())
    module._shutdown = True
    for _thread, queue in items:
        queue.put(None)
    for worker, _queue in items:
        worker.join()


def _wait_for_threads():
    """What the interpreter does after the main thread: waits for threads that are no daemons."""
    while not EVERYONE.ready(None):
        for task in R.tasks[1:]:
            if not task.daemon and not task.joined and task.thread is not None:
                task.thread.join()
        if not EVERYONE.ready(None):
            for task in R.live:
                if task.index and not task.daemon:
                    operation = sk(core.JOIN) | core.place_of(task)
                    wait_for(operation, task)
                    R.trace.append(R.base | operation)
                    core.joined(task)
                    break


class Result:
    """What one run came to."""

    __slots__ = (
        "status", "failure", "error", "value", "blocked", "reusable", "output", "errors",
        "pending",
    )  # fmt: skip


def run(body, plan):
    """Runs `body` as the main thread of a run that follows `plan`."""
    result = Result()
    result.failure = None
    # The exception that is the failure.
    result.error = None
    result.value = None
    thread.reset()
    clock.reset()
    del _exit_callbacks[:]
    main = core.begin(plan)
    ended = False
    try:
        try:
            result.value = body()
        except Abort:
            raise
        except ProcessExit as error:
            thread.exit_request.append(error)
            R.status = core.ENDED
            ended = True
        except SystemExit as error:
            result.failure = _exit_failure(error.code)
            result.error = error
        except BaseException as error:
            thread.failed(error)
        if not ended:
            R.abort = False
            _end_pools()
            _wait_for_threads()
            while _exit_callbacks:
                function, args, kwargs = _exit_callbacks.pop()
                function(*args, **kwargs)
            _wait_for_threads()
            core.outlast_others()
    except Abort:
        pass
    except BaseException as error:
        thread.failed(error)
    R.segment = R.segments
    result.status = R.status
    result.pending = [(t.index, t.pending) for t in R.live if t.pending and t is not main or t.wait]
    result.blocked = _blocked() if R.status == DEADLOCK else None
    main.done = True
    try:
        result.reusable = core.unwind(UNWIND_SECONDS)
    except Abort:
        result.reusable = core.unwind(UNWIND_SECONDS)
    R.active = False
    _finalize()
    if thread.exit_request:
        result.error = thread.exit_request[0]
        code = result.error.code
        result.failure = _exit_failure(code, "os._exit(%r)" % (code,)) if code else None
    failures = [f for f in thread.failures if not isinstance(f.value, Abort)]
    if failures:
        result.failure = _error_failure(failures[0])
        result.error = failures[0].value
    elif result.status == DEADLOCK:
        result.failure = {"kind": "deadlock", "message": "", "thread": -1}
    result.output = STDOUT.take()
    result.errors = STDERR.take()
    return result


def _exit_failure(code, shown=None):
    if code is None or code == 0 and not isinstance(code, str):
        return None
    text = shown or "exit status %s" % (code if isinstance(code, int) else "1: %s" % (code,))
    return {"kind": "exit", "message": text, "thread": 0, "type": "SystemExit"}


def _error_failure(failure):
    error = failure.value
    kind = "assertion" if isinstance(error, AssertionError) else "exception"
    frames = []
    at = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        if id(code) in core.project_code:
            frames.append((code.co_filename, at.tb_lineno, code.co_name))
        at = at.tb_next
    try:
        text = str(error)
    except Exception:
        text = "<no message>"
    try:
        text = text or linecache.getline(frames[-1][0], frames[-1][1]).strip() if frames else text
    except Exception:
        pass
    return {
        "kind": kind,
        "type": type(error).__name__,
        "message": text[:2000],
        "thread": failure.task.index if failure.task is not None else 0,
        "frames": frames[-20:],
    }


def _blocked():
    """Who waits for what."""
    found = []
    for task in R.live:
        resource = task.wait
        if resource is None:
            continue
        owner = getattr(resource, "owner", None)
        if isinstance(resource, core.Task):
            owner = resource
        found.append(
            {
                "thread": task.index,
                "site": task.pending >> core.SITE_SHIFT & 0xFFFFF,
                "waits": resource.describe(),
                "owner": owner.index if owner is not None else -1,
                "operation": core.KIND_NAMES[task.pending >> core.KIND_SHIFT & 63],
            }
        )
    return found


_short = reprlib.Repr()
_short.maxstring = 60
_short.maxother = 60
_SHOWN = (int, float, str, bytes, bool, type(None), list, dict, set, tuple, frozenset)


def shown(value):
    """A value in a report: exact for plain data, the class for anything else."""
    cls = type(value)
    if cls in (list, tuple, set, dict, frozenset) and len(value) > 20:
        return "<%s of %d>" % (cls.__name__, len(value))
    if cls in _SHOWN:
        try:
            return _short.repr(value)
        except Exception:
            return "<%s>" % cls.__name__
    if isinstance(value, type):
        return "<class %s>" % value.__name__
    return "<%s>" % cls.__name__
