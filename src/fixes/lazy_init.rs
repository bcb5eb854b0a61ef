//! `if x is None: x = make()` to double-checked initialisation under a lock, which
//! the documentation of free threading and measurements agree is sound: one store publishes.

use ruff_python_ast::helpers::any_over_body;
use ruff_python_ast::{AnyNodeRef, CmpOp, Expr, Stmt, StmtClassDef, StmtIf, UnaryOp};
use ruff_text_size::Ranged;

use super::context::{Context, dotted, insert, same};
use super::setdefault::comparison;
use super::{Edit, Proposal, Safety, lock};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(&["lazy-init", "check-then-act"]) || !context.finding.held.is_empty() {
        return None;
    }
    context.around(|node| match node {
        AnyNodeRef::StmtIf(statement) => propose(context, statement),
        _ => None,
    })
}

fn propose(context: &Context<'_>, statement: &StmtIf) -> Option<Proposal> {
    if !statement.elif_else_clauses.is_empty() {
        return None;
    }
    let target = assigned(statement, &tested(&statement.test)?)?;
    let indent = context.indentation(statement)?;
    let test = context.text(&*statement.test);
    if test.contains('\n') || !context.stands_alone(statement) {
        return None;
    }
    let (lock, mut edits) = lock_for(context, statement, target)?;
    let unit = context.indent_unit();
    let newline = context.newline();
    // Only when the store is the last step may others see the object without the lock.
    let published_last = statement
        .body
        .last()
        .and_then(lock::assignment)
        .is_some_and(|(it, _)| same(it, target));
    if published_last {
        edits.push(insert(
            statement.start(),
            format!("if {test}:{newline}{indent}{unit}with {lock}:{newline}{indent}{unit}{unit}"),
        ));
        edits.extend(context.indent_lines(statement.range(), &unit.repeat(2)));
    } else {
        edits.push(insert(
            statement.start(),
            format!("with {lock}:{newline}{indent}{unit}"),
        ));
        edits.extend(context.indent_lines(statement.range(), unit));
    }
    Some(Proposal::new(
        format!("Initialise under `{lock}`"),
        Safety::Unsafe,
        edits,
    ))
}

/// What a test for "not there yet" tests, as written.
fn tested(test: &Expr) -> Option<String> {
    if let Some((left, right)) = comparison(test, CmpOp::Is) {
        return right.is_none_literal_expr().then(|| dotted(left))?;
    }
    let Expr::UnaryOp(unary) = test else {
        return None;
    };
    if unary.op != UnaryOp::Not {
        return None;
    }
    let Expr::Call(call) = &*unary.operand else {
        return dotted(&unary.operand);
    };
    match (dotted(&call.func)?.as_str(), &*call.arguments.args) {
        ("hasattr", [object, Expr::StringLiteral(name)]) => {
            Some(format!("{}.{}", dotted(object)?, name.value.to_str()))
        }
        _ => None,
    }
}

/// The target in the body that is spelled `name`.
fn assigned<'a>(statement: &'a StmtIf, name: &str) -> Option<&'a Expr> {
    statement.body.iter().find_map(|it| {
        let (target, _) = lock::assignment(it)?;
        (dotted(target)? == name).then_some(target)
    })
}

/// A lock for `target` as an expression for the place of the `if`, and the edits that make it.
fn lock_for(
    context: &Context<'_>,
    statement: &StmtIf,
    target: &Expr,
) -> Option<(String, Vec<Edit>)> {
    match target {
        Expr::Name(name) => {
            let global = context.function()?.body.iter().any(|it| {
                matches!(it, Stmt::Global(global) if global.names.iter().any(|it| it.as_str() == name.id.as_str()))
            });
            if !global {
                return None;
            }
            let (definition, _) = lock::definition(context.module_body(), &name.id)?;
            let lock = lock::fresh_name(context, &lock_name(&name.id));
            let edits = define_after(context, definition, &lock)?;
            Some((lock, edits))
        }
        Expr::Attribute(attribute) => {
            let object = dotted(&attribute.value)?;
            let class = class_of(context, &object)?;
            let existing = lock::attributes(class);
            if let [only] = existing.as_slice()
                && !calls(statement, &object)
            {
                return Some((format!("{object}.{only}"), Vec::new()));
            }
            let lock = lock::fresh_name(context, &lock_name(&attribute.attr));
            let edits =
                if let Some((definition, _)) = lock::definition(&class.body, &attribute.attr) {
                    define_after(context, definition, &lock)?
                } else {
                    let (function, receiver) = lock::initialiser(class)?;
                    let name = format!("{receiver}.{}", attribute.attr);
                    let (definition, _) = lock::definition(&function.body, &name)?;
                    define_after(context, definition, &format!("{receiver}.{lock}"))?
                };
            Some((format!("{object}.{lock}"), edits))
        }
        _ => None,
    }
}

/// The class that `object` is, or is an instance of, inside the function around the finding.
fn class_of<'a>(context: &Context<'a>, object: &str) -> Option<&'a StmtClassDef> {
    if context.receiver() == Some(object) {
        return context.class();
    }
    context.module_body().iter().find_map(|it| match it {
        Stmt::ClassDef(class) if class.name.as_str() == object => Some(class),
        _ => None,
    })
}

fn lock_name(name: &str) -> String {
    format!("_{}_lock", name.trim_matches('_'))
}

fn define_after(context: &Context<'_>, definition: &Stmt, name: &str) -> Option<Vec<Edit>> {
    if !context.stands_alone(definition) {
        return None;
    }
    let indent = context.indentation(definition)?;
    let (constructor, import) = lock::constructor(context);
    let line = context.next_line(definition.end());
    let newline = context.newline();
    let text = if line == context.line_end(definition.end()) {
        format!("{newline}{indent}{name} = {constructor}")
    } else {
        format!("{indent}{name} = {constructor}{newline}")
    };
    Some(import.into_iter().chain([insert(line, text)]).collect())
}

/// The body calls something on `object`, which may want the same lock.
fn calls(statement: &StmtIf, object: &str) -> bool {
    any_over_body(&statement.body, |it| match it {
        Expr::Call(call) => {
            dotted(&call.func).is_some_and(|name| name.starts_with(&format!("{object}.")))
        }
        _ => false,
    })
}
