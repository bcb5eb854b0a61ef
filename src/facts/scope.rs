//! Which names a function binds, and which of them functions nested in it can see.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Comprehension, Expr, ExprContext, Pattern, Stmt};
use rustc_hash::FxHashSet;

/// What is asked of the functions nested in a body.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// What they do to names.
    #[default]
    Names,
    /// Which names they declare `global`.
    Globals,
    /// Nothing.
    Nothing,
}

/// The names of one function body, by what happens to them.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// Bound in the body itself.
    pub bound: FxHashSet<&'a str>,
    /// Bound by something other than `def`, `class` and `import`.
    pub assigned: FxHashSet<&'a str>,
    /// Declared `global`.
    pub globals: FxHashSet<&'a str>,
    /// Declared `nonlocal`.
    pub nonlocals: FxHashSet<&'a str>,
    /// Loaded by nested functions.
    pub used_inside: FxHashSet<&'a str>,
    /// Rebound by nested functions.
    pub rebound_inside: FxHashSet<&'a str>,
    /// Declared `global` in nested functions.
    pub globals_inside: FxHashSet<&'a str>,
    /// Has a `yield` of its own.
    pub is_generator: bool,
    inside: Inside,
    depth: u32,
    class_depth: u32,
}

impl<'a> Names<'a> {
    /// The names of a function with these parameters and this body.
    pub fn of_body(body: &'a [Stmt]) -> Self {
        let mut names = Self::default();
        names.visit_body(body);
        names
    }

    /// The names of a module, as far as they are its own: not what its functions do to those that
    /// they do not declare `global`.
    pub fn of_module(body: &'a [Stmt]) -> Self {
        let mut names = Self {
            inside: Inside::Globals,
            ..Self::default()
        };
        names.visit_body(body);
        names
    }

    /// The names of a lambda body.
    pub fn of_expression(body: &'a Expr) -> Self {
        let mut names = Self::default();
        names.visit_expr(body);
        names
    }

    /// Names bound anywhere in some statements, nested functions left out.
    pub fn bound_in(body: &'a [Stmt]) -> FxHashSet<&'a str> {
        let mut names = Self {
            inside: Inside::Nothing,
            ..Self::default()
        };
        names.visit_body(body);
        names.bound
    }

    fn bind(&mut self, name: &'a str, assigned: bool) {
        if self.depth == 0 && self.class_depth == 0 {
            self.bound.insert(name);
            if assigned {
                self.assigned.insert(name);
            }
        }
    }
}

impl<'a> Visitor<'a> for Names<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                self.bind(&def.name, false);
                for decorator in &def.decorator_list {
                    self.visit_decorator(decorator);
                }
                for parameter in def.parameters.iter_non_variadic_params() {
                    if let Some(default) = &parameter.default {
                        self.visit_expr(default);
                    }
                }
                if self.inside == Inside::Nothing {
                    return;
                }
                let class_depth = std::mem::take(&mut self.class_depth);
                self.depth += 1;
                self.visit_body(&def.body);
                self.depth -= 1;
                self.class_depth = class_depth;
            }
            Stmt::ClassDef(def) => {
                self.bind(&def.name, false);
                for decorator in &def.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(arguments) = &def.arguments {
                    self.visit_arguments(arguments);
                }
                self.class_depth += 1;
                self.visit_body(&def.body);
                self.class_depth -= 1;
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let bound = alias.asname.as_ref().map_or_else(
                        || alias.name.split('.').next().unwrap_or_default(),
                        |name| name.as_str(),
                    );
                    self.bind(bound, false);
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.bind(alias.asname.as_ref().unwrap_or(&alias.name), false);
                }
            }
            Stmt::Global(global) => {
                for name in &global.names {
                    if self.depth == 0 {
                        self.globals.insert(name);
                    } else {
                        self.globals_inside.insert(name);
                    }
                }
            }
            Stmt::Nonlocal(nonlocal) => {
                for name in &nonlocal.names {
                    if self.depth == 0 {
                        self.nonlocals.insert(name);
                    } else {
                        self.used_inside.insert(name);
                        self.rebound_inside.insert(name);
                    }
                }
            }
            Stmt::Try(statement) => {
                for handler in &statement.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    if let Some(name) = &handler.name {
                        self.bind(name, true);
                    }
                }
                visitor::walk_stmt(self, stmt);
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.depth > 0 && self.inside != Inside::Names {
            return;
        }
        match expr {
            Expr::Name(name) => match name.ctx {
                ExprContext::Load if self.depth > 0 => {
                    self.used_inside.insert(&name.id);
                }
                ExprContext::Store | ExprContext::Del => self.bind(&name.id, true),
                _ => {}
            },
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    for parameter in parameters.iter_non_variadic_params() {
                        if let Some(default) = &parameter.default {
                            self.visit_expr(default);
                        }
                    }
                }
                self.depth += 1;
                self.visit_expr(&lambda.body);
                self.depth -= 1;
            }
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                self.is_generator |= self.depth == 0;
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        // The targets live in the comprehension alone.
        self.visit_expr(&comprehension.iter);
        for test in &comprehension.ifs {
            self.visit_expr(test);
        }
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        match pattern {
            Pattern::MatchAs(it) => {
                if let Some(name) = &it.name {
                    self.bind(name, true);
                }
            }
            Pattern::MatchStar(it) => {
                if let Some(name) = &it.name {
                    self.bind(name, true);
                }
            }
            Pattern::MatchMapping(it) => {
                if let Some(name) = &it.rest {
                    self.bind(name, true);
                }
            }
            _ => {}
        }
        visitor::walk_pattern(self, pattern);
    }
}
