//! What there is to know about the place under the cursor.

use std::fmt::Write;

use lsp_server::ResponseError;
use lsp_types::{Hover, HoverContents, HoverParams, MarkupContent, MarkupKind};

use super::convert;
use super::requests::{Document, View, touches};
use crate::findings::{Finding, Root};
use crate::rule;
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
    let found = rule_name(&document, here).or_else(|| sides(&document, here));
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
                format!("{place}: {message}{}", holding(held))
            })
            .collect();
        if !text.is_empty() {
            text.push_str("\n\n---\n\n");
        }
        describe(&mut text, finding, label, held, &others);
    }
    covered.map(|range| (range, text))
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
        "`{state}`: {label}{}\n\n**{rule}**: {message}.",
        holding(held)
    );
    for part in [consequence, advice] {
        if !part.is_empty() {
            let _ = write!(text, " {part}.");
        }
    }
    list(text, "Also touched by", others.iter().cloned());
    list(text, "Threads", roots.iter().map(thread));
}

fn holding(held: &[String]) -> String {
    match held {
        [] => " without a lock".to_owned(),
        held => format!(" holding `{}`", held.join("`, `")),
    }
}

pub(super) fn thread(root: &Root) -> String {
    if root.many {
        format!("{} (several at a time)", root.description)
    } else {
        root.description.clone()
    }
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
