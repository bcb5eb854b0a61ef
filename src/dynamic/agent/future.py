"""`concurrent.futures` under control.

Futures and pools of the standard library are built from many small locks, whose orders mean
nothing to the program but multiply the interleavings. Here a future is one object that is set
once and waited for, and the workers of a pool take items from its queue. A pool starts workers
up to its maximum as work arrives, whether or not one is idle, which allows all orders that
reusing an idle one does.
"""

import threading

from .core import (
    AVAILABLE, INSPECT, R, SET, UPDATE, WAIT, Abort, caller_site, may_expire, place_of, sk, step,
    wait_for,
)  # fmt: skip

_FINISHED = frozenset(["CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED"])


class QuietLock:
    """Protects a few statements of the standard library in which no thread gives way. It makes no
    operation of its own; when it is held by a thread that did give way, it waits."""

    __slots__ = ("owner", "count")

    def __init__(self):
        self.owner = None
        self.count = 0

    def ready(self, task):
        return self.owner is None or self.owner is task

    def describe(self):
        return "a future's lock"

    def acquire(self, blocking=True, timeout=-1):
        me = R.cur
        if self.owner is not None and self.owner is not me and R.active:
            if R.abort:
                raise Abort
            operation = sk(INSPECT) | place_of(self)
            wait_for(operation, self)
            R.trace.append(R.base | operation)
        self.owner = me
        self.count += 1
        return True

    def release(self):
        self.count -= 1
        if self.count <= 0:
            self.count = 0
            self.owner = None

    def locked(self):
        return self.count > 0

    def _is_owned(self):
        return self.count > 0

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_error):
        self.release()


class Done:
    """A future is done."""

    __slots__ = ("future",)

    def __init__(self, future):
        self.future = future

    def ready(self, _task):
        return self.future._state in _FINISHED

    def describe(self):
        return "a future's result"


def _look(future):
    if not R.solo and R.active:
        step(sk(INSPECT, caller_site()) | place_of(future))


def _change(future, kind):
    if not R.solo and R.active:
        step(sk(kind, caller_site()) | place_of(future))
        if future._state in _FINISHED:
            R.trace[-1] |= AVAILABLE


def _await(future, timeout):
    """Waits until a future is done, or its timeout comes first."""
    if not R.active or R.solo and future._state in _FINISHED:
        return
    if R.abort:
        raise Abort
    site = caller_site()
    if timeout is not None and timeout <= 0 or may_expire(timeout, site):
        step(sk(INSPECT, site) | place_of(future))
        return
    operation = sk(WAIT, site) | place_of(future)
    deadline = None if timeout is None else R.now + timeout
    if not wait_for(operation, Done(future), deadline):
        R.trace.append(R.cur.pending | R.base)
        return
    R.trace.append(R.base | operation)


def _before(method, announce):
    def announced(self, *args, **kwargs):
        announce(self)
        return method(self, *args, **kwargs)

    announced.__name__ = method.__name__
    return announced


def patch_futures(module):
    """Once `concurrent.futures._base` has been imported."""
    future = module.Future
    real_init, real_result, real_exception = future.__init__, future.result, future.exception

    def __init__(self):
        real_init(self)
        self._condition = threading.Condition(QuietLock())

    def result(self, timeout=None):
        _await(self, timeout)
        return real_result(self, 0 if R.active else timeout)

    def exception(self, timeout=None):
        _await(self, timeout)
        return real_exception(self, 0 if R.active else timeout)

    future.__init__ = __init__
    future.result = result
    future.exception = exception
    for name in ("done", "running", "cancelled"):
        setattr(future, name, _before(getattr(future, name), _look))
    for name in ("cancel", "set_running_or_notify_cancel", "add_done_callback"):
        setattr(future, name, _before(getattr(future, name), lambda it: _change(it, UPDATE)))
    for name in ("set_result", "set_exception"):
        setattr(future, name, _before(getattr(future, name), lambda it: _change(it, SET)))

    real_wait, real_as_completed = module.wait, module.as_completed

    def wait(fs, *args, **kwargs):
        fs = list(fs)
        for each in fs:
            _look(each)
        return real_wait(fs, *args, **kwargs)

    def as_completed(fs, timeout=None):
        fs = list(fs)
        for each in fs:
            _look(each)
        return real_as_completed(fs, timeout)

    module.wait = wait
    module.as_completed = as_completed


class Busy:
    """The count of idle workers of a pool: never any."""

    def acquire(self, blocking=True, timeout=None):
        return False

    def release(self, n=1):
        pass


def patch_pools(module):
    """Once `concurrent.futures.thread` has been imported."""
    pool = module.ThreadPoolExecutor
    real_init = pool.__init__

    def __init__(self, *args, **kwargs):
        real_init(self, *args, **kwargs)
        self._idle_semaphore = Busy()

    pool.__init__ = __init__
    has_context = hasattr(module, "WorkerContext")

    def worker(reference, *rest):
        if has_context:
            context, work_queue = rest
            initialize = context.initialize
        else:
            context = None
            work_queue, initializer, initargs = rest

            def initialize():
                if initializer is not None:
                    initializer(*initargs)

        try:
            initialize()
        except Exception:
            module._base.LOGGER.critical("Exception in initializer:", exc_info=True)
            executor = reference()
            if executor is not None:
                executor._initializer_failed()
            return
        try:
            while True:
                item = work_queue.get(block=True)
                if item is not None:
                    if has_context:
                        item.run(context)
                    else:
                        item.run()
                    del item
                    continue
                executor = reference()
                if module._shutdown or executor is None or executor._shutdown:
                    if executor is not None:
                        executor._shutdown = True
                    work_queue.put(None)
                    return
                del executor
        finally:
            if has_context:
                context.finalize()

    module._worker = worker
