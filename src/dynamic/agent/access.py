"""Hooks at accesses to shared state. `rewrite.py` puts calls to them into the program's code.

Each hook announces the operation, waits for its turn, performs it, and returns its value. While
only one thread exists nothing is recorded. The last argument of a hook is the constant part of
its event (kind and site).
"""

import bisect
import collections
import gc
import heapq
import itertools
import operator
import random
import sys
import threading
import weakref

from .core import (
    INSERT, KIND_SHIFT, MODE, R, READ, READS, SITE_SHIFT, STRUCTURE, TASK_SHIFT, UPDATE,
    WHOLE, WRITE, Unchanged, decide, new_place, project_code, step, wait_for,
)  # fmt: skip

# Keys whose `==` and `hash` run no code of the program.
_SAFE_KEYS = frozenset((str, int, bytes, bool, float, type(None)))

_to_write = (WRITE ^ READ) << KIND_SHIFT
_to_insert = (INSERT ^ READ) << KIND_SHIFT
_to_update = (UPDATE ^ READ) << KIND_SHIFT


# --- attributes -------------------------------------------------------------------------------

# How a class defines a name: in the instance, in a slot, or as something that is not data.
_IN_INSTANCE, _SLOT, _CODE, _CLASS_DATA = range(4)
_class_names = {}
_code_types = (
    type(lambda: 0), classmethod, staticmethod, property, type(len), type(str.join),
    type("".join), type(str.__dict__["maketrans"]), type(object.__init__), type(object().__str__),
)  # fmt: skip
_slot_type = type(type("_", (), {"__slots__": "a"}).a)
_ModuleType = type(operator)


def _lookup(cls, name):
    for base in cls.__mro__:
        found = base.__dict__.get(name, _missing)
        if found is not _missing:
            return base, found
    return None, _missing


_missing = object()


def _classify(cls, name):
    try:
        base, found = _lookup(cls, name)
    except AttributeError:
        return (_CODE, None)
    if found is _missing:
        how = (_IN_INSTANCE, None)
    elif isinstance(found, _slot_type):
        how = (_SLOT, None)
    elif isinstance(found, _code_types) or hasattr(type(found), "__get__"):
        how = (_CODE, None)
    else:
        # Class data may be rebound or removed: look again each time.
        return (_CLASS_DATA, base)
    _class_names[cls, name] = how
    return how


def _owner(obj, name):
    """The object whose part `name` an attribute read of `obj` reads; None when it is no data."""
    cls = type(obj)
    how = _class_names.get((cls, name))
    if how is None:
        if issubclass(cls, threading.local):
            return None
        if cls is _ModuleType:
            return vars(obj).get("_rp_scope")
        if isinstance(obj, type):
            # An attribute of a class: where it is found along the classes it extends.
            base, found = _lookup(obj, name)
            if found is _missing or isinstance(found, _code_types):
                return None
            return base
        how = _classify(cls, name)
    kind = how[0]
    if kind == _IN_INSTANCE or kind == _SLOT:
        return obj
    try:
        own = obj.__dict__
    except AttributeError:
        own = ()
    if name in own:
        return obj
    return how[1]


def load_attr(obj, name, event):
    if not R.solo:
        place = R.places.get((id(obj), name))
        if place is None:
            owner = _owner(obj, name)
            if owner is not None:
                place = R.places.get((id(owner), name))
                if place is None:
                    place = new_place(owner, name)
        if place is not None:
            step(event | place)
            return getattr(obj, name)
    value = getattr(obj, name)
    return value if type(value) is not _builtin else announced(obj, name, event, value)


_builtin = type(len)


def announced(obj, name, event, method):
    """A method that may be called later, by a library or in another thread."""
    if name in _METHODS and name not in _COUNTS and family(type(obj)):
        return Method(obj, name, event, method)
    return method


def look_at_attr(obj, name, event):
    """An attribute is read which need not be there."""
    if not R.solo:
        owner = _owner(obj, name)
        if owner is not None:
            step_on(owner, name, event)


def load_attr_or(obj, name, default, event):
    """`getattr` with a default."""
    look_at_attr(obj, name, event)
    return getattr(obj, name, default)


def has_attr(obj, name, event):
    """`hasattr`"""
    look_at_attr(obj, name, event)
    return hasattr(obj, name)


