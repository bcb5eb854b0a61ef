"""Rewrites the program's syntax tree so that accesses to shared state go through hooks.

Hooked: attributes, items, methods of containers, iteration, `next`, truth and membership tests,
built-ins that read containers, and the names that more than one thread can see changing: module
globals rebound by functions or bound more than once, and closure variables bound more than once.
Local variables, constants, and names bound once need no hook: no interleaving can change them.
"""

import ast

from .core import KIND_SHIFT, READ, SITE_SHIFT, UPDATE, WAIT, WRITE

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)

# Built-ins that look at all of an argument, or take from it when it is an iterator.
_READERS = frozenset(
    "list tuple set frozenset dict sorted sum min max any all reversed print str repr ascii format "
    "bytes bytearray".split()
)
# Built-ins for attributes whose names are values: how many arguments, which hook, what it does.
_BY_NAME = {
    ("getattr", 2): ("_rp_ga", READ), ("getattr", 3): ("_rp_gd", READ),
    ("hasattr", 2): ("_rp_ha", READ), ("setattr", 3): ("_rp_st", WRITE),
    ("delattr", 2): ("_rp_da", WRITE),
}  # fmt: skip
# Built-ins that take from their arguments step by step, later.
_ITERATING = frozenset("iter enumerate zip map filter".split())
_IN_PLACE = {
    ast.Add: "iadd", ast.Sub: "isub", ast.Mult: "imul", ast.MatMult: "imatmul",
    ast.Div: "itruediv", ast.Mod: "imod", ast.Pow: "ipow", ast.LShift: "ilshift",
    ast.RShift: "irshift", ast.BitOr: "ior", ast.BitXor: "ixor", ast.BitAnd: "iand",
    ast.FloorDiv: "ifloordiv",
}  # fmt: skip


class Scope:
    """The names of one module, class, function or comprehension."""

    everything = False

    def __init__(self, node, parent):
        self.node = node
        self.parent = parent
        self.is_function = isinstance(node, _FUNCTIONS)
        self.is_class = isinstance(node, ast.ClassDef)
        self.is_module = isinstance(node, ast.Module)
        self.bound = {}
        self.looped = set()
        self.globals = set()
        self.nonlocals = set()
        self.captured = set()
        self.rebound_inside = set()
        self.number = 0
        self.yields = False

    def bind(self, name, loop):
        self.bound[name] = self.bound.get(name, 0) + 1
        if loop:
            self.looped.add(name)

    def hot(self, name):
        """Whether a variable of this function that inner functions use may change under them."""
        changes = name in self.rebound_inside or name in self.looped or self.bound.get(name, 0) > 1
        return self.is_function and name in self.captured and (changes or self.everything)


