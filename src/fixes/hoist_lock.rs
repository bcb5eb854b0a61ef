//! A lock that every call makes anew to one lock of the module: only a lock that others hold too
//! excludes them.

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{AnyNodeRef, Expr, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};

use super::context::{Context, dotted, insert, replace};
use super::{Edit, Proposal, Safety, lock};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(&["per-call-lock"]) {
        return None;
    }
    let function = context.function()?;
    let hoisted = made_in_place(context).or_else(|| made_for_name(context, function))?;
    let top = context.module_body().iter().find(|it| {
        it.range()
            .contains_range(TextRange::new(function.start(), function.end()))
    })?;
    let root = hoisted.constructor.split(['.', '(']).next()?;
    if !bound_before(context, top, root) {
        return None;
    }
    let name = lock::fresh_name(
        context,
        &format!("_{}_lock", function.name.trim_matches('_')),
    );
    let newline = context.newline();
    let mut edits: Vec<Edit> = hoisted.removed.into_iter().collect();
    edits.extend(hoisted.uses.into_iter().map(|it| replace(it, &name)));
    edits.push(insert(
        context.line_start(top.start()),
        format!(
            "{name} = {}{newline}{newline}{newline}",
            hoisted.constructor
        ),
    ));
    Some(Proposal::new(
        format!("Make one lock for all calls, `{name}`"),
        Safety::Unsafe,
        edits,
    ))
}

struct Hoisted {
    constructor: String,
    removed: Option<Edit>,
    uses: Vec<TextRange>,
}

/// `with threading.Lock():`.
fn made_in_place(context: &Context<'_>) -> Option<Hoisted> {
    context.around(|node| match node {
        AnyNodeRef::StmtWith(with) => {
            let item = with
                .items
                .iter()
                .find(|it| lock::is_constructor(&it.context_expr))?;
            Some(Hoisted {
                constructor: context.text(&item.context_expr).to_owned(),
                removed: None,
                uses: vec![item.context_expr.range()],
            })
        }
        _ => None,
    })
}

/// `lock = threading.Lock()` in the function's own body, used nowhere but in this function.
fn made_for_name(context: &Context<'_>, function: &StmtFunctionDef) -> Option<Hoisted> {
    let (statement, name, value) = function.body.iter().find_map(|statement| {
        let (target, value) = lock::assignment(statement)?;
        match target {
            Expr::Name(name) if lock::is_constructor(value) => {
                Some((statement, name.id.as_str(), value))
            }
            _ => None,
        }
    })?;
    if !context.stands_alone(statement) || function.body.len() < 2 {
        return None;
    }
    let mut uses = Uses {
        name,
        found: Vec::new(),
        rebound: false,
    };
    for it in function
        .body
        .iter()
        .filter(|it| it.range() != statement.range())
    {
        uses.visit_stmt(it);
    }
    if uses.rebound {
        return None;
    }
    let line = TextRange::new(
        context.line_start(statement.start()),
        context.next_line(statement.end()),
    );
    // A comment behind the statement goes with the lock it speaks of.
    let comment = context
        .trailing_comment(statement.end())
        .map(|it| format!("  {}", context.text(it)))
        .unwrap_or_default();
    Some(Hoisted {
        constructor: format!("{}{comment}", context.text(value)),
        removed: Some(replace(line, "")),
        uses: uses.found,
    })
}

/// Where a local name is read, and whether it is anything but read.
struct Uses<'n> {
    name: &'n str,
    found: Vec<TextRange>,
    rebound: bool,
}

impl<'a> SourceOrderVisitor<'a> for Uses<'_> {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        match node {
            AnyNodeRef::ExprName(name) if name.id.as_str() == self.name => {
                self.rebound |= !name.ctx.is_load();
                self.found.push(name.range);
            }
            AnyNodeRef::Parameter(parameter) => {
                self.rebound |= parameter.name.as_str() == self.name;
            }
            AnyNodeRef::StmtNonlocal(statement) => {
                self.rebound |= statement.names.iter().any(|it| it.as_str() == self.name);
            }
            AnyNodeRef::StmtGlobal(statement) => {
                self.rebound |= statement.names.iter().any(|it| it.as_str() == self.name);
            }
            _ => {}
        }
        TraversalSignal::Traverse
    }
}

/// A module-level import or assignment before `top` binds `name`.
fn bound_before(context: &Context<'_>, top: &Stmt, name: &str) -> bool {
    context
        .module_body()
        .iter()
        .take_while(|it| it.start() < top.start())
        .any(|it| match it {
            Stmt::Import(import) => import.names.iter().any(|alias| match &alias.asname {
                Some(bound) => bound.as_str() == name,
                None => alias.name.split('.').next() == Some(name),
            }),
            Stmt::ImportFrom(import) => import
                .names
                .iter()
                .any(|alias| alias.asname.as_ref().unwrap_or(&alias.name).as_str() == name),
            it => lock::assignment(it)
                .is_some_and(|(target, _)| dotted(target).as_deref() == Some(name)),
        })
}
