//! A missing `with self._lock:` around a statement, when other accesses show which lock it is or a
//! `# guarded-by:` comment says so.

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal, walk_node};
use ruff_python_ast::{AnyNodeRef, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::context::{Context, insert};
use super::{Proposal, Safety, lock};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    const RULES: &[&str] = &[
        "inconsistent-lock",
        "missing-guard",
        "unlocked-counter",
        "unlocked-list",
        "unlocked-dict",
        "unlocked-set",
        "unlocked-attribute",
        "check-then-act",
        "iterate-while-mutated",
        "torn-state",
    ];
    if !context.rule_is(RULES) {
        return None;
    }
    let guard = guard(context)?;
    let statement = statement(context)?;
    let indent = context.indentation(statement)?;
    if !context.stands_alone(statement) {
        return None;
    }
    let unit = context.indent_unit();
    let newline = context.newline();
    let mut edits = vec![insert(
        statement.start(),
        format!("with {guard}:{newline}{indent}{unit}"),
    )];
    edits.extend(context.indent_lines(statement.range(), unit));
    Some(Proposal::new(
        format!("Hold `{guard}` here"),
        Safety::Unsafe,
        edits,
    ))
}

/// The lock that guards the finding's place, as an expression for the primary place: the one most
/// of the other sides hold, else the declared one.
pub(super) fn guard(context: &Context<'_>) -> Option<String> {
    let mut held: Vec<(&str, usize)> = Vec::new();
    for name in context.finding.related.iter().flat_map(|it| &it.held) {
        match held.iter_mut().find(|(it, _)| it == name) {
            Some((_, count)) => *count += 1,
            None => held.push((name, 1)),
        }
    }
    held.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    held.into_iter()
        .map(|(name, _)| name.to_owned())
        .chain(declared(context))
        .filter(|name| !context.finding.held.contains(name))
        .find_map(|name| spelled_here(context, &name))
}

/// The lock named by a `# guarded-by:` comment where the finding's attribute is defined.
fn declared(context: &Context<'_>) -> Option<String> {
    let attribute = context.finding.state.rsplit('.').next()?;
    let definition = match context.class() {
        Some(class) => {
            let (function, receiver) = lock::initialiser(class)?;
            lock::definition(&function.body, &format!("{receiver}.{attribute}"))
                .or_else(|| lock::definition(&class.body, attribute))?
        }
        None => lock::definition(context.module_body(), attribute)?,
    };
    let comment = context.text(context.trailing_comment(definition.0.end())?);
    let (_, name) = comment.split_once("guarded-by:")?;
    Some(name.split_whitespace().next()?.to_owned())
}

/// A lock's name in words as an expression that means the same lock at the primary place.
fn spelled_here(context: &Context<'_>, name: &str) -> Option<String> {
    match name.rsplit_once('.') {
        None => lock::definition(context.module_body(), name).map(|_| name.to_owned()),
        Some((owner, attribute)) => {
            let class = context.class()?;
            let receiver = context.receiver()?;
            let owns = owner == "self" || owner == receiver || owner == class.name.as_str();
            (owns && lock::attributes(class).iter().any(|it| it == attribute))
                .then(|| format!("{receiver}.{attribute}"))
        }
    }
}

/// The smallest statement around the primary place and the other unguarded sides in the same
/// function, when a lock may be held for all of it.
fn statement<'a>(context: &Context<'a>) -> Option<AnyNodeRef<'a>> {
    let function = context.function()?;
    let unguarded: Vec<TextRange> = context
        .finding
        .related
        .iter()
        .filter(|it| {
            it.site.file == context.source.file
                && it.function == context.finding.function
                && it.held.is_empty()
        })
        .map(|it| TextRange::new(it.site.range.start.into(), it.site.range.end.into()))
        .filter(|range| function.range().contains_range(*range))
        .collect();
    let chosen = context
        .ancestors()
        .iter()
        .rev()
        .filter(|it| it.is_statement())
        .find(|node| unguarded.iter().all(|it| node.range().contains_range(*it)))?;
    let inside =
        function.range().contains_range(chosen.range()) && chosen.range() != function.range();
    (inside && may_hold(*chosen)).then_some(*chosen)
}

/// Nothing in the statement waits or hands control back while the lock would be held, and nothing
/// in it runs later, when the lock would not be held.
fn may_hold(node: AnyNodeRef<'_>) -> bool {
    struct Suspends(bool);
    impl<'a> SourceOrderVisitor<'a> for Suspends {
        fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
            self.0 |= matches!(
                node,
                AnyNodeRef::ExprYield(_)
                    | AnyNodeRef::ExprYieldFrom(_)
                    | AnyNodeRef::ExprAwait(_)
                    | AnyNodeRef::ExprLambda(_)
                    | AnyNodeRef::ExprGenerator(_)
                    | AnyNodeRef::StmtFunctionDef(_)
                    | AnyNodeRef::StmtClassDef(_)
                    | AnyNodeRef::StmtWhile(_)
                    | AnyNodeRef::StmtGlobal(_)
                    | AnyNodeRef::StmtNonlocal(_)
                    | AnyNodeRef::StmtImport(_)
                    | AnyNodeRef::StmtImportFrom(_)
            );
            if self.0 {
                TraversalSignal::Skip
            } else {
                TraversalSignal::Traverse
            }
        }

        fn visit_stmt(&mut self, statement: &'a Stmt) {
            if !self.0 {
                ruff_python_ast::visitor::source_order::walk_stmt(self, statement);
            }
        }
    }
    let mut visitor = Suspends(false);
    walk_node(&mut visitor, node);
    !visitor.0
}