class Scopes(ast.NodeVisitor):
    """First pass: which scope binds and which uses a name."""

    def __init__(self, tree):
        self.of = {}
        self.uses = []
        self.loop = 0
        self.scope = Scope(tree, None)
        self.module = self.scope
        self.of[tree] = self.scope
        self.hot_globals = set()
        # Names that `from ... import ...` binds in the module.
        self.imported = set()
        self.generic_visit(tree)
        self.resolve()

    def enter(self, node):
        scope = Scope(node, self.scope)
        self.of[node] = scope
        scope.number = len(self.of)
        return scope

    def visit_Yield(self, node):
        self.scope.yields = True
        self.generic_visit(node)

    def inside(self, scope, nodes):
        outer, loop = self.scope, self.loop
        self.scope, self.loop = scope, 0
        for node in nodes:
            self.visit(node)
        self.scope, self.loop = outer, loop

    def _function(self, node):
        self.scope.bind(node.name, self.loop)
        for part in node.decorator_list + node.args.defaults + node.args.kw_defaults:
            if part is not None:
                self.visit(part)
        scope = self.enter(node)
        self._arguments(scope, node.args)
        self.inside(scope, node.body)

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def _arguments(self, scope, args):
        every = list(getattr(args, "posonlyargs", [])) + args.args + args.kwonlyargs
        for arg in every + [a for a in (args.vararg, args.kwarg) if a is not None]:
            scope.bind(arg.arg, False)

    def visit_Lambda(self, node):
        for part in node.args.defaults + node.args.kw_defaults:
            if part is not None:
                self.visit(part)
        scope = self.enter(node)
        self._arguments(scope, node.args)
        self.inside(scope, [node.body])

    def visit_ClassDef(self, node):
        self.scope.bind(node.name, self.loop)
        for part in node.decorator_list + node.bases + node.keywords:
            self.visit(part)
        self.inside(self.enter(node), node.body)

    def _comprehension(self, node):
        self.visit(node.generators[0].iter)
        scope = self.enter(node)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        rest = [g.target for g in node.generators] + [i for g in node.generators for i in g.ifs]
        self.inside(scope, rest + [g.iter for g in node.generators[1:]] + parts)

    visit_ListComp = _comprehension
    visit_SetComp = _comprehension
    visit_DictComp = _comprehension
    visit_GeneratorExp = _comprehension

    def _loop(self, node):
        self.loop += 1
        self.generic_visit(node)
        self.loop -= 1

    visit_For = _loop
    visit_AsyncFor = _loop
    visit_While = _loop

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.uses.append((self.scope, node.id))
        else:
            self.scope.bind(node.id, self.loop)

    def visit_NamedExpr(self, node):
        self.visit(node.value)
        scope = self.scope
        while isinstance(scope.node, _COMPREHENSIONS):
            scope = scope.parent
        scope.bind(node.target.id, self.loop)

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if isinstance(node.target, ast.Name):
            self.scope.bind(node.target.id, self.loop)

    def visit_Global(self, node):
        self.scope.globals.update(node.names)

    def visit_Nonlocal(self, node):
        self.scope.nonlocals.update(node.names)

    def visit_Import(self, node):
        for alias in node.names:
            self.scope.bind((alias.asname or alias.name).split(".")[0], self.loop)

    def visit_ImportFrom(self, node):
        self.visit_Import(node)
        if self.scope.is_module:
            self.imported.update(alias.asname or alias.name for alias in node.names)

    def visit_ExceptHandler(self, node):
        if node.name:
            self.scope.bind(node.name, self.loop)
        self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if isinstance(node.target, ast.Name):
            if node.value is not None:
                self.scope.bind(node.target.id, self.loop)
        else:
            self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def binder(self, scope, name):
        """The scope that owns the variable `name` means in `scope`."""
        if name in scope.globals:
            return self.module
        if name in scope.bound and name not in scope.nonlocals:
            return scope
        at = scope.parent
        while at is not None and not at.is_module:
            if not at.is_class:
                if name in at.globals:
                    return self.module
                if name in at.bound and name not in at.nonlocals:
                    return at
            at = at.parent
        return self.module

    def resolve(self):
        for scope in self.of.values():
            for name in scope.globals:
                if name in scope.bound:
                    self.hot_globals.add(name)
            for name in scope.nonlocals:
                owner = self.binder(scope, name)
                owner.captured.add(name)
                if name in scope.bound:
                    owner.rebound_inside.add(name)
        for scope, name in self.uses:
            owner = self.binder(scope, name)
            if owner is not scope and owner.is_function:
                owner.captured.add(name)
        module = self.module
        defined = {n.name for n in module.node.body if isinstance(n, _FUNCTIONS + (ast.ClassDef,))}
        for name, times in module.bound.items():
            if (times > 1 or name in module.looped) and name not in defined:
                self.hot_globals.add(name)


def _name(name, load=True):
    return ast.Name(id=name, ctx=ast.Load() if load else ast.Store())


