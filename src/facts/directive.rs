//! Comments and docstrings that state what the analysis would otherwise have to infer.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, Stmt};
use ruff_python_parser::Parsed;
use ruff_text_size::Ranged;
use serde::{Deserialize, Serialize};

use crate::source::span::Range;

/// What a comment declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectiveKind {
    /// `# guarded-by: self._lock`: the attribute assigned on this line needs the lock.
    GuardedBy(String),
    /// `# requires: self._lock`: callers of the function on this line hold the lock.
    Requires(String),
    /// `# raceproof: thread-safe`: instances of the class on this line are meant to be shared.
    ThreadSafe,
    /// `# raceproof: confined`: instances of the class on this line stay with one thread.
    Confined,
}

/// A declaring comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directive {
    /// What it declares.
    pub kind: DirectiveKind,
    /// The comment.
    pub range: Range,
    /// The line it stands on, from its first byte to its last.
    pub line: Range,
}

/// The directives of a module, in order.
pub(super) fn directives(text: &str, parsed: &Parsed<ModModule>) -> Vec<Directive> {
    if !["guarded-by:", "requires:", "raceproof:"]
        .iter()
        .any(|word| text.contains(word))
    {
        return Vec::new();
    }
    parsed
        .tokens()
        .iter()
        .filter(|token| token.kind() == TokenKind::Comment)
        .filter_map(|token| {
            let (start, end) = (token.start().to_usize(), token.end().to_usize());
            let kind = declared(text.get(start..end)?)?;
            let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
            Some(Directive {
                kind,
                range: Range {
                    start: token.start().to_u32(),
                    end: token.end().to_u32(),
                },
                line: Range {
                    start: u32::try_from(first).ok()?,
                    end: token.end().to_u32(),
                },
            })
        })
        .collect()
}

fn declared(comment: &str) -> Option<DirectiveKind> {
    let body = comment.trim_start_matches('#').trim();
    if let Some(lock) = body.strip_prefix("guarded-by:") {
        return Some(DirectiveKind::GuardedBy(lock.trim().to_owned()));
    }
    if let Some(lock) = body.strip_prefix("requires:") {
        return Some(DirectiveKind::Requires(lock.trim().to_owned()));
    }
    match body.strip_prefix("raceproof:")?.trim() {
        "thread-safe" => Some(DirectiveKind::ThreadSafe),
        "confined" => Some(DirectiveKind::Confined),
        _ => None,
    }
}

/// What the docstring of a class says of threads: `Some(true)` that they may share an instance,
/// `Some(false)` that they must not. The first sentence that speaks of it counts.
pub(super) fn documented(body: &[Stmt]) -> Option<bool> {
    let Stmt::Expr(first) = body.first()? else {
        return None;
    };
    let text = first.value.as_string_literal_expr()?.value.to_str();
    let mentions = ["thread", "Thread"];
    if !mentions.iter().any(|word| text.contains(word)) {
        return None;
    }
    let text = text.to_ascii_lowercase().replace(['*', '`', '_'], "");
    let safe = [
        "thread-safe",
        "thread safe",
        "threadsafe",
        "thread-safety",
        "thread safety",
    ];
    let denied = [
        "not ", "n't ", "non-", "non ", "un-", "unsafe", "without", "no ",
    ];
    text.split(". ")
        .flat_map(|it| it.split("\n\n"))
        .find(|sentence| safe.iter().any(|word| sentence.contains(word)))
        .map(|sentence| !denied.iter().any(|word| sentence.contains(word)))
}
