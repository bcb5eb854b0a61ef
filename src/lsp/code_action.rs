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
    let scene = Scene {
        view,
        document: &document,
        source: &source,
        uri: &uri,
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
            actions.extend(scene.offer(finding, here, &params.context.diagnostics));
        }
        for ignore in idle_ignores(&document) {
            if touches(ignore.comment, here)
                && let Some(fix) =
                    fixes::remove_ignore(&source, ignore.comment, ignore.rule.as_deref())
            {
                actions.push(CodeActionOrCommand::CodeAction(
                    scene.code_action(&fix, None),
                ));
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
                ..scene.code_action(&fix, None)
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

/// The document that actions are asked for.
struct Scene<'a> {
    view: &'a View,
    document: &'a Document<'a>,
    source: &'a Source<'a>,
    /// Its address as the client spells it.
    uri: &'a Uri,
}

impl Scene<'_> {
    /// Everything there is to do about one finding at `here`; `shown` are the diagnostics that the
    /// client has there.
    fn offer(
        &self,
        finding: &Finding,
        here: Range,
        shown: &[Diagnostic],
    ) -> Vec<CodeActionOrCommand> {
        let units = self.view.features.units;
        let diagnostic = shown.iter().find(|it| {
            it.source.as_deref() == Some(diagnostics::SOURCE)
                && it.code == Some(NumberOrString::String(finding.rule.clone()))
                && it.range == convert::range(&self.document.text, finding.primary.range, units)
        });
        let mut actions = Vec::new();
        if finding.primary.file == self.document.file {
            for fix in fixes::fixes(self.source, finding) {
                let action = self.code_action(&fix, diagnostic);
                actions.push(CodeActionOrCommand::CodeAction(action));
            }
        }
        for site in other_side::others(finding, self.document, here) {
            actions.extend(self.go(finding, site));
        }
        actions.push(CodeActionOrCommand::Command(Command {
            title: format!("Explain `{}`", finding.rule),
            command: "raceproof.explain".to_owned(),
            arguments: Some(vec![json!(finding.rule)]),
        }));
        actions
    }

    fn go(&self, finding: &Finding, site: Site) -> Option<CodeActionOrCommand> {
        let location = other_side::location(self.view, self.document, site)?;
        let sources = &self.document.analysis.sources;
        let path = sources.path(site.file).display();
        let function = finding
            .related
            .iter()
            .find(|it| it.site == site)
            .map_or(finding.function.as_str(), |it| it.function.as_str());
        let line = location.range.start.line + 1;
        let place = if function.is_empty() {
            format!("{path}:{line}")
        } else {
            format!("`{function}`, {path}:{line}")
        };
        Some(CodeActionOrCommand::Command(Command {
            title: format!("Go to the other side: {place}"),
            command: "raceproof.otherSide".to_owned(),
            arguments: Some(vec![json!(location)]),
        }))
    }

    fn code_action(&self, fix: &Fix, diagnostic: Option<&Diagnostic>) -> CodeAction {
        CodeAction {
            title: fix.title.clone(),
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: diagnostic.map(|it| vec![it.clone()]),
            is_preferred: Some(fix.safety == Safety::Safe),
            edit: Some(self.workspace_edit(&fix.edits)),
            ..CodeAction::default()
        }
    }

    fn workspace_edit(&self, edits: &[Edit]) -> WorkspaceEdit {
        let edits: Vec<TextEdit> = edits
            .iter()
            .map(|it| TextEdit {
                range: convert::range(&self.document.text, it.range, self.view.features.units),
                new_text: it.text.clone(),
            })
            .collect();
        let analysis = self.document.analysis;
        let path = analysis
            .root
            .join(analysis.sources.path(self.document.file));
        if self.view.features.versioned_edits {
            return WorkspaceEdit {
                document_changes: Some(DocumentChanges::Edits(vec![TextDocumentEdit {
                    text_document: OptionalVersionedTextDocumentIdentifier {
                        uri: self.uri.clone(),
                        version: self.view.version(&path),
                    },
                    edits: edits.into_iter().map(OneOf::Left).collect(),
                }])),
                ..WorkspaceEdit::default()
            };
        }
        // The key of the map is what the protocol wants, interior mutability or not.
        #[allow(clippy::mutable_key_type)]
        let changes = HashMap::from([(self.uri.clone(), edits)]);
        WorkspaceEdit {
            changes: Some(changes),
            ..WorkspaceEdit::default()
        }
    }
}
