"""The program's own modules: found, rewritten once, executed anew for each run."""

import ast
import builtins
import importlib.machinery
import os
import sys
import types

from . import core, future, selector
from .access import HOOKS
from .rewrite import rewrite, scope_statement

MAX_SITES = 1 << 20


class Project:
    """The rewritten code of the program, and its sites."""

    def __init__(self):
        self.root = ""
        self.all_accesses = False
        self.codes = {}
        self.specs = {}
        # What could not be rewritten: path -> reason.
        self.skipped = {}
        # As `Site` in protocol.rs; site 0 is no site.
        self.sites = [("", 0, 0, 0, "", "", True, True)]
        self.sent = 0
        self.by_line = {}
        # Names of the modules that belong to the program, in sys.modules now.
        self.loaded = set()
        # Files executed for the first time, to be told to the other side.
        self.files = []

    def owns(self, path):
        """Whether a source file belongs to the program."""
        if not path or not path.endswith(".py"):
            return False
        path = os.path.realpath(path)
        if not path.startswith(self.root):
            return False
        parts = path[len(self.root) :].split(os.sep)
        return not any(
            p in ("site-packages", "dist-packages", ".venv", "venv", "node_modules", ".tox", ".nox")
            for p in parts
        )

    def new_site(self, file, line, column, end, function, label, breaks, inner=False):
        if len(self.sites) >= MAX_SITES:
            return 0
        self.sites.append((file, line, column, end, function, label, breaks, inner))
        return len(self.sites) - 1

    def call_site(self, file, line, function, inner):
        """The site of a synchronisation call: one for each line."""
        key = (file, line, inner)
        site = self.by_line.get(key)
        if site is None:
            site = self.new_site(file, line, 0, 0, function, "", True, inner)
            self.by_line[key] = site
        return site

    def is_inner(self, site):
        return self.sites[site][7]

    def code(self, path):
        """The rewritten code of a source file. Raises SyntaxError, OSError, ValueError."""
        found = self.codes.get(path)
        if found is None:
            with open(path, "rb") as stream:
                source = stream.read()
            found = self.compile(source, path)
            self.codes[path] = found
            self.files.append(path)
        return found

    def compile(self, source, path):
        tree = ast.parse(source, path)
        return self.compile_tree(tree, path)

    def compile_tree(self, tree, path):
        def site(node, label, breaks):
            return self.new_site(
                path,
                getattr(node, "lineno", 0),
                getattr(node, "col_offset", 0),
                getattr(node, "end_col_offset", 0) or 0,
                "",
                label,
                breaks,
            )

        rewritten = rewrite(tree, site, self.all_accesses)
        code = compile(scope_statement(rewritten), path, "exec", dont_inherit=True)
        self.register(code)
        return code

    def news(self):
        """The sites and files that the other side does not know yet."""
        found = {}
        if self.sent < len(self.sites):
            found["first_site"] = self.sent
            found["sites"] = self.sites[self.sent :]
            self.sent = len(self.sites)
        if self.files:
            found["files"] = self.files[:]
            del self.files[:]
        return found

    def register(self, code):
        core.project_code[id(code)] = code
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.register(constant)

    def reset(self):
        """Forgets the program's modules, so that the next run executes them anew."""
        modules = sys.modules
        for name in self.loaded:
            modules.pop(name, None)
        self.loaded.clear()


PROJECT = Project()
core.new_site = PROJECT.call_site
core.is_inner = PROJECT.is_inner


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of the program from its rewritten code."""

    def exec_module(self, module):
        code = PROJECT.code(self.path)
        PROJECT.loaded.add(module.__name__)
        exec(code, module.__dict__)

    def get_code(self, fullname):
        return PROJECT.code(self.path)


class PatchedLoader:
    """Loads a module of the standard library and puts it under control."""

    def __init__(self, real, patch):
        self.real = real
        self.patch = patch

    def create_module(self, spec):
        return self.real.create_module(spec)

    def exec_module(self, module):
        self.real.exec_module(module)
        self.patch(module)


_PATCHES = {
    "asyncio.base_events": selector.patch_asyncio,
    "asyncio.selector_events": selector.patch_loops,
    "concurrent.futures._base": future.patch_futures,
    "concurrent.futures.thread": future.patch_pools,
    "multiprocessing.pool": selector.patch_pool,
    "subprocess": selector.patch_subprocess,
}


class Finder:
    """Finds the program's modules before anyone else does."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname in _PATCHES:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = PatchedLoader(spec.loader, _PATCHES[fullname])
            return spec
        key = (fullname, tuple(path) if path is not None else tuple(sys.path))
        if key in PROJECT.specs:
            location, package = PROJECT.specs[key]
        else:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
            location = package = None
            if spec is not None and spec.origin and PROJECT.owns(spec.origin):
                location = spec.origin
                package = spec.submodule_search_locations
            PROJECT.specs[key] = (location, package)
        if location is None:
            return None
        return (
            importlib.machinery.ModuleSpec(
                fullname,
                Loader(fullname, location),
                origin=location,
                is_package=package is not None,
            )
            if package is None
            else _package(fullname, location, package)
        )

    @staticmethod
    def invalidate_caches():
        PROJECT.specs.clear()


def _package(fullname, location, package):
    spec = importlib.machinery.ModuleSpec(
        fullname, Loader(fullname, location), origin=location, is_package=True
    )
    spec.submodule_search_locations = list(package)
    return spec


def install(root, all_accesses):
    """Makes the modules below `root` the program's own."""
    PROJECT.all_accesses = all_accesses
    PROJECT.root = os.path.realpath(root).rstrip(os.sep) + os.sep
    sys.meta_path.insert(0, Finder)
    for name, patch in _PATCHES.items():
        if name in sys.modules:
            patch(sys.modules[name])
    for name, hook in HOOKS.items():
        setattr(builtins, name, hook)
    sys.dont_write_bytecode = True
