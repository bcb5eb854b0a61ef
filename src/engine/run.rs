//! One run: list, extract, link, apply the rules, and say what is to be said.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::last_good::{self, Shift};
use super::module::{Extracted, Extractor, Module};
use super::{Cancelled, Job, Snapshot, on_pool};
use crate::config::Settings;
use crate::facts::suppress;
use crate::findings::outcome::{Coverage, Outcome, Problem};
use crate::findings::{Severity, baseline::Baseline, filter, fingerprint, order};
use crate::models::Models;
use crate::program::link::{self, Names};
use crate::program::{Options, Program};
use crate::source::discover::Patterns;
use crate::source::files::{Files, Listing, Stamp};
use crate::source::span::FileId;

pub(super) fn check(
    snapshot: &Snapshot,
    settings: &Settings,
    job: &Job,
) -> Result<Outcome, Cancelled> {
    let listing = snapshot.listing();
    let files: Arc<[PathBuf]> = listing.files.as_slice().into();
    let now = now();
    // Replaced texts have no stamp, so their outcome is not worth a place on disk.
    let cache = snapshot.cache.as_deref().filter(|_| !snapshot.dirty);
    let key = cache.and_then(|cache| {
        let stamps = stamps(snapshot, listing, now)?;
        Some((cache, cache.run_key(settings, listing, &stamps)?))
    });
    if let Some((cache, key)) = &key
        && let Some(mut outcome) = cache.outcome(key)
    {
        outcome.files = files;
        return Ok(outcome);
    }
    let outcome = on_pool(|| analyse(snapshot, settings, job, &files, now))?;
    if let Some((cache, key)) = &key {
        cache.keep_outcome(key, &outcome);
    }
    Ok(outcome)
}

pub(super) fn program(
    snapshot: &Snapshot,
    settings: &Settings,
    job: &Job,
) -> Result<(Program, Arc<[PathBuf]>), Cancelled> {
    let files: Arc<[PathBuf]> = snapshot.listing().files.as_slice().into();
    on_pool(|| {
        let models = snapshot.models(settings);
        let extracted = extract(snapshot, job, &models, &files, now())?;
        let (modules, _) = linkable(snapshot, files.as_ref(), extracted);
        let program = linked(snapshot, settings, job, &models, modules)?;
        Ok((program, Arc::clone(&files)))
    })
}

fn analyse(
    snapshot: &Snapshot,
    settings: &Settings,
    job: &Job,
    files: &Arc<[PathBuf]>,
    now: u64,
) -> Result<Outcome, Cancelled> {
    let listing = snapshot.listing();
    let models = snapshot.models(settings);
    let extracted = extract(snapshot, job, &models, files, now)?;
    let problems = problems(listing, &extracted);
    let (modules, shifts) = linkable(snapshot, files, extracted);
    let mut outcome = Outcome {
        files: Arc::clone(files),
        problems,
        coverage: Coverage {
            files: modules.len(),
            lines: modules.iter().map(|it| it.facts.lines as usize).sum(),
            stubs: listing.stubs,
            notebooks: listing.notebooks,
            ..Coverage::default()
        },
        ..Outcome::default()
    };
    let ignores = ignores(&modules, &shifts);
    let program = linked(snapshot, settings, job, &models, modules)?;
    let reached = program.coverage();
    outcome.coverage.functions = reached.functions;
    outcome.coverage.calls = reached.calls;
    outcome.coverage.unresolved_calls = reached.unresolved_calls;
    outcome.coverage.limits = reached.limits;
    job.check()?;
    let mut findings = crate::rules::check_all(&program, &|page| {
        !page.optional || settings.asks_for(page.name)
    });
    // Taking it apart takes as long as some rules do, and nobody waits for it.
    rayon::spawn(move || drop(program));
    job.check()?;

    if !shifts.is_empty() {
        for finding in &mut findings {
            last_good::shift(finding, |file| shifts.get(&file).copied());
        }
    }
    let sources = snapshot.sources(Arc::clone(files));
    order::sort(&mut findings, files);
    fingerprint::fill(&mut findings, &sources);
    let overrides = overrides(settings);
    filter::configure(
        &mut findings,
        &sources,
        &|rule, path, severity| level(settings, &overrides, rule, path, severity),
        &mut outcome.hidden,
    );
    filter::merge_declared(&mut findings);
    let ignores: Vec<_> = ignores
        .iter()
        .map(|(file, it)| (*file, it.as_slice()))
        .collect();
    filter::suppress(
        &mut findings,
        &ignores,
        crate::rule::names(),
        &sources,
        &mut outcome.hidden,
        &mut outcome.notices,
    );
    outcome
        .notices
        .retain(|notice| filter::in_focus(&notice.path, &settings.focus));
    filter::focus(
        &mut findings,
        &settings.focus,
        &sources,
        &mut outcome.hidden,
    );
    if let Some(baseline) = &settings.baseline {
        match Baseline::read(&baseline.text) {
            Ok(accepted) => {
                let analysed = |path: &str| {
                    let path = std::path::Path::new(path);
                    filter::in_focus(path, &settings.focus)
                };
                outcome.hidden.baseline =
                    accepted.apply(&mut findings, analysed, &mut outcome.notices);
            }
            Err(error) => outcome.problems.push(Problem {
                path: baseline.path.clone(),
                position: None,
                message: format!("is not a baseline: {error}"),
                ignore: None,
            }),
        }
    }
    snapshot.keep_texts(&sources);
    outcome.findings = findings;
    Ok(outcome)
}

