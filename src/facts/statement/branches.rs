//! Branches: `if` and `match`, and tests whose outcome is known.

use ruff_python_ast::{BoolOp, CmpOp, ElifElseClause, Expr, Pattern, Stmt, StmtIf, StmtMatch};

use crate::facts::body::{Walker, range_of};
use crate::facts::held::Flow;
use crate::facts::{Value, ValueId};

/// The oldest version of Python that has a free-threaded build: older ones are no targets.
const OLDEST: [u8; 2] = [3, 13];

impl<'a> Walker<'a> {
    pub(super) fn if_statement(&mut self, it: &'a StmtIf) {
        if is_main_guard(&it.test) && self.frames.len() == 1 {
            self.is_script = true;
        }
        self.if_chain(&it.test, &it.body, &it.elif_else_clauses);
    }

    fn if_chain(&mut self, test: &'a Expr, body: &'a [Stmt], rest: &'a [ElifElseClause]) {
        match asks_for_version(test) {
            Some(true) => return self.suite(body),
            Some(false) => {
                return match rest {
                    [] => {}
                    [clause, others @ ..] => match &clause.test {
                        Some(test) => self.if_chain(test, &clause.body, others),
                        None => self.suite(&clause.body),
                    },
                };
            }
            None => {}
        }
        let first = self.next_op();
        let condition = self.test(test);
        let outside = self.frame().control;
        let inside = self.control_since(first);
        let before = self.frame().flow.clone();
        self.frame().control = inside;
        self.assume(&condition, true);
        self.frame().branches += 1;
        self.suite(body);
        self.frame().branches -= 1;
        let then = std::mem::replace(&mut self.frame().flow, before);
        self.assume(&condition, false);
        self.frame().control = inside;
        self.frame().branches += 1;
        match rest {
            [] => {}
            [clause, others @ ..] => match &clause.test {
                Some(test) => self.if_chain(test, &clause.body, others),
                None => self.suite(&clause.body),
            },
        }
        self.frame().branches -= 1;
        let otherwise = self.frame().flow.clone();
        let (then_alive, otherwise_alive) = (then.alive, otherwise.alive);
        let joined = self.join(then, otherwise);
        self.frame().flow = joined;
        self.frame().control = if then_alive == otherwise_alive {
            outside
        } else {
            inside
        };
    }

    pub(super) fn match_statement(&mut self, it: &'a StmtMatch) {
        let first = self.next_op();
        let subject = self.expression(&it.subject);
        let outside = self.frame().control;
        let inside = self.control_since(first);
        let before = self.frame().flow.clone();
        let mut joined: Option<Flow<'a>> = None;
        let mut exhaustive = false;
        for case in &it.cases {
            self.frame().flow = before.clone();
            self.frame().control = inside;
            self.pattern(&case.pattern, subject);
            if let Some(guard) = &case.guard {
                let first = self.next_op();
                let condition = self.test(guard);
                self.frame().control = self.control_since(first);
                self.assume(&condition, true);
            } else if case.pattern.is_irrefutable() {
                exhaustive = true;
            }
            self.frame().branches += 1;
            self.suite(&case.body);
            self.frame().branches -= 1;
            let flow = self.frame().flow.clone();
            joined = Some(match joined {
                Some(other) => self.join(other, flow),
                None => flow,
            });
        }
        let mut after = joined.unwrap_or_else(|| before.clone());
        if !exhaustive {
            after = self.join(after, before);
        }
        self.frame().flow = after;
        self.frame().control = outside;
    }

    fn pattern(&mut self, pattern: &'a Pattern, subject: ValueId) {
        let range = range_of(pattern);
        match pattern {
            Pattern::MatchValue(it) => {
                self.expression(&it.value);
            }
            Pattern::MatchSequence(it) => {
                for pattern in &it.patterns {
                    let element = self.value(Value::Element(subject));
                    self.pattern(pattern, element);
                }
            }
            Pattern::MatchMapping(it) => {
                for pattern in &it.patterns {
                    self.pattern(pattern, ValueId::UNKNOWN);
                }
                if let Some(rest) = &it.rest {
                    self.assign_name(rest, ValueId::UNKNOWN, range);
                }
            }
            Pattern::MatchClass(it) => {
                for pattern in &it.arguments.patterns {
                    self.pattern(pattern, ValueId::UNKNOWN);
                }
                for keyword in &it.arguments.keywords {
                    self.pattern(&keyword.pattern, ValueId::UNKNOWN);
                }
            }
            Pattern::MatchStar(it) => {
                if let Some(name) = &it.name {
                    self.assign_name(name, ValueId::UNKNOWN, range);
                }
            }
            Pattern::MatchAs(it) => {
                if let Some(pattern) = &it.pattern {
                    self.pattern(pattern, subject);
                }
                if let Some(name) = &it.name {
                    self.assign_name(name, subject, range);
                }
            }
            Pattern::MatchOr(it) => {
                for pattern in &it.patterns {
                    self.pattern(pattern, subject);
                }
            }
            Pattern::MatchSingleton(_) => {}
        }
    }
}

/// What a test of `sys.version_info` says on all targets, if it says the same on all.
fn asks_for_version(test: &Expr) -> Option<bool> {
    if let Expr::BoolOp(it) = test {
        // One false part settles an `and`, one true part an `or`.
        let settles = it.op == BoolOp::Or;
        let mut parts = it.values.iter().map(asks_for_version);
        return parts.find(|it| *it == Some(settles)).flatten();
    }
    let Expr::Compare(compare) = test else {
        return None;
    };
    let ([op], [right]) = (&*compare.ops, &*compare.comparators) else {
        return None;
    };
    let asked = match &*compare.left {
        Expr::Subscript(it) => &*it.value,
        other => other,
    };
    let is_version = match asked {
        Expr::Attribute(it) => it.attr.as_str() == "version_info",
        Expr::Name(it) => it.id.as_str() == "version_info",
        _ => false,
    };
    let number = |it: &Expr| match it {
        Expr::NumberLiteral(it) => it.value.as_int().and_then(|it| it.as_u8()),
        _ => None,
    };
    let version: Vec<u8> = match right {
        Expr::Tuple(it) => it.elts.iter().map(number).collect::<Option<_>>()?,
        other => vec![number(other)?],
    };
    if !is_version || version.is_empty() {
        return None;
    }
    // Where the versions asked about are all older than the oldest target, the answer is known.
    let known = version.iter().take(2).lt(&OLDEST[..version.len().min(2)])
        || matches!(op, CmpOp::GtE | CmpOp::Lt) && version.as_slice() <= &OLDEST[..];
    match op {
        CmpOp::Gt | CmpOp::GtE if known => Some(true),
        CmpOp::Lt | CmpOp::LtE if known => Some(false),
        _ => None,
    }
}

fn is_main_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let is_name = |it: &Expr| matches!(it, Expr::Name(name) if name.id.as_str() == "__name__");
    let is_main =
        |it: &Expr| matches!(it, Expr::StringLiteral(text) if text.value.to_str() == "__main__");
    let Some(right) = compare.comparators.first() else {
        return false;
    };
    (is_name(&compare.left) && is_main(right)) || (is_main(&compare.left) && is_name(right))
}
