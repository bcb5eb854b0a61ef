"""The agent's side of the protocol (`protocol.rs` is the other one).

A plan arrives as a length and 32-bit words: see `Plan`. A result leaves as a header of eight
32-bit words, the trace as 64-bit words, wake-ups and pending operations, and JSON text for what
is rare: a failure, new sites, output. With a journal, each step leaves by itself before.
"""

import array
import faulthandler
import gc
import json
import os
import select
import signal
import struct
import sys
import traceback

from . import access, core, patch, program, project, thread
from .core import R
from .journal import Journal, Steps
from .project import PROJECT

FORMAT = 1


class Plan:
    """A forced prefix, sleeping threads by depth, and a policy for the rest."""

    __slots__ = (
        "policy", "seed", "max_steps", "detail", "lenient", "log_enabled", "ends", "threads",
        "naps", "hot", "counts", "change_points", "inners", "journal", "steps",
    )  # fmt: skip

    def __init__(self, words):
        (
            self.policy, self.seed, flags, self.max_steps, segments, naps, hot, counts, points,
        ) = words[:9]  # fmt: skip
        self.detail = flags & 1
        self.lenient = flags & 2
        self.log_enabled = flags & 4
        self.journal = flags & 16
        # The list that the trace is written to.
        self.steps = []
        at = 9
        self.threads = words[at : at + segments]
        at += segments
        self.ends = list(words[at : at + segments])
        at += segments
        # With positions, `ends` counts a thread's operations at own sites, `inners` those of
        # library code after them.
        self.inners = None
        if flags & 8:
            self.inners = words[at : at + segments]
            at += segments
        self.naps = list(zip(words[at : at + naps], words[at + naps : at + 2 * naps]))
        at += 2 * naps
        self.hot = None if hot == 0xFFFFFFFF else frozenset(words[at : at + hot])
        at += 0 if hot == 0xFFFFFFFF else hot
        self.counts = words[at : at + counts]
        at += counts
        self.change_points = words[at : at + points]


def plain_plan():
    """Runs the program without preemption."""
    return Plan([0, 0, 0, 1 << 20, 0, 0, 0xFFFFFFFF, 0, 0])


class Channel:
    """Pipes to the searching process."""

    def __init__(self, read_fd, write_fd):
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.buffer = b""

    def read(self, size):
        while len(self.buffer) < size:
            data = os.read(self.read_fd, 1 << 16)
            if not data:
                patch.real_exit(0)
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def receive(self):
        size = int.from_bytes(self.read(4), "little")
        if not size:
            return None
        return struct.unpack("<%dI" % size, self.read(4 * size))

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[core._write(self.write_fd, view) :]


def text_of(result):
    """The rare part of a result."""
    found = PROJECT.news()
    if result.failure is not None:
        found["failure"] = result.failure
    if result.blocked is not None:
        found["blocked"] = result.blocked
    output = result.output + program.raw_output()
    if output:
        found["output"] = output
    if result.errors:
        found["errors"] = result.errors
    if result.value is not None:
        found["value"] = program.shown(result.value)
    if R.notes:
        found["notes"] = sorted(R.notes)
    if R.detail is not None:
        found["detail"] = R.detail
        found["names"] = [t.name for t in R.tasks]
    return found


_HEADER = struct.Struct("<8I")


def encode(result):
    text = text_of(result)
    body = json.dumps(text).encode("utf-8", "surrogatepass") if text else b""
    trace = R.trace
    extra = []
    for step, index in R.wakes:
        extra += (step, index)
    parents = [t.parent & 0xFFFFFFFF for t in R.tasks]
    pending = [w for index, word in result.pending for w in (index, word & 0xFFFFFFFF, word >> 32)]
    log = R.enabled_log or ()
    masks = [w for step, mask in log for w in (step, mask & 0xFFFFFFFF, mask >> 32 & 0xFFFFFFFF)]
    flags = result.status | (0 if result.reusable else 256) | (512 if R.cut else 0)
    diverged = R.diverged & 0xFFFFFFFF
    header = _HEADER.pack(
        flags, len(trace), len(R.wakes), len(parents), len(result.pending), len(log), len(body),
        diverged,
    )  # fmt: skip
    return b"".join(
        (
            header,
            array.array("Q", trace).tobytes(),
            array.array("I", extra + parents + pending + masks).tobytes(),
            body,
        )
    )


def forget_all():
    """At the end: lets the objects of the last runs die. Some remove files when they do."""
    thread.reset()
    core.forget()
    PROJECT.reset()
    sys.modules.pop("__main__", None)
    gc.collect()


