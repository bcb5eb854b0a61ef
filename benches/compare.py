#!/usr/bin/env python3
"""Measures `raceproof check` beside `ruff check` and beside the floor on real trees.

usage: compare.py [--runs 7] [--raceproof PATH] [--ruff PATH] [--layout SCRIPT] TREE...

The commands take turns within one round, so that a busy moment of the machine hits all of them.
The table, in Markdown, has the median of the rounds and the greatest peak memory of any round:

  floor     `raceproof debug parse`: walk, read and parse, nothing more
  ruff      `ruff check --no-cache --isolated`, the linter everybody measures against
  check     `raceproof check --no-cache`
  warm      `raceproof check` on an unchanged tree, after a run that filled the cache
  twice     `raceproof check --no-cache` on two copies of the tree side by side: twice the time, if
            time grows with size; with `--twice`

`--layout SCRIPT` runs `SCRIPT DIR` first and measures every directory that it makes in DIR.
Needs a release build (`cargo build --release`) and, for the comparison, `pip install ruff`.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def once(command, directory):
    """Seconds and peak memory in MB of one run in a process of its own.

    A child's peak is never less than this process's own, which is why it keeps nothing.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1, 2):
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    # Linux counts in kilobytes, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, usage.ru_maxrss / unit


def count(tree):
    files = [path for path in pathlib.Path(tree).rglob("*.py") if path.is_file()]
    return len(files), sum(path.read_bytes().count(b"\n") for path in files)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="*", metavar="TREE")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--raceproof", default=str(ROOT / "target/release/raceproof"))
    parser.add_argument("--ruff", default=shutil.which("ruff"))
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--layout", metavar="SCRIPT")
    parser.add_argument("--layout-dir", default=str(ROOT / "target/bench-trees"))
    args = parser.parse_args()
    if args.layout:
        subprocess.run([args.layout, args.layout_dir], check=True)
        args.trees += sorted(
            str(path) for path in pathlib.Path(args.layout_dir).iterdir() if path.is_dir()
        )
    if not args.trees:
        parser.error("no tree given")

    check = [args.raceproof, "check", "--output-format", "jsonl"]
    print("| tree | files | lines | command | median | least | peak memory |")
    print("|---|---:|---:|---|---:|---:|---:|")
    for tree in map(os.path.abspath, args.trees):
        with tempfile.TemporaryDirectory() as cached, tempfile.TemporaryDirectory() as double:
            # The cache lies in the working directory when the tree is no project.
            commands = {
                "floor": ([args.raceproof, "debug", "parse", tree], cached),
                "check": ([*check, "--no-cache", tree], cached),
                "warm": ([*check, tree], cached),
            }
            if args.twice:
                for copy in "one", "two":
                    shutil.copytree(tree, os.path.join(double, copy), symlinks=True)
                commands["twice"] = ([*check, "--no-cache", double], cached)
            if args.ruff:
                ruff = [args.ruff, "check", "--no-cache", "--isolated", "--quiet", tree]
                commands["ruff"] = (ruff, cached)
            # Fills the page cache and the cache of the warm run.
            for command, directory in commands.values():
                once(command, directory)
            rounds = {name: [] for name in commands}
            for _ in range(args.runs):
                for name, (command, directory) in commands.items():
                    rounds[name].append(once(command, directory))
        files, lines = count(tree)
        for name, results in rounds.items():
            seconds = [result[0] for result in results]
            peak = max(result[1] for result in results)
            print(
                f"| {pathlib.Path(tree).name} | {files:,} | {lines:,} | {name} "
                f"| {statistics.median(seconds):.3f} s | {min(seconds):.3f} s | {peak:,.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
