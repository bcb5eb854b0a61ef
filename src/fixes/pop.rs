//! `if k in d: del d[k]` to `d.pop(k, None)`, which cannot meet a key that has gone meanwhile.

use ruff_python_ast::{AnyNodeRef, CmpOp, Expr, Stmt, StmtIf};
use ruff_text_size::Ranged;

use super::context::{Context, is_path, same};
use super::setdefault::{RULES, argument, comparison, method_call, only};
use super::{Proposal, Safety};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(RULES) {
        return None;
    }
    context.around(|node| match node {
        AnyNodeRef::StmtIf(statement) => propose(context, statement),
        _ => None,
    })
}

fn propose(context: &Context<'_>, statement: &StmtIf) -> Option<Proposal> {
    let (key, container) = comparison(&statement.test, CmpOp::In)?;
    let (target, removed) = match only(statement)? {
        Stmt::Delete(delete) => match delete.targets.as_slice() {
            [Expr::Subscript(target)] => (&*target.value, &*target.slice),
            _ => return None,
        },
        Stmt::Expr(body) => match method_call(&body.value)? {
            (target, "pop", removed) => (target, removed),
            _ => return None,
        },
        _ => return None,
    };
    let repeats = same(target, container) && same(removed, key);
    if !repeats || !is_path(container) || !is_path(key) || key.is_slice_expr() {
        return None;
    }
    let replacement = format!(
        "{}.pop({}, None)",
        context.text(container),
        argument(context, key)
    );
    Some(Proposal::new(
        "Replace the test and the removal by one `pop` with a default",
        Safety::Safe,
        vec![context.replace_if(statement, &replacement, &[container.range(), key.range()])?],
    ))
}
