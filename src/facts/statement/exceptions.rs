//! Exceptions: `try` statements, and handlers that are there for what is absent.

use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtTry};

use crate::facts::body::{Attended, Walker, range_of};
use crate::facts::{OpKind, ValueId};

/// Exceptions that tell of the absence of an element or attribute.
const ABSENCE: [&str; 4] = ["KeyError", "IndexError", "LookupError", "AttributeError"];

/// The same, and those that methods raise which look for an element.
pub(super) const ABSENT_ELEMENT: [&str; 5] = [
    "KeyError",
    "IndexError",
    "LookupError",
    "AttributeError",
    "ValueError",
];

/// Exceptions by which a queue, a future or the file system refuses what its state does not allow.
pub(super) const REFUSAL: [&str; 7] = [
    "Empty",
    "Full",
    "InvalidStateError",
    "FileExistsError",
    "FileNotFoundError",
    "OSError",
    "IOError",
];

impl<'a> Walker<'a> {
    pub(super) fn try_statement(&mut self, it: &'a StmtTry) {
        let releases = self.released_texts(&it.finalbody);
        let outer_releases = self.frame().finally_releases.len();
        self.frame().finally_releases.extend(&releases);

        let before = self.frame().flow.clone();
        let first_op = self.next_op();
        let handled = |names: &[&str]| u32::from(it.handlers.iter().any(|it| expects(it, names)));
        let (absence, refusal) = (handled(&ABSENT_ELEMENT), handled(&REFUSAL));
        self.frame().absence_handled += absence;
        self.frame().refusal_handled += refusal;
        let attended = self.attended_by(&it.handlers);
        self.frame().attended.push(attended);
        self.suite(&it.body);
        self.frame().attended.pop();
        self.frame().absence_handled -= absence;
        self.frame().refusal_handled -= refusal;
        let body_end = self.frame().flow.clone();
        let after_body = self.next_op();
        self.suite(&it.orelse);
        let mut joined = self.frame().flow.clone();
        let after_try_alive = joined.alive;

        // An exception may come from anywhere in the body: certainly held in a handler is what
        // was held before the body and is not released in it. A lock whose release is the last
        // thing the body does may be still taken; an earlier release is believed to have run.
        let mut caught = before.clone();
        caught.alive = true;
        let released_inside: Vec<ValueId> = {
            let ops = &self.frame().code.ops[first_op as usize..after_body as usize];
            ops.iter()
                .filter_map(|op| match op.kind {
                    OpKind::Release { lock } => Some(lock),
                    _ => None,
                })
                .collect()
        };
        let last_is_release = it
            .body
            .last()
            .is_some_and(|last| released_spelling(last).is_some());
        if !released_inside.is_empty() {
            let set = self.frame().held.sets[caught.held as usize].clone();
            let kept = set
                .into_iter()
                .filter(|held| !released_inside.iter().any(|&it| self.same(it, held.lock)))
                .collect();
            caught.held = self.frame().held.intern(kept);
            // A release alone in its `try` raises when the lock is not taken after all.
            if !last_is_release || released_inside.len() > 1 || it.body.len() == 1 {
                let taken = std::mem::take(&mut caught.taken);
                caught.taken = taken
                    .into_iter()
                    .filter(|taken| !released_inside.iter().any(|&it| self.same(it, taken.lock)))
                    .collect();
            }
        }
        let slots = caught.env.len().max(body_end.env.len());
        for slot in 0..slots {
            let a = caught.env.get(slot).copied().unwrap_or_default();
            let b = body_end.env.get(slot).copied().unwrap_or_default();
            let value = self.join_values(a, b);
            if caught.env.len() <= slot {
                caught.env.push(value);
            } else {
                caught.env[slot] = value;
            }
        }

        let outside = self.frame().control;
        let mut absent = outside;
        for handler in &it.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.frame().flow = caught.clone();
            self.frame().control = outside;
            if let Some(kind) = &handler.type_ {
                self.expression(kind);
                if says_absent(kind) {
                    absent = self.control_by(first_op, after_body, true);
                    self.frame().control = absent;
                }
            }
            if let Some(name) = &handler.name {
                self.assign_name(name, ValueId::UNKNOWN, range_of(name));
            }
            self.frame().handlers += 1;
            self.suite(&handler.body);
            self.frame().handlers -= 1;
            let flow = self.frame().flow.clone();
            joined = self.join(joined, flow);
        }
        // Where the body leaves, what follows runs because something was absent.
        self.frame().control = if after_try_alive { outside } else { absent };
        self.frame().finally_releases.truncate(outer_releases);
        if it.finalbody.is_empty() {
            self.frame().flow = joined;
            return;
        }
        let alive = joined.alive;
        let mut flow = if alive { joined } else { caught };
        flow.alive = true;
        self.frame().flow = flow;
        self.suite(&it.finalbody);
        self.frame().flow.alive &= alive;
    }

    /// What handlers do for the statements that follow.
    fn attended_by(&mut self, handlers: &'a [ExceptHandler]) -> Attended<'a> {
        let mut releases = Vec::new();
        for ExceptHandler::ExceptHandler(handler) in handlers {
            releases.extend(self.released_texts(&handler.body));
        }
        Attended {
            catches: !handlers.is_empty(),
            releases,
            first_region: self.frame().regions,
        }
    }

    /// How the source spells the locks that some statements release.
    pub(super) fn released_texts(&mut self, body: &'a [Stmt]) -> Vec<&'a str> {
        struct Releases<'a>(Vec<&'a Expr>);
        impl<'a> ruff_python_ast::visitor::Visitor<'a> for Releases<'a> {
            fn visit_expr(&mut self, expr: &'a Expr) {
                if let Expr::Call(call) = expr
                    && let Expr::Attribute(it) = &*call.func
                    && it.attr.as_str() == "release"
                {
                    self.0.push(&it.value);
                }
                ruff_python_ast::visitor::walk_expr(self, expr);
            }
        }
        if body.is_empty() {
            return Vec::new();
        }
        let mut found = Releases(Vec::new());
        ruff_python_ast::visitor::Visitor::visit_body(&mut found, body);
        found
            .0
            .into_iter()
            .map(|lock| self.source(range_of(lock)))
            .collect()
    }
}

