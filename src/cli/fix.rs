//! Fixes on the command line: rounds of analysis and correction, then one write a file.
//!
//! A round corrects what it can without two corrections touching the same text, and the next one
//! analyses the result. A correction that leaves its finding where it was, or breaks the syntax, is
//! taken back and not tried again. Nothing is written before all rounds are done.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use rustc_hash::{FxHashMap, FxHashSet};

use super::output::Failure;
use super::project::{self, Project};
use crate::engine::Change;
use crate::findings::Finding;
use crate::findings::filter::in_focus;
use crate::findings::outcome::Outcome;
use crate::fixes::{self, Fix, Safety, Source};
use crate::source::decode::decode;
use crate::source::parse::{errors, parse};
use crate::source::span::FileId;
use crate::source::text::Sources;

/// More rounds than corrections that build on one another need.
const MAX_ROUNDS: usize = 20;

/// Which fixes are applied, and how.
#[derive(Debug, Args)]
pub(super) struct FixArgs {
    /// Apply the fixes that keep the behaviour in a single thread.
    #[arg(long)]
    pub fix: bool,
    /// Apply the other fixes, too: those that take a lock or want to be looked at.
    #[arg(long)]
    pub unsafe_fixes: bool,
    /// Write nothing; print what `--fix` would change, and exit with 1 when that is anything.
    #[arg(long)]
    pub diff: bool,
}

impl FixArgs {
    /// The fixes that are wanted; `None` when none are.
    pub fn wanted(&self) -> Option<Safety> {
        match self {
            Self {
                unsafe_fixes: true, ..
            } => Some(Safety::Unsafe),
            Self { fix: true, .. } | Self { diff: true, .. } => Some(Safety::Safe),
            _ => None,
        }
    }
}

/// What was corrected.
#[derive(Debug, Default)]
pub(super) struct Fixed {
    /// Corrections made.
    pub count: usize,
    /// Files with their text before and after; paths relative to the root.
    pub files: BTreeMap<PathBuf, (Arc<str>, Arc<str>)>,
    /// Files that could not be corrected, and why.
    pub refused: BTreeMap<PathBuf, String>,
}

impl Fixed {
    /// Such as "3 places in 1 file", or "nothing".
    pub fn summary(&self) -> String {
        if self.count == 0 {
            return "nothing".to_owned();
        }
        let count = |number: usize, word: &str| {
            let plural = if number == 1 { "" } else { "s" };
            format!("{number} {word}{plural}")
        };
        format!(
            "{} in {}",
            count(self.count, "place"),
            count(self.files.len(), "file")
        )
    }
}

/// What a finding, or an idle ignore comment, is known by from one round to the next: lines move.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Defect {
    path: PathBuf,
    /// Empty for an ignore comment.
    rule: String,
    function: String,
    /// The state that is raced for; the notice about an ignore comment.
    what: String,
}

impl Defect {
    fn of(sources: &Sources, finding: &Finding) -> Self {
        Self {
            path: sources.path(finding.primary.file).to_path_buf(),
            rule: finding.rule.clone(),
            function: finding.function.clone(),
            what: finding.state.clone(),
        }
    }
}

/// What a correction is known by: the defect, and the title of the fix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    defect: Defect,
    title: String,
}