/// The facts of every file, remembered ones where they hold.
fn extract(
    snapshot: &Snapshot,
    job: &Job,
    models: &Models,
    files: &[PathBuf],
    now: u64,
) -> Result<Vec<Extracted>, Cancelled> {
    job.check()?;
    job.total.store(files.len(), Ordering::Relaxed);
    let before = std::mem::take(
        &mut *snapshot
            .memory
            .modules
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    let names = Names::new(models);
    let extractor = Extractor {
        names: &names,
        files: &snapshot.files,
        versions: snapshot.versions.as_ref(),
        cache: snapshot.cache.as_deref(),
        now,
        recomputed: &job.recomputed,
    };
    let extracted: Result<Vec<Extracted>, Cancelled> = files
        .par_iter()
        .enumerate()
        .map(|(index, path)| {
            job.check()?;
            let module = extractor.module(index, path, before.get(path));
            job.done.fetch_add(1, Ordering::Relaxed);
            Ok(module)
        })
        .collect();
    let extracted = match extracted {
        Ok(extracted) => extracted,
        Err(cancelled) => {
            // What is known stays known.
            let mut remembered = snapshot
                .memory
                .modules
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if remembered.is_empty() {
                *remembered = before;
            }
            return Err(cancelled);
        }
    };
    if let Some(cache) = &snapshot.cache {
        cache.finish();
    }
    if !snapshot.is_last {
        *snapshot
            .memory
            .modules
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = files
            .iter()
            .cloned()
            .zip(extracted.iter().map(|it| it.file.clone()))
            .collect();
    }
    Ok(extracted)
}

fn linked(
    snapshot: &Snapshot,
    settings: &Settings,
    job: &Job,
    models: &Models,
    modules: Vec<link::Module>,
) -> Result<Program, Cancelled> {
    let options = Options {
        target: settings.target,
        callers: settings.callers,
    };
    let program = Program::link(modules, models, &options, &snapshot.memory.program, &|| {
        job.is_cancelled()
    });
    job.relinked.store(program.recomputed(), Ordering::Relaxed);
    job.check()?;
    Ok(program)
}

/// The facts of all files that have some, and how far off the places of those are that stand for a
/// file that does not parse.
fn linkable(
    snapshot: &Snapshot,
    files: &[PathBuf],
    extracted: Vec<Extracted>,
) -> (Vec<link::Module>, FxHashMap<FileId, Shift>) {
    let mut linkable = Vec::with_capacity(extracted.len());
    let mut shifts = FxHashMap::default();
    for (index, (path, extracted)) in files.iter().zip(extracted).enumerate() {
        let Ok(index) = u32::try_from(index) else {
            break;
        };
        let Extracted { file, table } = extracted;
        if let Some((facts, shift)) = file.into_facts(snapshot.files.replacement(path)) {
            linkable.push(link::Module {
                file: FileId(index),
                facts,
                table: table.filter(|_| shift.is_none()),
            });
            shifts.extend(shift.map(|it| (FileId(index), it)));
        }
    }
    (linkable, shifts)
}

/// The comments of all files that silence findings, where they stand now.
fn ignores(
    modules: &[link::Module],
    shifts: &FxHashMap<FileId, Shift>,
) -> Vec<(FileId, Vec<suppress::Ignore>)> {
    modules
        .iter()
        .filter(|it| !it.facts.ignores.is_empty())
        .map(|it| {
            let mut ignores = it.facts.ignores.clone();
            if let Some(shift) = shifts.get(&it.file) {
                for ignore in &mut ignores {
                    ignore.comment = shift.range(ignore.comment);
                    ignore.covers = shift.range(ignore.covers);
                }
            }
            (it.file, ignores)
        })
        .collect()
}

fn problems(listing: &Listing, extracted: &[Extracted]) -> Vec<Problem> {
    let unlisted = listing.problems.iter().map(|(path, error)| Problem {
        path: path.clone(),
        position: None,
        message: match error.kind() {
            std::io::ErrorKind::NotFound => "does not exist".to_owned(),
            _ => error.to_string(),
        },
        ignore: None,
    });
    let unread = listing
        .files
        .iter()
        .zip(extracted)
        .filter_map(|(path, extracted)| {
            let Module { problem, .. } = &extracted.file.module;
            let (position, message) = problem.as_ref()?;
            Some(Problem {
                path: path.clone(),
                position: *position,
                message: message.clone(),
                ignore: None,
            })
        });
    let mut problems: Vec<Problem> = unlisted.chain(unread).collect();
    problems.sort();
    problems
}

type Overrides<'a> = Vec<(Patterns, &'a [(String, crate::config::Level)])>;

