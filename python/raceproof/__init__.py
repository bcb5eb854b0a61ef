"""The wheel's way to the ``raceproof`` binary; the analysis itself is not written in Python."""

from __future__ import annotations

from raceproof._binary import RaceproofNotFound, find_raceproof_bin

__all__ = ["RaceproofNotFound", "find_raceproof_bin"]