def set_attr(obj, name, value, event):
    """`setattr`"""
    store_attr(value, obj, name, event)


def store_attr(value, obj, name, event):
    if not R.solo:
        place = R.places.get((id(obj), name))
        if place is None:
            owner = _target(obj, name)
            if owner is None:
                setattr(obj, name, value)
                return
            place = R.places.get((id(owner), name))
            if place is None:
                place = new_place(owner, name)
        step(event | place)
    setattr(obj, name, value)


def _target(obj, name):
    """The object whose part `name` a store to `obj` writes; None for properties and the like."""
    cls = type(obj)
    if cls is _ModuleType:
        return vars(obj).get("_rp_scope")
    if isinstance(obj, type):
        return obj
    if issubclass(cls, threading.local):
        return None
    how = _class_names.get((cls, name)) or _classify(cls, name)
    if how[0] == _CODE and hasattr(type(_lookup(cls, name)[1]), "__set__"):
        return None
    return obj


def delete_attr(obj, name, event):
    if not R.solo:
        owner = _target(obj, name)
        if owner is not None:
            step_on(owner, name, event)
    delattr(obj, name)


def step_on(obj, key, event):
    """Records `event` on a part of `obj`."""
    place = R.places.get((id(obj), key))
    if place is None:
        place = new_place(obj, key)
    event |= place
    trace = R.trace
    if len(trace) >= R.limit:
        decide(event)
    trace.append(R.base | event)


# --- names: module globals and closure cells --------------------------------------------------
# `load_name` returns None, so that `load_name(...) or name` reads the name itself.


class Cells:
    """Stands for the variables of one call that inner functions share."""

    __slots__ = ()


def load_name(scope, name, event):
    if not R.solo:
        step_on(scope, name, event)


def store_name(value, scope, name, event):
    if not R.solo:
        step_on(scope, name, event)
    return value


# --- items ------------------------------------------------------------------------------------

_LISTS = 1
_DICTS = 2
_SETS = 3
_DEQUES = 4
_BASES = (
    (list, _LISTS), (dict, _DICTS), (set, _SETS), (collections.deque, _DEQUES), (bytearray, _LISTS),
    (collections.UserDict, _DICTS), (collections.UserList, _LISTS),
    (weakref.WeakValueDictionary, _DICTS), (weakref.WeakKeyDictionary, _DICTS),
    (weakref.WeakSet, _SETS),
)  # fmt: skip
_CONTAINERS = frozenset(base for base, _ in _BASES)
_families = {}


def family(cls):
    """Which built-in container a class is or extends; 0 for none."""
    found = _families.get(cls)
    if found is None:
        found = 0
        for base, number in _BASES:
            if issubclass(cls, base):
                found = number
        if not found and cls.__module__ == "array":
            found = _LISTS
        _families[cls] = found
    return found


def forget_classes():
    """Each run executes the program's classes anew; what is known of the old ones goes."""
    for known in (_class_names, _families, _native_methods):
        known.clear()


def _native(cls, name):
    """Whether a method is the built-in one, whose inside the program's code does not run."""
    key = (cls, name)
    found = _native_methods.get(key)
    if found is None:
        code = getattr(getattr(cls, name, None), "__code__", None)
        found = code is None or id(code) not in project_code
        _native_methods[key] = found
    return found


_native_methods = {}


def item_key(obj, kind, key):
    """The part of a container that `obj[key]` names."""
    cls = type(key)
    if kind == _DICTS:
        if cls in _SAFE_KEYS:
            return (key,)
        if cls is tuple and all(type(k) in _SAFE_KEYS for k in key):
            return (key,)
        # Keys that are objects: equal by identity unless their class says otherwise.
        if cls.__eq__ is object.__eq__ or isinstance(key, type):
            return (id(key), cls)
        return WHOLE
    if kind == _LISTS and cls is int:
        return (key if key >= 0 else key + len(obj),)
    return WHOLE


def load_item(obj, key, event):
    if not R.solo:
        cls = type(obj)
        kind = _families.get(cls)
        if kind is None:
            kind = family(cls)
        if kind and _native(cls, "__getitem__"):
            name = item_key(obj, kind, key)
            if kind == _DICTS and name != WHOLE and hasattr(cls, "__missing__") and key not in obj:
                event += _to_insert
            step_on(obj, name, event)
    return obj[key]


