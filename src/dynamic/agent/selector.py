"""Waiting for files, event loops and child processes under control: `selectors`,
`call_soon_threadsafe`, `subprocess`."""

import selectors
import threading

from . import clock, simple_queue
from .core import (
    AVAILABLE, INSPECT, R, SELECT, WAKE, Abort, caller_site, place_of, real_sleep, sk, step,
    wait_for,
)  # fmt: skip
from .future import QuietLock

_real = {}


class Ready:
    """Something registered with a selector can be read or written."""

    __slots__ = ("selector", "real")

    def __init__(self, selector, real):
        self.selector = selector
        self.real = real

    def ready(self, _task):
        return bool(self.real(self.selector, 0))

    def outside(self):
        """Whether it waits for files that are written outside of the process."""
        own = getattr(self.selector, "_rp_own", None)
        return any(fd != own for fd in self.selector.get_map() or ())

    def arrives(self, seconds):
        """Waits for them, in real time."""
        return bool(self.real(self.selector, seconds))

    def describe(self):
        return "a file or an event loop's wake-up"


def _controlled(real):
    def select(self, timeout=None):
        if not R.active:
            return real(self, timeout)
        if R.abort:
            raise Abort
        if R.solo:
            # Nobody else can make anything ready but the world outside.
            if timeout is None:
                return real(self, None)
            found = real(self, 0)
            if not found:
                R.now += max(timeout, 0)
            return found
        site = caller_site()
        place = place_of(self)
        if timeout is not None and timeout <= 0:
            step(sk(INSPECT, site) | place)
            return real(self, 0)
        operation = sk(SELECT, site) | place
        deadline = None if timeout is None else R.now + timeout
        if not wait_for(operation, Ready(self, real), deadline):
            R.trace.append(R.cur.pending | R.base)
            return []
        R.trace.append(R.base | operation)
        return real(self, 0)

    return select


def announce_wake(loop):
    """Another thread is about to wake an event loop."""
    selector = getattr(loop, "_selector", None)
    if selector is None or R.solo or not R.active:
        return
    step(sk(WAKE, caller_site()) | place_of(selector))
    real = _real.get(type(selector))
    if real is not None and selector.get_map() and real(selector, 0):
        R.trace[-1] |= AVAILABLE


def patch_asyncio(module):
    """Once `asyncio.base_events` has been imported."""
    loop_class = module.BaseEventLoop
    real = loop_class.call_soon_threadsafe

    def call_soon_threadsafe(self, callback, *args, context=None):
        announce_wake(self)
        return real(self, callback, *args, context=context)

    loop_class.call_soon_threadsafe = call_soon_threadsafe


def patch_loops(module):
    """Once `asyncio.selector_events` has been imported: the file by which a loop is woken is not
    written from outside."""
    loop_class = module.BaseSelectorEventLoop
    real = loop_class._make_self_pipe

    def _make_self_pipe(self):
        real(self)
        self._selector._rp_own = self._ssock.fileno()

    loop_class._make_self_pipe = _make_self_pipe


class Threading:
    """The module `threading` for one that is no part of the interleavings."""

    Lock = QuietLock
    Thread = threading.Thread


class RealTime:
    """The module `time` as it is outside of runs."""

    sleep = staticmethod(real_sleep)
    monotonic = staticmethod(clock.real_monotonic)
    time = staticmethod(clock.real_time)


def patch_subprocess(module):
    """Once `subprocess` has been imported: a child lives in real time, and its end is waited for
    in one piece."""
    module.time = RealTime
    module.threading = Threading
    module._time = clock.real_monotonic
    chosen = getattr(module, "_PopenSelector", None)
    if chosen in _real:
        module._PopenSelector = type("Selector", (chosen,), {"select": _real[chosen]})


class Notifier:
    """Wakes the thread that looks after a ThreadPool's workers; a pipe in the original, for the
    sake of processes."""

    def __init__(self):
        self._queue = simple_queue.SimpleQueue()
        self._reader = None
        self.put = self._queue.put
        self.get = self._queue.get
        self.empty = self._queue.empty


class Context:
    """A context of `multiprocessing` for threads: its queue is under control."""

    def __init__(self, real):
        self._real = real
        self.SimpleQueue = Notifier

    def __getattr__(self, name):
        return getattr(self._real, name)


def patch_pool(module):
    """Once `multiprocessing.pool` has been imported."""
    real_setup, real_wait = module.ThreadPool._setup_queues, module.Pool._wait_for_updates

    def _setup_queues(self):
        self._ctx = Context(self._ctx)
        real_setup(self)

    def _wait_for_updates(sentinels, change_notifier, timeout=None):
        if not isinstance(change_notifier, Notifier):
            real_wait(sentinels, change_notifier, timeout)
            return
        change_notifier.get()
        while not change_notifier.empty():
            change_notifier.get()

    module.ThreadPool._setup_queues = _setup_queues
    module.Pool._wait_for_updates = staticmethod(_wait_for_updates)


def install():
    for name in ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector",
                 "KqueueSelector"):  # fmt: skip
        cls = getattr(selectors, name, None)
        if cls is not None and "select" in vars(cls):
            _real[cls] = cls.select
            cls.select = _controlled(cls.select)
    poll = getattr(selectors, "_PollLikeSelector", None)
    if poll is not None and "select" in vars(poll):
        real = poll.select
        poll.select = _controlled(real)
        for name in ("PollSelector", "DevpollSelector"):
            cls = getattr(selectors, name, None)
            if cls is not None:
                _real.setdefault(cls, real)
