//! Comments that silence findings: `# raceproof: ignore[rule, other-rule] reason`.
//!
//! A comment behind code, or on a line of its own above it, covers the statement it belongs to: all
//! physical lines of it, and of a compound statement the header. On the header of a function or a
//! class (decorators included) it covers the whole of it. Without brackets it covers every rule.

use ruff_python_ast::statement_visitor::{StatementVisitor, walk_stmt};
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{ModModule, Stmt};
use ruff_python_parser::Parsed;
use ruff_text_size::{Ranged, TextRange};
use serde::{Deserialize, Serialize};

use crate::source::span::Range;

/// One comment that silences findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignore {
    /// The comment.
    pub comment: Range,
    /// What it covers: findings whose primary place starts here.
    pub covers: Range,
    /// The rules it names; empty for all of them.
    pub rules: Vec<String>,
    /// Why it cannot be followed, such as a bracket that is not closed; it silences nothing then.
    pub problem: Option<String>,
}

const MARK: &str = "raceproof:";
/// The words that may follow the mark; all but the first concern the analysis itself.
const DIRECTIVES: &[&str] = &["ignore", "thread-safe", "confined"];

/// The ignore comments of a module, in order.
pub fn ignores(text: &str, parsed: &Parsed<ModModule>) -> Vec<Ignore> {
    if memchr::memmem::find(text.as_bytes(), MARK.as_bytes()).is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    // Comments whose statement has not ended yet.
    let mut waiting = 0;
    let mut statement: Option<TextRange> = None;
    for token in parsed.tokens() {
        match token.kind() {
            TokenKind::Comment => {
                if let Some((rules, problem)) = directive(&text[token.range()]) {
                    found.push(Ignore {
                        comment: range(token.range()),
                        covers: range(token.range()),
                        rules,
                        problem,
                    });
                }
            }
            TokenKind::Newline | TokenKind::EndOfFile => {
                if let Some(lines) = statement.take() {
                    for ignore in &mut found[waiting..] {
                        ignore.covers = range(lines);
                    }
                }
                waiting = found.len();
            }
            TokenKind::NonLogicalNewline | TokenKind::Indent | TokenKind::Dedent => {}
            _ => {
                let range = token.range();
                statement = Some(statement.map_or(range, |lines| lines.cover(range)));
            }
        }
    }
    if !found.is_empty() {
        let mut headers = Headers(&mut found);
        headers.visit_body(&parsed.syntax().body);
    }
    found
}

/// Widens what covers a header to all of its function or class.
struct Headers<'a>(&'a mut Vec<Ignore>);

impl<'a> StatementVisitor<'a> for Headers<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let body = match statement {
            Stmt::FunctionDef(function) => function.body.first(),
            Stmt::ClassDef(class) => class.body.first(),
            _ => None,
        };
        // Inner headers first: what is widened to the outer one is no header of an inner one.
        walk_stmt(self, statement);
        if let Some(first) = body {
            let whole = range(statement.range());
            let body = range(first.range()).start;
            for ignore in self.0.iter_mut() {
                if (whole.start..body).contains(&ignore.covers.start) {
                    ignore.covers = whole;
                }
            }
        }
    }
}

/// Rules named by a comment, and what is wrong with it; `None` for any other comment.
fn directive(comment: &str) -> Option<(Vec<String>, Option<String>)> {
    let at = comment.find(MARK)?;
    // `# see raceproof: ...` is prose; `# noqa  # raceproof: ...` is not.
    if !comment[..at].trim_end().ends_with('#') {
        return None;
    }
    let rest = comment[at + MARK.len()..].trim_start();
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    if word != "ignore" {
        let problem = (!DIRECTIVES.contains(&word)).then(|| {
            format!(
                "unknown directive `{word}`; known: {}",
                DIRECTIVES.join(", ")
            )
        })?;
        return Some((Vec::new(), Some(problem)));
    }
    let Some(list) = rest.strip_prefix('[') else {
        return Some((Vec::new(), None));
    };
    let Some((list, _reason)) = list.split_once(']') else {
        let problem = "the list of rules is not closed: `]` is missing".to_owned();
        return Some((Vec::new(), Some(problem)));
    };
    let rules: Vec<String> = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let problem = rules
        .is_empty()
        .then(|| "names no rule between its brackets".to_owned());
    Some((rules, problem))
}

fn range(range: TextRange) -> Range {
    Range {
        start: range.start().into(),
        end: range.end().into(),
    }
}