def store_item(value, obj, key, event):
    if not R.solo:
        cls = type(obj)
        kind = _families.get(cls)
        if kind is None:
            kind = family(cls)
        if kind and _native(cls, "__setitem__"):
            name = item_key(obj, kind, key)
            if kind == _DICTS and name != WHOLE and key not in obj:
                event = event - (WRITE << KIND_SHIFT) + (INSERT << KIND_SHIFT)
            step_on(obj, name, event)
    obj[key] = value


def delete_item(obj, key, event):
    if not R.solo:
        kind = family(type(obj))
        if kind and _native(type(obj), "__delitem__"):
            step_on(obj, WHOLE, event)
    del obj[key]


def update_in_place(function, value, operand, event):
    """`value op= operand`: an in-place operation of a container writes all of it."""
    if not R.solo and family(type(value)):
        step_on(value, WHOLE, event)
    return function(value, operand)


# --- methods of containers --------------------------------------------------------------------

_READ_WHOLE = frozenset("copy index count items keys values __iter__ union intersection difference "
    "symmetric_difference issubset issuperset isdisjoint most_common elements total "
    "__len__ __repr__ __eq__".split())  # fmt: skip
_WRITE_WHOLE = frozenset("append appendleft extend extendleft insert remove pop popleft popitem clear "
    "sort reverse rotate update discard difference_update intersection_update "
    "symmetric_difference_update subtract move_to_end __ior__ __iadd__ __delitem__".split())  # fmt: skip


class Method:
    """A method of a container, announced when it is called."""

    __slots__ = ("obj", "name", "event", "call")

    def __init__(self, obj, name, event, call):
        self.obj = obj
        self.name = name
        self.event = event
        self.call = call

    def __getattr__(self, name):
        # Its name, the object it belongs to.
        return getattr(self.call, name)

    def __call__(self, *args, **kwargs):
        if not R.solo:
            obj = self.obj
            event = self.event
            name = self.name
            kind = family(type(obj))
            key = WHOLE
            if name == "get" or name == "__getitem__" or name == "__contains__":
                if args and kind == _DICTS:
                    key = item_key(obj, kind, args[0])
            elif name == "setdefault" and args:
                key = item_key(obj, kind, args[0])
                if key == WHOLE or args[0] not in obj:
                    event += _to_insert
            elif name == "__setitem__" and args:
                key = item_key(obj, kind, args[0])
                fresh = key != WHOLE and kind == _DICTS and args[0] not in obj
                event += _to_insert if fresh else _to_write
            elif name == "add" and args and kind == _SETS:
                key = item_key(obj, _DICTS, args[0])
                if key == WHOLE or args[0] not in obj:
                    event += _to_insert
            elif name in _COUNTS and isinstance(obj, collections.Counter):
                count(obj, 1 if name == "update" else -1, args, kwargs, event)
                return None
            elif name in _WRITE_WHOLE:
                event += _to_update
            step_on(obj, key, event)
        result = self.call(*args, **kwargs)
        if self.name in _VIEWS:
            R.views[id(result)] = (result, self.obj)
        return result


_COUNTS = frozenset(["update", "subtract"])


def count(counter, sign, args, kwargs, event):
    """`Counter.update` and `Counter.subtract`: for each element a read, then a write. The write has
    the site after the read's, which is none where a GIL may be handed over."""
    write = event + _to_write + (1 << SITE_SHIFT)
    for source in args + ((kwargs,) if kwargs else ()):
        if source is None:
            continue
        pairs = source.items() if hasattr(source, "items") else ((it, 1) for it in source)
        for key, number in list(pairs):
            name = item_key(counter, _DICTS, key)
            step_on(counter, name, event)
            value = counter.get(key, 0) + sign * number
            fresh = name == WHOLE or key not in counter
            step_on(counter, name, write + (_to_insert - _to_write if fresh else 0))
            counter[key] = value


_VIEWS = frozenset(["items", "keys", "values"])
_METHODS = (
    _READ_WHOLE
    | _WRITE_WHOLE
    | frozenset("get __getitem__ __contains__ setdefault __setitem__ add".split())
)