fn released_spelling(statement: &Stmt) -> Option<&Expr> {
    let Stmt::Expr(it) = statement else {
        return None;
    };
    let Expr::Call(call) = &*it.value else {
        return None;
    };
    let Expr::Attribute(callee) = &*call.func else {
        return None;
    };
    (callee.attr.as_str() == "release").then_some(&*callee.value)
}

/// Whether an `except` clause catches the absence of an element or attribute.
fn says_absent(kind: &Expr) -> bool {
    names_one_of(kind, &ABSENCE)
}

/// Whether a handler is there for one of some exceptions: it names one, or it passes over everything.
fn expects(handler: &ExceptHandler, names: &[&str]) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let passes = || {
        handler
            .body
            .iter()
            .all(|it| matches!(it, Stmt::Pass(_) | Stmt::Continue(_)))
    };
    match handler.type_.as_deref() {
        Some(kind) => names_one_of(kind, names) || names_one_of(kind, &["Exception"]) && passes(),
        None => passes(),
    }
}

/// Whether the context of a `with` statement is `contextlib.suppress` of one of some exceptions.
pub(super) fn suppresses(context: &Expr, names: &[&str]) -> bool {
    let is_one = |it: &Expr| names_one_of(it, names) || names_one_of(it, &["Exception"]);
    suppressed(context).is_some_and(|kinds| kinds.iter().any(is_one))
}

/// The exceptions that `contextlib.suppress` catches, if the context of a `with` statement is one.
pub(super) fn suppressed(context: &Expr) -> Option<&[Expr]> {
    let Expr::Call(call) = context else {
        return None;
    };
    let is_suppress = match &*call.func {
        Expr::Name(name) => name.id.as_str() == "suppress",
        Expr::Attribute(it) => it.attr.as_str() == "suppress",
        _ => false,
    };
    is_suppress.then_some(&*call.arguments.args)
}

/// Whether an exception, or one of a tuple of them, has one of these names.
fn names_one_of(kind: &Expr, names: &[&str]) -> bool {
    match kind {
        Expr::Name(it) => names.contains(&it.id.as_str()),
        Expr::Attribute(it) => names.contains(&it.attr.as_str()),
        Expr::Tuple(kinds) => kinds.elts.iter().any(|it| names_one_of(it, names)),
        _ => false,
    }
}
