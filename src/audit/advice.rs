//! One line on what to do about a distribution that is not ready.

use super::outcome::{Module, Observation, Standing, Supply, Verdict};
use super::supply::Supplied;
use super::target::Target;

/// For a locked distribution.
pub fn for_locked(name: &str, supplied: &Supplied, target: Target) -> String {
    if supplied.standing == Standing::Ready {
        return String::new();
    }
    if let Some(version) = &supplied.newer {
        return format!("lock {name} {version} or newer, which has a wheel for {target}");
    }
    match supplied.supply {
        Supply::FreeThreadedWheel | Supply::Abi3tWheel => format!(
            "audit an environment for {target}, or the wheel itself, to see what it declares"
        ),
        Supply::GilOnly | Supply::OtherPlatform => format!(
            "look for a release with a {} wheel; else build it from source and audit the result",
            target.abi_tag()
        ),
        Supply::SdistOnly => "build it, then audit the environment it is installed in".to_owned(),
        _ => format!("install it with {target} and audit that environment"),
    }
}

/// For a module that is not ready and that no distribution owns.
pub fn for_module(module: &Module, target: Target) -> String {
    for_installed(&[module], None, &module.module, target)
}

/// For an installed distribution with the modules `modules`.
pub fn for_installed(
    modules: &[&Module],
    newer: Option<&str>,
    name: &str,
    target: Target,
) -> String {
    let worst = modules.iter().map(|module| module.verdict).max();
    let crashed = modules
        .iter()
        .any(|module| matches!(module.observed, Some(Observation::Crashed { .. })));
    if crashed {
        return "it crashes the interpreter: do not use it, and report it to its project"
            .to_owned();
    }
    let upgrade = newer.map(|version| format!("upgrade {name} to {version} or newer"));
    match worst {
        Some(Verdict::ReEnablesGil) => upgrade.unwrap_or_else(|| {
            "ask its project for free-threading support; PYTHON_GIL=0 keeps the GIL off, at the \
             risk of crashes and corrupted data"
                .to_owned()
        }),
        Some(Verdict::CannotLoad) => upgrade.unwrap_or_else(|| {
            format!(
                "reinstall it with {target} (a {} wheel, or built from source)",
                target.abi_tag()
            )
        }),
        Some(Verdict::Undecidable) => {
            "run `raceproof audit --run` to see what importing it does".to_owned()
        }
        _ => String::new(),
    }
}
