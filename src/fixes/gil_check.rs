//! `sys._is_free_threaded()`, which no Python has, to the test that exists from 3.13 on.

use ruff_python_ast::helpers::any_over_expr;
use ruff_python_ast::{AnyNodeRef, BoolOp, Expr, ExprCall};

use super::context::{Context, dotted, replace};
use super::{Proposal, Safety};

const MISSING: &str = "_is_free_threaded";

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(&["gil-check"]) {
        return None;
    }
    // Outermost first: a guarded call is replaced together with its guard, which would hide the
    // corrected test just as well.
    let outermost = context.ancestors().iter().find_map(|node| match node {
        AnyNodeRef::ExprBoolOp(operation) if operation.op == BoolOp::And => {
            match operation.values.as_slice() {
                [guard, Expr::Call(call)] if names_missing(guard) => {
                    Some((*node, called_module(call)?))
                }
                _ => None,
            }
        }
        AnyNodeRef::ExprCall(call) => Some((*node, called_module(call)?)),
        _ => None,
    });
    let (node, sys) = outermost?;
    Some(Proposal::new(
        "Ask `sys._is_gil_enabled()` where it exists",
        Safety::Safe,
        vec![replace(
            node,
            format!("({sys}.version_info >= (3, 13) and not {sys}._is_gil_enabled())"),
        )],
    ))
}

/// `sys` of `sys._is_free_threaded()` and of `getattr(sys, "_is_free_threaded", ...)()`.
fn called_module(call: &ExprCall) -> Option<String> {
    match &*call.func {
        Expr::Attribute(function) if function.attr.as_str() == MISSING => dotted(&function.value),
        Expr::Call(getter) if dotted(&getter.func).as_deref() == Some("getattr") => {
            match &*getter.arguments.args {
                [module, name, ..] if names_missing(name) => dotted(module),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The name of the missing function occurs as a string.
fn names_missing(expr: &Expr) -> bool {
    any_over_expr(
        expr,
        |it| matches!(it, Expr::StringLiteral(string) if string.value.to_str() == MISSING),
    )
}