/// Corrects the project in memory: the host has the corrected texts afterwards.
///
/// # Errors
/// The analysis was cancelled.
pub(super) fn rounds(project: &mut Project, wanted: Safety) -> Result<Fixed, Failure> {
    let mut fixed = Fixed::default();
    // Corrections that did not help, and how many of each have been made.
    let mut barred: FxHashSet<Key> = FxHashSet::default();
    let mut made: FxHashMap<Key, usize> = FxHashMap::default();
    let mut last: Option<Round> = None;
    for _ in 0..MAX_ROUNDS {
        let snapshot = project.snapshot();
        let outcome = project::watch(|job| snapshot.check(&project.settings, job))
            .map_err(|_| Failure::new("cancelled"))?;
        let sources = snapshot.sources(outcome.files.clone());
        let counts = counts(&outcome, &sources);
        if let Some(round) = last.take() {
            let failed = round.failed(&counts);
            if !failed.is_empty() {
                let files: FxHashSet<PathBuf> =
                    failed.iter().map(|key| key.defect.path.clone()).collect();
                barred.extend(failed);
                for (path, before) in round.before {
                    if files.contains(&path) {
                        project.host.apply(Change::Edited(path.clone(), before));
                        made.retain(|key, _| key.defect.path != path || !round.keys.contains(key));
                    }
                }
                continue;
            }
        }
        let mut round = Round {
            counts,
            ..Round::default()
        };
        for file in files(&outcome) {
            let path = sources.path(file).to_path_buf();
            if !in_focus(&path, &project.settings.focus) || fixed.refused.contains_key(&path) {
                continue;
            }
            let text = &sources.text(file).text;
            let proposals = proposals(&outcome, &sources, file, wanted, &barred);
            let (after, applied) = fixes::apply(text, proposals.iter().map(|(_, fix)| fix));
            if applied.is_empty() {
                continue;
            }
            if !fixed.files.contains_key(&path)
                && let Err(reason) = writable(project, &path, text)
            {
                fixed.refused.insert(path, reason);
                continue;
            }
            if !still_parses(&after) {
                barred.extend(proposals.into_iter().map(|(key, _)| key));
                continue;
            }
            for (key, _) in applied.iter().map(|&index| &proposals[index]) {
                round.keys.insert(key.clone());
                *made.entry(key.clone()).or_default() += 1;
            }
            round.before.push((path.clone(), text.as_str().into()));
            project.host.apply(Change::Edited(path, after.into()));
        }
        if round.before.is_empty() {
            break;
        }
        for (path, before) in &round.before {
            fixed
                .files
                .entry(path.clone())
                .or_insert_with(|| (Arc::clone(before), Arc::clone(before)));
        }
        last = Some(round);
    }
    fixed.count = made.values().sum();
    finish(project, &mut fixed);
    Ok(fixed)
}

/// One round that was made.
#[derive(Default)]
struct Round {
    /// How many findings there were before.
    counts: FxHashMap<Defect, usize>,
    keys: FxHashSet<Key>,
    before: Vec<(PathBuf, Arc<str>)>,
}

impl Round {
    /// The corrections after which as much is found as before.
    fn failed(&self, after: &FxHashMap<Defect, usize>) -> Vec<Key> {
        let count = |counts: &FxHashMap<Defect, usize>, key: &Key| {
            counts.get(&key.defect).copied().unwrap_or(0)
        };
        self.keys
            .iter()
            .filter(|key| {
                let before = count(&self.counts, key);
                before > 0 && count(after, key) >= before
            })
            .cloned()
            .collect()
    }
}

fn counts(outcome: &Outcome, sources: &Sources) -> FxHashMap<Defect, usize> {
    let mut counts = FxHashMap::default();
    for finding in &outcome.findings {
        *counts.entry(Defect::of(sources, finding)).or_default() += 1;
    }
    counts
}

/// The files there is something to correct in.
fn files(outcome: &Outcome) -> Vec<FileId> {
    let idle = outcome.notices.iter().filter(|it| it.ignore.is_some());
    let idle = idle.filter_map(|it| {
        let index = outcome.files.binary_search(&it.path).ok()?;
        Some(FileId(u32::try_from(index).ok()?))
    });
    let mut files: Vec<FileId> = outcome
        .findings
        .iter()
        .map(|it| it.primary.file)
        .chain(idle)
        .collect();
    files.sort();
    files.dedup();
    files
}

