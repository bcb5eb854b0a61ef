//! `if k not in d: d[k] = v` to `d.setdefault(k, v)`, which has one winner; and
//! `if x not in s: s.add(x)` to `s.add(x)`, which needs no test.

use ruff_python_ast::{AnyNodeRef, CmpOp, Expr, Stmt, StmtIf, UnaryOp};
use ruff_text_size::Ranged;

use super::context::{Context, dotted, is_path, same};
use super::{Proposal, Safety};

/// Rules whose findings may have this shape.
pub(super) const RULES: &[&str] = &[
    "check-then-act",
    "lazy-init",
    "unlocked-dict",
    "unlocked-set",
    "unlocked-attribute",
    "inconsistent-lock",
];

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(RULES) {
        return None;
    }
    context.around(|node| match node {
        AnyNodeRef::StmtIf(statement) => {
            set_default(context, statement).or_else(|| add(context, statement))
        }
        _ => None,
    })
}

fn set_default(context: &Context<'_>, statement: &StmtIf) -> Option<Proposal> {
    let (key, container) = absent(&statement.test)?;
    let Stmt::Assign(assign) = only(statement)? else {
        return None;
    };
    let [Expr::Subscript(target)] = assign.targets.as_slice() else {
        return None;
    };
    let repeats = same(&target.value, container) && same(&target.slice, key);
    if !repeats || !is_path(container) || !is_path(key) || !is_cheap(&assign.value) {
        return None;
    }
    let replacement = format!(
        "{}.setdefault({}, {})",
        context.text(container),
        argument(context, key),
        argument(context, &assign.value),
    );
    let kept = [container.range(), key.range(), assign.value.range()];
    Some(Proposal::new(
        "Replace the test and the store by one `setdefault`",
        Safety::Safe,
        vec![context.replace_if(statement, &replacement, &kept)?],
    ))
}

fn add(context: &Context<'_>, statement: &StmtIf) -> Option<Proposal> {
    let (element, container) = absent(&statement.test)?;
    let Stmt::Expr(body) = only(statement)? else {
        return None;
    };
    let (receiver, method, argument) = method_call(&body.value)?;
    let repeats = same(receiver, container) && same(argument, element);
    if method != "add" || !repeats || !is_path(container) || !is_path(element) {
        return None;
    }
    Some(Proposal::new(
        "Drop the test: `add` does nothing when the element is there",
        Safety::Safe,
        vec![context.replace_if(statement, context.text(body), &[body.range()])?],
    ))
}

/// The only statement of an `if` without `else`.
pub(super) fn only(statement: &StmtIf) -> Option<&Stmt> {
    match statement.body.as_slice() {
        [body] if statement.elif_else_clauses.is_empty() => Some(body),
        _ => None,
    }
}

/// `k` and `d` of `k not in d` or `not k in d`.
fn absent(test: &Expr) -> Option<(&Expr, &Expr)> {
    match test {
        Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => comparison(&unary.operand, CmpOp::In),
        _ => comparison(test, CmpOp::NotIn),
    }
}

/// The operands of a single comparison by `op`.
pub(super) fn comparison(test: &Expr, op: CmpOp) -> Option<(&Expr, &Expr)> {
    let Expr::Compare(compare) = test else {
        return None;
    };
    match (&*compare.ops, &*compare.comparators) {
        ([only], [right]) if *only == op => Some((&compare.left, right)),
        _ => None,
    }
}

/// Receiver, name and only argument of a method call.
pub(super) fn method_call(expr: &Expr) -> Option<(&Expr, &str, &Expr)> {
    let Expr::Call(call) = expr else {
        return None;
    };
    let Expr::Attribute(function) = &*call.func else {
        return None;
    };
    match (&*call.arguments.args, call.arguments.keywords.as_slice()) {
        ([argument], []) if !argument.is_starred_expr() => {
            Some((&function.value, function.attr.as_str(), argument))
        }
        _ => None,
    }
}

/// Making the value when it is not needed costs nothing and changes nothing: `setdefault` always
/// evaluates it.
fn is_cheap(value: &Expr) -> bool {
    match value {
        Expr::Name(_)
        | Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_)
        | Expr::EllipsisLiteral(_) => true,
        Expr::UnaryOp(unary) => unary.operand.is_number_literal_expr(),
        Expr::Tuple(tuple) => tuple.iter().all(is_cheap),
        Expr::List(list) => list.iter().all(is_cheap),
        Expr::Set(set) => set.iter().all(is_cheap),
        Expr::Dict(dict) => dict
            .items
            .iter()
            .all(|it| it.key.as_ref().is_some_and(is_cheap) && is_cheap(&it.value)),
        Expr::Call(call) => call.arguments.is_empty() && is_cheap_constructor(&call.func),
        _ => false,
    }
}

fn is_cheap_constructor(function: &Expr) -> bool {
    const CHEAP: &[&str] = &[
        "list",
        "dict",
        "set",
        "tuple",
        "frozenset",
        "bytearray",
        "object",
        "deque",
        "Counter",
        "OrderedDict",
        "Lock",
        "RLock",
    ];
    const MODULES: &[&str] = &["", "collections", "threading", "builtins"];
    dotted(function).is_some_and(|name| {
        let (module, name) = name.rsplit_once('.').unwrap_or(("", &name));
        MODULES.contains(&module) && CHEAP.contains(&name)
    })
}

/// An expression as a call's argument: a bare tuple needs parentheses there.
pub(super) fn argument(context: &Context<'_>, expr: &Expr) -> String {
    let text = context.text(expr);
    match expr {
        Expr::Tuple(tuple) if !tuple.parenthesized => format!("({text})"),
        _ => text.to_owned(),
    }
}
