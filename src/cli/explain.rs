//! `raceproof explain`.

use std::io;
use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::output::{self, Failure};
use crate::report::text::Style;
use crate::rule::{self, Page};

/// Arguments of `raceproof explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof explain check-then-act
  raceproof explain src/app.py:42")]
pub struct ExplainArgs {
    /// Name of a rule, or `FILE:LINE`.
    what: String,
}

/// Runs `raceproof explain`.
pub fn run(args: ExplainArgs) -> ExitCode {
    match explain(&args.what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn explain(what: &str) -> Result<(), Failure> {
    if let Some(page) = rule::page(what) {
        return output::write_result(None, |out, style| write_page(page, style, out));
    }
    let hint = match crate::config::nearest(what, rule::names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`raceproof rules` lists the rules".to_owned(),
    };
    Err(Failure::new(format!(
        "`{what}` is neither a rule nor FILE:LINE; {hint}"
    )))
}

/// The page as it is written, with its headings and examples set off.
fn write_page(page: &Page, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let paint = |code: &str, text: &str| {
        if style.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let severity = format!("{:?}", page.severity).to_lowercase();
    writeln!(out, "{}", paint("1", page.name))?;
    writeln!(out, "{}\n", textwrap::fill(&page.summary, style.width))?;
    let tags = page.tags.join(", ");
    let facts = format!("severity {severity}, since {}, {tags}", page.since);
    writeln!(out, "{}\n", paint("2", facts.trim_end_matches([',', ' '])))?;
    let mut fenced = false;
    for line in page.body.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            writeln!(out, "    {}", paint("36", line))?;
        } else if let Some(title) = line.strip_prefix("## ") {
            writeln!(out, "{}", paint("1;4", title))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
