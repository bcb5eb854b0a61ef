//! Quick fixes, and the way from a finding to its page and its other side.

use std::collections::HashMap;

use lsp_server::ResponseError;
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, CodeActionResponse, Command,
    Diagnostic, DocumentChanges, NumberOrString, OneOf, OptionalVersionedTextDocumentIdentifier,
    TextDocumentEdit, TextEdit, Uri, WorkspaceEdit,
};
use serde_json::json;

use super::requests::{Document, View, touches};
use super::{convert, diagnostics, other_side};
use crate::findings::Finding;
use crate::findings::outcome::IdleIgnore;
use crate::fixes::{self, Edit, Fix, Safety, Source};
use crate::source::parse::parse;
use crate::source::span::{Range, Site};

/// Applies every safe fix of a document.
const FIX_ALL: &str = "source.fixAll.raceproof";

/// Answers `textDocument/codeAction`.
pub(super) fn answer(
    view: &View,
    params: CodeActionParams,
) -> Result<Option<CodeActionResponse>, ResponseError> {
    let uri = params.text_document.uri;
    let Some(document) = view.document(&uri) else {
        return Ok(None);
    };
    let Ok(parsed) = parse(&document.text.text) else {
        return Ok(None);
    };
    let source = Source {
        file: document.file,
        text: &document.text.text,
        parsed: &parsed,
    };
    let wanted = |kind: &str| match &params.context.only {
        None => kind != FIX_ALL,
        Some(kinds) => kinds.iter().any(|it| {
            let it = it.as_str();
            kind == it || kind.starts_with(&format!("{it}."))
        }),
    };
    let mut actions = Vec::new();
    if wanted(CodeActionKind::QUICKFIX.as_str()) {
        let here = document.range(params.range, &view.features);
        let sided = |finding: &&Finding| {
            std::iter::once(finding.primary)
                .chain(finding.related.iter().map(|it| it.site))
                .any(|it| it.file == document.file && touches(it.range, here))
        };
        for finding in document.analysis.outcome.findings.iter().filter(sided) {
            offer(
                view,
                &document,
                &source,
                &uri,
                finding,
                here,
                &params.context.diagnostics,
                &mut actions,
            );
        }
        for ignore in idle_ignores(&document) {
            if touches(ignore.comment, here)
                && let Some(fix) =
                    fixes::remove_ignore(&source, ignore.comment, ignore.rule.as_deref())
            {
                actions.push(action(view, &document, &uri, &fix, None));
            }
        }
    }
    if wanted(FIX_ALL) {
        let safe: Vec<Fix> = document
            .analysis
            .findings(document.file)
            .filter_map(|it| {
                fixes::fixes(&source, it)
                    .into_iter()
                    .find(|fix| fix.safety == Safety::Safe)
            })
            .collect();
        let (edits, _) = fixes::together(source.text, &safe);
        if !edits.is_empty() {
            let fix = Fix {
                title: "Apply all safe fixes of raceproof".to_owned(),
                safety: Safety::Safe,
                file: document.file,
                edits: edits.into_iter().cloned().collect(),
            };
            actions.push(CodeActionOrCommand::CodeAction(CodeAction {
                kind: Some(CodeActionKind::from(FIX_ALL)),
                ..code_action(view, &document, &uri, &fix, None)
            }));
        }
    }
    Ok(Some(actions))
}

/// The ignore comments of a document that can go.
fn idle_ignores<'a>(document: &'a Document<'_>) -> impl Iterator<Item = &'a IdleIgnore> {
    let outcome = &document.analysis.outcome;
    let path = document.analysis.sources.path(document.file);
    outcome
        .notices
        .iter()
        .filter(move |it| it.path == path)
        .filter_map(|it| it.ignore.as_ref())
}

/// Everything there is to do about one finding.
#[allow(clippy::too_many_arguments)]
fn offer(
    view: &View,
    document: &Document<'_>,
    source: &Source<'_>,
    uri: &Uri,
    finding: &Finding,
    here: Range,
    shown: &[Diagnostic],
    actions: &mut Vec<CodeActionOrCommand>,
) {
    let diagnostic = shown.iter().find(|it| {
        it.source.as_deref() == Some(diagnostics::SOURCE)
            && it.code == Some(NumberOrString::String(finding.rule.clone()))
            && it.range
                == convert::range(&document.text, finding.primary.range, view.features.units)
    });
    if finding.primary.file == document.file {
        for fix in fixes::fixes(source, finding) {
            actions.push(action(view, document, uri, &fix, diagnostic));
        }
    }
    for site in other_side::others(finding, document, here) {
        actions.extend(go(view, document, finding, site));
    }
    actions.push(CodeActionOrCommand::Command(Command {
        title: format!("Explain `{}`", finding.rule),
        command: "raceproof.explain".to_owned(),
        arguments: Some(vec![json!(finding.rule)]),
    }));
}

fn go(
    view: &View,
    document: &Document<'_>,
    finding: &Finding,
    site: Site,
) -> Option<CodeActionOrCommand> {
    let location = other_side::location(view, document, site)?;
    let path = document
        .analysis
        .sources
        .path(site.file)
        .display()
        .to_string();
    let function = finding
        .related
        .iter()
        .find(|it| it.site == site)
        .map_or(finding.function.as_str(), |it| it.function.as_str());
    let place = if function.is_empty() {
        format!("{path}:{}", location.range.start.line + 1)
    } else {
        format!("`{function}`, {path}:{}", location.range.start.line + 1)
    };
    Some(CodeActionOrCommand::Command(Command {
        title: format!("Go to the other side: {place}"),
        command: "raceproof.otherSide".to_owned(),
        arguments: Some(vec![json!(location)]),
    }))
}

fn action(
    view: &View,
    document: &Document<'_>,
    uri: &Uri,
    fix: &Fix,
    diagnostic: Option<&Diagnostic>,
) -> CodeActionOrCommand {
    CodeActionOrCommand::CodeAction(code_action(view, document, uri, fix, diagnostic))
}

fn code_action(
    view: &View,
    document: &Document<'_>,
    uri: &Uri,
    fix: &Fix,
    diagnostic: Option<&Diagnostic>,
) -> CodeAction {
    CodeAction {
        title: fix.title.clone(),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: diagnostic.map(|it| vec![it.clone()]),
        is_preferred: Some(fix.safety == Safety::Safe),
        edit: Some(workspace_edit(view, document, uri, &fix.edits)),
        ..CodeAction::default()
    }
}

fn workspace_edit(
    view: &View,
    document: &Document<'_>,
    uri: &Uri,
    edits: &[Edit],
) -> WorkspaceEdit {
    let edits: Vec<TextEdit> = edits
        .iter()
        .map(|it| TextEdit {
            range: convert::range(&document.text, it.range, view.features.units),
            new_text: it.text.clone(),
        })
        .collect();
    let path = document
        .analysis
        .root
        .join(document.analysis.sources.path(document.file));
    if view.features.versioned_edits {
        return WorkspaceEdit {
            document_changes: Some(DocumentChanges::Edits(vec![TextDocumentEdit {
                text_document: OptionalVersionedTextDocumentIdentifier {
                    uri: uri.clone(),
                    version: view.version(&path),
                },
                edits: edits.into_iter().map(OneOf::Left).collect(),
            }])),
            ..WorkspaceEdit::default()
        };
    }
    // The key of the map is what the protocol wants, interior mutability or not.
    #[allow(clippy::mutable_key_type)]
    let changes = HashMap::from([(uri.clone(), edits)]);
    WorkspaceEdit {
        changes: Some(changes),
        ..WorkspaceEdit::default()
    }
}
