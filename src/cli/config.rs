//! `raceproof config`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{self, Failure};
use super::project::{Project, ProjectArgs};
use crate::config::{KEYS, Origin, Settings};

/// Arguments of `raceproof config`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof config                    what is in force in the working directory
  raceproof config src/app.py         what is in force for a file
  raceproof config --target 3.15t     what an option changes

Configuration is read from `raceproof.toml`, or from `[tool.raceproof]` of `pyproject.toml`, in the
nearest directory upwards that has one of them.")]
pub struct ConfigArgs {
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs `raceproof config`.
pub fn run(args: ConfigArgs) -> ExitCode {
    match print(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn print(args: ConfigArgs) -> Result<(), Failure> {
    let project = Project::open(&args.project)?;
    output::write_result(None, |out, _| {
        writeln!(out, "# project root: {}", project.root.display())?;
        for (key, purpose) in KEYS {
            let value = value(&project.settings, key);
            let origin = origin(&project.settings.origin(key), &project.directory);
            writeln!(out, "{key} = {value}  # {origin}; {purpose}")?;
        }
        Ok(())
    })
}

/// The value as TOML would write it on one line.
fn value(settings: &Settings, key: &str) -> String {
    match key {
        "target" => inline(&settings.target),
        "callers" => inline(&settings.callers),
        "select" => match &settings.select {
            Some(rules) => inline(rules),
            None => "all rules".to_owned(),
        },
        "ignore" => {
            let off = |(_, level): &(&String, &crate::config::Level)| level.severity().is_none();
            let names: Vec<_> = settings.rules.iter().filter(off).map(|it| it.0).collect();
            inline(&names)
        }
        "rules" => inline(&settings.rules),
        "overrides" => inline(&settings.overrides),
        "exclude" => inline(&settings.exclude),
        "include" => inline(&settings.include),
        "models" => {
            let paths: Vec<_> = settings.models.iter().map(|model| &model.path).collect();
            inline(&paths)
        }
        "fail-on" => inline(&settings.fail_on),
        _ => match &settings.baseline {
            Some(baseline) => inline(&baseline.path),
            None => "none".to_owned(),
        },
    }
}

fn inline(value: &impl Serialize) -> String {
    // JSON and TOML agree on strings and arrays; tables are shown the JSON way.
    serde_json::to_string(value).unwrap_or_default()
}

fn origin(origin: &Origin, directory: &Path) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File(path, line) => {
            let path = path.strip_prefix(directory).unwrap_or(path);
            format!("{}:{line}", path.display())
        }
        Origin::Option(option) => (*option).to_owned(),
    }
}