/// The best fix that is wanted of each finding and each idle ignore comment in a file.
fn proposals(
    outcome: &Outcome,
    sources: &Sources,
    file: FileId,
    wanted: Safety,
    barred: &FxHashSet<Key>,
) -> Vec<(Key, Fix)> {
    let text = sources.text(file);
    let Ok(parsed) = parse(&text.text) else {
        return Vec::new();
    };
    // What the parser recovered from an error may not be what was meant.
    if errors(&parsed).next().is_some() {
        return Vec::new();
    }
    let source = Source {
        file,
        text: &text.text,
        parsed: &parsed,
    };
    let of_findings = outcome
        .findings
        .iter()
        .filter(|it| it.primary.file == file)
        .filter_map(|finding| {
            fixes::fixes(&source, finding)
                .into_iter()
                .filter(|fix| fix.safety <= wanted)
                .map(|fix| {
                    let defect = Defect::of(sources, finding);
                    let title = fix.title.clone();
                    (Key { defect, title }, fix)
                })
                .find(|(key, _)| !barred.contains(key))
        });
    let path = sources.path(file);
    let of_ignores = outcome
        .notices
        .iter()
        .filter(|it| it.path == path)
        .filter_map(|it| {
            let ignore = it.ignore.as_ref()?;
            let fix = fixes::remove_ignore(&source, ignore.comment, ignore.rule.as_deref())?;
            let key = Key {
                defect: Defect {
                    path: path.to_path_buf(),
                    rule: String::new(),
                    function: String::new(),
                    what: it.message.clone(),
                },
                title: fix.title.clone(),
            };
            (!barred.contains(&key)).then_some((key, fix))
        });
    of_findings.chain(of_ignores).collect()
}

fn still_parses(text: &str) -> bool {
    parse(text).is_ok_and(|parsed| errors(&parsed).next().is_none())
}

/// The file on disk is what was analysed, and can be written back as it was.
fn writable(project: &Project, path: &Path, text: &str) -> Result<(), String> {
    let bytes = std::fs::read(project.root.join(path))
        .map_err(|error| format!("cannot be read: {error}"))?;
    let plain = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    if plain == text.as_bytes() {
        return Ok(());
    }
    match decode(bytes) {
        Ok(decoded) if decoded == text => {
            Err("is not encoded in UTF-8: fix it by hand or convert it first".to_owned())
        }
        _ => Err("was changed while it was analysed: run the command again".to_owned()),
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Takes the last texts over, and leaves out files that are what they were.
fn finish(project: &Project, fixed: &mut Fixed) {
    let snapshot = project.snapshot();
    for (path, (_, after)) in &mut fixed.files {
        if let Some(text) = snapshot.text(path) {
            *after = text;
        }
    }
    fixed.files.retain(|_, (before, after)| before != after);
}

/// Writes the corrected files. Returns what could not be written.
pub(super) fn write(project: &Project, fixed: &Fixed) -> Vec<(PathBuf, String)> {
    let mut failures = Vec::new();
    for (path, (before, after)) in &fixed.files {
        let result = writable(project, path, before).and_then(|()| {
            let file = project.root.join(path);
            let marked = std::fs::read(&file).is_ok_and(|bytes| bytes.starts_with(BOM));
            let mut bytes = if marked { BOM.to_vec() } else { Vec::new() };
            bytes.extend_from_slice(after.as_bytes());
            std::fs::write(&file, bytes).map_err(|error| format!("cannot be written: {error}"))
        });
        if let Err(reason) = result {
            failures.push((path.clone(), reason));
        }
    }
    failures
}

/// Writes what was corrected as unified diffs, with paths relative to the working directory.
///
/// # Errors
/// Whatever writing returns.
pub(super) fn write_diff(
    project: &Project,
    fixed: &Fixed,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    for (path, (before, after)) in &fixed.files {
        let path = project.root.join(path);
        let path = path.strip_prefix(&project.directory).unwrap_or(&path);
        let diff = fixes::diff(&path.to_string_lossy(), before, after);
        out.write_all(diff.as_bytes())?;
    }
    Ok(())
}
