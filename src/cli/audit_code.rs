//! What `raceproof audit` says about the project's own code: the findings of `check`, and what
//! the analysis met on the way to them.

use std::path::Path;

use rustc_hash::FxHashSet;

use super::output::Failure;
use super::project::{self, Project, ProjectArgs, ProjectOptions, TargetArg};
use crate::audit::environment::free_threading_stage;
use crate::audit::outcome::{Code, Problem};
use crate::audit::target::Target;
use crate::facts::{Function, Literal, ModuleFacts, Value, ValueId};
use crate::findings::Severity;
use crate::program::Program;
use crate::program::effect::Action;

/// Analyses the code below `root`. `None` when there is none. Files that could not be analysed
/// are added to `problems`.
///
/// # Errors
/// The configuration of the project cannot be used.
pub(super) fn code(
    root: &Path,
    target: Target,
    problems: &mut Vec<Problem>,
) -> Result<Option<Code>, Failure> {
    let project = Project::open(&ProjectArgs {
        paths: vec![root.to_owned()],
        stdin_filename: None,
        options: ProjectOptions {
            config: None,
            target: Some(match target.minor {
                13 => TargetArg::Py313t,
                15 => TargetArg::Py315t,
                _ => TargetArg::Py314t,
            }),
            callers: None,
            exclude: Vec::new(),
            include: Vec::new(),
            // An audit leaves nothing behind.
            no_cache: true,
        },
    })?;
    let snapshot = project.snapshot();
    let cancelled = |_| Failure::new("cancelled");
    let outcome =
        project::watch(|job| snapshot.check(&project.settings, job)).map_err(cancelled)?;
    if outcome.files.is_empty() {
        return Ok(None);
    }
    let (program, _) =
        project::watch(|job| snapshot.program(&project.settings, job)).map_err(cancelled)?;
    for problem in &outcome.problems {
        problems.push(Problem {
            path: root.join(&problem.path).display().to_string(),
            message: problem.message.clone(),
            fatal: true,
        });
    }
    let count = |severity| {
        outcome
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let mut code = Code {
        files: outcome.files.len(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        infos: count(Severity::Info),
        module_state: program
            .links()
            .modules
            .iter()
            .map(|(_, facts)| module_state(facts))
            .sum(),
        classifier: declared_stage(&project.root),
        ..Code::default()
    };
    count_program(&program, &mut code);
    code.remark = remark(&code);
    Ok(Some(code))
}

/// Counts what the roots of the program do; each place in the source once.
fn count_program(program: &Program, code: &mut Code) {
    let mut process_wide = FxHashSet::default();
    let mut locks = FxHashSet::default();
    for record in program.records() {
        match record.action {
            Action::ProcessWide { .. } => {
                process_wide.insert(record.at);
            }
            Action::Acquire { .. } => {
                locks.insert(record.key);
            }
            _ => {}
        }
    }
    let starts: FxHashSet<_> = program
        .roots()
        .iter()
        .filter(|root| root.explicit)
        .filter_map(|root| root.spawn)
        .collect();
    code.process_wide = process_wide.len();
    code.locks = locks.len();
    code.thread_starts = starts.len();
}

/// Names of the module and attributes of its classes that hold a list, dict or set, and names of
/// the module that functions bind anew.
fn module_state(facts: &ModuleFacts) -> usize {
    let is_container = |function: &Function, value: ValueId| {
        matches!(
            function.value(value),
            Value::Container {
                literal: Literal::List | Literal::Dict | Literal::Set,
                ..
            }
        )
    };
    let globals = facts
        .globals
        .iter()
        .filter(|(name, values)| {
            !name.as_str().starts_with("__")
                && values.iter().any(|&(function, value)| {
                    function != 0
                        || facts
                            .functions
                            .first()
                            .is_some_and(|body| is_container(body, value))
                })
        })
        .count();
    let attributes = facts
        .classes
        .iter()
        .filter_map(|class| Some((class, facts.functions.get(class.owner as usize)?)))
        .flat_map(|(class, owner)| {
            class.attributes.iter().filter(move |(name, value)| {
                !name.as_str().starts_with("__") && is_container(owner, *value)
            })
        })
        .count();
    globals + attributes
}

/// The stage of the `Free Threading` classifier in `pyproject.toml`.
fn declared_stage(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join("pyproject.toml")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let classifiers = table.get("project")?.get("classifiers")?.as_array()?;
    classifiers
        .iter()
        .filter_map(|it| free_threading_stage(it.as_str()?))
        .next_back()
        .map(str::to_owned)
}

fn remark(code: &Code) -> String {
    let found = match (code.errors, code.warnings) {
        (0, 0) => "`raceproof check` finds nothing against it".to_owned(),
        (0, 1) => "`raceproof check` finds 1 warning".to_owned(),
        (0, warnings) => format!("`raceproof check` finds {warnings} warnings"),
        (1, _) => "`raceproof check` finds 1 error".to_owned(),
        (errors, _) => format!("`raceproof check` finds {errors} errors"),
    };
    match &code.classifier {
        Some(stage) if code.errors > 0 => {
            format!("declares Free Threading :: {stage}, but {found}")
        }
        Some(stage) => format!("declares Free Threading :: {stage}; {found}"),
        None => format!("declares no Free Threading classifier; {found}"),
    }
}
