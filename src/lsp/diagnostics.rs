//! Findings, problems and notices as diagnostics.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_server::ResponseError;
use lsp_types::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    DocumentDiagnosticParams, DocumentDiagnosticReport, DocumentDiagnosticReportResult,
    FullDocumentDiagnosticReport, Location, NumberOrString, RelatedFullDocumentDiagnosticReport,
    RelatedUnchangedDocumentDiagnosticReport, UnchangedDocumentDiagnosticReport,
    WorkspaceDiagnosticParams, WorkspaceDiagnosticReport, WorkspaceDiagnosticReportResult,
    WorkspaceDocumentDiagnosticReport, WorkspaceFullDocumentDiagnosticReport,
    WorkspaceUnchangedDocumentDiagnosticReport,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::convert::{self, uri_of};
use super::requests::View;
use super::session::Features;
use crate::findings::Finding;
use crate::findings::outcome::{Outcome, Problem};
use crate::rule;
use crate::source::text::{SourceText, Sources};

/// The name under which diagnostics appear.
pub(super) const SOURCE: &str = "raceproof";

/// Tag of pages whose findings are code without effect.
const UNNECESSARY: &str = "unnecessary";

/// The diagnostics of one file.
#[derive(Debug)]
pub(super) struct Report {
    /// Equal for equal diagnostics.
    pub id: String,
    /// The diagnostics, in the order of the findings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Everything an outcome says, by file.
pub(super) fn reports(
    root: &Path,
    outcome: &Outcome,
    sources: &Sources,
    features: &Features,
) -> FxHashMap<PathBuf, Arc<Report>> {
    let mut by_file: FxHashMap<PathBuf, Vec<Diagnostic>> = FxHashMap::default();
    for finding in &outcome.findings {
        by_file
            .entry(sources.path(finding.primary.file).to_path_buf())
            .or_default()
            .push(diagnostic(root, finding, sources, features));
    }
    let said = outcome
        .problems
        .iter()
        .map(|it| (it, DiagnosticSeverity::ERROR))
        .chain(
            outcome
                .notices
                .iter()
                .map(|it| (it, DiagnosticSeverity::HINT)),
        );
    for (problem, severity) in said {
        if problem.path.as_os_str().is_empty() {
            continue;
        }
        let text = outcome
            .files
            .binary_search(&problem.path)
            .ok()
            .and_then(|index| u32::try_from(index).ok())
            .map(|index| sources.text(crate::source::span::FileId(index)));
        by_file
            .entry(problem.path.clone())
            .or_default()
            .push(remark(problem, text.as_deref(), severity, features));
    }
    by_file
        .into_iter()
        .map(|(path, diagnostics)| {
            let json = serde_json::to_vec(&diagnostics).unwrap_or_default();
            let id = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&json));
            (path, Arc::new(Report { id, diagnostics }))
        })
        .collect()
}

fn diagnostic(
    root: &Path,
    finding: &Finding,
    sources: &Sources,
    features: &Features,
) -> Diagnostic {
    let text = sources.text(finding.primary.file);
    let related = features.related_information.then(|| {
        finding
            .related
            .iter()
            .filter_map(|it| {
                let text = sources.text(it.site.file);
                let location = Location {
                    uri: uri_of(&root.join(sources.path(it.site.file)))?,
                    range: convert::range(&text, it.site.range, features.units),
                };
                Some(DiagnosticRelatedInformation {
                    location,
                    message: it.message.clone(),
                })
            })
            .collect()
    });
    let mut message = finding.message.clone();
    for part in [&finding.consequence, &finding.advice] {
        if !part.is_empty() {
            message.push('\n');
            message.push_str(part);
        }
    }
    Diagnostic {
        range: convert::range(&text, finding.primary.range, features.units),
        severity: Some(convert::severity(finding.severity)),
        code: Some(NumberOrString::String(finding.rule.clone())),
        code_description: code_description(&finding.rule, features),
        source: Some(SOURCE.to_owned()),
        message,
        related_information: related,
        tags: tags(&finding.rule, features),
        data: Some(serde_json::json!({ "fingerprint": finding.fingerprint })),
    }
}

/// The address of a rule's page, for clients that show it.
fn code_description(rule: &str, features: &Features) -> Option<CodeDescription> {
    if !features.code_description {
        return None;
    }
    let href = rule::page(rule)?.url().parse().ok()?;
    Some(CodeDescription { href })
}

