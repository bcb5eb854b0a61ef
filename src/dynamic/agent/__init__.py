"""raceproof's agent: runs a Python program under a scheduler. Standard library only, CPython 3.9
and newer. It has mechanism and no judgement; see `core.py`."""
