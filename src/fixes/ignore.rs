//! `# raceproof: ignore[rule] reason`: writing one, and removing one that nothing needs.

use ruff_text_size::{Ranged, TextRange, TextSize};

use super::context::{Context, insert, replace};
use super::{Proposal, Safety};

const MARK: &str = "raceproof: ignore[";

/// Rules about the ignore comments themselves.
const ABOUT_IGNORES: &[&str] = &["unused-ignore", "unknown-rule"];

/// Silences the finding where it is reported. The reason is left to the one who knows it.
pub(super) fn add(context: &Context<'_>) -> Option<Proposal> {
    let rule = &context.finding.rule;
    if context.rule_is(ABOUT_IGNORES) {
        return None;
    }
    let start = TextSize::from(context.finding.primary.range.start);
    let end = context.line_end(start);
    let edit = match context.trailing_comment(start) {
        Some(comment) => match names(context, comment) {
            Some(list) => insert(list.end(), format!(", {rule}")),
            None => insert(end, format!("  # {MARK}{rule}] reason")),
        },
        None if ends_in_code(context, end) => insert(end, format!("  # {MARK}{rule}] reason")),
        // A comment cannot follow a backslash or stand in a string.
        None => return None,
    };
    Some(Proposal::new(
        format!("Ignore `{rule}` on this line, giving a reason"),
        Safety::Manual,
        vec![edit],
    ))
}

/// Removes the rule that an ignore comment names in vain, or the comment when it names no other.
pub(super) fn remove(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(ABOUT_IGNORES) {
        return None;
    }
    let start = TextSize::from(context.finding.primary.range.start);
    let primary = TextRange::new(start, context.finding.primary.range.end.into());
    let comment = context
        .comments(TextRange::new(
            context.line_start(start),
            context.line_end(start),
        ))
        .find(|it| it.intersect(primary).is_some())?;
    let list = names(context, comment)?;
    let text = context.text(list);
    let title = "Remove the ignore that nothing needs";
    let mut offset = list.start();
    let mut kept = Vec::new();
    for part in text.split(',') {
        let range = TextRange::at(offset, TextSize::of(part));
        offset = range.end() + TextSize::of(',');
        if !(primary.contains_range(range) || range.contains_range(primary)) {
            kept.push(part.trim());
        }
    }
    if !kept.is_empty() && primary != comment {
        return Some(Proposal::new(
            title,
            Safety::Safe,
            vec![replace(list, kept.join(", "))],
        ));
    }
    let line = context.line_start(start);
    let range = if context.indentation(comment).is_some() {
        TextRange::new(line, context.next_line(start))
    } else {
        let before = context.before_in_line(comment.start()).trim_end();
        TextRange::new(line + TextSize::of(before), comment.end())
    };
    Some(Proposal::new(title, Safety::Safe, vec![replace(range, "")]))
}

/// The names between the brackets of an ignore comment.
fn names(context: &Context<'_>, comment: TextRange) -> Option<TextRange> {
    let text = context.text(comment);
    let start = text.find(MARK)? + MARK.len();
    let length = text[start..].find(']')?;
    Some(TextRange::at(
        comment.start() + TextSize::try_from(start).ok()?,
        TextSize::try_from(length).ok()?,
    ))
}

/// The line's end is neither inside a token nor behind a backslash.
fn ends_in_code(context: &Context<'_>, end: TextSize) -> bool {
    !context.before_in_line(end).ends_with('\\')
        && !context.tokens().iter().any(|token| {
            token.start() < end
                && token.end() > end
                && !token.kind().is_trivia()
                && token.kind() != ruff_python_ast::token::TokenKind::Newline
        })
}
