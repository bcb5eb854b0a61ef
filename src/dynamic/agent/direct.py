"""Runs one schedule without a searching process: what `raceproof replay --pdb` and the files that
`raceproof explore --emit-test` writes do."""

import faulthandler
import gc
import os
import sys
import tempfile
import traceback
import types

from . import core, patch, program, serve
from .project import PROJECT


def plan_of(options):
    """The plan for a witness's schedule: (thread, own, library) triples."""
    plan = serve.plain_plan()
    schedule = options["schedule"]
    plan.threads = [it[0] for it in schedule]
    plan.ends = [it[1] for it in schedule]
    plan.inners = [it[2] for it in schedule]
    plan.lenient = True
    return plan


def result_of(result):
    """What a run came to, as `oracle/serial.rs` compares it: the lines printed, in the order of
    their text, and the value returned."""
    printed = result.output + program.raw_output()
    lines = [line[:-1] if line[-1:] == "\r" else line for line in printed.split("\n")]
    if not lines[-1]:
        lines.pop()
    text = "\n".join(sorted(lines))
    if result.value is not None:
        text += ("\n" if text else "") + program.shown(result.value)
    return text


def own_trace(error):
    """The traceback of an exception from the first to the last frame of the program's own code,
    without those of the scheduler."""
    entries = []
    own = 0
    at = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        if id(code) in core.project_code:
            own = len(entries) + 1
        if own and not code.co_filename.startswith("<raceproof_agent>"):
            entries.append(at)
        at = at.tb_next
    made = None
    for at in reversed(entries[:own]):
        made = types.TracebackType(made, at.tb_frame, at.tb_lasti, at.tb_lineno)
    return made or error.__traceback__


def error_lines(result):
    """The lines Python prints for an exception, or where the program left."""
    error = result.error
    if isinstance(error, (SystemExit, core.ProcessExit)):
        return traceback.format_tb(own_trace(error)) + [result.failure["message"] + "\n"]
    return traceback.format_exception(type(error), error, own_trace(error))


def judged(options, result):
    """The lines to show when the run failed, else None."""
    if result.failure is not None:
        lines = []
        if result.error is not None:
            lines += error_lines(result)
        for it in result.blocked or ():
            lines.append("%s waits for %s\n" % (core.R.tasks[it["thread"]].name, it["waits"]))
        return "".join(lines) or result.failure["message"]
    came = result_of(result)
    if options["serial"] and came not in options["serial"]:
        orders = " or ".join(repr(it) for it in options["serial"][:4])
        return "the result %r comes from no serial order of the threads, which give %s" % (
            came,
            orders,
        )
    return None


def captured():
    """Sends to a file what the program writes to descriptors, as when it was explored; returns
    the descriptors with copies of what they were."""
    kept = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    with tempfile.TemporaryFile() as file:
        raw = os.dup(file.fileno())
    for descriptor, _ in kept:
        os.dup2(raw, descriptor)
    program.redirect(raw)
    return kept


def finish(body, options, real):
    """Runs `body` under the schedule, prints what fails and exits with 1, or exits with 0."""
    gc.collect()
    gc.freeze()
    plan = plan_of(options)
    debugger = None
    if options["pdb"]:
        from .debug import Debugger

        debugger = Debugger(*real)
        core.R.stuck = debugger.waiting
        if options["stop"] is not None:
            plan.steps = debugger.before(options["stop"])
    if options["failure"] == "hang" and debugger is None:
        faulthandler.dump_traceback_later(options["seconds"], exit=True, file=2)
    # The frames of the interpreter itself, which 3.14 shows too, help nobody here.
    faulthandler.enable(2, **({"c_stack": False} if sys.version_info >= (3, 14) else {}))
    kept = captured() if options["serial"] and debugger is None else None
    result = program.run(body, plan)
    shown = judged(options, result)
    for descriptor, copy in kept or ():
        os.dup2(copy, descriptor)
    sys.stdin, sys.stdout, sys.stderr = real
    if shown is not None:
        print(shown, file=sys.stderr)
        if debugger is not None and result.error is not None:
            debugger.after_death(own_trace(result.error))
    sys.stdout.flush()
    sys.stderr.flush()
    patch.real_exit(0 if shown is None else 1)


def main(options):
    """Entry: never returns."""
    real = (sys.stdin, sys.stdout, sys.stderr)
    serve.prepare(options)
    if options["kind"] == "pytest":
        from . import pytest_items

        uncollected = []
        why = pytest_items.start(
            options["target"],
            lambda items, errors: uncollected.extend(errors),
            lambda body: finish(body, options, real),
        )
        sys.stdin, sys.stdout, sys.stderr = real
        print("\n".join(uncollected) or why, file=sys.stderr)
        patch.real_exit(2)
    made = program.Program(
        options["kind"], options["target"], options.get("function"), options["argv"]
    )
    PROJECT.code(made.file)
    finish(made.main, options, real)
