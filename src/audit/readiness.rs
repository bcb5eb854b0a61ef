//! From modules and distributions to the answer.

use super::outcome::{
    Code, Distribution, Module, Observation, Problem, Standing, Summary, Verdict,
};

/// What a module means for its distribution: what was observed counts more than what it declares.
pub fn standing_of(module: &Module) -> Standing {
    match &module.observed {
        Some(Observation::KeepsGilOff) => Standing::Ready,
        Some(Observation::ReEnablesGil | Observation::Crashed { .. }) => Standing::Blocked,
        Some(Observation::Failed { .. } | Observation::TimedOut) | None => match module.verdict {
            _ if module.ignored => Standing::Ready,
            Verdict::KeepsGilOff => Standing::Ready,
            Verdict::Undecidable => Standing::Unproven,
            Verdict::CannotLoad | Verdict::ReEnablesGil => Standing::Blocked,
        },
    }
}

/// Draws the conclusion.
pub fn summary(
    modules: &[Module],
    distributions: &[Distribution],
    code: Option<&Code>,
    problems: &[Problem],
    libraries: usize,
) -> Summary {
    let labels = |standing| {
        let mut labels: Vec<String> = distributions
            .iter()
            .filter(|it| it.standing == standing)
            .map(|it| match it.version.as_str() {
                "" => it.name.clone(),
                version => format!("{} {version}", it.name),
            })
            .collect();
        labels.sort();
        labels.dedup();
        labels
    };
    // Modules that no distribution owns count by themselves.
    let mut blocked_by = labels(Standing::Blocked);
    let mut unproven = labels(Standing::Unproven);
    for module in modules.iter().filter(|it| it.distribution.is_empty()) {
        match standing_of(module) {
            Standing::Blocked => blocked_by.push(module.module.clone()),
            Standing::Unproven => unproven.push(module.module.clone()),
            Standing::Ready => {}
        }
    }
    if let Some(code) = code.filter(|code| code.errors > 0) {
        let errors = super::counted(code.errors, "error");
        unproven.push(format!("the project's own code ({errors})"));
    }
    let count = |verdict| modules.iter().filter(|it| it.verdict == verdict).count();
    let readiness = if !blocked_by.is_empty() {
        Standing::Blocked
    } else if !unproven.is_empty() || problems.iter().any(|it| it.fatal) {
        Standing::Unproven
    } else {
        Standing::Ready
    };
    Summary {
        readiness,
        blocked_by,
        unproven,
        distributions: distributions.len(),
        modules: modules.len(),
        keeps_gil_off: count(Verdict::KeepsGilOff),
        re_enables_gil: count(Verdict::ReEnablesGil),
        cannot_load: count(Verdict::CannotLoad),
        undecidable: count(Verdict::Undecidable),
        libraries,
    }
}
