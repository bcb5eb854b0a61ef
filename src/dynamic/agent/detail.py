"""The hooks of a run that is going to be shown: they record the values read and written."""

import builtins
import sys

from . import access
from .core import R, SITE_SHIFT
from .journal import Steps
from .program import shown

# Hook -> which argument is the value written; None: the value returned was read.
_VALUES = {
    "_rp_ga": None, "_rp_gi": None, "_rp_in": None, "_rp_ni": None, "_rp_sz": None, "_rp_rd": None,
    "_rp_gd": None, "_rp_st": 2, "_rp_sa": 0, "_rp_si": 0, "_rp_sn": 0, "_rp_ip": None, "_rp_nx": None,
}  # fmt: skip
_MAX = 100_000


def note(site, value):
    """Records `value` for the running task's last operation, when it was at `site`."""
    trace = R.trace
    if not trace or trace[-1] >> SITE_SHIFT & 0xFFFFF != site or len(R.detail) > _MAX:
        return
    step = len(trace) - 1
    if not R.detail or R.detail[-1][0] != step:
        R.detail.append((step, value, [lock.site for lock in R.cur.locks]))
        if isinstance(trace, Steps):
            trace.tell(trace[-1], True)


def _wrapped(hook, position):
    def noting(*args, **kwargs):
        result = hook(*args, **kwargs)
        if R.detail is not None and not R.solo:
            constant = args[0] if hook is access.next_of else args[-1]
            value = result if position is None else args[position]
            note(constant >> SITE_SHIFT & 0xFFFFF, shown(value))
        return result

    return noting


def _load_name(scope, name, event):
    access.load_name(scope, name, event)
    if R.detail is not None and not R.solo:
        # The program reads the name itself, next: nobody else runs before.
        frame = sys._getframe(1)
        for space in (frame.f_locals, frame.f_globals):
            if name in space:
                note(event >> SITE_SHIFT & 0xFFFFF, shown(space[name]))
                break


_DETAILED = {name: _wrapped(access.HOOKS[name], position) for name, position in _VALUES.items()}
_DETAILED["_rp_gn"] = _load_name


def install():
    for name, hook in _DETAILED.items():
        setattr(builtins, name, hook)


def remove():
    for name in _DETAILED:
        setattr(builtins, name, access.HOOKS[name])
