//! The table for the terminal: worst first, what is ready counted, not listed.

use std::io::{self, Write};

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::advice;
use super::super::outcome::{Audit, Observation, Standing};
use super::super::readiness::standing_of;
use super::super::run::contradicts;
use super::{caveat, code_counts, counts, headline};

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// Writes the table, in lines of about `width` columns.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, colour: bool, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { colour, width, out };
    let listed = rows(audit);
    page.table(&listed)?;
    if !listed.is_empty() {
        page.text("", "")?;
    }
    page.contradictions(audit)?;
    page.problems(audit)?;
    if let Some(code) = &audit.code {
        page.text("", &code_counts(code))?;
        if !code.remark.is_empty() {
            page.text("", &format!("Code: {}.", code.remark))?;
        }
    }
    if let Some(counts) = counts(audit) {
        page.text("", &counts)?;
        page.text("", caveat(audit))?;
    }
    let answer = page.painted(
        &format!("{BOLD}{}", colour_of(audit.summary.readiness)),
        &printable(&headline(audit)),
    );
    page.text("", &answer)
}

/// A row of the table: distributions that differ in nothing but their name, or one module that
/// none owns.
struct Row {
    standing: Standing,
    labels: Vec<String>,
    reason: String,
    advice: String,
}

impl Row {
    fn label(&self) -> String {
        match &self.labels[..] {
            [one] => printable(one),
            several => format!("{} distributions", several.len()),
        }
    }
}

/// What is not ready, in the order of the audit: worst first.
fn rows(audit: &Audit) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut positions = FxHashMap::default();
    let mut named = FxHashSet::default();
    for distribution in &audit.distributions {
        if distribution.standing == Standing::Ready {
            continue;
        }
        let label = format!("{} {}", distribution.name, distribution.version)
            .trim_end()
            .to_owned();
        let key = (
            distribution.standing,
            &distribution.reason,
            &distribution.advice,
        );
        let position = *positions.entry(key).or_insert(rows.len());
        if position == rows.len() {
            rows.push(Row {
                standing: distribution.standing,
                labels: Vec::new(),
                reason: distribution.reason.clone(),
                advice: distribution.advice.clone(),
            });
        }
        if named.insert((position, label.clone())) {
            rows[position].labels.push(label);
        }
    }
    for module in &audit.modules {
        let standing = standing_of(module);
        if module.distribution.is_empty() && standing != Standing::Ready {
            rows.push(Row {
                standing,
                labels: vec![module.module.clone()],
                reason: module.why(),
                advice: advice::for_module(module, audit.target),
            });
        }
    }
    rows
}

fn colour_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => GREEN,
        Standing::Unproven => YELLOW,
        Standing::Blocked => RED,
    }
}

/// The terminal.
struct Page<'o> {
    colour: bool,
    width: usize,
    out: &'o mut dyn Write,
}

impl Page<'_> {
    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }

    /// `text` after `head`; what does not fit goes on below it.
    fn text(&mut self, head: &str, text: &str) -> io::Result<()> {
        let indent = " ".repeat(textwrap::core::display_width(head));
        let options = textwrap::Options::new(self.width)
            .initial_indent(head)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let text = textwrap::fill(text, options);
        writeln!(self.out, "{}", text.trim_end())
    }

    fn table(&mut self, rows: &[Row]) -> io::Result<()> {
        let label_width = rows
            .iter()
            .map(|row| row.label().chars().count())
            .max()
            .unwrap_or(0)
            .min(self.width / 3);
        // Rows one after the other with the same advice are given it once.
        let mut sharing = 0;
        for (index, row) in rows.iter().enumerate() {
            let word = format!("{:8}", row.standing.as_str());
            let word = self.painted(colour_of(row.standing), &word);
            let label = row.label();
            let indent = format!("{:8}  {:label_width$}  ", "", "");
            if label.chars().count() > label_width {
                self.text("", &format!("{word}  {label}"))?;
                self.text(&indent, &printable(&row.reason))?;
            } else {
                let head = format!("{word}  {label:label_width$}  ");
                self.text(&head, &printable(&row.reason))?;
            }
            if row.labels.len() > 1 {
                for line in wrapped(&row.labels, self.width.saturating_sub(12)) {
                    writeln!(self.out, "{:8}    {}", "", printable(&line))?;
                }
            }
            sharing += row.labels.len();
            let next = rows.get(index + 1);
            if next.is_some_and(|it| it.advice == row.advice && it.standing == row.standing) {
                continue;
            }
            if !row.advice.is_empty() {
                let arrow = if sharing > 1 { "-> each: " } else { "-> " };
                self.text(&format!("{indent}{arrow}"), &printable(&row.advice))?;
            }
            sharing = 0;
        }
        Ok(())
    }

    fn contradictions(&mut self, audit: &Audit) -> io::Result<()> {
        for module in audit.modules.iter().filter(|it| contradicts(it)) {
            let text = format!(
                "{}: the file says {}, importing it says otherwise; please report this",
                printable(&module.module),
                module.verdict.as_str()
            );
            self.text("", &text)?;
        }
        Ok(())
    }

    /// What could not be imported, read, or is worth a line. Paths stay whole, to be copied.
    fn problems(&mut self, audit: &Audit) -> io::Result<()> {
        let mut any = false;
        for module in &audit.modules {
            let error = match &module.observed {
                Some(Observation::Failed { error }) => error.as_str(),
                Some(Observation::TimedOut) => "the import did not end in time",
                _ => continue,
            };
            any = true;
            let module = printable(&module.module);
            let error = printable(error);
            writeln!(self.out, "{module}: could not be imported: {error}")?;
        }
        for problem in &audit.problems {
            any = true;
            let word = if problem.fatal {
                self.painted(RED, "not read")
            } else {
                "note".to_owned()
            };
            let path = printable(&problem.path);
            let message = printable(&problem.message);
            writeln!(self.out, "{word}: {path}: {message}")?;
        }
        if any {
            writeln!(self.out)?;
        }
        Ok(())
    }
}

/// Joins names with commas into lines of about `width` characters.
fn wrapped(names: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.chars().count() + name.chars().count() + 2 <= width => {
                line.push_str(", ");
                line.push_str(name);
            }
            Some(line) => {
                line.push(',');
                lines.push(name.clone());
            }
            None => lines.push(name.clone()),
        }
    }
    lines
}

/// Names come from files: control characters must not reach the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}
