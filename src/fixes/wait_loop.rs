//! `while` for `if` around `Condition.wait`: the condition is tested again after waking up.

use ruff_python_ast::{AnyNodeRef, Expr, Stmt, StmtIf};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::context::{Context, replace};
use super::{Proposal, Safety};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(&["wait-without-loop"]) {
        return None;
    }
    context.around(|node| match node {
        AnyNodeRef::StmtIf(statement) => propose(statement),
        _ => None,
    })
}

fn propose(statement: &StmtIf) -> Option<Proposal> {
    if !statement.elif_else_clauses.is_empty() {
        return None;
    }
    let waits = statement.body.iter().any(|it| wait(it).is_some());
    if !waits {
        return None;
    }
    let safety = match statement.body.as_slice() {
        // With a timeout the loop would start to wait afresh each time.
        [body] if wait(body) == Some(Timeout::Never) => Safety::Safe,
        _ => Safety::Unsafe,
    };
    let keyword = TextRange::at(statement.start(), TextSize::of("if"));
    Some(Proposal::new(
        "Test again after each wake-up: `while` instead of `if`",
        safety,
        vec![replace(keyword, "while")],
    ))
}

#[derive(PartialEq, Eq)]
enum Timeout {
    Never,
    Perhaps,
}

/// The statement is a call of `wait`.
fn wait(statement: &Stmt) -> Option<Timeout> {
    let Stmt::Expr(statement) = statement else {
        return None;
    };
    let Expr::Call(call) = &*statement.value else {
        return None;
    };
    match &*call.func {
        Expr::Attribute(function) if function.attr.as_str() == "wait" => {
            Some(if call.arguments.is_empty() {
                Timeout::Never
            } else {
                Timeout::Perhaps
            })
        }
        _ => None,
    }
}
