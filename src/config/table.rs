//! The configuration as it is written: every key checked, every value with its place.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::settings::{FailOn, Level, PathRules};
use crate::program::{Callers, Target};

/// The keys of `[tool.raceproof]` with what each is for.
pub const KEYS: &[(&str, &str)] = &[
    ("target", "interpreter to check for: 3.13t, 3.14t or 3.15t"),
    (
        "callers",
        "who calls public functions: many threads or a single one",
    ),
    ("select", "only these rules"),
    ("ignore", "not these rules"),
    ("rules", "severity by rule: error, warning, info or off"),
    ("overrides", "rules for some paths"),
    ("exclude", "paths left out, as in .gitignore"),
    ("include", "only these paths, as in .gitignore"),
    ("models", "files with models of libraries"),
    (
        "fail-on",
        "severity that makes the exit code 1: error, warning, info or never",
    ),
    ("baseline", "file with accepted findings"),
];

/// A value and the line it stands on.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// The value.
    pub value: T,
    /// Line in the file, from 1.
    pub line: usize,
}

/// One configuration file.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The file; `None` when there is no configuration.
    pub path: Option<PathBuf>,
    /// `target`.
    pub target: Option<Written<Target>>,
    /// `callers`.
    pub callers: Option<Written<Callers>>,
    /// `select`.
    pub select: Option<Written<Vec<String>>>,
    /// `ignore`.
    pub ignore: Option<Written<Vec<String>>>,
    /// `rules`.
    pub rules: Option<Written<Vec<(String, Level)>>>,
    /// `overrides`.
    pub overrides: Option<Written<Vec<PathRules>>>,
    /// `exclude`.
    pub exclude: Option<Written<Vec<String>>>,
    /// `include`.
    pub include: Option<Written<Vec<String>>>,
    /// `models`.
    pub models: Option<Written<Vec<String>>>,
    /// `fail-on`.
    pub fail_on: Option<Written<FailOn>>,
    /// `baseline`.
    pub baseline: Option<Written<String>>,
}

impl Table {
    /// Reads the table `[tool.raceproof]` of a `pyproject.toml`, or all of any other file. `rules` are
    /// the names that may be configured.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has a key nobody knows, or a value of another kind
    /// than its key takes.
    pub fn read(path: &Path, rules: &[&str]) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::of_file(path, format!("cannot be read: {error}")))?;
        let own = path
            .file_name()
            .is_some_and(|name| name == "raceproof.toml");
        Self::parse(path, &text, own, rules)
    }

    fn parse(path: &Path, text: &str, own: bool, rules: &[&str]) -> Result<Self, ConfigError> {
        let mut table = Self {
            path: Some(path.to_path_buf()),
            ..Self::default()
        };
        if !own && !text.contains("raceproof") {
            return Ok(table);
        }
        let reader = Reader { path, text, rules };
        let document = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            ConfigError::at(
                path,
                text,
                span,
                format!("not valid TOML: {}", error.message()),
            )
        })?;
        if own {
            table.take(&reader, document.get_ref())?;
            return Ok(table);
        }
        let Some(tool) = document.get_ref().get("tool") else {
            return Ok(table);
        };
        let Some(section) = reader.table("tool", tool)?.get("raceproof") else {
            return Ok(table);
        };
        table.take(&reader, reader.table("tool.raceproof", section)?)?;
        Ok(table)
    }

    fn take(&mut self, reader: &Reader<'_>, section: &DeTable<'_>) -> Result<(), ConfigError> {
        for (key, value) in section {
            match key.get_ref().as_ref() {
                "target" => self.target = Some(reader.choice(key, value, TARGETS)?),
                "callers" => self.callers = Some(reader.choice(key, value, CALLERS)?),
                "select" => self.select = Some(reader.rule_names(key, value)?),
                "ignore" => self.ignore = Some(reader.rule_names(key, value)?),
                "rules" => self.rules = Some(reader.levels(key, value)?),
                "overrides" => self.overrides = Some(reader.overrides(key, value)?),
                "exclude" => self.exclude = Some(reader.patterns(key, value)?),
                "include" => self.include = Some(reader.patterns(key, value)?),
                "models" => self.models = Some(reader.strings(key, value)?),
                "fail-on" => self.fail_on = Some(reader.choice(key, value, FAIL_ON)?),
                "baseline" => self.baseline = Some(reader.string(key, value)?),
                _ => {
                    let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
                    return Err(reader.unknown("key", key, &known));
                }
            }
        }
        Ok(())
    }
}

const TARGETS: &[(&str, Target)] = &[
    ("3.13t", Target::Py313t),
    ("3.14t", Target::Py314t),
    ("3.15t", Target::Py315t),
];
const CALLERS: &[(&str, Callers)] = &[("many", Callers::Many), ("single", Callers::Single)];
const FAIL_ON: &[(&str, FailOn)] = &[
    ("error", FailOn::Error),
    ("warning", FailOn::Warning),
    ("info", FailOn::Info),
    ("never", FailOn::Never),
];
const LEVELS: &[(&str, Level)] = &[
    ("error", Level::Error),
    ("warning", Level::Warning),
    ("info", Level::Info),
    ("off", Level::Off),
];

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// Turns TOML values into ours, with errors that point at them.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    rules: &'a [&'a str],
}

