//! What is in force: the configuration, the command line and the defaults put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::table::Table;
use crate::findings::Severity;
use crate::program::{Callers, Target};

/// How a rule reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not at all.
    Off,
    /// As information.
    Info,
    /// As warnings.
    Warning,
    /// As errors.
    Error,
}

impl Level {
    /// The severity; `None` for a rule that is off.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Off => None,
            Self::Info => Some(Severity::Info),
            Self::Warning => Some(Severity::Warning),
            Self::Error => Some(Severity::Error),
        }
    }
}

/// The least severity that makes a run fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings and errors.
    #[default]
    Warning,
    /// Every finding.
    Info,
    /// No finding.
    Never,
}

impl FailOn {
    /// A finding of this severity fails the run.
    pub fn fails(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}

/// Levels of rules for the files that match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRules {
    /// Patterns as in `.gitignore`.
    pub paths: Vec<String>,
    /// Rules with their level there.
    pub rules: Vec<(String, Level)>,
}

/// A file that was read with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedText {
    /// Where it was read.
    pub path: PathBuf,
    /// Its contents.
    pub text: String,
}

impl NamedText {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: PathBuf) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => {
                let message = format!("cannot be read: {error}");
                Err(ConfigError::of_file(&path, message))
            }
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a configuration file.
    File(PathBuf, usize),
    /// An option of the command line.
    Option(&'static str),
}

/// What is in force for one run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Settings {
    /// The free-threaded interpreter the code will run on.
    pub target: Target,
    /// Who calls the public functions.
    pub callers: Callers,
    /// Rules that do not report at their page's severity.
    pub rules: BTreeMap<String, Level>,
    /// When set, every other rule is off.
    pub select: Option<Vec<String>>,
    /// Rules for some paths; the last one that matches wins.
    pub overrides: Vec<PathRules>,
    /// Paths left out.
    pub exclude: Vec<String>,
    /// When not empty, the only paths analysed.
    pub include: Vec<String>,
    /// Models beside the built-in ones.
    pub models: Vec<NamedText>,
    /// What makes a run fail.
    pub fail_on: FailOn,
    /// Accepted findings.
    pub baseline: Option<NamedText>,
    /// Paths relative to the root whose findings are wanted; all when empty.
    pub focus: Vec<PathBuf>,
    /// Where each value comes from, by key of the configuration.
    #[serde(skip)]
    pub origins: BTreeMap<&'static str, Origin>,
}

impl Settings {
    /// The configuration over the defaults. Files it names are relative to it.
    ///
    /// # Errors
    /// A file with models or a baseline cannot be read, or does not hold what it should.
    pub fn resolve(table: Table) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        let file = table.path.unwrap_or_default();
        let directory = file.parent().unwrap_or(Path::new("")).to_path_buf();
        let mut origins = BTreeMap::new();
        macro_rules! take {
            ($key:literal, $written:expr, $into:expr) => {
                if let Some(written) = $written {
                    origins.insert($key, Origin::File(file.clone(), written.line));
                    $into(written.value);
                }
            };
        }
        take!("target", table.target, |it| settings.target = it);
        take!("callers", table.callers, |it| settings.callers = it);
        take!("select", table.select, |it| settings.select = Some(it));
        take!("ignore", table.ignore, |it: Vec<String>| settings
            .rules
            .extend(it.into_iter().map(|name| (name, Level::Off))));
        take!("rules", table.rules, |it: Vec<_>| settings.rules.extend(it));
        take!("overrides", table.overrides, |it| settings.overrides = it);
        take!("exclude", table.exclude, |it| settings.exclude = it);
        take!("include", table.include, |it| settings.include = it);
        take!("fail-on", table.fail_on, |it| settings.fail_on = it);
        if let Some(written) = table.baseline {
            origins.insert("baseline", Origin::File(file.clone(), written.line));
            settings.baseline = Some(NamedText::read(directory.join(written.value))?);
        }
        if let Some(written) = table.models {
            origins.insert("models", Origin::File(file.clone(), written.line));
            for name in written.value {
                let model = NamedText::read(directory.join(name))?;
                toml::from_str::<crate::models::ModelFile>(&model.text).map_err(|error| {
                    let span = error.span().unwrap_or(0..0);
                    ConfigError::at(&model.path, &model.text, span, error.message())
                })?;
                settings.models.push(model);
            }
        }
        settings.origins = origins;
        Ok(settings)
    }

    /// The configuration names a rule that is off by default: to switch it on, somewhere at least.
    pub fn asks_for(&self, rule: &str) -> bool {
        let on = |(name, level): (&String, &Level)| name == rule && level.severity().is_some();
        let selected = self.select.iter().flatten().any(|name| name == rule);
        let overridden = self.overrides.iter().flat_map(|it| &it.rules);
        selected
            || self.rules.iter().any(on)
            || overridden
                .into_iter()
                .any(|(name, level)| on((name, level)))
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}