class Rewriter(ast.NodeTransformer):
    """Second pass. `new_site(node, label, breaks)` numbers a site."""

    def __init__(self, tree, new_site, everything=False):
        self.everything = everything
        self.scopes = Scopes(tree)
        for scope in self.scopes.of.values():
            scope.everything = everything
        self.scope = self.scopes.module
        self.new_site = new_site
        self.class_name = None
        self.temporaries = 0
        # Whether the interpreter may switch threads between the last site and the next one even
        # with a GIL: at function entry, loop back edges and after calls.
        self.breaks = True

    # --- building blocks

    def constant(self, kind, node, label=None):
        if label is None:
            label = _label(node)
        site = self.new_site(node, label[:80], self.breaks)
        self.breaks = False
        return ast.Constant(value=kind << KIND_SHIFT | site << SITE_SHIFT)

    def call(self, hook, args, node):
        made = ast.Call(func=_name(hook), args=args, keywords=[])
        ast.copy_location(made, node)
        return ast.fix_missing_locations(made)

    def temporary(self):
        self.temporaries += 1
        return "_rp_t%d" % self.temporaries

    def mangled(self, name):
        if (
            self.class_name
            and name.startswith("__")
            and not name.endswith("__")
            and self.class_name.strip("_")
        ):
            return "_%s%s" % (self.class_name.lstrip("_"), name)
        return name

    def shared_name(self, name):
        """The expression for the place of a name that threads may see changing, or None."""
        if self.scope.is_class:
            return None
        owner = self.scopes.binder(self.scope, name)
        if owner.is_module:
            hot = name in self.scopes.hot_globals or self.everything and name in owner.bound
            return _name("_rp_scope") if hot else None
        return _name("_rp_c%d" % owner.number) if owner.hot(name) else None

    # --- scopes

    def visit_Module(self, node):
        node.body = _flatten([self.visit(s) for s in node.body])
        return node

    def _function(self, node):
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        self._defaults(node.args)
        outer, self.scope = self.scope, self.scopes.of[node]
        breaks, self.breaks = self.breaks, True
        node.body = _flatten([self.visit(s) for s in node.body])
        if self.is_generator():
            at = 1 if ast.get_docstring(node, clean=False) is not None else 0
            begin = self.resumed(ast.Constant(value=None), node)
            statement = ast.copy_location(ast.Expr(value=begin), node)
            node.body.insert(at, ast.fix_missing_locations(statement))
        if any(self.scope.hot(n) for n in self.scope.captured):
            prologue = ast.Assign(
                targets=[_name("_rp_c%d" % self.scope.number, False)],
                value=ast.Call(func=_name("_rp_cells"), args=[], keywords=[]),
            )
            at = 1 if ast.get_docstring(node, clean=False) is not None else 0
            ast.copy_location(prologue, node)
            node.body.insert(at, ast.fix_missing_locations(prologue))
        self.scope, self.breaks = outer, breaks
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def is_generator(self):
        return self.scope.yields and isinstance(self.scope.node, ast.FunctionDef)

    def resumed(self, value, node):
        self.breaks = True
        return self.call("_rp_gr", [value, self.constant(UPDATE, node, "generator")], node)

    def visit_Yield(self, node):
        self.generic_visit(node)
        return self.resumed(node, node) if self.is_generator() else node

    def _defaults(self, args):
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [d if d is None else self.visit(d) for d in args.kw_defaults]

    def visit_Lambda(self, node):
        self._defaults(node.args)
        outer, self.scope = self.scope, self.scopes.of[node]
        breaks, self.breaks = self.breaks, True
        node.body = self.visit(node.body)
        self.scope, self.breaks = outer, breaks
        return node

    def visit_ClassDef(self, node):
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.bases = [self.visit(b) for b in node.bases]
        node.keywords = [self.visit(k) for k in node.keywords]
        outer, self.scope = self.scope, self.scopes.of[node]
        name, self.class_name = self.class_name, node.name
        node.body = _flatten([self.visit(s) for s in node.body])
        self.scope, self.class_name = outer, name
        return node

    def _comprehension(self, node):
        first = node.generators[0]
        first.iter = self.iterated(first.iter)
        outer, self.scope = self.scope, self.scopes.of[node]
        for generator in node.generators:
            self.breaks = True
            if generator is not first:
                generator.iter = self.iterated(generator.iter)
            generator.ifs = [self.truth(i) for i in generator.ifs]
        if isinstance(node, ast.DictComp):
            node.key = self.visit(node.key)
            node.value = self.visit(node.value)
        else:
            node.elt = self.visit(node.elt)
        self.scope = outer
        self.breaks = True
        return node

    visit_ListComp = _comprehension
    visit_SetComp = _comprehension
    visit_DictComp = _comprehension
    visit_GeneratorExp = _comprehension

    # --- left alone: nothing in them is executed, or not as an expression

    def visit_arguments(self, node):
        return node

    def visit_match_case(self, node):
        if node.guard is not None:
            node.guard = self.visit(node.guard)
        node.body = _flatten([self.visit(s) for s in node.body])
        return node

    def visit_Global(self, node):
        return node

    def visit_TypeAlias(self, node):
        return node

    # --- loads

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            return node
        place = self.shared_name(node.id)
        if place is None:
            return node
        args = [place, ast.Constant(value=node.id), self.constant(READ, node)]
        hook = self.call("_rp_gn", args, node)
        return ast.copy_location(ast.BoolOp(op=ast.Or(), values=[hook, node]), node)

    def visit_Attribute(self, node):
        if not isinstance(node.ctx, ast.Load):
            node.value = self.visit(node.value)
            return node
        label = _label(node)
        value = self.visit(node.value)
        name = ast.Constant(value=self.mangled(node.attr))
        return self.call("_rp_ga", [value, name, self.constant(READ, node, label)], node)

    def visit_Subscript(self, node):
        if not isinstance(node.ctx, ast.Load):
            node.value = self.visit(node.value)
            node.slice = self.visit(node.slice)
            return node
        label = _label(node)
        value = self.visit(node.value)
        return self.call(
            "_rp_gi", [value, self.index(node.slice), self.constant(READ, node, label)], node
        )

    def index(self, node):
        """The expression of an index; a slice becomes a call of `slice`."""
        if isinstance(node, ast.Slice):
            parts = [
                ast.Constant(value=None) if p is None else self.visit(p)
                for p in (node.lower, node.upper, node.step)
            ]
            return self.call("slice", parts, node)
        if isinstance(node, ast.Tuple):
            node.elts = [
                self.index(e) if isinstance(e, ast.Slice) else self.visit(e) for e in node.elts
            ]
            return node
        return self.visit(node)

    def visit_Call(self, node):
        function = node.func
        label = _label(node)
        if isinstance(function, ast.Attribute):
            value = self.visit(function.value)
            args = [
                value,
                ast.Constant(value=self.mangled(function.attr)),
                self.constant(READ, node, label),
            ]
            node.func = self.call("_rp_m", args, function)
            if function.attr in ("update", "subtract"):
                # The second part of what such a method of a Counter does.
                self.new_site(node, label[:80], False)
        elif isinstance(function, ast.Name):
            if function.id in ("super", "locals", "globals", "vars", "eval", "exec", "dir"):
                node.args = [self.visit(a) for a in node.args]
                return node
            owner = self.scopes.binder(self.scope, function.id)
            builtin = owner.is_module and function.id not in owner.bound
            if builtin and function.id == "next" and node.args and not node.keywords:
                node.args = [self.visit(a) for a in node.args]
                node.args.insert(0, self.constant(READ, node, label))
                node.func = _name("_rp_nx")
                ast.copy_location(node.func, function)
                self.breaks = True
                return node
            if builtin and function.id == "len" and len(node.args) == 1 and not node.keywords:
                node.args = [self.wrapped("_rp_sz", node.args[0], node, label)]
                self.breaks = True
                return node
            if builtin and function.id == "bool" and len(node.args) == 1 and not node.keywords:
                node.args = [self.truth(node.args[0])]
                self.breaks = True
                return node
            by_name = _BY_NAME.get((function.id, len(node.args)))
            if (
                builtin
                and by_name
                and not node.keywords
                and not any(isinstance(a, ast.Starred) for a in node.args)
            ):
                hook, kind = by_name
                args = [self.visit(a) for a in node.args]
                return self.call(hook, args + [self.constant(kind, node, label)], node)
            if builtin and function.id in _ITERATING:
                node.args = [
                    self.visit(a) if isinstance(a, ast.Starred) else self.iterated(a, label)
                    for a in node.args
                ]
                node.keywords = [self.visit(k) for k in node.keywords]
                self.breaks = True
                return node
            if builtin and function.id in _READERS:
                node.args = [
                    self.visit(a)
                    if isinstance(a, (ast.Starred, ast.Constant))
                    else self.wrapped("_rp_rd", a, node, label)
                    for a in node.args
                ]
                node.keywords = [self.visit(k) for k in node.keywords]
                self.breaks = True
                return node
            node.func = self.visit(function)
            if owner.is_module and function.id in self.scopes.imported:
                constant = self.constant(READ, node, label)
                node.func = self.call("_rp_lc", [node.func, constant], function)
        else:
            node.func = self.visit(function)
        if isinstance(function, ast.Attribute) and function.attr == "join" and len(node.args) == 1:
            node.args = [self.wrapped("_rp_rd", node.args[0], node, label)]
        elif isinstance(function, ast.Attribute) and function.attr == "format":
            node.args = [self.operand(a) for a in node.args]
        else:
            node.args = [self.visit(a) for a in node.args]
        node.keywords = [self.visit(k) for k in node.keywords]
        self.breaks = True
        return node

    def wrapped(self, hook, node, where, label=None):
        value = self.visit(node)
        return self.call(hook, [value, self.constant(READ, where, label)], where)

    def visit_Starred(self, node):
        if isinstance(node.ctx, ast.Load) and not isinstance(node.value, ast.Constant):
            label = _label(node.value)
            node.value = self.wrapped("_rp_rd", node.value, node.value, label)
            return node
        return self.generic_visit(node)

    def visit_keyword(self, node):
        value = node.value
        node.value = self.operand(value) if node.arg is None else self.visit(value)
        return node

    def visit_Dict(self, node):
        pairs = zip(node.keys, node.values)
        node.values = [self.visit(v) if k else self.operand(v) for k, v in pairs]
        node.keys = [self.visit(k) if k else None for k in node.keys]
        return node

    def visit_FormattedValue(self, node):
        node.value = self.operand(node.value)
        if node.format_spec is not None:
            node.format_spec = self.visit(node.format_spec)
        return node

    visit_Interpolation = visit_FormattedValue

    def visit_BinOp(self, node):
        sides = (node.left, node.right)
        if any(isinstance(it, ast.Constant) and type(it.value) in (int, float) for it in sides):
            return self.generic_visit(node)
        node.left, node.right = self.operand(node.left), self.operand(node.right)
        return node

    def visit_Compare(self, node):
        if len(node.ops) != 1:
            return self.generic_visit(node)
        label = _label(node)
        operation = node.ops[0]
        left, right = node.left, node.comparators[0]
        if isinstance(operation, (ast.In, ast.NotIn)):
            hook = "_rp_in" if isinstance(operation, ast.In) else "_rp_ni"
            if isinstance(right, (ast.Tuple, ast.Constant, ast.List, ast.Set)):
                return self.generic_visit(node)
            args = [self.visit(left), self.visit(right), self.constant(READ, node, label)]
            return self.call(hook, args, node)
        if isinstance(operation, (ast.Is, ast.IsNot)) or any(
            isinstance(side, ast.Constant) for side in (left, right)
        ):
            return self.generic_visit(node)
        node.left = self.operand(left)
        node.comparators = [self.operand(right)]
        return node

    def operand(self, node):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            label = _label(node)
            return self.wrapped("_rp_rd", node, node, label)
        return self.visit(node)

    # --- truth tests

    def truth(self, node):
        """An expression whose truth is taken."""
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            label = _label(node)
            return self.wrapped("_rp_sz", node, node, label)
        return self.visit(node)

    def visit_If(self, node):
        node.test = self.truth(node.test)
        node.body = _flatten([self.visit(s) for s in node.body])
        node.orelse = _flatten([self.visit(s) for s in node.orelse])
        return node

    def visit_While(self, node):
        self.breaks = True
        if _only_tests(node):
            begin = ast.Expr(value=self.call("_rp_sb", [], node))
            again = self.constant(WAIT, node, "while " + _label(node.test))
            node.test = self.truth(node.test)
            node.body = [ast.Expr(value=self.call("_rp_ag", [again], node))]
            node.orelse = _flatten([self.visit(s) for s in node.orelse])
            self.breaks = True
            return [ast.fix_missing_locations(ast.copy_location(it, node)) for it in (begin, node)]
        node.test = self.truth(node.test)
        node.body = _flatten([self.visit(s) for s in node.body])
        node.orelse = _flatten([self.visit(s) for s in node.orelse])
        self.breaks = True
        return node

    def visit_IfExp(self, node):
        node.test = self.truth(node.test)
        node.body = self.visit(node.body)
        node.orelse = self.visit(node.orelse)
        return node

    def visit_Assert(self, node):
        node.test = self.truth(node.test)
        if node.msg is not None:
            node.msg = self.visit(node.msg)
        return node

    def visit_BoolOp(self, node):
        node.values = [self.truth(v) for v in node.values]
        return node

    def visit_UnaryOp(self, node):
        node.operand = (
            self.truth(node.operand) if isinstance(node.op, ast.Not) else self.visit(node.operand)
        )
        return node

    # --- iteration

    def iterated(self, node, label=None):
        if isinstance(node, (ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict)):
            return self.visit(node)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "range"
        ):
            return self.visit(node)
        return self.wrapped("_rp_it", node, node, label or "for ... in " + _label(node))

    def visit_For(self, node):
        node.iter = self.iterated(node.iter)
        target, after = self.target(node.target)
        node.target = target
        self.breaks = True
        node.body = after + _flatten([self.visit(s) for s in node.body])
        node.orelse = _flatten([self.visit(s) for s in node.orelse])
        self.breaks = True
        return node

    def visit_AsyncFor(self, node):
        node.iter = self.visit(node.iter)
        node.body = _flatten([self.visit(s) for s in node.body])
        node.orelse = _flatten([self.visit(s) for s in node.orelse])
        return node

    # --- stores

    def store(self, target, value, node):
        """The statement that stores `value` (already rewritten) into one target."""
        if isinstance(target, ast.Attribute):
            label = _label(target)
            obj = self.visit(target.value)
            name = ast.Constant(value=self.mangled(target.attr))
            call = self.call(
                "_rp_sa", [value, obj, name, self.constant(WRITE, target, label)], node
            )
            return ast.copy_location(ast.Expr(value=call), node)
        if isinstance(target, ast.Subscript):
            label = _label(target)
            obj = self.visit(target.value)
            key = self.index(target.slice)
            call = self.call("_rp_si", [value, obj, key, self.constant(WRITE, target, label)], node)
            return ast.copy_location(ast.Expr(value=call), node)
        place = self.shared_name(target.id)
        if place is not None:
            name = ast.Constant(value=target.id)
            value = self.call(
                "_rp_sn", [value, place, name, self.constant(WRITE, target, target.id)], node
            )
        return ast.copy_location(ast.Assign(targets=[target], value=value), node)

    def hooked(self, target):
        """Whether a store to this target goes through a hook."""
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            return True
        return isinstance(target, ast.Name) and self.shared_name(target.id) is not None

    def target(self, target):
        """A target without hooked parts, and the statements that then store those parts."""
        if isinstance(target, (ast.Tuple, ast.List)):
            after = []
            parts = []
            for part in target.elts:
                plain, more = self.target(part)
                parts.append(plain)
                after += more
            target.elts = parts
            return target, after
        if isinstance(target, ast.Starred):
            target.value, after = self.target(target.value)
            return target, after
        if self.hooked(target):
            name = self.temporary()
            plain = ast.copy_location(_name(name, False), target)
            value = ast.copy_location(_name(name), target)
            store = self.store(target, value, target)
            return plain, [ast.fix_missing_locations(store)]
        return target, []

    def visit_Assign(self, node):
        value = self.visit(node.value)
        if len(node.targets) == 1:
            target = node.targets[0]
            if self.hooked(target):
                return ast.fix_missing_locations(self.store(target, value, node))
            if isinstance(target, ast.Name):
                node.value = value
                return node
        elif not any(
            self.hooked(t) or isinstance(t, (ast.Tuple, ast.List, ast.Starred))
            for t in node.targets
        ):
            node.value = value
            return node
        after = []
        plain = []
        for target in node.targets:
            target, more = self.target(target)
            plain.append(target)
            after += more
        node.targets = plain
        node.value = value
        return [node] + after

    def visit_AnnAssign(self, node):
        if node.value is None:
            return node
        node.value = self.visit(node.value)
        if self.hooked(node.target) and not self.scope.is_class:
            simple = isinstance(node.target, ast.Name)
            if not simple:
                return ast.fix_missing_locations(self.store(node.target, node.value, node))
        return node

    def visit_NamedExpr(self, node):
        node.value = self.visit(node.value)
        place = self.shared_name(node.target.id)
        if place is not None:
            name = ast.Constant(value=node.target.id)
            constant = self.constant(WRITE, node.target, node.target.id)
            node.value = self.call("_rp_sn", [node.value, place, name, constant], node)
        return node

    def visit_AugAssign(self, node):
        target = node.target
        function = _IN_PLACE[type(node.op)]
        label = _label(target)
        if isinstance(target, ast.Name):
            place = self.shared_name(target.id)
            load = ast.copy_location(_name(target.id), target)
            if place is None:
                node.value = self.visit(node.value)
                return node
            current = self.visit_Name(load)
            combined = self.combined(function, current, node, label)
            return ast.fix_missing_locations(self.store(target, combined, node))
        before = []
        obj = self.temporary()
        before.append(self.keep(obj, self.visit(target.value), node))
        if isinstance(target, ast.Attribute):
            name = ast.Constant(value=self.mangled(target.attr))
            current = self.call(
                "_rp_ga", [_name(obj), name, self.constant(READ, target, label)], target
            )
            combined = self.combined(function, current, node, label)
            call = self.call(
                "_rp_sa", [combined, _name(obj), name, self.constant(WRITE, target, label)], node
            )
        else:
            key = self.temporary()
            before.append(self.keep(key, self.index(target.slice), node))
            current = self.call(
                "_rp_gi", [_name(obj), _name(key), self.constant(READ, target, label)], target
            )
            combined = self.combined(function, current, node, label)
            call = self.call(
                "_rp_si",
                [combined, _name(obj), _name(key), self.constant(WRITE, target, label)],
                node,
            )
        last = ast.fix_missing_locations(ast.copy_location(ast.Expr(value=call), node))
        return before + [last]

    def combined(self, function, current, node, label):
        value = self.visit(node.value)
        operation = ast.Attribute(value=_name("_rp_ops"), attr=function, ctx=ast.Load())
        return self.call(
            "_rp_ip", [operation, current, value, self.constant(UPDATE, node, label)], node
        )

    def keep(self, name, value, node):
        statement = ast.Assign(targets=[_name(name, False)], value=value)
        ast.copy_location(statement, node)
        return ast.fix_missing_locations(statement)

    def visit_Delete(self, node):
        made = []
        for target in node.targets:
            label = _label(target)
            if isinstance(target, ast.Attribute):
                obj = self.visit(target.value)
                name = ast.Constant(value=self.mangled(target.attr))
                call = self.call("_rp_da", [obj, name, self.constant(WRITE, target, label)], node)
            elif isinstance(target, ast.Subscript):
                obj = self.visit(target.value)
                key = self.index(target.slice)
                call = self.call("_rp_di", [obj, key, self.constant(UPDATE, target, label)], node)
            else:
                made.append(ast.copy_location(ast.Delete(targets=[target]), node))
                continue
            made.append(ast.copy_location(ast.Expr(value=call), node))
        return made

    def visit_With(self, node):
        after = []
        for item in node.items:
            item.context_expr = self.visit(item.context_expr)
            if item.optional_vars is not None:
                item.optional_vars, more = self.target(item.optional_vars)
                after += more
        self.breaks = True
        node.body = after + _flatten([self.visit(s) for s in node.body])
        return node

    visit_AsyncWith = visit_With

    def generic_visit(self, node):
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "type_params"):
                continue
            if isinstance(value, list):
                made = []
                for item in value:
                    if isinstance(item, ast.AST):
                        item = self.visit(item)
                        if item is None:
                            continue
                        if isinstance(item, list):
                            made.extend(item)
                            continue
                    made.append(item)
                value[:] = made
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node


