//! Findings for people at a terminal: both sides as labelled snippets, then the threads, what
//! breaks and what to do. Only this file knows miette's diagnostics.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::Report;
use super::escape::{one_line, visible};
use crate::findings::{Finding, Severity};
use crate::source::span::{FileId, Site, Units};
use crate::source::text::SourceText;

/// How the terminal shows things.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// With colours.
    pub colour: bool,
    /// Columns there are.
    pub width: usize,
}

/// A snippet longer than this many bytes shows nothing to anybody.
const LONGEST_SNIPPET: usize = 4_000;

/// Writes the findings.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let theme = if style.colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_context_lines(1)
        .with_width(style.width)
        .with_show_related_as_nested(true)
        .without_cause_chain();
    let mut texts = Texts::default();
    for finding in &report.outcome.findings {
        let shown = Shown::new(report, &mut texts, finding);
        let mut text = String::new();
        if handler.render_report(&mut text, &shown).is_err() {
            // Formatting into a string does not fail; a source that cannot be shown may.
            text = format!("{shown}\n");
        }
        writeln!(out, "{}", text.trim_end())?;
        notes(report, finding, style.width, out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// What stands below the snippets.
fn notes(
    report: &Report<'_>,
    finding: &Finding,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut note = |title: &str, text: &str| -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let first = format!("  {title:<9}");
        let options = textwrap::Options::new(width)
            .initial_indent(&first)
            .subsequent_indent("           ")
            .break_words(false)
            // A path that is cut in two cannot be copied.
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        writeln!(out, "{}", textwrap::fill(text, options))
    };
    for (index, root) in finding.roots.iter().enumerate() {
        let mut text = one_line(&root.description);
        if let Some(spawn) = root.spawn {
            let _ = write!(text, ", started at {}", one_line(&report.address(spawn)));
        }
        note(if index == 0 { "threads:" } else { "" }, &text)?;
    }
    note("breaks:", &one_line(&finding.consequence))?;
    note("do:", &one_line(&finding.advice))?;
    note("more:", &format!("raceproof explain {}", finding.rule))
}

/// Files made fit for a terminal, each once.
#[derive(Default)]
struct Texts(BTreeMap<FileId, Arc<SourceText>>);

impl Texts {
    fn get(&mut self, report: &Report<'_>, file: FileId) -> Arc<SourceText> {
        let text = self.0.entry(file).or_insert_with(|| {
            let text = report.sources.text(file);
            match visible(&text.text) {
                std::borrow::Cow::Borrowed(_) => text,
                std::borrow::Cow::Owned(visible) => Arc::new(SourceText::new(visible)),
            }
        });
        Arc::clone(text)
    }
}

/// One file as a source of snippets. miette would look for lines from the beginning of the file.
#[derive(Debug)]
struct Snippets {
    name: String,
    text: Arc<SourceText>,
}

impl SourceCode for Snippets {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let offset = |at: usize| u32::try_from(at).map_err(|_| MietteError::OutOfBounds);
        let line = |at: usize| -> Result<usize, MietteError> {
            Ok(self.text.location(offset(at)?, Units::Utf8).0 as usize)
        };
        let first = line(span.offset())?.saturating_sub(before);
        let last = line(span.offset() + span.len())? + after;
        let start = |line: usize| -> Result<usize, MietteError> {
            Ok(self.text.offset(offset(line)?, 0, Units::Utf8) as usize)
        };
        let (mut from, to) = (start(first)?, start(last + 1)?);
        let mut column = 0;
        // Without lines before it miette wants the span itself: that is how it finds the column.
        if before == 0 {
            column = self.text.location(offset(span.offset())?, Units::Chars).1 as usize;
            from = span.offset();
        }
        let bytes = self.text.text.as_bytes().get(from..to);
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            bytes.ok_or(MietteError::OutOfBounds)?,
            (from, to - from).into(),
            first,
            column,
            last - first + 1,
        )))
    }
}

