"""The scheduler: tasks, places, the plan being followed, and the hand-over between threads.

A *task* is one thread of the explored program. Exactly one task runs at a time. Before each
visible operation the running task announces it (`pending`); where a choice is due, the plan says
who goes on, and the operation is recorded when its task is chosen. An event is one integer:

    bits 0-9    part of the object: 0 all of it, 1 its structure (size, order), others one key
    bits 10-27  object, numbered by first touch in this run
    bits 28-47  site
    bits 48-53  kind
    bit  54     the resource was available before this event
    bits 55-63  task

Judgement lives elsewhere: this file follows plans and says what happened.
"""

import os
import random
import select
import sys
from _thread import get_ident

# The real functions, before they are replaced.
from _thread import start_new_thread as real_start_new_thread
from time import sleep as real_sleep

PART_BITS = 10
OBJECT_SHIFT = PART_BITS
PLACE_MASK = (1 << 28) - 1
OBJECT_MASK = PLACE_MASK & ~((1 << PART_BITS) - 1)
SITE_SHIFT = 28
SITE_MASK = ((1 << 20) - 1) << SITE_SHIFT
KIND_SHIFT = 48
AVAILABLE = 1 << 54
TASK_SHIFT = 55
MAX_TASKS = 500
WHOLE = 0
STRUCTURE = 1

# Kinds of events; `protocol.rs` has the same table.
READ, WRITE, INSERT, ACQUIRE, RELEASE, TRY_OK, TRY_FAIL, INSPECT = range(8)
START, BEGIN, END, JOIN, ALIVE = range(8, 13)
SET, CLEAR, WAIT, PUT, GET = range(13, 18)
SLEEP, AWAIT, TIMEOUT, SELECT, WAKE = range(18, 23)
UPDATE = 23

KIND_NAMES = (
    "read write insert acquire release try-acquire try-acquire-failed inspect start begin end "
    "join is-alive set clear wait put get sleep await timeout select wake update"
).split()

# What a kind does to its place: nothing, read, write, or it is ordered with everything.
NOTHING, READS, WRITES, EVERYTHING = range(4)
MODE = [WRITES] * 64
for _kind in (READ, TRY_FAIL, INSPECT, ALIVE, WAIT, JOIN, BEGIN):
    MODE[_kind] = READS
MODE[SLEEP] = NOTHING
MODE[AWAIT] = EVERYTHING
MODE[TIMEOUT] = EVERYTHING


def sk(kind, site=0):
    """The constant part of an event: its kind and site."""
    return kind << KIND_SHIFT | site << SITE_SHIFT


def conflict(a, b):
    """Whether two operations of different tasks may not be swapped."""
    kind_a = a >> KIND_SHIFT & 63
    kind_b = b >> KIND_SHIFT & 63
    mode_a = MODE[kind_a]
    mode_b = MODE[kind_b]
    if mode_a == EVERYTHING or mode_b == EVERYTHING:
        return True
    if mode_a == NOTHING or mode_b == NOTHING or (mode_a == READS and mode_b == READS):
        return False
    if (a ^ b) & OBJECT_MASK or not a & OBJECT_MASK:
        return False
    if kind_a + kind_b == PUT + GET and kind_a in (PUT, GET):
        # Both ends of a queue: an item can be taken, so putting another one does not matter.
        return False
    part_a = a & 1023
    part_b = b & 1023
    if part_a == part_b or part_a == WHOLE or part_b == WHOLE:
        return True
    if kind_a == INSERT:
        return part_b == STRUCTURE or kind_b == INSERT
    return kind_b == INSERT and part_a == STRUCTURE


class Abort(BaseException):
    """Unwinds a task whose run is over."""


class ProcessExit(BaseException):
    """The program called `os._exit`."""

    def __init__(self, code):
        BaseException.__init__(self, code)
        self.code = code