def guard(read_fd):
    """Starts a process that ends this one, and those that the program starts, when the searching
    process is gone. A thread could not do that while an extension blocks with the GIL."""
    agent = os.getpid()
    leads = os.getpgrp() == agent
    alive, held = os.pipe()
    pid = os.fork()
    if pid:
        # Its child has no parent, so the program never waits for it. `held` stays open.
        os.waitpid(pid, 0)
        os.close(alive)
        return
    if os.fork():
        os._exit(0)
    try:
        kept = sorted((read_fd, alive))
        os.closerange(0, kept[0])
        os.closerange(kept[0] + 1, kept[1])
        os.closerange(kept[1] + 1, 256)
        poll = select.poll()
        poll.register(read_fd, 0)
        poll.register(alive, 0)
        ended = []
        while not ended:
            ended = [fd for fd, _ in poll.poll()]
        if read_fd in ended and leads:
            os.killpg(0, signal.SIGKILL)
        elif read_fd in ended:
            os.kill(agent, signal.SIGKILL)
    finally:
        os._exit(0)


class Server:
    """Runs plans as they come."""

    def __init__(self, channel, body, options, keep_modules=False):
        self.keep_modules = keep_modules
        self.error_fd = options["error_fd"]
        self.channel = channel
        self.body = body
        self.isolate = options["isolate"]
        self.runs = 0

    def serve(self):
        while True:
            words = self.channel.receive()
            if words is None:
                forget_all()
                patch.real_exit(0)
            self.one(Plan(words))

    def one(self, plan):
        """Runs one plan and sends the result."""
        if self.isolate == "fork":
            self.forked(plan)
            return
        self.runs += 1
        # Event loops hold descriptors until they are collected.
        if self.runs % (32 if "asyncio" in sys.modules else 256) == 0:
            access.forget_classes()
            gc.collect()
        pid = os.getpid()
        result = self.execute(plan)
        if os.getpid() != pid:
            # A child that the program forked came back from its main code.
            patch.real_exit(0 if result.failure is None else 1)
        self.channel.send(encode(result))
        if not result.reusable:
            patch.real_exit(0)

    def execute(self, plan):
        if plan.journal:
            plan.steps = Steps(Journal(self.channel).tell)
        details = None
        if plan.detail:
            from . import detail as details

            details.install()
        if not self.keep_modules:
            PROJECT.reset()
        try:
            return program.run(self.body, plan)
        finally:
            if details is not None:
                details.remove()

    def forked(self, plan):
        """Runs one plan in a child of its own."""
        pid = os.fork()
        if pid == 0:
            patch.run_in_this_process()
            try:
                self.channel.send(encode(self.execute(plan)))
            except BaseException:
                os.write(self.error_fd, traceback.format_exc().encode("utf-8", "replace"))
                patch.real_exit(3)
            forget_all()
            patch.real_exit(0)
        # Sites and files that the child found are found again, with the same numbers, by the
        # next one. A child that died leaves its plan without a result: so does this process.
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            faulthandler.disable()
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
            os.kill(os.getpid(), os.WTERMSIG(status))
        elif status:
            patch.real_exit(os.WEXITSTATUS(status))


def prepare(options):
    """Patches the interpreter and makes the program ready to run."""
    directory = options["directory"]
    os.chdir(directory)
    kind = options["kind"]
    target = options["target"]
    in_file = kind in ("script", "function")
    first = os.path.dirname(os.path.abspath(target)) if in_file else directory
    sys.path[:] = [p for p in sys.path if p not in ("",)]
    sys.path.insert(0, first)
    patch.install()
    project.install(options["root"], options.get("all_accesses", False))
    sys.stdout = sys.__stdout__ = program.STDOUT
    sys.stderr = sys.__stderr__ = program.STDERR
    sys.stdin = sys.__stdin__ = open(os.devnull)
    gc.disable()


def main(options, channel):
    """Entry of the agent: never returns."""
    cpu = options.get("cpu")
    if cpu is not None and hasattr(os, "sched_setaffinity"):
        try:
            available = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {available[cpu % len(available)]})
        except OSError:
            pass
    guard(channel.read_fd)
    faulthandler.enable(options["error_fd"])
    faulthandler.register(signal.SIGUSR2, options["error_fd"], all_threads=True)
    prepare(options)
    hello = {
        "format": FORMAT,
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "free_threaded": bool(hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled()),
        "executable": sys.executable,
        "pid": os.getpid(),
    }
    if options["kind"] == "pytest":
        from . import pytest_items

        pytest_items.serve_items(options, channel, hello)
    try:
        made = program.Program(
            options["kind"], options["target"], options.get("function"), options["argv"]
        )
        PROJECT.code(made.file)
    except (SyntaxError, OSError, ValueError, ImportError, RecursionError) as error:
        hello["error"] = "%s: %s" % (type(error).__name__, error)
    send_text(channel, hello)
    if "error" in hello:
        patch.real_exit(2)
    gc.collect()
    gc.freeze()
    Server(channel, made.main, options).serve()


def send_text(channel, value):
    body = json.dumps(value).encode("utf-8", "surrogatepass")
    channel.send(len(body).to_bytes(4, "little") + body)
