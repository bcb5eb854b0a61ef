//! Statements to ops, with the flow between them.

mod assignment;
mod branches;
mod contexts;
mod definitions;
mod exceptions;
mod loops;
mod upset;

use ruff_python_ast::{Expr, Stmt};

use super::body::{Walker, range_of};
use super::expression::Condition;
use super::{Constant, OpKind, WayOut};
use crate::source::span::Range;

impl<'a> Walker<'a> {
    /// Walks statements one after the other. A branch that leaves the function makes its test
    /// decide about all that follow in the same suite.
    pub(super) fn statements(&mut self, body: &'a [Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn suite(&mut self, body: &'a [Stmt]) {
        let control = self.frame().control;
        self.statements(body);
        self.frame().control = control;
    }

    fn statement(&mut self, statement: &'a Stmt) {
        let range = range_of(statement);
        match statement {
            Stmt::FunctionDef(def) => self.function_definition(def),
            Stmt::ClassDef(def) => self.class_definition(def),
            Stmt::Return(it) => {
                let value = match &it.value {
                    Some(value) => self.expression(value),
                    None => self.constant(Constant::None),
                };
                self.frame().code.returns.push(value);
                self.op(OpKind::Return { value }, range);
                self.leave(range);
            }
            Stmt::Raise(it) => {
                for value in it.exc.iter().chain(&it.cause) {
                    self.expression(value);
                }
                self.may_raise(range, WayOut::Raise);
                let frame = self.frame();
                let is_caught = frame.attended.iter().any(|it| it.catches);
                frame.code.raises |= !is_caught && it.exc.as_deref().is_some_and(is_failure);
                frame.flow.alive = false;
            }
            Stmt::Delete(it) => {
                for target in &it.targets {
                    self.delete(target);
                }
            }
            Stmt::Assign(it) => {
                if let (Expr::Tuple(tuple), [Expr::Tuple(targets)]) = (&*it.value, &it.targets[..])
                {
                    let starred = |list: &[Expr]| list.iter().any(Expr::is_starred_expr);
                    if targets.elts.len() == tuple.elts.len()
                        && !starred(&targets.elts)
                        && !starred(&tuple.elts)
                    {
                        let values: Vec<_> =
                            tuple.elts.iter().map(|it| self.expression(it)).collect();
                        for (target, value) in targets.elts.iter().zip(values) {
                            self.assign(target, value, range);
                        }
                        return;
                    }
                }
                let value = self.expression(&it.value);
                for target in &it.targets {
                    self.assign(target, value, range);
                }
            }
            Stmt::AnnAssign(it) => {
                let value = match &it.value {
                    Some(value) => self.expression(value),
                    None => return,
                };
                self.assign(&it.target, value, range);
            }
            Stmt::AugAssign(it) => self.augmented(&it.target, &it.value, range),
            Stmt::For(it) => self.for_loop(it),
            Stmt::While(it) => self.while_loop(it),
            Stmt::If(it) => self.if_statement(it),
            Stmt::With(it) => self.with_statement(it),
            Stmt::Match(it) => self.match_statement(it),
            Stmt::Try(it) => self.try_statement(it),
            Stmt::Assert(it) => {
                let first = self.next_op();
                let condition = self.test(&it.test);
                self.assume(&condition, true);
                if let Some(message) = &it.msg {
                    self.expression(message);
                }
                self.frame().control = self.control_since(first);
            }
            Stmt::Import(it) => self.import(it),
            Stmt::ImportFrom(it) => self.import_from(it),
            Stmt::Expr(it) => {
                if let Expr::Call(call) = &*it.value {
                    self.call(call, true);
                } else {
                    self.expression(&it.value);
                }
            }
            Stmt::Break(_) => {
                let flow = self.flow_out_of_loop();
                if let Some(frame) = self.frame().loops.last_mut() {
                    frame.breaks.push(flow);
                }
                self.frame().flow.alive = false;
            }
            Stmt::Continue(_) => {
                self.end_of_iteration(range);
                self.frame().flow.alive = false;
            }
            Stmt::Global(_)
            | Stmt::Nonlocal(_)
            | Stmt::Pass(_)
            | Stmt::TypeAlias(_)
            | Stmt::IpyEscapeCommand(_) => {}
        }
    }

    /// A path leaves the function: locks it may still hold leak, unless a `finally` gives them
    /// back.
    pub(super) fn leave(&mut self, exit: Range) {
        let frame = self.frame();
        for taken in frame.flow.taken.clone() {
            if !frame.finally_releases.contains(&taken.text) {
                frame.leaks.push((taken, exit, WayOut::Statement));
            }
        }
        frame.flow.alive = false;
    }

    /// An exception may come out here: locks that are taken leak, unless a statement around sees to
    /// it that they are given back, or goes on with them.
    pub(super) fn may_raise(&mut self, exit: Range, by: WayOut) {
        let frame = self.frame();
        if frame.flow.taken.is_empty() {
            return;
        }
        for taken in frame.flow.taken.clone() {
            let is_attended = frame.attended.iter().any(|it| {
                it.releases.contains(&taken.text) || it.catches && taken.region < it.first_region
            });
            if !is_attended && !frame.finally_releases.contains(&taken.text) {
                frame.leaks.push((taken, exit, by));
            }
        }
    }

    /// Takes the locks that the outcome of a condition says are taken, and forgets those it says
    /// are not.
    pub(super) fn assume(&mut self, condition: &Condition<'a>, outcome: bool) {
        let (taken, not_taken) = if outcome {
            (&condition.when_true, &condition.when_false)
        } else {
            (&condition.when_false, &condition.when_true)
        };
        for attempt in not_taken {
            self.frame()
                .flow
                .taken
                .retain(|it| it.region != attempt.region);
        }
        for attempt in taken {
            self.acquired(attempt);
        }
    }
}

/// Whether what is raised tells of a failure at run time, and not of a mistake in the program.
fn is_failure(raised: &Expr) -> bool {
    const MISTAKES: [&str; 3] = ["NotImplementedError", "TypeError", "AssertionError"];
    let kind = match raised {
        Expr::Call(call) => &*call.func,
        other => other,
    };
    !matches!(kind, Expr::Name(it) if MISTAKES.contains(&it.id.as_str()))
}
