//! `# raceproof: ignore[rule] reason`: writing one, and removing one that nothing needs.

use ruff_text_size::{Ranged, TextRange, TextSize};

use super::context::{Context, insert, replace};
use super::{Proposal, Safety, Source};
use crate::source::span::Range;

const MARK: &str = "raceproof: ignore[";

/// Silences the finding where it is reported. The reason is left to the one who knows it.
pub(super) fn add(context: &Context<'_>) -> Option<Proposal> {
    let rule = &context.finding.rule;
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

/// Removes the name of a rule from an ignore comment, or the comment when no other name is left.
pub(super) fn remove(source: &Source<'_>, comment: Range, rule: Option<&str>) -> Option<Proposal> {
    let comment = TextRange::new(comment.start.into(), comment.end.into());
    let text = source
        .text
        .get(comment.start().to_usize()..comment.end().to_usize())?;
    let title = "Remove the ignore that nothing needs";
    if let (Some(rule), Some(list)) = (rule, list_of(text, comment.start())) {
        let kept: Vec<&str> = source.text[list]
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty() && *it != rule)
            .collect();
        if !kept.is_empty() {
            let edit = replace(list, kept.join(", "));
            return Some(Proposal::new(title, Safety::Safe, vec![edit]));
        }
    }
    // What stands before the mark, such as `# noqa`, is another comment.
    let mark = text.find("raceproof:")?;
    let hash = text[..mark].rfind('#')?;
    let start = comment.start() + TextSize::try_from(hash).ok()?;
    let before = &source.text[..start.to_usize()];
    let line = before.rfind(['\n', '\r']).map_or(0, |it| it + 1);
    let kept = before[line..].trim_end();
    let end = comment.end().to_usize();
    let (start, end) = if kept.is_empty() {
        let rest = &source.text[end..];
        let broken = if rest.starts_with("\r\n") {
            2
        } else {
            rest.len().min(1)
        };
        (line, end + broken)
    } else {
        (line + kept.len(), end)
    };
    let range = TextRange::new(
        TextSize::try_from(start).ok()?,
        TextSize::try_from(end).ok()?,
    );
    Some(Proposal::new(title, Safety::Safe, vec![replace(range, "")]))
}

/// The names between the brackets of an ignore comment.
fn names(context: &Context<'_>, comment: TextRange) -> Option<TextRange> {
    list_of(context.text(comment), comment.start())
}

fn list_of(comment: &str, offset: TextSize) -> Option<TextRange> {
    let start = comment.find(MARK)? + MARK.len();
    let length = comment[start..].find(']')?;
    Some(TextRange::at(
        offset + TextSize::try_from(start).ok()?,
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
