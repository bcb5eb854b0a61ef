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

    def __init__(self, channel, hello, options):
        self.channel = channel
        self.hello = hello
        self.options = options
        self.errors = []

    def pytest_collection_finish(self, session):
        self.hello["items"] = [item.nodeid for item in session.items]
        if not session.items:
            self.hello["error"] = "pytest found no test"
        serve.send_text(self.channel, self.hello)
        if "error" in self.hello:
            patch.real_exit(2)
        # What pytest said while it collected is not output of a schedule.
        program.STDOUT.take()
        program.STDERR.take()

    def pytest_runtestloop(self, session):
        from _pytest import runner

        # With several, the searching process starts an agent for each.
        item = session.items[0]

        def body():
            reports = runner.runtestprotocol(item, log=False, nextitem=None)
            for report in reports:
                if report.outcome == "failed":
                    raise _error(report, self.errors)
            if any(report.outcome == "skipped" for report in reports):
                R.notes.add("the test is skipped or expected to fail")

        real_call = runner.CallInfo.from_call.__func__
        plugin = self

        def from_call(cls, func, when, reraise=None):
            # What unwinds a run is not a test's outcome.
            kept = (core.Abort, core.ProcessExit)
            reraise = (
                kept
                if reraise is None
                else kept + (reraise if isinstance(reraise, tuple) else (reraise,))
            )
            info = real_call(cls, func, when, reraise)
            if info.excinfo is not None:
                plugin.errors.append(info.excinfo.value)
            return info

        runner.CallInfo.from_call = classmethod(from_call)

        def once():
            del self.errors[:]
            return body()

        serve.Server(self.channel, once, self.options, keep_modules=True).serve()
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


def serve_items(options, channel, hello):
    """Entry: never returns."""
    try:
        import pytest
    except ImportError:
        hello["error"] = "%s has no pytest" % sys.executable
        serve.send_text(channel, hello)
        patch.real_exit(2)
    _rewriting_of_tests()
    plugin = Plugin(channel, hello, options)
    arguments = [
        options["target"], "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:xdist",
        "-p", "no:randomly", "-p", "no:faulthandler", "--capture=no",
    ]  # fmt: skip
    code = pytest.main(arguments, plugins=[plugin])
    hello["error"] = "pytest ended with status %s before a test ran: %s" % (
        int(code),
        (program.STDOUT.take() + program.STDERR.take())[-2000:],
    )
    serve.send_text(channel, hello)
    patch.real_exit(2)
