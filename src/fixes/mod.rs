//! Corrections: a finding and the text it was found in to edits of that text.
//!
//! `raceproof check --fix` and the editor's code actions take the same objects from here. A fix is
//! made from syntax alone and changes nothing but what it must: it is a list of replaced ranges, so
//! comments and formatting around them stay as they are. When the code does not have the shape a
//! fix is for, there is no fix; nothing is guessed.
//!
//! Layer: reads `source` and `findings`, knows neither the program nor any front end.

mod context;
mod gil_check;
mod guarded_by;
mod hoist_lock;
mod hold_guard;
mod ignore;
mod lazy_init;
mod lock;
mod pop;
mod setdefault;
mod snapshot;
mod wait_loop;

use ruff_python_ast::ModModule;
use ruff_python_parser::Parsed;

use crate::findings::Finding;
use crate::source::span::{FileId, Range};
use context::Context;

/// One module, as the parser sees it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Which file the text is.
    pub file: FileId,
    /// The decoded text that ranges index into.
    pub text: &'a str,
    /// Its syntax.
    pub parsed: &'a Parsed<ModModule>,
}

/// What a fix may change beside the defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safety {
    /// Single-threaded behaviour stays the same: `check --fix` applies it.
    Safe,
    /// Someone has to look: it takes a lock, or loses a distinction the code could rely on.
    /// `check --unsafe-fixes` applies it.
    Unsafe,
    /// It records a decision (that a race is meant, that a lock guards), so it is only offered to
    /// the one who decides, in the editor.
    Manual,
}

/// A replaced range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub range: Range,
    /// What stands there afterwards.
    pub text: String,
}

/// A correction of one finding. All edits are in one file, sorted, and do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative: "Replace the test by `setdefault`".
    pub title: String,
    /// Whether it may be applied without looking.
    pub safety: Safety,
    /// The file.
    pub file: FileId,
    /// The changes.
    pub edits: Vec<Edit>,
}

/// The fixes that exist for a finding, best first.
///
/// `source` is the file of the finding's primary place; of any other file, or when the place does
/// not lie in the text, the answer is empty.
pub fn fixes(source: &Source<'_>, finding: &Finding) -> Vec<Fix> {
    let Some(context) = Context::new(source, finding) else {
        return Vec::new();
    };
    let makers = [
        setdefault::fix,
        pop::fix,
        lazy_init::fix,
        snapshot::fix,
        wait_loop::fix,
        hoist_lock::fix,
        gil_check::fix,
        hold_guard::fix,
        guarded_by::fix,
        ignore::add,
    ];
    makers
        .iter()
        .filter_map(|make| make(&context))
        .map(|proposal| proposal.of(source))
        .filter(|fix| !together(source.text, [fix]).1.is_empty())
        .collect()
}

/// Removes an ignore comment that silences nothing, or one name from it.
///
/// `comment` is the comment's range, `rule` the name that is there in vain, `None` for the whole
/// comment. `None` comes back when there is no such comment in the text.
pub fn remove_ignore(source: &Source<'_>, comment: Range, rule: Option<&str>) -> Option<Fix> {
    Some(ignore::remove(source, comment, rule)?.of(source))
}

/// What one kind of fix hands to [`fixes`].
struct Proposal {
    title: String,
    safety: Safety,
    edits: Vec<Edit>,
}

impl Proposal {
    /// Edits may be given in any order.
    fn new(title: impl Into<String>, safety: Safety, mut edits: Vec<Edit>) -> Self {
        edits.sort();
        Self {
            title: title.into(),
            safety,
            edits,
        }
    }

    fn of(self, source: &Source<'_>) -> Fix {
        Fix {
            title: self.title,
            safety: self.safety,
            file: source.file,
            edits: self.edits,
        }
    }
}

/// The edits of those fixes that can be made together, sorted, and which of the fixes these are.
///
/// A fix goes in whole or not at all: one that touches a range another has already changed is left
/// for the next round. Edits that several fixes share (an import, a lock both need) go in once.
/// A range outside the text, or inside a character, counts as not fitting.
pub fn together<'a>(
    text: &str,
    fixes: impl IntoIterator<Item = &'a Fix>,
) -> (Vec<&'a Edit>, Vec<usize>) {
    let mut edits: Vec<&Edit> = Vec::new();
    let mut applied = Vec::new();
    for (index, fix) in fixes.into_iter().enumerate() {
        let fresh: Vec<&Edit> = fix.edits.iter().filter(|it| !edits.contains(it)).collect();
        let fits = fresh.iter().enumerate().all(|(index, edit)| {
            text.get(edit.range.start as usize..edit.range.end as usize)
                .is_some()
                && !edits.iter().any(|other| collide(edit, other))
                && !fresh[..index].iter().any(|other| collide(edit, other))
        });
        if fits && !fresh.is_empty() {
            edits.extend(fresh);
            applied.push(index);
        }
    }
    edits.sort();
    (edits, applied)
}

/// Applies those fixes that can be made [`together`], and says which they were.
pub fn apply<'a>(text: &str, fixes: impl IntoIterator<Item = &'a Fix>) -> (String, Vec<usize>) {
    let (edits, applied) = together(text, fixes);
    let mut result = String::with_capacity(text.len() + 64);
    let mut end = 0;
    for edit in edits {
        result.push_str(&text[end..edit.range.start as usize]);
        result.push_str(&edit.text);
        end = edit.range.end as usize;
    }
    result.push_str(&text[end..]);
    (result, applied)
}

/// Two edits cannot both be made. Insertions at one point collide too: their order would be chance.
fn collide(a: &Edit, b: &Edit) -> bool {
    let (a, b) = (a.range, b.range);
    a.start < b.end && b.start < a.end || a.start == b.start
}

/// The change from one text to another as a unified diff under the name `path`; empty when there is
/// none.
pub fn diff(path: &str, before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(3)
        .header(path, path)
        .to_string()
}