impl Reader<'_> {
    fn written<T>(&self, key: &Key<'_>, value: T) -> Written<T> {
        Written {
            value,
            line: self.text[..key.span().start.min(self.text.len())]
                .matches('\n')
                .count()
                + 1,
        }
    }

    fn error(&self, span: Range<usize>, message: String) -> ConfigError {
        ConfigError::at(self.path, self.text, span, message)
    }

    fn unknown(&self, what: &str, name: &Key<'_>, known: &[&str]) -> ConfigError {
        let error = self.error(name.span(), format!("unknown {what} `{}`", name.get_ref()));
        error.with_help(Some(match nearest(name.get_ref(), known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if what == "rule" => "`raceproof rules` lists the rules".to_owned(),
            None => format!("known: {}", known.join(", ")),
        }))
    }

    fn kind(&self, name: &str, value: &Value<'_>, wanted: &str) -> ConfigError {
        let found = value.get_ref().type_str();
        self.error(
            value.span(),
            format!("`{name}` takes {wanted}, not a {found}"),
        )
    }

    fn table<'v, 'i>(
        &self,
        name: &str,
        value: &'v Value<'i>,
    ) -> Result<&'v DeTable<'i>, ConfigError> {
        let table = value.get_ref().as_table();
        table.ok_or_else(|| self.kind(name, value, "a table"))
    }

    fn string(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Written<String>, ConfigError> {
        match value.get_ref().as_str() {
            Some(text) => Ok(self.written(key, text.to_owned())),
            None => Err(self.kind(key.get_ref(), value, "a string")),
        }
    }

    fn spanned_strings<'v>(
        &self,
        key: &Key<'_>,
        value: &'v Value<'_>,
    ) -> Result<Vec<(&'v str, Range<usize>)>, ConfigError> {
        let Some(array) = value.get_ref().as_array() else {
            return Err(self.kind(key.get_ref(), value, "an array of strings"));
        };
        let strings = array.iter().map(|item| match item.get_ref().as_str() {
            Some(text) => Ok((text, item.span())),
            None => Err(self.kind(key.get_ref(), item, "an array of strings")),
        });
        strings.collect()
    }

    fn strings(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
    ) -> Result<Written<Vec<String>>, ConfigError> {
        let strings = self.spanned_strings(key, value)?;
        let strings = strings
            .into_iter()
            .map(|(text, _)| text.to_owned())
            .collect();
        Ok(self.written(key, strings))
    }

    fn patterns(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
    ) -> Result<Written<Vec<String>>, ConfigError> {
        for (pattern, span) in self.spanned_strings(key, value)? {
            crate::source::discover::Patterns::new(Path::new(""), [pattern])
                .map_err(|error| self.error(span, format!("not a pattern: {error}")))?;
        }
        self.strings(key, value)
    }

    fn rule_names(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
    ) -> Result<Written<Vec<String>>, ConfigError> {
        for (name, span) in self.spanned_strings(key, value)? {
            self.rule(&Spanned::new(span, name.into()))?;
        }
        self.strings(key, value)
    }

    fn rule(&self, name: &Key<'_>) -> Result<String, ConfigError> {
        if self.rules.contains(&name.get_ref().as_ref()) {
            return Ok(name.get_ref().to_string());
        }
        Err(self.unknown("rule", name, self.rules))
    }

    fn choice<T: Copy>(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
        choices: &[(&str, T)],
    ) -> Result<Written<T>, ConfigError> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let Some(text) = value.get_ref().as_str() else {
            let wanted = format!("one of the strings {}", names.join(", "));
            return Err(self.kind(key.get_ref(), value, &wanted));
        };
        match choices.iter().find(|(name, _)| *name == text) {
            Some(&(_, choice)) => Ok(self.written(key, choice)),
            None => Err(self
                .error(
                    value.span(),
                    format!("`{}` cannot be `{text}`", key.get_ref()),
                )
                .with_help(Some(format!("one of: {}", names.join(", "))))),
        }
    }

    fn levels(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
    ) -> Result<Written<Vec<(String, Level)>>, ConfigError> {
        let mut levels = Vec::new();
        for (name, level) in self.table(key.get_ref(), value)? {
            levels.push((self.rule(name)?, self.choice(name, level, LEVELS)?.value));
        }
        Ok(self.written(key, levels))
    }

    fn overrides(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
    ) -> Result<Written<Vec<PathRules>>, ConfigError> {
        let Some(array) = value.get_ref().as_array() else {
            return Err(self.kind(key.get_ref(), value, "an array of tables"));
        };
        let mut overrides = Vec::new();
        for item in array {
            let mut paths = None;
            let mut rules = Vec::new();
            for (key, value) in self.table(key.get_ref(), item)? {
                match key.get_ref().as_ref() {
                    "paths" => paths = Some(self.patterns(key, value)?.value),
                    "rules" => rules.extend(self.levels(key, value)?.value),
                    "ignore" => rules.extend(
                        self.rule_names(key, value)?
                            .value
                            .into_iter()
                            .map(|name| (name, Level::Off)),
                    ),
                    _ => return Err(self.unknown("key", key, &["paths", "rules", "ignore"])),
                }
            }
            let Some(paths) = paths else {
                let message = "an override needs `paths`".to_owned();
                return Err(self.error(item.span(), message));
            };
            overrides.push(PathRules { paths, rules });
        }
        Ok(self.written(key, overrides))
    }
}

/// The known name most like `name`, when one is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
