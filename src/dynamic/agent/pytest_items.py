"""Explores pytest tests: each schedule runs one test, with its fixtures, under control.

pytest is started once. Where it would run a test, this plugin serves the searching process: each
plan runs the test's setup, call and teardown anew. Test modules keep pytest's assertion
rewriting; ours is applied to what that leaves.
"""

import ast
import os
import sys

from . import core, patch, program, serve
from .core import R
from .project import PROJECT


class Failed(Exception):
    """A test report that is not a success and carries no exception of the test."""


class Plugin:
    """Takes over the running of tests."""

    def __init__(self, collected, run):
        # Called with the items and what could not be collected; and with a function that runs the first of them.
        self.collected = collected
        self.run = run
        self.errors = []
        self.uncollected = []

    def pytest_collectreport(self, report):
        if report.failed:
            self.uncollected.append(str(report.longrepr))

    def pytest_collection_finish(self, session):
        self.collected(session.items, self.uncollected)
        # What pytest said while it collected is not output of a schedule.
        program.STDOUT.take()
        program.STDERR.take()

    def pytest_exception_interact(self, node, call, report):
        if call.excinfo is not None:
            self.errors.append(call.excinfo.value)

    def pytest_runtestloop(self, session):
        from _pytest import runner

        # With several, the searching process starts an agent for each.
        item = session.items[0]
        real_call = runner.CallInfo.from_call.__func__

        def from_call(cls, func, when, reraise=None):
            # What unwinds a run is not a test's outcome.
            kept = (core.Abort, core.ProcessExit)
            reraise = (
                kept
                if reraise is None
                else kept + (reraise if isinstance(reraise, tuple) else (reraise,))
            )
            return real_call(cls, func, when, reraise)

        runner.CallInfo.from_call = classmethod(from_call)

        def once():
            del self.errors[:]
            reports = runner.runtestprotocol(item, log=False, nextitem=None)
            for report in reports:
                if report.outcome == "failed":
                    raise _error(report, self.errors)
            if any(report.outcome == "skipped" for report in reports):
                R.notes.add("the test is skipped or expected to fail")

        self.run(once)
        return True


def _error(report, errors):
    for error in errors:
        if not isinstance(error, _outcomes()):
            return error
    return Failed(str(report.longrepr)[:2000])


def _outcomes():
    from _pytest import outcomes

    return (outcomes.Skipped, outcomes.Exit)


def _rewriting_of_tests():
    """Applies our rewriting after pytest's own, and keeps pytest from its cache of old code."""
    from _pytest.assertion import rewrite

    real = rewrite._rewrite_test

    def rewrite_test(path, config):
        stat, code = real(path, config)
        name = os.fspath(path)
        if PROJECT.owns(name):
            with open(name, "rb") as stream:
                source = stream.read()
            tree = ast.parse(source, name)
            rewrite.rewrite_asserts(tree, source, name, config)
            code = PROJECT.compile_tree(tree, name)
            PROJECT.files.append(name)
        return stat, code

    rewrite._rewrite_test = rewrite_test
    rewrite._read_pyc = lambda *args, **kwargs: None


def start(target, collected, run):
    """Runs pytest on `target`; returns what is wrong when it ended before a test ran."""
    try:
        import pytest
    except ImportError:
        return "%s has no pytest" % sys.executable
    _rewriting_of_tests()
    arguments = [
        target, "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:xdist",
        "-p", "no:randomly", "-p", "no:faulthandler", "--capture=no",
    ]  # fmt: skip
    code = pytest.main(arguments, plugins=[Plugin(collected, run)])
    return "pytest ended with status %s before a test ran: %s" % (
        int(code),
        (program.STDOUT.take() + program.STDERR.take())[-2000:],
    )


def node(item):
    """A test as pytest is told of it in the present directory, which need not be its root."""
    path = os.path.relpath(str(getattr(item, "path", None) or item.fspath)).replace(os.sep, "/")
    return "::".join([path] + item.nodeid.split("::")[1:])


def serve_items(options, channel, hello):
    """Entry: never returns."""

    def collected(items, errors):
        hello["items"] = [node(item) for item in items]
        if errors:
            hello["error"] = "pytest could not collect the tests\n" + "\n".join(errors)
        elif not items:
            hello["error"] = "pytest found no test in %s" % options["target"]
        serve.send_text(channel, hello)
        if "error" in hello:
            patch.real_exit(2)

    def run(body):
        serve.Server(channel, body, options, keep_modules=True).serve()

    hello["error"] = start(options["target"], collected, run)
    serve.send_text(channel, hello)
    patch.real_exit(2)