def _wake_pair():
    if hasattr(os, "eventfd"):
        fd = os.eventfd(0, os.EFD_CLOEXEC)
        return fd, fd
    return os.pipe()


ONE = (1).to_bytes(8, "little")
_read = os.read
_write = os.write


class Worker:
    """An operating system thread that runs one task of each run; index 0 is the main thread."""

    __slots__ = ("read_fd", "write_fd", "job", "ident", "started", "idle")

    def __init__(self):
        self.read_fd, self.write_fd = _wake_pair()
        self.job = None
        self.ident = 0
        self.started = False
        self.idle = True

    def loop(self):
        self.ident = get_ident()
        while True:
            self.idle = True
            _read(self.read_fd, 8)
            self.idle = False
            job = self.job
            if job is None:
                return
            self.job = None
            job()
            job = None


class Task:
    """One thread of the explored program."""

    __slots__ = (
        "index",
        "base",
        "worker",
        "pending",
        "wait",
        "deadline",
        "timed_out",
        "done",
        "daemon",
        "joined",
        "name",
        "thread",
        "priority",
        "weight",
        "reads",
        "locks",
        "parent",
        "error",
        "own",
        "inner",
        "expired",
        "spin",
        "job",
    )

    def __init__(self, index, worker, name):
        self.index = index
        self.base = index << TASK_SHIFT
        self.worker = worker
        self.pending = 0
        self.wait = None
        self.deadline = None
        self.timed_out = False
        self.done = False
        self.daemon = False
        self.joined = False
        self.name = name
        self.thread = None
        self.priority = 0.0
        self.weight = 0
        self.reads = None
        self.locks = []
        self.parent = -1
        self.error = None
        # How far it has come: its operations at the program's own sites, and operations of
        # library code since the last of them.
        self.own = 0
        self.expired = set()
        self.inner = 0
        # Where in the trace the present turn of a busy-waiting loop began.
        self.spin = 0
        # What it runs; kept until the run is over, see `forget`.
        self.job = None

    def ready(self, _waiter):
        """For a task waiting for this one to end."""
        return self.done

    def describe(self):
        return "the end of %s" % self.name


NEVER = 1 << 62


class Run:
    """The state of the current run. One instance, reset by `begin`."""

    __slots__ = (
        "active", "solo", "trace", "limit", "cur", "base", "tasks", "live", "unjoined", "serial",
        "ends", "threads", "segment", "segments", "naps", "nap", "sleeping", "wakes",
        "policy", "rng", "hot", "abort", "status", "diverged", "max_steps", "now", "places",
        "objects", "parts", "keep", "detail", "views", "lenient", "counts", "change_points",
        "hot_steps", "clock_calls", "since", "enabled_log", "notes", "by_position", "inners",
        "frames", "stuck", "turn", "cut",
    )  # fmt: skip


R = Run()
R.active = False
R.solo = True
R.serial = 0
R.cur = None
R.detail = None
R.limit = NEVER
R.trace = []
R.abort = False
R.now = 0.0
R.clock_calls = 0
R.tasks = []
R.places, R.objects, R.parts, R.keep, R.views, R.frames = {}, {}, {}, [], {}, {}
R.notes = set()
# Called when no thread can go on, before the run is unwound.
R.stuck = None

WORKERS = [Worker()]

OK, DEADLOCK, SLEEP_BLOCKED, DIVERGED, TOO_LONG, ENDED = range(6)


def worker(index):
    """The operating system thread for task `index`, started on first use."""
    while len(WORKERS) <= index:
        WORKERS.append(Worker())
    found = WORKERS[index]
    if not found.started and index:
        found.started = True
        real_start_new_thread(found.loop, ())
    return found


# --- places -----------------------------------------------------------------------------------