fn overrides(settings: &Settings) -> Overrides<'_> {
    settings
        .overrides
        .iter()
        .filter_map(|entry| {
            let paths = entry.paths.iter().map(String::as_str);
            // `Table::read` refused patterns that cannot be read.
            let patterns = Patterns::new(std::path::Path::new(""), paths).ok()?;
            Some((patterns, entry.rules.as_slice()))
        })
        .collect()
}

fn level(
    settings: &Settings,
    overrides: &Overrides<'_>,
    rule: &str,
    path: &std::path::Path,
    severity: Severity,
) -> Option<Severity> {
    let here = overrides
        .iter()
        .rev()
        .filter(|(patterns, _)| patterns.match_file(path))
        .find_map(|(_, rules)| rules.iter().rev().find(|(name, _)| name == rule));
    if let Some((_, level)) = here {
        return level.severity();
    }
    if let Some(selected) = &settings.select
        && !selected.iter().any(|name| name == rule)
    {
        return None;
    }
    match settings.rules.get(rule) {
        Some(level) => level.severity(),
        None if settings.select.is_none()
            && crate::rule::page(rule).is_some_and(|it| it.optional) =>
        {
            None
        }
        None => Some(severity),
    }
}

/// The state of every file, when all of them tell by it that they are unchanged.
fn stamps(snapshot: &Snapshot, listing: &Listing, now: u64) -> Option<Vec<Stamp>> {
    let stamp = |path: &PathBuf| {
        snapshot
            .files
            .stamp(path)
            .filter(|stamp| stamp.is_settled(now))
    };
    on_pool(|| listing.files.par_iter().map(stamp).collect())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}
