//! What there is to know about the place under the cursor.

use std::fmt::Write;

use lsp_server::ResponseError;
use lsp_types::{Hover, HoverContents, HoverParams, MarkupContent, MarkupKind};

use super::convert;
use super::requests::{Document, View, touches};
use crate::findings::{Finding, Root};
use crate::program::effect::Action;
use crate::program::explain::explain;
use crate::rule::{self, held_words, root_words};
use crate::source::span::{Range, Units};

/// Answers `textDocument/hover`.
pub(super) fn answer(view: &View, params: HoverParams) -> Result<Option<Hover>, ResponseError> {
    let at = params.text_document_position_params;
    let Some(document) = view.document(&at.text_document.uri) else {
        return Ok(None);
    };
    let here = document.range(
        lsp_types::Range::new(at.position, at.position),
        &view.features,
    );
    let found = rule_name(&document, here)
        .or_else(|| sides(&document, here))
        .or_else(|| access(&document, here));
    Ok(found.map(|(range, value)| Hover {
        contents: HoverContents::Markup(MarkupContent {
            kind: MarkupKind::Markdown,
            value,
        }),
        range: Some(convert::range(&document.text, range, view.features.units)),
    }))
}

/// The page of a rule that an ignore comment names.
fn rule_name(document: &Document<'_>, here: Range) -> Option<(Range, String)> {
    let text = &document.text;
    let (line, _) = text.location(here.start, Units::Utf8);
    let start = text.offset(line, 0, Units::Utf8);
    let content = text.line(line + 1);
    let mark = content.find("raceproof: ignore[")?;
    let column = (here.start - start) as usize;
    if column < mark {
        return None;
    }
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let from = content[..column]
        .rfind(|it| !is_name(it))
        .map_or(0, |it| it + 1);
    let to = content[column..]
        .find(|it| !is_name(it))
        .map_or(content.len(), |it| column + it);
    let page = rule::page(&content[from..to])?;
    let range = Range {
        start: start + u32::try_from(from).ok()?,
        end: start + u32::try_from(to).ok()?,
    };
    Some((range, page.markdown()))
}

/// The sides of races that lie here.
fn sides(document: &Document<'_>, here: Range) -> Option<(Range, String)> {
    let mut text = String::new();
    let mut covered: Option<Range> = None;
    for finding in &document.analysis.outcome.findings {
        let primary = (
            finding.primary,
            &finding.label,
            &finding.function,
            &finding.held,
        );
        let related = finding
            .related
            .iter()
            .map(|it| (it.site, &it.message, &it.function, &it.held));
        let sites: Vec<_> = std::iter::once(primary).chain(related).collect();
        let Some(index) = sites
            .iter()
            .position(|(site, ..)| site.file == document.file && touches(site.range, here))
        else {
            continue;
        };
        let (site, label, _, held) = sites[index];
        // The smallest one is what the cursor means.
        if covered.is_none_or(|it| site.range.end - site.range.start < it.end - it.start) {
            covered = Some(site.range);
        }
        let others: Vec<String> = sites
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, (site, message, function, held))| {
                let path = document.analysis.sources.path(site.file).display();
                let line = document
                    .analysis
                    .sources
                    .text(site.file)
                    .position(site.range.start)
                    .line;
                let place = if function.is_empty() {
                    format!("{path}:{line}")
                } else {
                    format!("`{function}`, {path}:{line}")
                };
                // The message of the other side names the locks it holds.
                match held.as_slice() {
                    [] => format!("{place}: {message}, without a lock"),
                    _ => format!("{place}: {message}"),
                }
            })
            .collect();
        if !text.is_empty() {
            text.push_str("\n\n---\n\n");
        }
        describe(&mut text, finding, label, held, &others);
    }
    covered.map(|range| (range, text))
}

/// What the analysis knows of an access that nothing is wrong with.
fn access(document: &Document<'_>, here: Range) -> Option<(Range, String)> {
    let program = document.analysis.program()?;
    let wanted = Range {
        start: here.start,
        end: here.end.max(here.start + 1),
    };
    let known = explain(program, document.file, wanted);
    let record = known
        .records
        .iter()
        .map(|&index| program.record(index))
        .filter(|it| matches!(it.action, Action::Access(_)))
        .min_by_key(|it| it.at.range.end - it.at.range.start)?;
    let place = known
        .places
        .iter()
        .find(|it| it.words == record.words.as_str())?;
    let mut text = String::new();
    let held = held_words(record);
    let _ = write!(
        text,
        "`{}`: {}{}",
        place.words,
        rule::describe(record),
        if held.is_empty() {
            ", without a lock"
        } else {
            ""
        }
    );
    let others = place
        .others
        .iter()
        .map(|&index| program.record(index))
        .filter(|it| it.at != record.at)
        .map(|other| {
            let site = program.site(other.at);
            let sources = &document.analysis.sources;
            let path = sources.path(site.file).display();
            let line = sources.text(site.file).position(site.range.start).line;
            let function = program.function_name(other.at);
            let place = if function.is_empty() {
                format!("{path}:{line}")
            } else {
                format!("`{function}`, {path}:{line}")
            };
            format!("{place}: {}", rule::describe(other))
        });
    list(&mut text, "Also touched by", shortened(others));
    let mut roots: Vec<String> = known
        .roots
        .iter()
        .map(|&index| root_words(program, &program.roots()[index as usize]))
        .collect();
    roots.sort();
    roots.dedup();
    list(&mut text, "Threads", shortened(roots.into_iter()));
    list(
        &mut text,
        "Nothing is reported because",
        place.quiet.iter().map(ToString::to_string),
    );
    Some((record.at.range, text))
}

/// At most as many items as a hover can show.
fn shortened(items: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    const MOST: usize = 12;
    let mut items: Vec<String> = items.collect();
    if items.len() > MOST {
        let rest = items.len() - MOST;
        items.truncate(MOST);
        items.push(format!("and {rest} more"));
    }
    items.into_iter()
}

fn describe(text: &mut String, finding: &Finding, label: &str, held: &[String], others: &[String]) {
    let Finding {
        rule,
        state,
        message,
        consequence,
        advice,
        roots,
        ..
    } = finding;
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "`{state}`: {label}, {}\n\n**{rule}**: {message}",
        holding(held)
    );
    for (title, part) in [("Breaks", consequence), ("Do", advice)] {
        if !part.is_empty() {
            let _ = write!(text, "\n\n**{title}**: {part}");
        }
    }
    list(text, "Also touched by", others.iter().cloned());
    list(text, "Threads", roots.iter().map(thread));
}

fn holding(held: &[String]) -> String {
    match held {
        [] => "without a lock".to_owned(),
        held => format!("holding `{}`", held.join("`, `")),
    }
}

fn thread(root: &Root) -> String {
    root.description.clone()
}

fn list(text: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return;
    }
    let _ = write!(text, "\n\n{title}:\n");
    for item in items {
        let _ = write!(text, "\n- {item}");
    }
}
