"""``python -m raceproof``: becomes the binary."""

from __future__ import annotations

import os
import sys

from raceproof._binary import RaceproofNotFound, find_raceproof_bin


def main() -> None:
    try:
        binary = find_raceproof_bin()
    except RaceproofNotFound as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    arguments = [binary, *sys.argv[1:]]
    if sys.platform != "win32":
        os.execv(binary, arguments)

    # Windows has no exec: the parent waits, and leaves Ctrl-C to the child.
    import subprocess

    try:
        sys.exit(subprocess.run(arguments, check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(2)


if __name__ == "__main__":
    main()
