//! From everything the rules say to what this run reports.
//!
//! In this order: the configuration decides whether and how a rule reports, a broken declaration
//! stands for whatever else is found of the same access, ignore comments silence, the focus selects, the baseline takes out what was accepted. A comment or an entry is
//! *unused* only when it would have had something to do: comments are judged on all findings that
//! the configuration lets through, inside and outside the focus.

use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use super::outcome::{Hidden, IdleIgnore, Problem};
use super::{Finding, Severity};
use crate::facts::suppress::Ignore;
use crate::source::span::{FileId, Site};
use crate::source::text::Sources;

/// A rule's severity at a path: what the page says goes in, `None` comes out for a rule that is off.
pub type Levels<'a> = dyn Fn(&str, &Path, Severity) -> Option<Severity> + 'a;

/// Drops findings of rules that are off, and gives the others their configured severity.
pub fn configure(
    findings: &mut Vec<Finding>,
    sources: &Sources,
    levels: &Levels<'_>,
    hidden: &mut Hidden,
) {
    let before = findings.len();
    findings.retain_mut(|finding| {
        let path = sources.path(finding.primary.file);
        match levels(&finding.rule, path, finding.severity) {
            Some(severity) => {
                finding.severity = severity;
                true
            }
            None => false,
        }
    });
    hidden.off += before - findings.len();
}

/// Leaves one finding for an access that breaks a declared guard: the declaration says already that
/// the state is shared, and which lock is missing.
pub fn merge_declared(findings: &mut Vec<Finding>) {
    const DECLARED: &str = "missing-guard";
    let broken: FxHashSet<Site> = findings
        .iter()
        .filter(|it| it.rule == DECLARED)
        .map(|it| it.primary)
        .collect();
    findings.retain(|it| it.rule == DECLARED || !broken.contains(&it.primary));
}

/// Drops what ignore comments silence, and reports comments that silence nothing, name unknown
/// rules or cannot be followed.
pub fn suppress(
    findings: &mut Vec<Finding>,
    ignores: &[(FileId, &[Ignore])],
    rules: &[&str],
    sources: &Sources,
    hidden: &mut Hidden,
    notices: &mut Vec<Problem>,
) {
    let by_file: FxHashMap<FileId, &[Ignore]> = ignores
        .iter()
        .filter(|(_, ignores)| !ignores.is_empty())
        .copied()
        .collect();
    if by_file.is_empty() {
        return;
    }
    // What was used: a comment's address and the index of the rule it names.
    let mut used: FxHashMap<(FileId, usize), Vec<bool>> = FxHashMap::default();
    let before = findings.len();
    findings.retain(|finding| {
        let file = finding.primary.file;
        let at = finding.primary.range.start;
        let mut silenced = false;
        for (index, ignore) in by_file
            .get(&file)
            .into_iter()
            .copied()
            .flatten()
            .enumerate()
        {
            if ignore.problem.is_some() || !(ignore.covers.start..ignore.covers.end).contains(&at) {
                continue;
            }
            let named = ignore.rules.iter().position(|name| *name == finding.rule);
            if named.is_none() && !ignore.rules.is_empty() {
                continue;
            }
            silenced = true;
            let flags = used
                .entry((file, index))
                .or_insert_with(|| vec![false; ignore.rules.len().max(1)]);
            flags[named.unwrap_or(0)] = true;
        }
        !silenced
    });
    hidden.suppressed += before - findings.len();
    for (file, ignores) in ignores {
        for (index, ignore) in ignores.iter().enumerate() {
            let flags = used.get(&(*file, index));
            for (message, rule) in complaints(ignore, flags.map(Vec::as_slice), rules) {
                notices.push(Problem {
                    path: sources.path(*file).to_path_buf(),
                    position: Some(sources.text(*file).position(ignore.comment.start)),
                    message,
                    ignore: Some(IdleIgnore {
                        comment: ignore.comment,
                        rule,
                    }),
                });
            }
        }
    }
}

/// What is wrong with a comment, each with the name it is about.
fn complaints(
    ignore: &Ignore,
    used: Option<&[bool]>,
    rules: &[&str],
) -> Vec<(String, Option<String>)> {
    if let Some(problem) = &ignore.problem {
        let message = format!("ignore comment without effect: {problem}");
        return vec![(message, None)];
    }
    if ignore.rules.is_empty() {
        return match used {
            Some(_) => Vec::new(),
            None => vec![(
                "unused ignore comment: nothing is found here".to_owned(),
                None,
            )],
        };
    }
    let mut complaints = Vec::new();
    for (index, name) in ignore.rules.iter().enumerate() {
        let message = if !rules.contains(&name.as_str()) {
            let hint = crate::config::nearest(name, rules)
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            format!("ignore comment names the unknown rule `{name}`{hint}")
        } else if !used.is_some_and(|used| used[index]) {
            format!("unused ignore comment: `{name}` finds nothing here")
        } else {
            continue;
        };
        complaints.push((message, Some(name.clone())));
    }
    complaints
}

/// Drops findings that have no side in the focus; everything is wanted when it is empty.
///
/// One side is enough: with a commit that touches only one of two files, the race that the commit
/// makes may have its primary place in the other one.
pub fn focus(
    findings: &mut Vec<Finding>,
    focus: &[PathBuf],
    sources: &Sources,
    hidden: &mut Hidden,
) {
    if focus.is_empty() {
        return;
    }
    let before = findings.len();
    findings.retain(|finding| {
        let mut sites = std::iter::once(finding.primary.file)
            .chain(finding.related.iter().map(|related| related.site.file));
        sites.any(|file| in_focus(sources.path(file), focus))
    });
    hidden.elsewhere += before - findings.len();
}

/// The path lies in the focus.
pub fn in_focus(path: &Path, focus: &[PathBuf]) -> bool {
    focus.is_empty()
        || focus
            .iter()
            .any(|wanted| wanted.as_os_str().is_empty() || path.starts_with(wanted))
}
