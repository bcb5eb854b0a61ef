"""raceproof explore against frontrun and interleave-test on a folder of runnable programs.

    python3 benches/explore_peers.py FOLDER --raceproof target/release/raceproof \\
        --python python3.14t --peer-python VENV/bin/python [--budget 10] [--seeds 10]

Each program has a `main()`, run as a script; the first line of its docstring holds `verdict=ok`
or the kind of its bug. The peers are installed with
`VENV/bin/pip install frontrun==0.7.0 interleave-test==0.1.0`; programs are given to them through
`make`, `THREADS` and `check`, which the programs of the folder also define.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

PEER = """
import importlib.util, json, sys, time
path, peer, budget, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
spec = importlib.util.spec_from_file_location("program", path)
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
started = time.perf_counter()
found, runs = False, 0
if peer == "frontrun":
    import frontrun
    def holds(state):
        try:
            program.check(state)
            return True
        except AssertionError:
            return False
    try:
        result = frontrun.explore(setup=program.make, workers=program.THREADS, invariant=holds,
                                  detect_io=False, total_timeout=budget, reproduce_on_failure=0)
        found, runs = not result.property_holds, result.num_explored
    except Exception:
        # An exception or a deadlock in a thread ends its search and counts as found.
        found = True
else:
    import interleave_test
    def model():
        program.main()
    result = interleave_test.explore(model, strategy="pct", iterations=1000, seed=seed,
                                     raise_on_failure=False)
    found, runs = result.failure is not None, result.schedules_run
print(json.dumps({"found": found, "runs": runs, "seconds": time.perf_counter() - started}))
"""


def verdict_of(path):
    head = path.read_text().split("\n", 1)[0]
    return re.search(r"verdict=(\w+)", head).group(1)


def raceproof(args, path, *more):
    command = [
        args.raceproof,
        "explore",
        str(path),
        "--python",
        args.python,
        "--output-format",
        "json",
        *more,
    ]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    programs = json.loads(output.stdout)["programs"]
    return programs[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--raceproof", default="raceproof")
    parser.add_argument("--python", default="python3.14t")
    parser.add_argument("--peer-python")
    parser.add_argument("--budget", default="10")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rate-schedules", default="3000")
    args = parser.parse_args()
    programs = sorted(args.folder.glob("*.py"))
    found, alarms, certified, correct, firsts, rates, ratios = 0, 0, 0, 0, [], [], []
    for path in programs:
        verdict = verdict_of(path)
        first_of_seeds = []
        for seed in range(args.seeds if verdict != "ok" else 1):
            result = raceproof(args, path, "--budget", args.budget, "--seed", str(seed))
            if result["first_failure"] is not None:
                first_of_seeds.append(result["first_failure"])
        if verdict == "ok":
            correct += 1
            alarms += result["verdict"] == "failing"
            certified += result["verdict"] == "none-exists"
            ratios.append(result["schedules"] / max(1, result["traces"]))
        else:
            found += len(first_of_seeds) == args.seeds
            firsts.append(statistics.median(first_of_seeds or [float("inf")]))
        rate = raceproof(
            args,
            path,
            "--strategy",
            "pos",
            "--count",
            "--budget",
            args.budget,
            "--max-schedules",
            args.rate_schedules,
        )
        rates.append(rate["schedules"] / rate["seconds"])
        print(
            "%-32s %-9s %-12s first %-6s %7.0f schedules/s"
            % (
                path.name,
                verdict,
                result["verdict"],
                firsts[-1] if verdict != "ok" else "",
                rates[-1],
            ),
            flush=True,
        )
    print(
        "raceproof: found %d of %d, alarms %d, certified %d of %d with %.2f times the traces at most; "
        "median first failure %s, median %.0f schedules a second"
        % (
            found,
            len(programs) - correct,
            alarms,
            certified,
            correct,
            max(ratios),
            statistics.median(firsts),
            statistics.median(rates),
        )
    )
    if args.peer_python:
        peer(args, programs, "frontrun")
        peer(args, programs, "interleave-test")


def peer(args, programs, name):
    found, rates, alarms = 0, [], 0
    for path in programs:
        try:
            output = subprocess.run(
                [args.peer_python, "-c", PEER, str(path), name, args.budget, "0"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=float(args.budget) * 3,
            )
            result = json.loads(output.stdout.decode().splitlines()[-1])
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            result = {"found": False, "runs": 0, "seconds": 1}
        buggy = verdict_of(path) != "ok"
        found += buggy and result["found"]
        alarms += not buggy and result["found"]
        if result["runs"]:
            rates.append(result["runs"] / result["seconds"])
        print("%-32s %s %s" % (path.name, name, result), flush=True)
    print(
        "%s: found %d, alarms %d, median %.0f schedules a second"
        % (name, found, alarms, statistics.median(rates or [0]))
    )


if __name__ == "__main__":
    sys.exit(main())
