//! Iteration over a shared container to iteration over a copy of it, where making the copy is
//! atomic: `list(x)` of an exact list, dict, set or view of a dict. A `defaultdict` or `Counter` is
//! copied through its view; a deque or an `OrderedDict` gets no fix.

use ruff_python_ast::{AnyNodeRef, Expr, Stmt};
use ruff_text_size::Ranged;

use super::context::{Context, dotted, is_path, replace};
use super::{Proposal, Safety, lock};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(&["iterate-while-mutated"]) {
        return None;
    }
    context.around(|node| {
        let (iterated, body): (&Expr, &[Stmt]) = match node {
            AnyNodeRef::StmtFor(statement) if !statement.is_async => {
                (innermost(&statement.iter)?, &statement.body)
            }
            AnyNodeRef::Comprehension(comprehension) if !comprehension.is_async => {
                (innermost(&comprehension.iter)?, &[])
            }
            AnyNodeRef::ExprCall(call) => {
                const CONSUMERS: &[&str] = &[
                    "sum",
                    "max",
                    "min",
                    "any",
                    "all",
                    "tuple",
                    "set",
                    "frozenset",
                    "dict",
                ];
                let consumer = dotted(&call.func)?;
                match &*call.arguments.args {
                    [iterable, ..] if CONSUMERS.contains(&consumer.as_str()) => {
                        (innermost(iterable)?, &[])
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        propose(context, iterated, body)
    })
}

/// The container below wrappers that iterate lazily, such as `enumerate`.
fn innermost(iterable: &Expr) -> Option<&Expr> {
    let Expr::Call(call) = iterable else {
        return is_path(iterable).then_some(iterable);
    };
    if view(iterable).is_some() {
        return Some(iterable);
    }
    match (dotted(&call.func)?.as_str(), &*call.arguments.args) {
        ("enumerate" | "reversed" | "iter", [inner, ..]) => innermost(inner),
        ("map" | "filter", [_, inner]) => innermost(inner),
        _ => None,
    }
}

/// `d` of `d.items()`, `d.keys()` and `d.values()`.
fn view(expr: &Expr) -> Option<&Expr> {
    let Expr::Call(call) = expr else {
        return None;
    };
    let Expr::Attribute(function) = &*call.func else {
        return None;
    };
    let is_view = matches!(function.attr.as_str(), "items" | "keys" | "values");
    (is_view && call.arguments.is_empty() && is_path(&function.value)).then_some(&function.value)
}

fn propose(context: &Context<'_>, iterated: &Expr, body: &[Stmt]) -> Option<Proposal> {
    let container = view(iterated).unwrap_or(iterated);
    let kind = kind(context, container);
    let is_view = view(iterated).is_some();
    let exact = match kind {
        Some(Kind::Exact | Kind::Views) => true,
        Some(Kind::NotAtomic) => return None,
        None => is_view,
    };
    let copied = if kind == Some(Kind::Views) && !is_view {
        format!("list({}.keys())", context.text(iterated))
    } else {
        format!("list({})", context.text(iterated))
    };
    // A loop that itself adds to what it walks over may mean to see the additions.
    let name = context.text(container);
    let touched = body.iter().any(|it| context.text(it).contains(name));
    let safety = if exact && !touched {
        Safety::Safe
    } else {
        Safety::Unsafe
    };
    Some(Proposal::new(
        format!("Iterate over a copy of `{name}`"),
        safety,
        vec![replace(iterated.range(), copied)],
    ))
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// `list(x)` sees one state of it.
    Exact,
    /// `list(x)` does not, `list(x.keys())` does.
    Views,
    /// Neither does.
    NotAtomic,
}

/// What the container is, by the value its definition gives it.
fn kind(context: &Context<'_>, container: &Expr) -> Option<Kind> {
    let name = dotted(container)?;
    let value = match (context.class(), name.rsplit_once('.')) {
        (Some(class), Some((owner, attribute))) if context.receiver() == Some(owner) => {
            let in_initialiser = lock::initialiser(class).and_then(|(function, receiver)| {
                lock::definition(&function.body, &format!("{receiver}.{attribute}"))
            });
            in_initialiser.or_else(|| lock::definition(&class.body, attribute))?
        }
        _ => lock::definition(context.module_body(), &name)?,
    }
    .1;
    match value {
        Expr::List(_)
        | Expr::ListComp(_)
        | Expr::Dict(_)
        | Expr::DictComp(_)
        | Expr::Set(_)
        | Expr::SetComp(_) => Some(Kind::Exact),
        Expr::Call(call) => match dotted(&call.func)?.rsplit('.').next()? {
            "list" | "dict" | "set" | "sorted" => Some(Kind::Exact),
            "defaultdict" | "Counter" => Some(Kind::Views),
            _ => Some(Kind::NotAtomic),
        },
        _ => None,
    }
}