def new_place(obj, key):
    """Numbers the part `key` of `obj`; `key` is WHOLE, STRUCTURE or a (name,) or (key,) tuple."""
    ident = id(obj)
    base = R.objects.get(ident)
    if base is None:
        base = (len(R.objects) + 1) << OBJECT_SHIFT & OBJECT_MASK
        R.objects[ident] = base
        R.parts[base] = 2
        # Kept so that its address is not used again in this run.
        if not hasattr(type(obj), "__del__"):
            R.keep.append(obj)
    if key == WHOLE or key == STRUCTURE:
        place = base | key
    else:
        part = R.parts[base]
        if part < 1023:
            R.parts[base] = part + 1
            place = base | part
        else:
            place = base
    R.places[ident, key] = place
    return place


def place_of(obj):
    """The place of a synchronisation object."""
    place = R.places.get((id(obj), WHOLE))
    if place is None:
        place = new_place(obj, WHOLE)
    return place


# --- choices ----------------------------------------------------------------------------------


def enabled(task):
    return not task.done and (task.wait is None or task.wait.ready(task))


def runnable():
    """The enabled tasks; lets virtual time pass when there is none."""
    found = [t for t in R.live if t.wait is None or t.wait.ready(t)]
    while not found:
        timed = [t for t in R.live if t.deadline is not None]
        first = min(timed, key=lambda t: (t.deadline, t.index)) if timed else None
        if not arrives(NEVER if first is None else first.deadline - R.now):
            if first is None:
                return found
            if first.deadline > R.now:
                R.now = first.deadline
            fire(first)
        found = [t for t in R.live if t.wait is None or t.wait.ready(t)]
    return found


# Longest real time in which something may come from outside of the process, when no thread can go
# on without it.
OUTSIDE_SECONDS = 2.0


def arrives(seconds):
    """Whether something comes from outside that a thread waits for, in so many seconds."""
    waiting = [t.wait for t in R.live if hasattr(t.wait, "outside") and t.wait.outside()]
    left = min(seconds, OUTSIDE_SECONDS)
    while waiting and left > 0:
        # In turns, should there be several.
        turn = left if len(waiting) == 1 else min(left, 0.01)
        for resource in waiting:
            if resource.arrives(turn):
                return True
            left -= turn
    return False


def fire(task):
    """Ends a timed wait."""
    task.timed_out = True
    task.wait = None
    task.deadline = None
    task.pending = task.pending & ~(63 << KIND_SHIFT) | TIMEOUT << KIND_SHIFT


def choose():
    """The task that takes the next step, or None when the run is over (see R.status)."""
    step = len(R.trace)
    if step >= R.max_steps:
        R.status = TOO_LONG
        return None
    me = R.cur
    if step - R.since >= SPIN:
        # Checked at steps that depend on the trace alone, so that every plan sees it alike.
        R.since = step
        if not me.done and me.wait is None and spinning(me):
            me.wait = Change(step)
            me.pending = me.pending & SITE_MASK | AWAIT << KIND_SHIFT
    naps = R.naps
    while R.nap < len(naps) and naps[R.nap][0] <= step:
        R.sleeping.add(naps[R.nap][1])
        R.nap += 1
    segment = R.segment
    ends = R.ends
    if R.by_position:
        while segment < R.segments and arrived(segment):
            segment += 1
    else:
        while segment < R.segments and step >= ends[segment]:
            segment += 1
    R.segment = segment
    chosen = None
    if segment < R.segments:
        index = R.threads[segment]
        if index < len(R.tasks):
            chosen = R.tasks[index]
        if chosen is not None and not enabled(chosen):
            if not runnable() or not enabled(chosen):
                chosen = None
        if chosen is None:
            if not R.lenient:
                R.status = DIVERGED
                R.diverged = step
                return None
            # Skipped: what it asks for cannot be done, or is done already.
            R.ends[segment] = -1
            return choose()
        R.limit = 0 if R.by_position else ends[segment]
        if R.nap < len(naps) and naps[R.nap][0] < R.limit:
            R.limit = naps[R.nap][0]
        if R.sleeping or R.enabled_log is not None:
            R.limit = 0
    else:
        found = runnable()
        if not found:
            R.status = DEADLOCK
            if R.stuck is not None:
                R.stuck()
            return None
        if R.sleeping:
            sleeping = R.sleeping
            found = [t for t in found if t.index not in sleeping]
            if not found:
                R.status = SLEEP_BLOCKED
                return None
            R.limit = 0
        else:
            R.limit = 0
        chosen = R.policy(found)
    if chosen is not me:
        R.since = R.turn = step
    if R.limit > R.since + SPIN:
        R.limit = R.since + SPIN
    if R.enabled_log is not None:
        mask = 0
        for t in runnable():
            mask |= 1 << t.index
        R.enabled_log.append((step, mask))
        R.limit = 0
    if R.sleeping:
        operation = chosen.pending
        for index in list(R.sleeping):
            other = R.tasks[index]
            if other is chosen or conflict(other.pending, operation):
                R.sleeping.discard(index)
                R.wakes.append((step, index))
    if R.by_position and R.segment < R.segments:
        if is_inner(chosen.pending >> SITE_SHIFT & 0xFFFFF):
            chosen.inner += 1
        else:
            chosen.own += 1
            chosen.inner = 0
    return chosen