# What a test may consist of whose value depends on nothing but what it reads.
_PLAIN = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp,
    ast.BinOp, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


def _only_tests(loop):
    """Whether a `while` loop does nothing but test, so that its turns are alike until something
    that it reads is written by another thread."""
    idle = all(
        isinstance(it, (ast.Pass, ast.Continue))
        or (isinstance(it, ast.Expr) and isinstance(it.value, ast.Constant))
        for it in loop.body
    )
    return idle and all(isinstance(it, _PLAIN) for it in ast.walk(loop.test))


def _flatten(items):
    made = []
    for item in items:
        if isinstance(item, list):
            made.extend(item)
        else:
            made.append(item)
    return made


def _label(node):
    try:
        return ast.unparse(node)
    except Exception:
        return type(node).__name__


def rewrite(tree, new_site, everything):
    """Rewrites a module's tree in place; with `everything`, names that are bound once as well."""
    return ast.fix_missing_locations(Rewriter(tree, new_site, everything).visit(tree))


def scope_statement(tree):
    """Gives the module the object that stands for its globals, after what must come first."""
    at = 0
    for at, statement in enumerate(tree.body):
        first = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        docstring = (
            at == 0
            and isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        )
        if not (first or docstring):
            break
    else:
        at = len(tree.body)
    statement = ast.Assign(
        targets=[_name("_rp_scope", False)],
        value=ast.Call(func=_name("_rp_cells"), args=[], keywords=[]),
    )
    where = tree.body[min(at, len(tree.body) - 1)] if tree.body else None
    if where is not None:
        ast.copy_location(statement, where)
        tree.body.insert(at, ast.fix_missing_locations(statement))
    return tree