def load_method(obj, name, event):
    """The callable of `obj.name(...)`."""
    if R.solo:
        return getattr(obj, name)
    cls = type(obj)
    kind = _families.get(cls)
    if kind is None:
        kind = family(cls)
    if kind and name in _METHODS and _native(cls, name):
        return Method(obj, name, event, getattr(obj, name))
    if cls is _ModuleType:
        return library_function(getattr(obj, name), event)
    if cls is type and obj in _CONTAINERS:
        return LibraryCall(getattr(obj, name), event)
    if name in _ITERATOR_METHODS and cls in _ITERATORS:
        advance(obj, event + _to_update)
        return getattr(obj, name)
    return load_attr(obj, name, event)


# Modules of the library whose functions read the containers they are given, and those that change
# the first one.
_READING_MODULES = frozenset(
    "bisect copy csv functools heapq itertools json marshal math operator pickle pprint random "
    "statistics struct".split()
)
_CHANGES_FIRST = frozenset(
    "heappush heappop heapify heappushpop heapreplace insort insort_left insort_right shuffle "
    "setitem delitem iadd iconcat ior".split()
)
_functions = (type(len), type(lambda: 0), type(random.shuffle))
# Methods of container classes, called with the container.
_descriptor = type(list.append)
_CHANGES = _WRITE_WHOLE | frozenset(["add", "setdefault", "__setitem__"])
# Modules of the library whose classes do so.
_READING_CLASSES = frozenset(["array", "collections", "itertools"])


class LibraryCall:
    """A function of the library that is given containers."""

    __slots__ = ("function", "event")

    def __init__(self, function, event):
        self.function = function
        self.event = event

    def __call__(self, *args, **kwargs):
        if not R.solo:
            event = self.event
            name = self.function.__name__
            if name in _CHANGES_FIRST or name in _CHANGES and type(self.function) is _descriptor:
                event += _to_update
            for value in args:
                read_whole(value, event)
                event = self.event
        return self.function(*args, **kwargs)


def library_function(function, event):
    """What is called when the program calls `function` by an imported name."""
    if R.solo:
        return function
    if not isinstance(function, _functions):
        if isinstance(function, type) and function.__module__ in _READING_CLASSES:
            return LibraryCall(function, event)
        return function
    if (function.__module__ or "").lstrip("_") in _READING_MODULES:
        return LibraryCall(function, event)
    return function


# --- whole containers as operands -------------------------------------------------------------


def _container_of(value):
    """The container whose contents `value` shows: itself, or the dict of a view."""
    if family(type(value)):
        return value
    view = R.views.get(id(value))
    if view is not None and view[0] is value:
        return view[1]
    return None


def read_whole(value, event):
    """`value` is about to be read by a built-in such as `list`, `sum`, `==`."""
    if not R.solo:
        container = _container_of(value)
        if container is not None:
            step_on(container, WHOLE, event)
        elif type(value) in _ITERATORS:
            advance(value, event + _to_update if event >> KIND_SHIFT & 63 == READ else event)
    return value


def read_size(value, event):
    """`len(value)` or the truth value of `value` is about to be taken."""
    if not R.solo:
        container = _container_of(value)
        if container is not None:
            step_on(container, STRUCTURE, event)
    return value


def contains(key, obj, event):
    """`key in obj`."""
    if not R.solo:
        container = _container_of(obj)
        if container is not None and _native(type(container), "__contains__"):
            kind = family(type(container))
            name = WHOLE
            if container is obj and (kind == _DICTS or kind == _SETS):
                name = item_key(container, _DICTS, key)
            step_on(container, name, event)
    return key in obj


def contains_not(key, obj, event):
    """`key not in obj`."""
    return not contains(key, obj, event)


# --- iteration --------------------------------------------------------------------------------

_generator_type = type(x for x in ())
_ITERATORS = {
    type(iter([])), type(iter(())), type(iter({})), type(iter({}.items())), type(iter({}.values())),
    type(iter(set())), type(iter(range(0))), type(iter("")), type((x for x in ())),
    type(iter(collections.deque())), enumerate, zip, map, filter, reversed, type(reversed([])),
}  # fmt: skip
_ITERATORS.update(v for v in vars(itertools).values() if isinstance(v, type))
_ITERATOR_METHODS = frozenset(["__next__", "send", "throw", "close"])


