//! A configuration that cannot be used.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// What is wrong with a configuration file, and where in it.
#[derive(Debug, Clone)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    source: Option<Box<(NamedSource<String>, Range<usize>)>>,
}

impl ConfigError {
    /// Something wrong with the file as a whole.
    pub fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_path_buf(),
            message: message.into(),
            help: None,
            source: None,
        }
    }

    /// Something wrong at a place in the file.
    pub fn at(path: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let mut error = Self::of_file(path, message);
        let name = path.display().to_string();
        // The reader of TOML may point one past the end.
        let start = span.start.min(text.len());
        let end = span.end.clamp(start, text.len());
        error.source = Some(Box::new((
            NamedSource::new(name, text.to_owned()),
            start..end,
        )));
        error
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_none() {
            write!(f, "{}: ", self.path.display())?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|it| &it.0 as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = &self.source.as_ref()?.1;
        let label = LabeledSpan::new(Some("here".to_owned()), span.start, span.len());
        Some(Box::new(std::iter::once(label)))
    }
}
