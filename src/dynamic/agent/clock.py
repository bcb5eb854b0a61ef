"""Virtual time, and the other sources of accident: random numbers, `os.urandom`, what loggers
remember."""

import os
import random
import sys
import time

from .core import (
    AWAIT, KIND_SHIFT, MODE, R, SLEEP, TASK_SHIFT, WRITES, Change, caller_site, real_sleep, sk,
    step, wait_for,
)  # fmt: skip

_EPOCH = 1_700_000_000.0
real_time = time.time
real_monotonic = time.monotonic
real_urandom = os.urandom


def _now():
    # Each look at the clock moves it a little, and ever more in a loop that does nothing else,
    # so that waiting for a deadline in a loop ends.
    R.clock_calls += 1
    calls = R.clock_calls
    R.now += 1e-6 if calls < 1000 else 1e-3 if calls < 3000 else 1.0
    return R.now


def virtual_time():
    return _EPOCH + _now() if R.active else real_time()


def virtual_monotonic():
    return 1000.0 + _now() if R.active else real_monotonic()


def virtual_time_ns():
    return int(virtual_time() * 1e9)


def virtual_monotonic_ns():
    return int(virtual_monotonic() * 1e9)


def sleep(seconds):
    """Ends at any time: sleeping orders nothing. A thread that slept before and wrote nothing
    since is polling; it goes on when another thread has written, or when no other can go on."""
    if not R.active:
        return real_sleep(seconds)
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if R.solo:
        R.now += seconds
        return None
    me = R.cur
    site = caller_site()
    trace = R.trace
    polling = False
    index = me.index
    # `reads` is where in the trace this task's last sleep is.
    if me.reads is not None:
        polling = True
        for position in range(me.reads + 1, len(trace)):
            word = trace[position]
            if word >> TASK_SHIFT == index and MODE[word >> KIND_SHIFT & 63] == WRITES:
                polling = False
                break
    if polling:
        if not wait_for(sk(AWAIT, site), Change(me.reads + 1), R.now + seconds):
            trace.append(R.base | me.pending)
        else:
            trace.append(R.base | sk(AWAIT, site))
    else:
        step(sk(SLEEP, site))
    me.reads = len(trace) - 1
    return None


_bytes = random.Random(0)


def urandom(size):
    if not R.active:
        return real_urandom(size)
    return _bytes.getrandbits(8 * size).to_bytes(size, "little") if size else b""


class SystemRandom(random.Random):
    """`random.SystemRandom`, the same in each run."""

    def seed(self, *_args, **_kwargs):
        random.Random.seed(self, 0)


def reset():
    """Before each run."""
    random.seed(0)
    _bytes.seed(0)
    logging = sys.modules.get("logging")
    if logging is not None:
        # Which levels are enabled is looked up under a lock once, then remembered.
        logging.Logger.manager._clear_cache()


def install():
    time.sleep = sleep
    time.time = virtual_time
    time.monotonic = virtual_monotonic
    time.perf_counter = virtual_monotonic
    time.time_ns = virtual_time_ns
    time.monotonic_ns = virtual_monotonic_ns
    time.perf_counter_ns = virtual_monotonic_ns
    os.urandom = urandom
    random._urandom = urandom
    random.SystemRandom = SystemRandom
