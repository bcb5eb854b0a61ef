//! Where commands write: results to standard output or a file, everything else to standard error.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::FAILURE;
use crate::config::ConfigError;
use crate::report::text::Style;

/// Writes one line to standard error. A closed standard error is nobody's loss.
pub(super) fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "raceproof: {text}");
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// Told in a line.
    Plain(String),
    /// Told with the place in a configuration file.
    Config(Box<ConfigError>),
}

impl Failure {
    /// A failure that is told in a line.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Plain(text.into())
    }

    /// Tells it and returns the exit code.
    pub fn tell(&self) -> ExitCode {
        match self {
            Self::Plain(text) => complain(text),
            Self::Config(error) => {
                let text = rendered(error.as_ref());
                let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
            }
        }
        ExitCode::from(FAILURE)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

fn rendered(error: &dyn Diagnostic) -> String {
    let style = style(&io::stderr());
    let theme = if style.colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width);
    let mut text = String::new();
    if handler.render_report(&mut text, error).is_err() {
        return format!("raceproof: {error}");
    }
    text
}

/// Colours and width for a stream: colours on a terminal only, and not when `NO_COLOR` is set
/// (<https://no-color.org>) or the terminal is dumb.
pub(super) fn style(stream: &impl IsTerminal) -> Style {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let terminal = stream.is_terminal();
    let width = if terminal {
        terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0))
    } else {
        100
    };
    Style {
        colour: terminal && !set("NO_COLOR") && !dumb,
        width: width.clamp(40, 140),
    }
}

/// Writes a result to the file, or to standard output. A reader that has seen enough and closed
/// the pipe is no failure.
///
/// # Errors
/// The file or standard output cannot be written.
pub(super) fn write_result(
    file: Option<&Path>,
    write: impl FnOnce(&mut dyn Write, Style) -> io::Result<()>,
) -> Result<(), Failure> {
    if let Some(path) = file {
        let plain = Style {
            colour: false,
            width: 100,
        };
        let written = File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            write(&mut out, plain)?;
            out.flush()
        });
        return written.map_err(|error| {
            Failure::new(format!("{}: cannot be written: {error}", path.display()))
        });
    }
    let stdout = io::stdout();
    let style = style(&stdout);
    let mut out = BufWriter::with_capacity(1 << 16, stdout.lock());
    match write(&mut out, style).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}
