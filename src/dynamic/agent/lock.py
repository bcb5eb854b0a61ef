"""`threading.Lock` and `threading.RLock` under control."""


from .core import (
    ACQUIRE, AVAILABLE, INSPECT, R, RELEASE, TRY_FAIL, TRY_OK, Abort, caller_site, may_expire,
    place_of, sk, step, wait_for,
)  # fmt: skip

TIMEOUT_MAX = 9223372036.0


def _check(blocking, timeout):
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > TIMEOUT_MAX:
        raise OverflowError("timestamp too large to convert to C PyTime_t")


class Lock:
    """One holder; any thread may release it."""

    __slots__ = ("held", "serial", "owner", "site", "__weakref__")

    def __init__(self):
        self.held = False
        self.serial = 0
        self.owner = None
        # Where it was taken last.
        self.site = 0

    def ready(self, _task):
        return not self.held

    def describe(self):
        owner = self.owner
        return "a lock held by %s" % owner.name if owner is not None else "a lock"

    def acquire(self, blocking=True, timeout=-1):
        if self.serial != R.serial:
            # Left over from an earlier run.
            self.serial = R.serial
            self.held = False
        if R.solo and not self.held or not R.active:
            self.held = True
            self.owner = R.cur
            return True
        if blocking is not True or timeout != -1:
            _check(blocking, timeout)
        if R.abort:
            raise Abort
        site = caller_site()
        if not blocking or timeout == 0 or may_expire(timeout, site):
            return self._try(site)
        operation = sk(ACQUIRE, site) | place_of(self)
        deadline = None if timeout < 0 else R.now + timeout
        if not wait_for(operation, self, deadline):
            R.trace.append(R.cur.pending | R.base)
            return False
        R.trace.append(R.base | operation | AVAILABLE)
        self.held = True
        self.owner = me = R.cur
        self.site = site
        me.locks.append(self)
        return True

    def _try(self, site):
        # What comes of it is known when it is this task's turn; a failure changes nothing.
        step(sk(TRY_OK, site) | place_of(self))
        if self.held:
            R.trace[-1] = R.base | sk(TRY_FAIL, site) | place_of(self)
            return False
        R.trace[-1] = R.base | sk(TRY_OK, site) | place_of(self) | AVAILABLE
        self.held = True
        self.owner = me = R.cur
        self.site = site
        me.locks.append(self)
        return True

    def release(self):
        if not self.held or self.serial != R.serial:
            if R.abort:
                return
            raise RuntimeError("release unlocked lock")
        if not R.solo and R.active and not R.abort:
            step(sk(RELEASE, caller_site()) | place_of(self))
            if not self.held:
                raise RuntimeError("release unlocked lock")
        self.held = False
        owner = self.owner
        self.owner = None
        if owner is not None and self in owner.locks:
            owner.locks.remove(self)

    def locked(self):
        if self.serial != R.serial:
            return False
        if not R.solo:
            step(sk(INSPECT, caller_site()) | place_of(self))
        return self.held

    __enter__ = acquire
    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    def __exit__(self, _type, _value, _traceback):
        self.release()

    def _at_fork_reinit(self):
        self.held = False
        self.owner = None

    def __repr__(self):
        return "<%s _thread.lock object at %#x>" % (
            "locked" if self.held else "unlocked",
            id(self),
        )


class RLock:
    """One holder, which may take it again; only the outermost acquire and release are events."""

    __slots__ = ("owner", "count", "serial", "site", "__weakref__")

    def __init__(self):
        self.owner = None
        self.count = 0
        self.serial = 0
        self.site = 0

    def ready(self, task):
        return self.owner is None or self.owner is task

    describe = Lock.describe

    def acquire(self, blocking=True, timeout=-1):
        if self.serial != R.serial:
            self.serial = R.serial
            self.owner = None
            self.count = 0
        if not R.active:
            return True
        me = R.cur
        if self.owner is me:
            self.count += 1
            return True
        if not (R.solo and self.owner is None):
            if blocking is not True or timeout != -1:
                _check(blocking, timeout)
            if R.abort:
                raise Abort
            site = caller_site()
            place = place_of(self)
            if not blocking or timeout == 0 or may_expire(timeout, site):
                step(sk(TRY_OK, site) | place)
                if self.owner is not None:
                    R.trace[-1] = R.base | sk(TRY_FAIL, site) | place
                    return False
                R.trace[-1] = R.base | sk(TRY_OK, site) | place | AVAILABLE
            else:
                operation = sk(ACQUIRE, site) | place
                deadline = None if timeout < 0 else R.now + timeout
                if not wait_for(operation, self, deadline):
                    R.trace.append(R.cur.pending | R.base)
                    return False
                R.trace.append(R.base | operation | AVAILABLE)
            self.site = site
            me.locks.append(self)
        self.owner = me
        self.count = 1
        return True

    def release(self):
        if not R.active:
            return
        me = R.cur
        if self.owner is not me or self.serial != R.serial:
            if R.abort:
                return
            raise RuntimeError("cannot release un-acquired lock")
        if self.count == 1 and not R.solo and not R.abort:
            step(sk(RELEASE, caller_site()) | place_of(self))
        self.count -= 1
        if self.count == 0:
            self.owner = None
            if self in me.locks:
                me.locks.remove(self)

    def locked(self):
        if self.serial != R.serial:
            return False
        if not R.solo:
            step(sk(INSPECT, caller_site()) | place_of(self))
        return self.owner is not None

    __enter__ = acquire

    def __exit__(self, _type, _value, _traceback):
        self.release()

    # What threading.Condition asks of a lock.
    def _is_owned(self):
        return self.owner is R.cur and self.serial == R.serial

    def _recursion_count(self):
        return self.count if self._is_owned() else 0

    def _release_save(self):
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        count = self.count
        self.count = 1
        self.release()
        return count

    def _acquire_restore(self, count):
        self.acquire()
        self.count = count

    def _at_fork_reinit(self):
        self.owner = None
        self.count = 0

    def __repr__(self):
        return "<%s _thread.RLock object owner=%s count=%d at %#x>" % (
            "locked" if self.count else "unlocked",
            self.owner.name if self.owner else 0,
            self.count,
            id(self),
        )


def allocate_lock():
    return Lock()
