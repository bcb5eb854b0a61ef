"""Where installers put the binary.

The wheel carries it as a script, and every installer has its own idea where scripts go. The
candidates follow the ``ruff`` and ``uv`` packages, which met all of them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from fnmatch import fnmatch


class RaceproofNotFound(FileNotFoundError):
    """No candidate directory holds the binary; the message lists them."""


def find_raceproof_bin() -> str:
    """Return the path of the ``raceproof`` binary that belongs to this package.

    :raises RaceproofNotFound: when it is in none of the places an installer would use.
    """
    name = "raceproof" + (sysconfig.get_config_var("EXE") or "")
    candidates: list[str] = []
    for directory in _directories():
        if directory and directory not in candidates:
            candidates.append(directory)
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                return path
    raise RaceproofNotFound(
        "the raceproof binary is in none of these directories:\n"
        + "\n".join(f"  {directory}" for directory in candidates)
        + "\nreinstall the package (pip install --force-reinstall raceproof)"
    )


def _directories():
    # The environment that runs now, and the interpreter it was made from.
    yield sysconfig.get_path("scripts")
    yield sysconfig.get_path("scripts", vars={"base": sys.base_prefix})
    # Above the package: `pip install --prefix`, `uv run --with`.
    package = os.path.dirname(os.path.abspath(__file__))
    if sys.platform == "win32":
        yield _beside(package, "Lib/site-packages/raceproof", "Scripts")
    else:
        yield _beside(package, "lib/python*/site-packages/raceproof", "bin")
    # Next to the package: `pip install --target`.
    yield _beside(package, "raceproof", "bin")
    # `pip install --user`.
    yield sysconfig.get_path("scripts", scheme=_user_scheme())


def _beside(package: str, layout: str, scripts: str) -> str | None:
    """``scripts`` in the directory above ``layout``, when the package lies in such a layout."""
    parts = package.split(os.sep)
    patterns = layout.split("/")
    tail = parts[-len(patterns) :]
    if len(tail) != len(patterns):
        return None
    if not all(fnmatch(part, pattern) for part, pattern in zip(tail, patterns)):
        return None
    return os.path.join(os.sep.join(parts[: -len(patterns)]) or os.sep, scripts)


def _user_scheme() -> str:
    if sys.version_info >= (3, 10):
        return sysconfig.get_preferred_scheme("user")
    if os.name == "nt":
        return "nt_user"
    if sys.platform == "darwin" and sys._framework:
        return "osx_framework_user"
    return "posix_user"