/// A finding, or the sides of it that lie in another file, as miette wants it.
#[derive(Debug)]
struct Shown {
    code: Option<String>,
    message: String,
    severity: miette::Severity,
    source: Option<Snippets>,
    labels: Vec<LabeledSpan>,
    related: Vec<Shown>,
}

impl Shown {
    fn new(report: &Report<'_>, texts: &mut Texts, finding: &Finding) -> Self {
        let own = finding.primary.file;
        let mut shown = Self::of_file(report, texts, own);
        shown.code = Some(finding.rule.clone());
        shown.message = one_line(&finding.message);
        shown.severity = match finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Info => miette::Severity::Advice,
        };
        let label = side(&finding.label, &finding.function, &finding.held);
        shown.label(finding.primary, &label, true);
        for related in &finding.related {
            let label = side(&related.message, &related.function, &related.held);
            if related.site.file == own {
                shown.label(related.site, &label, false);
                continue;
            }
            let mut other = Self::of_file(report, texts, related.site.file);
            other.message = format!(
                "the other side is in {}",
                one_line(&report.path(related.site.file))
            );
            other.label(related.site, &label, true);
            shown.related.push(other);
        }
        shown.fit();
        shown
    }

    fn of_file(report: &Report<'_>, texts: &mut Texts, file: FileId) -> Self {
        Self {
            code: None,
            message: String::new(),
            severity: miette::Severity::Advice,
            source: Some(Snippets {
                name: one_line(&report.path(file)),
                text: texts.get(report, file),
            }),
            labels: Vec::new(),
            related: Vec::new(),
        }
    }

    fn label(&mut self, site: Site, text: &str, primary: bool) {
        let Some(source) = &self.source else {
            return;
        };
        let range = source.text.clip(site.range);
        // Only the first line of a long statement is shown: the label stands under it.
        let line = source.text.text[range.clone()].find('\n');
        let length = line.unwrap_or(range.len());
        let label = Some(text.to_owned());
        self.labels.push(if primary {
            LabeledSpan::new_primary_with_span(label, (range.start, length))
        } else {
            LabeledSpan::new(label, range.start, length)
        });
    }

    /// Leaves out snippets that would fill the screen, such as lines of generated data.
    fn fit(&mut self) {
        let too_long = |source: &Snippets, label: &LabeledSpan| {
            let contents = source.read_span(label.inner(), 1, 1);
            contents.map_or(true, |contents| contents.data().len() > LONGEST_SNIPPET)
        };
        if let Some(source) = &self.source
            && self.labels.iter().any(|label| too_long(source, label))
        {
            let places: Vec<String> = self
                .labels
                .iter()
                .map(|label| {
                    let offset = u32::try_from(label.offset()).unwrap_or(u32::MAX);
                    let at = source.text.position(offset);
                    let text = label.label().unwrap_or_default();
                    format!("{}:{}:{}: {text}", source.name, at.line, at.column)
                })
                .collect();
            self.message = format!("{}\n{}", self.message, places.join("\n"));
            self.source = None;
            self.labels.clear();
        }
        self.related.iter_mut().for_each(Self::fit);
    }
}

/// What one side does, where, and under which locks.
fn side(text: &str, function: &str, held: &[String]) -> String {
    // The clause that names the locks comes last here, after the function.
    let what = match text.split_once(", holding ") {
        Some((what, _)) if !held.is_empty() => what,
        _ => text,
    };
    let mut label = one_line(what);
    if !function.is_empty() {
        let _ = write!(label, ", in `{}`", one_line(function));
    }
    match held {
        [] => label.push_str(", no lock held"),
        held => {
            let locks: Vec<String> = held
                .iter()
                .map(|it| format!("`{}`", one_line(it)))
                .collect();
            let _ = write!(label, ", holding {}", locks.join(" and "));
        }
    }
    label
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let code = self.code.as_ref()?;
        Some(Box::new(code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|related| related as _)))
    }
}
