//! `raceproof rules`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::output::{self, Failure};
use crate::rule;

/// Arguments of `raceproof rules`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof rules
  raceproof rules --output-format json")]
pub struct RulesArgs {
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output_format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A table.
    Text,
    /// An array of objects.
    Json,
}

/// Runs `raceproof rules`.
pub fn run(args: RulesArgs) -> ExitCode {
    match list(args.output_format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn list(format: Format) -> Result<(), Failure> {
    output::write_result(None, |out, style| match format {
        Format::Text => {
            let longest = rule::names().iter().map(|name| name.len()).max();
            let name = longest.unwrap_or(0) + 2;
            for page in rule::pages() {
                let severity = if page.optional {
                    "off".to_owned()
                } else {
                    format!("{:?}", page.severity).to_lowercase()
                };
                let first = format!("{:<name$}{severity:<9}", page.name);
                let rest = " ".repeat(name + 9);
                let options = textwrap::Options::new(style.width)
                    .initial_indent(&first)
                    .subsequent_indent(&rest)
                    .word_separator(textwrap::WordSeparator::AsciiSpace)
                    .word_splitter(textwrap::WordSplitter::NoHyphenation);
                writeln!(out, "{}", textwrap::fill(&page.summary, options))?;
            }
            Ok(())
        }
        Format::Json => {
            let rules: Vec<_> = rule::pages()
                .iter()
                .map(|page| {
                    json!({
                        "name": page.name,
                        "severity": page.severity,
                        "optional": page.optional,
                        "summary": page.summary,
                        "since": page.since,
                        "tags": page.tags,
                    })
                })
                .collect();
            serde_json::to_writer_pretty(&mut *out, &rules)?;
            writeln!(out)
        }
    })
}