def arrived(segment):
    """Whether a thread is at the position at which its segment ends."""
    if R.ends[segment] < 0:
        return True
    index = R.threads[segment]
    if index >= len(R.tasks):
        return False
    task = R.tasks[index]
    own = R.ends[segment]
    return task.done or task.own > own or (task.own == own and task.inner >= R.inners[segment])


# Others get their turn after so many operations of one task: it may be waiting for them in a loop
# that writes, too.
TURN = 1000

# A thread that only reads for so many operations in a row is taken to wait in a loop.
SPIN = 48


class Change:
    """What a polling thread waits for: an operation of another thread that writes."""

    __slots__ = ("at",)

    def __init__(self, at):
        # Position in the trace up to which there was none.
        self.at = at

    def ready(self, task):
        trace = R.trace
        index = task.index
        for position in range(self.at, len(trace)):
            word = trace[position]
            if word >> TASK_SHIFT != index and MODE[word >> KIND_SHIFT & 63] == WRITES:
                return True
        self.at = len(trace)
        return False

    def describe(self):
        return "a change by another thread (it polls)"


class Unchanged:
    """What a busy-waiting loop waits for: that another thread writes what its test has read.
    Until then its next turn is like the last one."""

    __slots__ = ("reads", "at", "place")

    def __init__(self, reads, at):
        self.reads = reads
        # Position in the trace up to which nothing was written.
        self.at = at
        self.place = reads[0] & PLACE_MASK

    def ready(self, task):
        trace = R.trace
        index = task.index
        for position in range(self.at, len(trace)):
            word = trace[position]
            if word >> TASK_SHIFT != index:
                for read in self.reads:
                    if conflict(read, word):
                        self.place = read & PLACE_MASK
                        # The wait is ordered after what ended it.
                        task.pending = task.pending & ~PLACE_MASK | self.place
                        self.at = position
                        return True
        self.at = len(trace)
        return False

    def describe(self):
        return "a change of what its loop tests"


def go_on(found):
    """Tail policy: the running task goes on until it blocks, sleeps, spins, or had a long turn."""
    me = R.cur
    R.limit = 0 if R.sleeping else NEVER
    if me in found:
        if len(found) == 1:
            return me
        if me.pending >> KIND_SHIFT & 63 != SLEEP and len(R.trace) - R.turn < TURN:
            return me
    index = me.index
    for task in found:
        if task.index > index:
            return task
    return found[0]


def spinning(me):
    """Whether the running task did nothing but read a few places again and again."""
    trace = R.trace
    if len(trace) < SPIN:
        return False
    index = me.index
    last = trace[-SPIN:]
    if len(set(last)) > SPIN // 4:
        return False
    return all(
        word >> TASK_SHIFT == index and MODE[word >> KIND_SHIFT & 63] == READS for word in last
    )


