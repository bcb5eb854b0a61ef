"""Replaces the bottom layer of the standard library's threads, so that all above it is under
control: locks, events, `SimpleQueue`, thread start and join, the clock."""

import _thread
import gc
import os
import sys
import threading

from . import cache, clock, core, event, lock, program, selector, simple_queue, thread
from .core import R, ProcessExit

_RealLock = _thread.LockType
_RealRLock = _thread.RLock
_real_allocate = _thread.allocate_lock


def _exit(status):
    """`os._exit` ends the run instead of the agent."""
    if not R.active or os.getpid() != _pid:
        real_exit(status)
    core.outlast_others()
    raise ProcessExit(status)


real_exit = os._exit
_pid = 0


def run_in_this_process():
    """A child was forked for a run: it is the one that the run is in."""
    global _pid
    _pid = os.getpid()


def _after_fork_in_child():
    # Nobody schedules a forked child: it runs alone, without control.
    R.active = False
    R.solo = True


def _before_fork():
    if R.active:
        R.notes.add("the program forks; the child is not under control")


def replace_existing():
    """Puts controlled locks where modules imported earlier hold real ones, or what makes them."""
    agent = __name__.rpartition(".")[0]
    spaces = [
        vars(m)
        for name, m in list(sys.modules.items())
        if not name.startswith(agent) and hasattr(m, "__dict__") and "importlib" not in name
    ]
    for obj in gc.get_objects():
        space = getattr(obj, "__dict__", None) if not isinstance(obj, type) else None
        if type(space) is dict and type(obj).__module__ in ("logging", "random", "queue"):
            spaces.append(space)
    for space in spaces:
        for name, value in list(space.items()):
            if type(value) is _RealLock:
                space[name] = lock.Lock()
            elif type(value) is _RealRLock:
                space[name] = lock.RLock()
            elif value is _RealRLock:
                space[name] = lock.RLock
            elif value is _real_allocate:
                space[name] = lock.allocate_lock


def install():
    """Once for each process, before anything of the program is imported."""
    run_in_this_process()
    _thread.allocate_lock = lock.allocate_lock
    _thread.allocate = lock.allocate_lock
    _thread.RLock = lock.RLock
    threading._allocate_lock = lock.Lock
    threading.Lock = lock.Lock
    threading._CRLock = lock.RLock
    threading._PyRLock = lock.RLock
    threading.RLock = lock.RLock
    threading.Event = event.Event
    thread.install()
    cache.install()
    clock.install()
    program.install()
    selector.install()
    import _queue
    import queue

    _queue.SimpleQueue = simple_queue.SimpleQueue
    queue.SimpleQueue = simple_queue.SimpleQueue
    os._exit = _exit
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
    replace_existing()
