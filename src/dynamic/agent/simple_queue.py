"""`queue.SimpleQueue` under control."""

import collections
from queue import Empty

from .core import (
    AVAILABLE, GET, INSPECT, PUT, R, TRY_FAIL, TRY_OK, caller_site, may_expire, place_of, sk, step,
    wait_for,
)  # fmt: skip


class SimpleQueue:
    """Unbounded first in, first out queue."""

    def __init__(self):
        self._queue = collections.deque()
        self._serial = R.serial

    def ready(self, _task):
        return bool(self._queue)

    def describe(self):
        return "an item in a queue"

    def put(self, item, block=True, timeout=None):
        # A pool of an earlier run that dies late, as the free-threaded build lets objects do, tells
        # its workers through its queue: that is no operation of this run.
        if not R.solo and self._serial in (0, R.serial):
            step(sk(PUT, caller_site()) | place_of(self))
            if self._queue:
                R.trace[-1] |= AVAILABLE
        self._queue.append(item)

    def put_nowait(self, item):
        self.put(item)

    def get(self, block=True, timeout=None):
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        if not R.solo or block and not self._queue:
            site = caller_site()
            if not block or timeout == 0 or may_expire(timeout, site):
                step(sk(TRY_OK, site) | place_of(self))
                if self._queue:
                    R.trace[-1] |= AVAILABLE
                else:
                    R.trace[-1] = R.base | sk(TRY_FAIL, site) | place_of(self)
            else:
                operation = sk(GET, site) | place_of(self)
                deadline = None if timeout is None else R.now + timeout
                if not wait_for(operation, self, deadline):
                    R.trace.append(R.cur.pending | R.base)
                    raise Empty
                R.trace.append(R.base | operation | AVAILABLE)
        if not self._queue:
            raise Empty
        return self._queue.popleft()

    def get_nowait(self):
        return self.get(False)

    def empty(self):
        if not R.solo:
            step(sk(INSPECT, caller_site()) | place_of(self))
        return not self._queue

    def qsize(self):
        if not R.solo:
            step(sk(INSPECT, caller_site()) | place_of(self))
        return len(self._queue)

    @classmethod
    def __class_getitem__(cls, _item):
        return cls