def seeded_random(found):
    """Tail policy: any enabled task, each step."""
    return found[int(R.rng() * len(found))] if len(found) > 1 else found[0]


def partial_order(found):
    """Tail policy POS (Yuan, Yang, Gu; CAV 2018): a random priority for each pending operation,
    drawn again when a conflicting one was executed before it."""
    R.cur.priority = R.rng()
    best = found[0]
    for task in found:
        if task.priority > best.priority:
            best = task
    operation = best.pending
    for task in R.live:
        if task is not best and conflict(task.pending, operation):
            task.priority = R.rng()
    return best


def priorities(found):
    """Tail policy PCT (Burckhardt et al., ASPLOS 2010): a fixed random priority for each task,
    lowered at the plan's change points."""
    R.hot_steps += 1
    points = R.change_points
    if points and R.hot_steps >= points[0]:
        points.pop(0)
        R.cur.priority = -R.hot_steps
    elif R.cur.pending >> KIND_SHIFT & 63 == SLEEP:
        R.cur.priority = -R.hot_steps
    return max(found, key=lambda t: t.priority)


def uniform(found):
    """Tail policy SURW (Zhao et al., ASPLOS 2025): a task with a probability in proportion to the
    operations it and its unborn children have left, so that schedules are drawn evenly."""
    total = 0
    for task in found:
        total += task.weight + 1
    at = R.rng() * total
    for task in found:
        at -= task.weight + 1
        if at < 0:
            break
    if task.weight > 0:
        task.weight -= 1
    return task


POLICIES = (go_on, seeded_random, partial_order, priorities, uniform)


def decide(operation):
    """Called by the running task before `operation` when a choice is due; returns when the task
    is chosen to perform it."""
    me = R.cur
    me.pending = operation
    if R.abort:
        raise Abort
    hot = R.hot
    if (
        hot is not None
        and R.segment >= R.segments
        and not R.sleeping
        and me.wait is None
        and (operation >> SITE_SHIFT & 0xFFFFF) not in hot
        and len(R.trace) < min(R.max_steps, R.since + SPIN)
    ):
        return
    chosen = choose()
    if chosen is me:
        return
    if chosen is None:
        stop()
    hand_over(me, chosen)
    if me.pending >> KIND_SHIFT & 63 == AWAIT and operation >> KIND_SHIFT & 63 != AWAIT:
        # It waited in a loop, and something has changed: that is an operation of its own.
        me.wait = None
        R.trace.append(R.base | me.pending)
        if len(R.trace) >= R.limit:
            decide(operation)


# Timed waits shorter than this are polls: they may end at any time, each once for each thread and
# site. Longer ones are safety nets: they end when nothing else can go on.
POLL_SECONDS = 1.0


def may_expire(timeout, site):
    """Whether a timed wait is to be a look at the state as it is."""
    if timeout is None or timeout < 0 or timeout >= POLL_SECONDS:
        return False
    expired = R.cur.expired
    if site in expired:
        return False
    expired.add(site)
    return True


def hand_over(me, chosen):
    """Lets `chosen` run and waits until `me` is chosen again."""
    R.cur = chosen
    R.base = chosen.base
    _write(chosen.worker.write_fd, ONE)
    _read(me.worker.read_fd, 8)
    if R.abort:
        raise Abort


def stop():
    """Ends the run from the running task; does not return."""
    R.abort = True
    R.limit = 0
    me = R.cur
    if me.index == 0:
        raise Abort
    # The main task unwinds first and then unwinds the others, this one included.
    main = R.tasks[0]
    R.cur = main
    _write(main.worker.write_fd, ONE)
    _read(me.worker.read_fd, 8)
    raise Abort


