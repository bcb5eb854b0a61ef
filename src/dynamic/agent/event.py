"""`threading.Event` under control: one operation each, so that `is_set` is seen too."""

from .core import (
    CLEAR, INSPECT, AVAILABLE, R, SET, WAIT, caller_site, may_expire, place_of, sk, step,
    wait_for,
)  # fmt: skip


class Event:
    """Set, wait, clear."""

    def __init__(self):
        self._flag = False

    def ready(self, _task):
        return self._flag

    def describe(self):
        return "an event to be set"

    def __repr__(self):
        status = "set" if self._flag else "unset"
        return "<threading.Event at %#x: %s>" % (id(self), status)

    def _at_fork_reinit(self):
        pass

    def is_set(self):
        if not R.solo:
            step(sk(INSPECT, caller_site()) | place_of(self))
        return self._flag

    isSet = is_set

    def set(self):
        if not R.solo:
            step(sk(SET, caller_site()) | place_of(self))
            if self._flag:
                R.trace[-1] |= AVAILABLE
        self._flag = True

    def clear(self):
        if not R.solo:
            step(sk(CLEAR, caller_site()) | place_of(self))
            if self._flag:
                R.trace[-1] |= AVAILABLE
        self._flag = False

    def wait(self, timeout=None):
        if R.solo and self._flag or not R.active:
            return self._flag
        site = caller_site()
        if timeout is not None and timeout <= 0 or may_expire(timeout, site):
            step(sk(INSPECT, site) | place_of(self))
            return self._flag
        operation = sk(WAIT, site) | place_of(self)
        deadline = None if timeout is None else R.now + timeout
        if not wait_for(operation, self, deadline):
            R.trace.append(R.cur.pending | R.base)
            return self._flag
        R.trace.append(R.base | operation)
        return True
