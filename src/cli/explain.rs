//! `raceproof explain`.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{self, Failure, complain};
use super::project::{self, Project, ProjectArgs, ProjectOptions};
use crate::findings::Finding;
use crate::report::text::Style;
use crate::report::{self, Report, summary};
use crate::rule::{self, Page};
use crate::source::span::{FileId, Range, Site, Units};

/// Arguments of `raceproof explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  raceproof explain check-then-act      what the rule means, with examples
  raceproof explain src/app.py:42       the threads that reach the line, the locks held there, what
                                        it touches, and why nothing is reported when nothing is")]
pub struct ExplainArgs {
    /// Name of a rule, or `FILE:LINE`.
    what: String,
    #[command(flatten)]
    options: ProjectOptions,
}

/// Runs `raceproof explain`.
pub fn run(args: ExplainArgs) -> ExitCode {
    match explain(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let what = args.what.as_str();
    if let Some(page) = rule::page(what) {
        return output::write_result(None, |out, style| write_page(page, style, out));
    }
    if let Some((file, line)) = what.rsplit_once(':')
        && let Ok(line) = line.parse()
    {
        return explain_line(PathBuf::from(file), line, args.options);
    }
    let hint = match crate::config::nearest(what, rule::names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`raceproof rules` lists the rules".to_owned(),
    };
    Err(Failure::new(format!(
        "`{what}` is neither a rule nor FILE:LINE; {hint}"
    )))
}

fn explain_line(path: PathBuf, line: u32, options: ProjectOptions) -> Result<(), Failure> {
    let project = Project::open(&ProjectArgs {
        // Without a project around the file, its neighbours are what lies below the directory.
        paths: vec![PathBuf::from("."), path.clone()],
        stdin_filename: None,
        options,
    })?;
    let cancelled = |_| Failure::new("cancelled");
    let snapshot = project.snapshot();
    let outcome =
        project::watch(|job| snapshot.check(&project.settings, job)).map_err(cancelled)?;
    let (program, files) =
        project::watch(|job| snapshot.program(&project.settings, job)).map_err(cancelled)?;
    let sources = snapshot.sources(files.clone());
    let report = Report {
        outcome: &outcome,
        sources: &sources,
        root: &project.root,
        directory: &project.directory,
    };
    for problem in &outcome.problems {
        complain(summary::problem(&report, problem));
    }
    let wanted = project::absolute(&project.directory, &path);
    let file = files
        .iter()
        .position(|path| project.root.join(path) == wanted);
    let Some(file) = file.and_then(|index| u32::try_from(index).ok()).map(FileId) else {
        return Err(Failure::new(format!("{}: is not analysed", path.display())));
    };
    let text = sources.text(file);
    let range = Range {
        start: text.offset(line.saturating_sub(1), 0, Units::Utf8),
        end: text.offset(line, 0, Units::Utf8),
    };
    if line == 0 || range.start == range.end {
        let lines = text.text.lines().count();
        return Err(Failure::new(format!(
            "{}: has no line {line}, only {lines}",
            path.display()
        )));
    }
    let explanation = crate::program::explain::explain(&program, file, range);
    let on_line = |site: Site| {
        site.file == file && site.range.start < range.end && site.range.end > range.start
    };
    let found: Vec<&Finding> = outcome
        .findings
        .iter()
        .filter(|finding| {
            on_line(finding.primary) || finding.related.iter().any(|it| on_line(it.site))
        })
        .collect();
    output::write_result(None, |out, _| {
        report::line::write(&report, &program, &explanation, &found, out)
    })
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
    let off = if page.optional {
        " once the configuration names it"
    } else {
        ""
    };
    let facts = format!("severity {severity}{off}, since {}, {tags}", page.since);
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