def step(operation):
    """An operation that is always enabled: waits for its turn and records it."""
    trace = R.trace
    if len(trace) >= R.limit:
        decide(operation)
    trace.append(R.base | operation)


def wait_for(operation, resource, deadline=None):
    """An operation that is enabled once `resource.ready(task)`. Waits for its turn; the caller
    records it. Returns False when the deadline (virtual time) came first."""
    me = R.cur
    if len(R.trace) >= R.limit or not resource.ready(me):
        me.wait = resource
        me.deadline = deadline
        try:
            decide(operation)
        finally:
            me.wait = None
            me.deadline = None
        if me.timed_out:
            me.timed_out = False
            return False
    return True


def forget():
    """Drops what the last run left while nothing is under control: finalisers and weak references
    would otherwise call into the next run, at a moment that no plan decides."""
    tasks, R.tasks = R.tasks, []
    for task in tasks[1:]:
        while not task.worker.idle:
            real_sleep(0)
        task.job = None
    for left in (R.places, R.objects, R.parts, R.keep, R.views, R.frames):
        left.clear()


def begin(plan):
    """Prepares a run that follows `plan` (see serve.py)."""
    forget()
    R.serial += 1
    R.trace = plan.steps
    R.ends = plan.ends
    R.threads = plan.threads
    R.segments = len(plan.ends)
    R.segment = 0
    R.by_position = plan.inners is not None
    R.inners = plan.inners
    R.naps = plan.naps
    R.nap = 0
    R.sleeping = set()
    R.wakes = []
    R.policy = POLICIES[plan.policy]
    R.hot = plan.hot if plan.policy else None
    R.counts = plan.counts
    R.change_points = list(plan.change_points)
    R.hot_steps = 0
    R.since = R.turn = 0
    R.rng = random.Random(plan.seed).random if plan.policy else None
    R.abort = False
    # Threads had more to do at the end of the process.
    R.cut = False
    R.status = OK
    R.diverged = -1
    R.max_steps = plan.max_steps
    R.lenient = plan.lenient
    R.enabled_log = [] if plan.log_enabled else None
    R.now = 0.0
    R.clock_calls = 0
    R.notes = set()
    R.detail = [] if plan.detail else None
    R.limit = 0
    main = Task(0, WORKERS[0], "MainThread")
    WORKERS[0].ident = get_ident()
    prime(main)
    R.cur = main
    R.base = 0
    R.tasks = [main]
    R.live = [main]
    R.unjoined = 0
    R.solo = True
    R.active = True
    return main


def prime(task):
    """Gives a new task its random priority or its weight."""
    if R.rng is not None:
        task.priority = R.rng()
        if task.index < len(R.counts):
            task.weight = R.counts[task.index]


def spawn(name, daemon, body):
    """Starts a task; records the start. Returns the task."""
    me = R.cur
    task = Task(0, None, name)
    task.daemon = daemon
    task.parent = me.index
    R.solo = False
    step(sk(START, caller_site()) | place_of(task))
    index = len(R.tasks)
    if index >= MAX_TASKS:
        raise RuntimeError("can't start new thread: more than %d in one run" % MAX_TASKS)
    task.index = index
    task.base = index << TASK_SHIFT
    task.worker = worker(index)
    prime(task)
    R.unjoined += 1
    R.tasks.append(task)
    R.live.append(task)
    task.pending = sk(BEGIN) | place_of(task)
    task.worker.job = task.job = lambda: run_task(task, body)
    if task.weight and me.weight:
        me.weight = max(0, me.weight - task.weight)
    return task


def run_task(task, body):
    """The body of a worker for one task."""
    if R.abort:
        task.done = True
        _write(WORKERS[0].write_fd, ONE)
        return
    R.trace.append(task.base | task.pending)
    serial = R.serial
    try:
        body()
        step(sk(END) | place_of(task))
    except Abort:
        pass
    except BaseException as error:  # an error of the agent itself: say it, do not hang
        task.error = error
    if R.serial != serial:
        return
    finish(task)


