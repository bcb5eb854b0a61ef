//! Comments and docstrings that state what the analysis would otherwise have to infer.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, Stmt, StmtFunctionDef};
use ruff_python_parser::Parsed;
use ruff_text_size::{Ranged, TextSize};
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
    let text = docstring(body)?;
    if !speaks_of(text, &["thread", "Thread"]) {
        return None;
    }
    let text = plain(text);
    sentences(&text).find_map(is_safe)
}

/// Whether a function says that its callers see to threads: its docstring that it is not safe, that
/// one thread alone calls it, or that callers hold a lock; a comment above its first statement, the
/// last of these. `text` is that of the module.
pub(super) fn leaves_threads_to_callers(text: &str, def: &StmtFunctionDef) -> bool {
    let Some(first) = def.body.first() else {
        return false;
    };
    let documented = docstring(&def.body).is_some_and(|it| {
        let words = ["thread", "Thread", "lock", "Lock", "mutex"];
        speaks_of(it, &words) && {
            let it = plain(it);
            sentences(&it)
                .any(|it| is_safe(it) == Some(false) || wants_one_thread(it) || wants_lock_held(it))
        }
    });
    let above = |from: TextSize, to: TextSize| {
        let comment = text.get(from.to_usize()..to.to_usize()).unwrap_or_default();
        comment.contains('#')
            && speaks_of(comment, &["lock", "Lock", "mutex"])
            && wants_lock_held(&plain(comment))
    };
    documented
        || above(def.parameters.end(), first.start())
        || def.body.get(1).is_some_and(|second| {
            docstring(&def.body).is_some() && above(first.end(), second.start())
        })
}

fn docstring(body: &[Stmt]) -> Option<&str> {
    let Stmt::Expr(first) = body.first()? else {
        return None;
    };
    Some(first.value.as_string_literal_expr()?.value.to_str())
}

fn speaks_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Prose without markup, in lower case.
fn plain(text: &str) -> String {
    text.to_ascii_lowercase().replace(['*', '`', '_', '#'], "")
}

/// The sentences of prose, as far as full stops and empty lines tell; each with its line breaks.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(". ").flat_map(|it| it.split("\n\n"))
}

/// Whether a sentence says that threads may share something, or that they must not.
fn is_safe(sentence: &str) -> Option<bool> {
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
    speaks_of(sentence, &safe).then(|| !speaks_of(sentence, &denied))
}

/// Whether a sentence says that one thread alone calls: the only one, or the main one.
fn wants_one_thread(sentence: &str) -> bool {
    let one = ["only one thread", "one thread only", "single thread only"];
    let owner = ["main thread", "same thread", "single thread", "one thread"];
    speaks_of(sentence, &one)
        || sentence.contains("only") && speaks_of(sentence, &owner) && !sentence.contains("not ")
}

/// Whether a sentence says that callers hold a lock: that it is held when the function is called, or
/// that somebody has to hold it.
fn wants_lock_held(sentence: &str) -> bool {
    let state = [
        "lock held",
        "lock must be held",
        "lock is held",
        "lock is already held",
        "lock already held",
        "lock should be held",
        "mutex held",
        "must be held",
    ];
    let act = [
        "hold the",
        "holds the",
        "holding the",
        "hold self.",
        "holds self.",
        "holding self.",
    ];
    let duty = [
        "caller", "must", "should", "you ", "assum", "requir", "expect",
    ];
    let owed = speaks_of(sentence, &duty);
    speaks_of(sentence, &["lock", "mutex"])
        && (speaks_of(sentence, &state) && (owed || sentence.contains("called"))
            || speaks_of(sentence, &act) && owed)
}
