"""Runs one schedule without a searching process: what `raceproof replay --pdb` and the files that
`raceproof explore --emit-test` writes do."""

import gc
import pdb
import sys
import traceback

from . import core, patch, program, serve, thread
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


def run(options):
    """Runs the schedule; returns the lines to show when it fails, else None. With
    `options["pdb"]`, the debugger is entered where the exception was raised."""
    real = (sys.stdin, sys.stdout, sys.stderr)
    serve.prepare(options)
    made = program.Program(
        options["kind"], options["target"], options.get("function"), options["argv"]
    )
    PROJECT.code(made.file)
    gc.collect()
    gc.freeze()
    result = program.run(made.main, plan_of(options))
    sys.stdin, sys.stdout, sys.stderr = real
    if result.failure is None:
        return None
    lines = []
    for failure in thread.failures:
        if not isinstance(failure.value, core.Abort):
            lines += thread.thread_error(failure)
            if options.get("pdb"):
                traceback.print_exception(
                    type(failure.value), failure.value, failure.value.__traceback__
                )
                debugger = pdb.Pdb(stdin=real[0], stdout=real[1])
                debugger.reset()
                debugger.interaction(None, innermost(failure.value.__traceback__))
            break
    for it in result.blocked or ():
        lines.append("%s waits for %s\n" % (core.R.tasks[it["thread"]].name, it["waits"]))
    return "".join(lines) or result.failure["message"]


def innermost(trace):
    """The traceback from the last frame of the program's own code."""
    found = trace
    while trace is not None:
        if id(trace.tb_frame.f_code) in core.project_code:
            found = trace
        trace = trace.tb_next
    return found


def main(options):
    """Prints what fails and exits with 1, or exits with 0."""
    shown = run(options)
    if shown is not None:
        print(shown, file=sys.stderr)
    sys.stderr.flush()
    patch.real_exit(0 if shown is None else 1)
