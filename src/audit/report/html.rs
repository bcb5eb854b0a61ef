//! The audit as one page that needs nothing else: no network, and no script for reading. A script
//! of a few lines sorts tables; style and script are in `audit.css` and `audit.js`.

use std::io::{self, Write};

use super::super::outcome::{Audit, Observation};
use super::{caveat, code_counts, headline};

const STYLE: &str = include_str!("audit.css");
const SCRIPT: &str = include_str!("audit.js");

/// Writes it.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let summary = &audit.summary;
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>Free-threading audit for {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<h1>Free-threading audit for {}</h1>\n\
         <p class=\"headline {}\">{}</p>\n",
        audit.target,
        audit.target,
        summary.readiness.as_str(),
        escaped(&headline(audit))
    )?;
    writeln!(out, "<dl>")?;
    for (term, value) in [
        ("distributions", summary.distributions),
        ("extension modules", summary.modules),
        ("keep the GIL off", summary.keeps_gil_off),
        ("re-enable the GIL", summary.re_enables_gil),
        ("cannot be loaded", summary.cannot_load),
        ("undecidable", summary.undecidable),
    ] {
        writeln!(out, "<div><dt>{term}</dt><dd>{value}</dd></div>")?;
    }
    writeln!(out, "</dl>")?;
    writeln!(out, "<p>{}</p>", escaped(caveat(audit)))?;

    if !audit.distributions.is_empty() {
        table(
            out,
            "distributions",
            "Distributions",
            &[
                "Standing",
                "Distribution",
                "Version",
                "Supply",
                "Why",
                "Advice",
                "Required by",
            ],
            audit.distributions.iter().map(|it| {
                vec![
                    (it.standing.as_str().to_owned(), it.standing.as_str()),
                    (it.name.clone(), ""),
                    (it.version.clone(), ""),
                    (it.supply.as_str().to_owned(), ""),
                    (it.reason.clone(), ""),
                    (it.advice.clone(), ""),
                    (it.required_by.join(" → "), ""),
                ]
            }),
        )?;
    }
    if !audit.modules.is_empty() {
        table(
            out,
            "modules",
            "Extension modules",
            &[
                "Verdict",
                "Module",
                "Distribution",
                "Version",
                "Built with",
                "Why",
                "Imported",
            ],
            audit.modules.iter().map(|it| {
                let built = it.toolchain.as_ref().map(ToString::to_string);
                let imported = match &it.observed {
                    None => String::new(),
                    Some(Observation::KeepsGilOff) => "GIL stayed off".to_owned(),
                    Some(Observation::ReEnablesGil) => "turned the GIL on".to_owned(),
                    Some(Observation::Failed { error }) => format!("failed: {error}"),
                    Some(Observation::Crashed { how }) => format!("crashed: {how}"),
                    Some(Observation::TimedOut) => "did not end in time".to_owned(),
                };
                vec![
                    (it.verdict.as_str().to_owned(), it.verdict.as_str()),
                    (it.module.clone(), ""),
                    (it.distribution.clone(), ""),
                    (it.version.clone(), ""),
                    (built.unwrap_or_default(), ""),
                    (it.reason.clone(), ""),
                    (imported, ""),
                ]
            }),
        )?;
    }
    if let Some(code) = &audit.code {
        writeln!(
            out,
            "<h2>The project's code</h2>\n<p>{} {}</p>",
            escaped(&code_counts(code)),
            escaped(&code.remark)
        )?;
    }
    if !audit.problems.is_empty() {
        writeln!(out, "<h2>Not read, and notes</h2>\n<ul>")?;
        for problem in &audit.problems {
            writeln!(
                out,
                "<li>{}<code>{}</code>: {}</li>",
                if problem.fatal { "not read: " } else { "" },
                escaped(&problem.path),
                escaped(&problem.message)
            )?;
        }
        writeln!(out, "</ul>")?;
    }
    write!(
        out,
        "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Cells are a text and a class. A column without any text is left out.
fn table<'a>(
    out: &mut dyn Write,
    id: &str,
    caption: &str,
    heads: &[&str],
    rows: impl Iterator<Item = Vec<(String, &'a str)>>,
) -> io::Result<()> {
    let rows: Vec<_> = rows.collect();
    let shown: Vec<usize> = (0..heads.len())
        .filter(|&column| rows.iter().any(|row| !row[column].0.is_empty()))
        .collect();
    writeln!(out, "<h2 id=\"{id}-title\">{caption}</h2>")?;
    writeln!(
        out,
        "<div class=\"scroll\"><table id=\"{id}\" aria-labelledby=\"{id}-title\">\n<thead><tr>"
    )?;
    for &column in &shown {
        writeln!(out, "<th scope=\"col\">{}</th>", heads[column])?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in &rows {
        write!(out, "<tr>")?;
        for &column in &shown {
            let (text, class) = &row[column];
            if class.is_empty() {
                write!(out, "<td>{}</td>", escaped(text))?;
            } else {
                write!(out, "<td class=\"{class}\">{}</td>", escaped(text))?;
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// Text as HTML: names come from files.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}
