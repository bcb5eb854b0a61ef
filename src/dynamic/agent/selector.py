"""Waiting for files and event loops under control: `selectors`, `call_soon_threadsafe`."""

import selectors

from .core import (
    AVAILABLE, INSPECT, R, SELECT, WAKE, Abort, caller_site, place_of, sk, step, wait_for,
)  # fmt: skip

_real = {}


class Ready:
    """Something registered with a selector can be read or written."""

    __slots__ = ("selector", "real")

    def __init__(self, selector, real):
        self.selector = selector
        self.real = real

    def ready(self, _task):
        return bool(self.real(self.selector, 0))

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


def patch_pool(module):
    """Once `multiprocessing.pool` has been imported: a ThreadPool needs no other processes, yet
    with the default context its notifier would start one to track semaphores."""
    real = module.ThreadPool._setup_queues

    def _setup_queues(self):
        import multiprocessing

        if "fork" in multiprocessing.get_all_start_methods():
            self._ctx = multiprocessing.get_context("fork")
        real(self)

    module.ThreadPool._setup_queues = _setup_queues


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
