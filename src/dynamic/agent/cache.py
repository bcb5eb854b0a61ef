"""Caches of `functools` on the program's functions. A look into one and what it keeps are
operations: otherwise a thread that finds a value would seem to have nothing to do with the one
that is about to store it."""

import functools

from . import core
from .access import step_on
from .core import INSPECT, R, READ, SET, WRITE, caller_site, place_of, sk, step

_real_lru_cache = functools.lru_cache
_property = functools.cached_property
_real_init = _property.__init__
_real_get = _property.__get__


def _is_own(function):
    return id(getattr(function, "__code__", None)) in core.project_code


def _cached(function, decorate):
    if not _is_own(function):
        return decorate(function)

    def announce(kind):
        if R.active and not R.solo:
            step(sk(kind, caller_site()) | place_of(cache))

    @functools.wraps(function)
    def fill(*args, **kwargs):
        value = function(*args, **kwargs)
        announce(SET)
        return value

    cache = decorate(fill)

    @functools.wraps(function)
    def look(*args, **kwargs):
        announce(INSPECT)
        return cache(*args, **kwargs)

    def cache_clear():
        announce(SET)
        cache.cache_clear()

    look.cache_clear = cache_clear
    for name in ("cache_info", "cache_parameters"):
        if hasattr(cache, name):
            setattr(look, name, getattr(cache, name))
    return look


def lru_cache(maxsize=128, typed=False):
    """`functools.lru_cache`"""
    if callable(maxsize) and isinstance(typed, bool):
        return _cached(maxsize, _real_lru_cache(128, typed))
    decorate = _real_lru_cache(maxsize, typed)
    return lambda function: _cached(function, decorate)


def _init(self, func, *args):
    _real_init(self, func, *args)
    if not _is_own(func):
        return

    @functools.wraps(func)
    def fill(instance):
        value = func(instance)
        if R.active and not R.solo:
            step_on(instance, self.attrname, sk(WRITE, caller_site()))
        return value

    self.func = fill


def _get(self, instance, owner=None):
    if instance is not None and R.active and not R.solo and self.attrname is not None:
        step_on(instance, self.attrname, sk(READ, caller_site()))
    return _real_get(self, instance, owner)


def install():
    functools.lru_cache = lru_cache
    _property.__init__ = _init
    _property.__get__ = _get
