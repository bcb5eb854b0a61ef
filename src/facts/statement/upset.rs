//! Loops whose body changes the size of what they walk: `for key in table: del table[key]`.
//!
//! Containers are compared by how they are spelled: as names, or attributes of names. A body that
//! binds any part of that spelling may mean another container by it, and a body that may leave the
//! loop behind the change need not take another step; nothing is said of either.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprContext, Stmt, StmtFor};

use crate::facts::body::{Walker, range_of};
use crate::facts::{Op, OpKind, Value, ValueId};
use crate::source::span::Range;

impl<'a> Walker<'a> {
    /// Adds the op for a loop over a value if its body, the ops from `first` on, changes the size of
    /// what it walks.
    pub(super) fn upset(&mut self, it: &'a StmtFor, iterated: ValueId, first: u32) {
        let Some(walked) = walked(&it.iter) else {
            return;
        };
        let named = match walked {
            Expr::Attribute(it) => it.attr.as_str(),
            Expr::Name(it) => it.id.as_str(),
            _ => return,
        };
        let [head, ..] = &*it.body else {
            return;
        };
        let body = Range {
            start: range_of(head).start,
            end: range_of(it).end,
        };
        // Most bodies never name what they walk.
        if !self.source(body).contains(named) {
            return;
        }
        let mut found = Changes {
            walked,
            element: &it.target,
            inner_loops: 0,
            first: None,
            rebound: false,
        };
        found.visit_expr(&it.target);
        found.visit_body(&it.body);
        let Some(range) = found.first.filter(|_| !found.rebound) else {
            return;
        };
        let changes = |op: &Op| {
            op.range.start == range.start
                && op.range.end <= range.end
                && matches!(op.kind, OpKind::Call(_) | OpKind::ItemDelete { .. })
        };
        let Some(change) = (first..)
            .zip(&self.frame().code.ops[first as usize..])
            .find_map(|(index, op)| changes(op).then_some(index))
        else {
            return;
        };
        let base = match (&*it.iter, self.get(iterated)) {
            (Expr::Call(_), &Value::Call(call)) => {
                let callee = self.frame().code.calls[call as usize].callee;
                match *self.get(callee) {
                    Value::Attribute { base, .. } => base,
                    _ => return,
                }
            }
            _ => iterated,
        };
        self.op(OpKind::Upset { base, change }, range_of(&*it.iter));
    }
}

/// The container that a loop over an expression walks: itself, or what it is a view of.
fn walked(iter: &Expr) -> Option<&Expr> {
    let walked = match iter {
        Expr::Call(call) if call.arguments.is_empty() => match &*call.func {
            Expr::Attribute(view) if matches!(view.attr.as_str(), "items" | "keys" | "values") => {
                &*view.value
            }
            _ => return None,
        },
        other => other,
    };
    is_same(walked, walked).then_some(walked)
}

/// Whether two expressions are the same name, or the same attribute of one.
fn is_same(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Name(a), Expr::Name(b)) => a.id == b.id,
        (Expr::Attribute(a), Expr::Attribute(b)) => {
            a.attr.as_str() == b.attr.as_str() && is_same(&a.value, &b.value)
        }
        _ => false,
    }
}

/// Looks for the first change behind which nothing leaves the loop.
struct Changes<'a> {
    walked: &'a Expr,
    element: &'a Expr,
    inner_loops: u32,
    first: Option<Range>,
    rebound: bool,
}

impl Changes<'_> {
    fn leaves(&mut self) {
        self.first = None;
    }

    fn changes(&mut self, range: Range) {
        self.first.get_or_insert(range);
    }

    /// Whether storing to a target binds the container or what it belongs to.
    fn binds(&self, target: &Expr) -> bool {
        let mut part = self.walked;
        loop {
            if is_same(part, target) {
                return true;
            }
            match part {
                Expr::Attribute(it) => part = &it.value,
                _ => return false,
            }
        }
    }
}

impl<'a> Visitor<'a> for Changes<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            // It runs another time.
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            Stmt::For(_) | Stmt::While(_) => {
                self.inner_loops += 1;
                visitor::walk_stmt(self, stmt);
                self.inner_loops -= 1;
            }
            Stmt::Break(_) if self.inner_loops == 0 => self.leaves(),
            Stmt::Return(_) | Stmt::Raise(_) => {
                visitor::walk_stmt(self, stmt);
                self.leaves();
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_) | Expr::Generator(_) => return,
            Expr::Name(it) if it.ctx != ExprContext::Load => self.rebound |= self.binds(expr),
            Expr::Attribute(it) if it.ctx != ExprContext::Load => self.rebound |= self.binds(expr),
            Expr::Subscript(it)
                if it.ctx == ExprContext::Del && is_same(self.walked, &it.value) =>
            {
                self.changes(range_of(expr));
            }
            Expr::Call(call) => {
                if let Expr::Attribute(method) = &*call.func
                    && is_same(self.walked, &method.value)
                {
                    let changes = match method.attr.as_str() {
                        "pop" | "popitem" | "clear" | "remove" | "discard" => true,
                        // What is walked is there already.
                        "add" => {
                            let mut given = call.arguments.args.iter();
                            !given.any(|it| is_same(it, self.element))
                        }
                        _ => false,
                    };
                    if changes {
                        self.changes(range_of(expr));
                    }
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}
