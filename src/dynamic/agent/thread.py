"""Threads under control: `threading.Thread` and `_thread.start_new_thread`."""

import _thread
import contextvars
import itertools
import sys
import threading
import time

from . import core
from .core import (
    ALIVE, JOIN, R, Abort, ProcessExit, caller_site, joined, may_expire, place_of, sk, spawn,
    step, wait_for,
)  # fmt: skip

_Thread = threading.Thread


class Failure:
    """An exception that ended a thread."""

    __slots__ = ("task", "type", "value", "traceback", "at")

    def __init__(self, task, error, at):
        self.task = task
        self.value = error
        self.at = at


failures = []


def failed(error):
    """The running task ends with `error`."""
    failures.append(Failure(R.cur, error, len(R.trace)))


def _context(thread):
    context = getattr(thread, "_context", None)
    if context is not None:
        return context
    inherit = getattr(sys.flags, "thread_inherit_context", 0)
    return contextvars.copy_context() if inherit else contextvars.Context()


def _ident():
    """Within one run each task has an operating system thread, hence an identity, of its own."""
    return _thread.get_ident()


def start(self):
    """`Thread.start`"""
    if not self._initialized:
        raise RuntimeError("thread.__init__() not called")
    if self._started._flag or getattr(self, "_rp_task", None) is not None:
        raise RuntimeError("threads can only be started once")
    context = _context(self)

    def body():
        self._ident = _ident()
        threading._active[self._ident] = self
        try:
            context.run(_guarded, self)
        finally:
            threading._active.pop(self._ident, None)

    self._started._flag = True
    task = spawn(self._name, self._daemonic, body)
    task.thread = self
    self._rp_task = task
    self._rp_serial = R.serial


def _guarded(self):
    try:
        self.run()
    except Abort:
        raise
    except SystemExit:
        pass
    except ProcessExit as error:
        leave(error)
    except BaseException as error:
        failed(error)
        hook = threading.excepthook
        if hook is not _default_hook:
            try:
                hook(threading.ExceptHookArgs((type(error), error, error.__traceback__, self)))
            except Exception as second:
                failed(second)


exit_request = []


def leave(error):
    """`os._exit` in a thread ends the run."""
    exit_request.append(error)
    R.status = core.ENDED
    core.stop()


_default_hook = threading.excepthook


def _task(self):
    task = getattr(self, "_rp_task", None)
    return task if task is not None and self._rp_serial == R.serial else None


def join(self, timeout=None):
    """`Thread.join`"""
    if not self._initialized:
        raise RuntimeError("Thread.__init__() not called")
    task = _task(self)
    if task is None:
        if not self._started._flag:
            raise RuntimeError("cannot join thread before it is started")
        return
    if task is R.cur:
        raise RuntimeError("cannot join current thread")
    if R.solo and task.done:
        return
    site = caller_site()
    if timeout is not None and timeout <= 0 or may_expire(timeout, site):
        step(sk(ALIVE, site) | place_of(task))
        return
    operation = sk(JOIN, site) | place_of(task)
    deadline = None if timeout is None else R.now + timeout
    if not wait_for(operation, task, deadline):
        R.trace.append(R.cur.pending | R.base)
        return
    R.trace.append(R.base | operation)
    joined(task)


def is_alive(self):
    """`Thread.is_alive`"""
    task = _task(self)
    if task is None:
        return self is _main_thread and R.active
    if not R.solo:
        step(sk(ALIVE, caller_site()) | place_of(task))
    return not task.done


_numbers = itertools.count(1)


def thread_hash(self):
    """Numbers threads by creation: executors keep theirs in a set and join them in its order,
    which would depend on addresses."""
    number = self.__dict__.get("_rp_number")
    if number is None:
        number = self.__dict__["_rp_number"] = next(_numbers)
    return number


def thread_repr(self):
    task = _task(self)
    status = "initial" if task is None else "stopped" if task.done else "started"
    return "<%s(%s, %s)>" % (type(self).__name__, self._name, status)


def start_new_thread(function, args, kwargs=None):
    """`_thread.start_new_thread`"""
    if not R.active:
        return core.real_start_new_thread(function, args, kwargs or {})

    def body():
        try:
            function(*args, **(kwargs or {}))
        except Abort:
            raise
        except SystemExit:
            pass
        except ProcessExit as error:
            leave(error)
        except BaseException as error:
            failed(error)

    task = spawn("Thread-raw", True, body)
    return task.worker.ident or id(task)


def run_timer(self):
    """`Timer.run`: like a sleep, the interval may end at any time after the start."""
    time.sleep(self.interval)
    if not self.finished.is_set():
        self.function(*self.args, **self.kwargs)
    self.finished.set()


_main_thread = threading.main_thread()


def reset():
    """Before each run."""
    global _numbers
    _numbers = itertools.count(1)
    del failures[:]
    del exit_request[:]
    threading._active.clear()
    threading._active[_thread.get_ident()] = _main_thread
    threading._limbo.clear()
    threading._dangling.clear()
    threading.excepthook = _default_hook
    threading._counter = itertools.count(1).__next__


def install():
    _Thread.start = start
    _Thread.join = join
    _Thread.is_alive = is_alive
    _Thread.__repr__ = thread_repr
    _Thread.__hash__ = thread_hash
    threading.Timer.run = run_timer
    _thread.start_new_thread = start_new_thread
    _thread.start_new = start_new_thread
    threading._start_new_thread = start_new_thread
