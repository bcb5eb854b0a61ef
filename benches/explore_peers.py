"""raceproof explore against frontrun and interleave-test on a folder of runnable programs.

    python3 benches/explore_peers.py FOLDER --raceproof target/release/raceproof \\
        --python python3.14t --peers VENV/bin [--budget 10] [--peer-budget 10] [--seeds 10]

Each program has a `main()`, run as a script; the first line of its docstring holds `verdict=ok`
or the kind of its bug. The peers are installed with
`VENV/bin/pip install frontrun==0.7.0 interleave-test==0.1.0`; frontrun is given a program's
`make`, `THREADS` and `check`, which the programs of the folder also define.

Rates are told twice: by the clock, and by the processor time of all processes, which a busy
machine does not change much.
"""

import argparse
import json
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time

LOAD = """
import importlib.util, json, sys, time
path, budget, rate_budget = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
spec = importlib.util.spec_from_file_location("program", path)
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
"""

FRONTRUN = """
import frontrun
def holds(state):
    try:
        program.check(state)
        return True
    except AssertionError:
        return False
def explore(seconds, first):
    return frontrun.explore(setup=program.make, workers=program.THREADS, invariant=holds,
                            detect_io=False, total_timeout=seconds, reproduce_on_failure=0,
                            stop_on_first=first)
certified = False
try:
    result = explore(budget, True)
    found, runs, certified = not result.property_holds, result.num_explored, result.property_holds
except Exception as error:
    # What a thread of the program raises ends its search: found, but nobody says after how many.
    if type(error).__module__.startswith("frontrun") and "imeout" in type(error).__name__:
        raise
    found, runs = True, 0
more, clock, processor = 0, time.monotonic(), time.process_time()
try:
    more = explore(rate_budget, False).num_explored
except Exception:
    pass
"""

INTERLEAVE_TEST = """
import interleave_test
def explore(iterations, seed):
    return interleave_test.explore(program.main, strategy="pct", iterations=iterations, seed=seed,
                                   raise_on_failure=False)
runs, found, started, certified = 0, False, time.monotonic(), False
# It has no budget of time, so it gets its iterations in portions.
while not found and time.monotonic() - started < budget and runs < 1000:
    result = explore(20, runs)
    found = result.failure is not None
    runs += result.schedules_run
more, clock, processor = 0, time.monotonic(), time.process_time()
while time.monotonic() - clock < rate_budget:
    more += explore(20, more).schedules_run
"""

TELL = """
print(json.dumps({"found": found, "runs": runs, "certified": bool(certified), "more": more,
                  "seconds": time.monotonic() - clock,
                  "processor": time.process_time() - processor}))
"""


class Tool:
    """What one tool came to on all programs."""

    def __init__(self, name):
        self.name = name
        self.found = self.alarms = self.certified = 0
        self.firsts = []
        self.wall = []
        self.processor = []

    def rate(self, runs, seconds, processor):
        self.wall.append(runs / seconds)
        self.processor.append(runs / processor)

    def tell(self, buggy, correct):
        print(
            "%s: found %d of %d, alarms %d, certified %d of %d, first failure %s (median), "
            "schedules a second %.0f by the clock, %.0f by processor time (medians)"
            % (
                self.name,
                self.found,
                buggy,
                self.alarms,
                self.certified,
                correct,
                statistics.median(self.firsts) if self.firsts else "unknown",
                statistics.median(self.wall or [0]),
                statistics.median(self.processor or [0]),
            )
        )


def timed(command, timeout):
    """Standard output, seconds by the clock, seconds of processor time; None for the output when
    the command did not end in time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    try:
        output = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout
        ).stdout.decode()
    except subprocess.TimeoutExpired:
        output = None
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return output, seconds, max(processor, 1e-3)


def ours(args, tool, path, buggy):
    """Explores with each seed, and measures the rate on schedules that go on after a failure."""
    command = [args.raceproof, "explore", str(path), "--python", args.python]
    command += ["--output-format", "json", "--witness", "/dev/null"]
    firsts, ratio = [], 0
    for seed in range(args.seeds if buggy else 1):
        output, _, _ = timed(command + ["--budget", args.budget, "--seed", str(seed)], None)
        result = json.loads(output)["programs"][0]
        if result["first_failure"] is not None:
            firsts.append(result["first_failure"])
    if buggy:
        tool.found += len(firsts) == args.seeds
        tool.firsts += firsts
    else:
        tool.alarms += bool(firsts)
        tool.certified += result["verdict"] == "none-exists"
        ratio = result["schedules"] / max(1, result["traces"])
    count = ["--strategy", "pos", "--count", "--jobs", "1", "--max-schedules", args.schedules]
    output, seconds, processor = timed(command + count, None)
    result = json.loads(output)["programs"][0]
    tool.rate(result["schedules"], result["seconds"], processor)
    return "first %s, %s" % (firsts, result["verdict"]) if buggy else "%.2f runs a trace" % ratio


def peer(args, tool, path, buggy):
    if tool.name == "frontrun":
        command = ["%s/frontrun" % args.peers, "%s/python" % args.peers, "-c"]
        command += [LOAD + FRONTRUN + TELL]
    else:
        command = ["%s/python" % args.peers, "-c", LOAD + INTERLEAVE_TEST + TELL]
    output, _, _ = timed(
        command + [str(path), args.peer_budget, args.peer_rate_seconds],
        6 * float(args.peer_budget) + 3 * float(args.peer_rate_seconds) + 60,
    )
    try:
        result = json.loads(output.splitlines()[-1])
    except (AttributeError, ValueError, IndexError):
        return "no result"
    tool.found += buggy and result["found"]
    tool.alarms += not buggy and result["found"]
    tool.certified += not buggy and result["certified"]
    if buggy and result["found"] and result["runs"]:
        tool.firsts.append(result["runs"])
    if result["more"]:
        tool.rate(result["more"], result["seconds"], max(result["processor"], 1e-3))
    return json.dumps(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--raceproof", default="raceproof")
    parser.add_argument("--python", default="python3.14t")
    parser.add_argument("--peers", help="the folder of the peers' python")
    parser.add_argument("--budget", default="10")
    parser.add_argument("--peer-budget", default="10")
    parser.add_argument("--peer-rate-seconds", default="5", help="for measuring their rate")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--schedules", default="3000", help="for measuring the rate")
    args = parser.parse_args()
    tools = [Tool("raceproof")]
    if args.peers:
        tools += [Tool("frontrun"), Tool("interleave-test")]
    buggy = correct = 0
    for path in sorted(args.folder.glob("*.py")):
        head = path.read_text().split("\n", 1)[0]
        is_buggy = re.search(r"verdict=(\w+)", head).group(1) != "ok"
        buggy += is_buggy
        correct += not is_buggy
        for tool in tools:
            measure = ours if tool is tools[0] else peer
            told = measure(args, tool, path, is_buggy)
            rates = "%.0f/s, %.0f/s of processor" % (
                (tool.wall[-1], tool.processor[-1]) if tool.wall else (0, 0)
            )
            print("%-30s %-15s %s; %s" % (path.stem, tool.name, rates, told), flush=True)
    for tool in tools:
        tool.tell(buggy, correct)


if __name__ == "__main__":
    sys.exit(main())
