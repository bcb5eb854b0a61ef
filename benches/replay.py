"""Replays the failures of a folder of programs on several interpreters, many times each.

    python3 benches/replay.py FOLDER PYTHON [PYTHON ...] --raceproof target/release/raceproof

Each program whose docstring does not say `verdict=ok` is explored on the first interpreter; its
witness is replayed on all of them.
"""

import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("python", nargs="+")
    parser.add_argument("--raceproof", default="raceproof")
    parser.add_argument("--times", default="1000")
    args = parser.parse_args()
    folder = args.folder.resolve()
    same = collections.Counter()
    programs = 0
    with tempfile.TemporaryDirectory() as directory:
        witness = pathlib.Path(directory) / "witness.json"
        for path in sorted(folder.glob("*.py")):
            if "verdict=ok" in path.read_text().split("\n", 1)[0]:
                continue
            programs += 1
            command = [args.raceproof, "explore", str(path), "--python", args.python[0]]
            explored = subprocess.run(
                command + ["--witness", str(witness)], cwd=folder, stdout=subprocess.PIPE
            )
            for python in args.python:
                command = [args.raceproof, "replay", str(witness), "--python", python]
                command += ["--times", args.times, "--root", str(root_of(folder))]
                output = subprocess.run(
                    command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
                text = output.stdout.decode()
                last = text.strip().splitlines()[-1]
                replayed = "replayed %s of %s times" % (args.times, args.times) in last
                same[python] += replayed and output.returncode == 1
                print("%-28s %s" % (path.stem, last), flush=True)
            if explored.returncode != 1:
                print("%s: nothing was found" % path.stem)
    for python in args.python:
        print("%s: %d of %d programs, %s times each" % (python, same[python], programs, args.times))


def root_of(folder):
    """The root that `raceproof explore` takes for a program of the folder."""
    for parent in [folder, *folder.parents]:
        if any((parent / n).exists() for n in ("pyproject.toml", "setup.py", "setup.cfg", ".git")):
            return parent
    return folder


if __name__ == "__main__":
    sys.exit(main())