class Steps:
    """An iterator over a container that announces each step."""

    __slots__ = ("container", "iterator", "event")

    def __init__(self, container, iterator, event):
        self.container = container
        self.iterator = iterator
        self.event = event

    def __iter__(self):
        return self

    def __next__(self):
        if not R.solo:
            if self.container is self.iterator:
                advance(self.iterator, self.event)
            else:
                step_on(self.container, WHOLE, self.event)
        return next(self.iterator)


def iterate(value, event):
    """The iterable of a `for`, `iter`, `enumerate` and the like: containers and shared iterators
    announce their steps, also those taken once there are threads."""
    cls = type(value)
    if cls is list or cls is dict or cls is set or family(cls):
        if _native(cls, "__iter__"):
            return Steps(value, iter(value), event)
        return value
    if cls in _ITERATORS:
        return Steps(value, value, event + _to_update)
    if cls in _view_types:
        # The views of containers that only one thread has seen so far are not known.
        view = R.views.get(id(value))
        container = view[1] if view is not None and view[0] is value else mapping_of(value)
        if container is not None:
            return Steps(container, iter(value), event)
    return value


_ITERATORS.add(Steps)
_view_types = frozenset((type({}.keys()), type({}.values()), type({}.items())))


def mapping_of(view):
    """The dict of a view, where the interpreter tells (3.10); it shows a copy-proof proxy."""
    proxy = getattr(view, "mapping", None)
    # A proxy has one referent: what it stands for.
    found = gc.get_referents(proxy) if proxy is not None else ()
    return found[0] if found else None


def advance(iterator, event):
    """Announces that an iterator takes a step."""
    if type(iterator) is Steps:
        iterator = iterator.iterator
    elif type(iterator) is _generator_type:
        frame = iterator.gi_frame
        if frame is not None and id(frame) not in R.frames:
            # Both are kept, so that their addresses are not used again in this run.
            R.frames[id(frame)] = (iterator, frame)
    step_on(iterator, WHOLE, event)


def next_of(event, iterator, *default):
    """`next(iterator)`."""
    if not R.solo:
        cls = type(iterator)
        if cls in _ITERATORS and (cls is not Steps or iterator.container is not iterator.iterator):
            advance(iterator, event + _to_update)
    return next(iterator, *default)


def resumed(value, event):
    """The body of a generator begins, or goes on after a `yield` that gave `value`. It is a step of
    its own, within which another thread that wants the next item gets a ValueError."""
    if not R.solo:
        known = R.frames.get(id(sys._getframe(1)))
        if known is not None:
            step_on(known[0], WHOLE, event)
    return value


# --- busy waiting -----------------------------------------------------------------------------


def spin_begin():
    """Before a loop that does nothing but test."""
    if not R.solo:
        R.cur.spin = len(R.trace)


def spin_again(event):
    """In such a loop, once its test held: waits until something that it read was written."""
    if R.solo:
        return
    me = R.cur
    trace = R.trace
    reads = [word for word in trace[me.spin :] if word >> TASK_SHIFT == me.index]
    if reads and all(MODE[word >> KIND_SHIFT & 63] == READS for word in reads):
        unchanged = Unchanged(reads, me.spin)
        if not unchanged.ready(me):
            wait_for(event | unchanged.place, unchanged)
            trace.append(R.base | event | unchanged.place)
    me.spin = len(trace)


HOOKS = {
    "_rp_ga": load_attr,
    "_rp_sa": store_attr,
    "_rp_da": delete_attr,
    "_rp_gd": load_attr_or,
    "_rp_ha": has_attr,
    "_rp_st": set_attr,
    "_rp_gn": load_name,
    "_rp_sn": store_name,
    "_rp_gi": load_item,
    "_rp_si": store_item,
    "_rp_di": delete_item,
    "_rp_ip": update_in_place,
    "_rp_m": load_method,
    "_rp_rd": read_whole,
    "_rp_sz": read_size,
    "_rp_in": contains,
    "_rp_ni": contains_not,
    "_rp_it": iterate,
    "_rp_nx": next_of,
    "_rp_lc": library_function,
    "_rp_gr": resumed,
    "_rp_sb": spin_begin,
    "_rp_ag": spin_again,
    "_rp_cells": Cells,
    "_rp_ops": operator,
}