/// What the page of a rule says about how its findings look.
fn tags(rule: &str, features: &Features) -> Option<Vec<DiagnosticTag>> {
    let unnecessary = rule::page(rule)?.tags.iter().any(|it| it == UNNECESSARY);
    (unnecessary && features.fades).then(|| vec![DiagnosticTag::UNNECESSARY])
}

/// A problem with a file, or an ignore comment that nothing needs.
fn remark(
    problem: &Problem,
    text: Option<&SourceText>,
    severity: DiagnosticSeverity,
    features: &Features,
) -> Diagnostic {
    let range = match (problem.position, text) {
        (Some(position), Some(text)) => {
            let units = crate::source::span::Units::Chars;
            let column = position.column.saturating_sub(1);
            let start = text.offset(position.line.saturating_sub(1), column, units);
            let line = text.line(position.line);
            let rest: usize = line.chars().skip(column as usize).map(char::len_utf8).sum();
            let end = start.saturating_add(u32::try_from(rest.max(1)).unwrap_or(1));
            convert::range(
                text,
                crate::source::span::Range { start, end },
                features.units,
            )
        }
        _ => lsp_types::Range::default(),
    };
    let idle = problem.ignore.is_some() && features.fades;
    Diagnostic {
        range,
        severity: Some(severity),
        source: Some(SOURCE.to_owned()),
        message: problem.message.clone(),
        tags: idle.then(|| vec![DiagnosticTag::UNNECESSARY]),
        ..Diagnostic::default()
    }
}

/// Answers `textDocument/diagnostic`.
pub(super) fn document(
    view: &View,
    params: DocumentDiagnosticParams,
) -> Result<DocumentDiagnosticReportResult, ResponseError> {
    let (id, items) = match view.report(&params.text_document.uri) {
        Some(report) => (report.id.clone(), report.diagnostics.clone()),
        None => (EMPTY.to_owned(), Vec::new()),
    };
    let report = if params.previous_result_id.as_ref() == Some(&id) {
        DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport {
                result_id: id,
            },
        })
    } else {
        DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport {
            related_documents: None,
            full_document_diagnostic_report: FullDocumentDiagnosticReport {
                result_id: Some(id),
                items,
            },
        })
    };
    Ok(DocumentDiagnosticReportResult::Report(report))
}

/// The result of a file without diagnostics.
const EMPTY: &str = "none";

/// Answers `workspace/diagnostic`: every file that has diagnostics, and every file that had some
/// when the client asked last.
pub(super) fn workspace(
    view: &View,
    params: WorkspaceDiagnosticParams,
) -> Result<WorkspaceDiagnosticReportResult, ResponseError> {
    let previous: FxHashMap<String, String> = params
        .previous_result_ids
        .into_iter()
        .map(|it| (it.uri.as_str().to_owned(), it.value))
        .collect();
    let mut items = Vec::new();
    let mut seen = FxHashSet::default();
    for analysis in view.analyses() {
        let mut reports: Vec<_> = analysis.reports.iter().collect();
        reports.sort_by_key(|(path, _)| *path);
        for (path, report) in reports {
            let path = analysis.root.join(path);
            let Some(uri) = view.uri(&path) else {
                continue;
            };
            seen.insert(uri.as_str().to_owned());
            let version = view.version(&path).map(i64::from);
            items.push(if previous.get(uri.as_str()) == Some(&report.id) {
                WorkspaceDocumentDiagnosticReport::Unchanged(
                    WorkspaceUnchangedDocumentDiagnosticReport {
                        uri,
                        version,
                        unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport {
                            result_id: report.id.clone(),
                        },
                    },
                )
            } else {
                full(uri, version, report.id.clone(), report.diagnostics.clone())
            });
        }
    }
    let mut gone: Vec<_> = previous
        .iter()
        .filter(|(uri, id)| !seen.contains(*uri) && id.as_str() != EMPTY)
        .collect();
    gone.sort();
    for (uri, _) in gone {
        if let Ok(uri) = uri.parse() {
            items.push(full(uri, None, EMPTY.to_owned(), Vec::new()));
        }
    }
    Ok(WorkspaceDiagnosticReportResult::Report(
        WorkspaceDiagnosticReport { items },
    ))
}

fn full(
    uri: lsp_types::Uri,
    version: Option<i64>,
    id: String,
    items: Vec<Diagnostic>,
) -> WorkspaceDocumentDiagnosticReport {
    WorkspaceDocumentDiagnosticReport::Full(WorkspaceFullDocumentDiagnosticReport {
        uri,
        version,
        full_document_diagnostic_report: FullDocumentDiagnosticReport {
            result_id: Some(id),
            items,
        },
    })
}