def finish(task):
    """The task is over: another one goes on."""
    task.done = True
    if task in R.live:
        R.live.remove(task)
    if R.abort:
        _write(WORKERS[0].write_fd, ONE)
        return
    chosen = choose()
    if chosen is None:
        R.abort = True
        R.limit = 0
        chosen = R.tasks[0]
    R.cur = chosen
    R.base = chosen.base
    _write(chosen.worker.write_fd, ONE)


def joined(task):
    """A join of `task` was recorded."""
    if not task.joined:
        task.joined = True
        R.unjoined -= 1
        if R.unjoined == 0 and len(R.live) == 1:
            R.solo = True


class Everyone:
    """What the end of the main program waits for: all threads that are not daemons."""

    def ready(self, _task):
        for t in R.live:
            if t.index and not t.daemon:
                return False
        return True

    def describe(self):
        return "the end of the other threads"


EVERYONE = Everyone()

# So many operations other threads may take when the process is about to end.
LAST_STEPS = 200


class Idle:
    """What the end of the process waits for: that the threads it ends, daemons for instance, wait
    as well. A process that ends earlier does nothing that this one does not do; one in which they
    never ran would be certified without regard to what they do."""

    __slots__ = ("since",)

    def __init__(self):
        self.since = len(R.trace)

    def ready(self, task):
        return len(R.trace) - self.since >= LAST_STEPS or not others_at_work(task)

    def describe(self):
        return "the threads that the end of the process ends"


def others_at_work(me):
    """Whether another thread can go on without time passing."""
    for t in R.live:
        if t is not me and (t.wait is None or t.wait.ready(t)):
            return True
    return False


def outlast_others():
    """Called by the task that ends the process: the other threads do what they still can."""
    if len(R.live) > 1:
        # Nobody sees this operation: it is not recorded.
        wait_for(sk(JOIN), Idle())
        if others_at_work(R.cur):
            R.cut = True
            R.notes.add(
                "threads were stopped after %d more operations when the process was over"
                % LAST_STEPS
            )


def unwind(timeout):
    """Called by the agent when the main task is over: ends the others. Returns False when one of
    them does not unwind, after which the process is of no use."""
    R.abort = True
    R.limit = 0
    main = WORKERS[0]
    for task in R.tasks[1:]:
        if task.done:
            continue
        R.cur = task
        R.base = task.base
        _write(task.worker.write_fd, ONE)
        # Each task answers with one token; one left behind would wake a later run.
        poll = select.poll()
        poll.register(main.read_fd, select.POLLIN)
        if not poll.poll(timeout * 1000):
            return False
        _read(main.read_fd, 8)
    R.active = False
    R.solo = True
    R.cur = None
    return True


# --- sites of synchronisation calls -----------------------------------------------------------

_frame_sites = {}
# id(code) -> module record of rewritten code; filled by project.py.
project_code = {}
# Called with (file name, line, function, inner) to number a site; set by project.py.
new_site = None
# Whether a site is a call from library code; set by project.py.
is_inner = None


def caller_site():
    """The site, in the program's own code, of the synchronisation call being made; 0 when the
    thread runs library code only."""
    frame = sys._getframe(2)
    inner = False
    while frame is not None:
        code = frame.f_code
        key = (id(code), frame.f_lasti, inner)
        site = _frame_sites.get(key)
        if site is None:
            _kept_codes.append(code)
            site = -1
            if id(code) in project_code:
                site = new_site(code.co_filename, frame.f_lineno or 0, code.co_name, inner)
            _frame_sites[key] = site
        if site >= 0:
            return site
        frame = frame.f_back
        inner = inner or code.co_filename[:1] != "<" and "raceproof_agent" not in code.co_filename
    return 0


# Code objects whose addresses are keys of `_frame_sites`.
_kept_codes = []
