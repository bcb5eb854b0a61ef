//! Locks as the source spells them: where they are made, and how to make one more.

use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged, TextSize};

use super::Edit;
use super::context::{Context, dotted, insert};

/// The expression makes a mutex, re-entrant or not.
pub(super) fn is_constructor(expr: &Expr) -> bool {
    let Expr::Call(call) = expr else {
        return false;
    };
    call.arguments.is_empty()
        && dotted(&call.func).is_some_and(|name| {
            let last = name.rsplit('.').next().unwrap_or_default();
            matches!(last, "Lock" | "RLock" | "allocate_lock")
        })
}

/// `name = value` and `name: T = value`.
pub(super) fn assignment(statement: &Stmt) -> Option<(&Expr, &Expr)> {
    match statement {
        Stmt::Assign(assign) => match assign.targets.as_slice() {
            [target] => Some((target, &assign.value)),
            _ => None,
        },
        Stmt::AnnAssign(assign) => Some((&assign.target, assign.value.as_deref()?)),
        _ => None,
    }
}

/// The statement of `body` that gives `name`, spelled so, its value.
pub(super) fn definition<'a>(body: &'a [Stmt], name: &str) -> Option<(&'a Stmt, &'a Expr)> {
    body.iter().find_map(|statement| {
        let (target, value) = assignment(statement)?;
        (dotted(target)? == name).then_some((statement, value))
    })
}

/// The initialiser of a class and the name of its receiver.
pub(super) fn initialiser(class: &StmtClassDef) -> Option<(&StmtFunctionDef, &str)> {
    class.body.iter().find_map(|statement| match statement {
        Stmt::FunctionDef(function) if function.name.as_str() == "__init__" => {
            let receiver = function.parameters.iter_non_variadic_params().next()?;
            Some((function, receiver.parameter.name.as_str()))
        }
        _ => None,
    })
}

/// Attributes of a class that hold locks, made in its initialiser or its body.
pub(super) fn attributes(class: &StmtClassDef) -> Vec<String> {
    let mut names = Vec::new();
    if let Some((function, receiver)) = initialiser(class) {
        for statement in &function.body {
            if let Some((Expr::Attribute(target), value)) = assignment(statement)
                && dotted(&target.value).as_deref() == Some(receiver)
                && is_constructor(value)
            {
                names.push(target.attr.to_string());
            }
        }
    }
    for statement in &class.body {
        if let Some((Expr::Name(target), value)) = assignment(statement)
            && is_constructor(value)
        {
            names.push(target.id.to_string());
        }
    }
    names
}

/// How module-level code spells the making of a lock, with the import it needs when there is none
/// yet.
pub(super) fn constructor(context: &Context<'_>) -> (String, Option<Edit>) {
    for statement in context.module_body() {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    if alias.name.as_str() == "threading" {
                        let name = alias.asname.as_ref().unwrap_or(&alias.name);
                        return (format!("{name}.Lock()"), None);
                    }
                }
            }
            Stmt::ImportFrom(import)
                if import.level == 0
                    && import
                        .module
                        .as_ref()
                        .is_some_and(|it| it.as_str() == "threading") =>
            {
                for alias in &import.names {
                    if alias.name.as_str() == "Lock" {
                        let name = alias.asname.as_ref().unwrap_or(&alias.name);
                        return (format!("{name}()"), None);
                    }
                }
            }
            _ => {}
        }
    }
    (
        "threading.Lock()".to_owned(),
        Some(insert(
            import_position(context),
            format!("import threading{}", context.newline()),
        )),
    )
}

/// Where `import threading` belongs: in order among the plain imports at the top, else after the
/// docstring and the imports from `__future__`.
fn import_position(context: &Context<'_>) -> TextSize {
    let mut position = context
        .module_body()
        .first()
        .map_or(TextSize::from(0), |it| context.line_start(it.start()));
    for (index, statement) in context.module_body().iter().enumerate() {
        match statement {
            Stmt::Expr(it) if index == 0 && it.value.is_string_literal_expr() => {
                position = context.next_line(it.end());
            }
            Stmt::ImportFrom(it)
                if it
                    .module
                    .as_ref()
                    .is_some_and(|it| it.as_str() == "__future__") =>
            {
                position = context.next_line(it.end());
            }
            Stmt::Import(it) => {
                let first = it.names.first().map_or("", |it| it.name.as_str());
                if first < "threading" {
                    position = context.next_line(it.end());
                } else {
                    break;
                }
            }
            Stmt::ImportFrom(_) => {}
            _ => break,
        }
    }
    position
}

/// `base`, or `base` with a number, such that the module does not use the word yet.
pub(super) fn fresh_name(context: &Context<'_>, base: &str) -> String {
    let used = |name: &str| {
        context
            .source
            .text
            .split(|it: char| !it.is_alphanumeric() && it != '_')
            .any(|word| word == name)
    };
    let mut name = base.to_owned();
    let mut number = 2;
    while used(&name) {
        name = format!("{base}_{number}");
        number += 1;
    }
    name
}
