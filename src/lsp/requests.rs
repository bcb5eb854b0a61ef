//! What is answered from the last analysis: which requests there are, and what they get to see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_server::{ErrorCode, Request, ResponseError};
use lsp_types::request as method;
use lsp_types::{PositionEncodingKind, Uri};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::analyst::Analysis;
use super::convert::{path_of, uri_of};
use super::diagnostics::{self, Report};
use super::main_loop::error;
use super::session::{Extras, Features, read};
use super::{code_action, code_lens, hover, inlay_hint, other_side};
use crate::rule;
use crate::source::span::{FileId, Range};
use crate::source::text::SourceText;

/// The work of one request, done on one of the threads of `workers`.
pub(super) type Work = Box<dyn FnOnce(&View) -> Result<Value, ResponseError> + Send>;

/// Everything the server offers.
pub(super) fn capabilities(encoding: PositionEncodingKind) -> Value {
    json!({
        "positionEncoding": encoding,
        "textDocumentSync": { "openClose": true, "change": 2, "save": { "includeText": false } },
        "diagnosticProvider": {
            "identifier": diagnostics::SOURCE,
            "interFileDependencies": true,
            "workspaceDiagnostics": true,
        },
        "hoverProvider": true,
        "declarationProvider": true,
        "codeActionProvider": {
            "codeActionKinds": ["quickfix", "source.fixAll.raceproof"],
        },
        "codeLensProvider": { "resolveProvider": false },
        "inlayHintProvider": { "resolveProvider": false },
        "executeCommandProvider": {
            "commands": ["raceproof.explain", "raceproof.restart", "raceproof.otherSide"],
        },
        "workspace": {
            "workspaceFolders": { "supported": true, "changeNotifications": true },
        },
    })
}

/// The work a request asks for.
///
/// # Errors
/// The method is not known, or the parameters are not its.
pub(super) fn route(request: Request) -> Result<Work, ResponseError> {
    match request.method.as_str() {
        "textDocument/diagnostic" => {
            work::<method::DocumentDiagnosticRequest>(request, diagnostics::document)
        }
        "workspace/diagnostic" => {
            work::<method::WorkspaceDiagnosticRequest>(request, diagnostics::workspace)
        }
        "textDocument/hover" => work::<method::HoverRequest>(request, hover::answer),
        "textDocument/declaration" => {
            work::<method::GotoDeclaration>(request, other_side::declaration)
        }
        "textDocument/codeAction" => {
            work::<method::CodeActionRequest>(request, code_action::answer)
        }
        "textDocument/codeLens" => work::<method::CodeLensRequest>(request, code_lens::answer),
        "textDocument/inlayHint" => work::<method::InlayHintRequest>(request, inlay_hint::answer),
        unknown => Err(error(
            ErrorCode::MethodNotFound,
            format!("there is no method `{unknown}`"),
        )),
    }
}

fn work<R: method::Request>(
    request: Request,
    answer: fn(&View, R::Params) -> Result<R::Result, ResponseError>,
) -> Result<Work, ResponseError>
where
    R::Params: Send + 'static,
{
    let params: R::Params = read(request.params)?;
    Ok(Box::new(move |view| {
        let result = answer(view, params)?;
        serde_json::to_value(result).map_err(|it| error(ErrorCode::InternalError, it.to_string()))
    }))
}

/// The page of a rule, for `raceproof.explain`.
///
/// # Errors
/// No rule is named, or one that does not exist.
pub(super) fn explain(arguments: &[Value]) -> Result<Value, ResponseError> {
    let Some(name) = arguments.first().and_then(Value::as_str) else {
        return Err(error(
            ErrorCode::InvalidParams,
            "the first argument must be the name of a rule",
        ));
    };
    match rule::page(name) {
        Some(page) => Ok(json!(page.markdown())),
        None => Err(error(
            ErrorCode::InvalidParams,
            format!("there is no rule `{name}`"),
        )),
    }
}

/// An open document, where it is analysed.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    /// Its address as the client spells it.
    pub uri: Uri,
    /// Root of its folder.
    pub root: PathBuf,
    /// Its path there.
    pub path: PathBuf,
    /// The client's number of its state.
    pub version: i32,
}

/// What a request gets to see: all folders at one moment.
pub(super) struct View {
    analyses: Vec<Arc<Analysis>>,
    open: FxHashMap<String, OpenFile>,
    /// What the client can do.
    pub features: Arc<Features>,
    /// What the user switched on.
    pub extras: Extras,
}

impl View {
    pub(super) fn new(
        analyses: Vec<Arc<Analysis>>,
        open: FxHashMap<String, OpenFile>,
        features: Arc<Features>,
        extras: Extras,
    ) -> Self {
        Self {
            analyses,
            open,
            features,
            extras,
        }
    }

    pub(super) fn analyses(&self) -> &[Arc<Analysis>] {
        &self.analyses
    }

    /// The analysis of a document and its path there, whether it is open or not.
    fn place(&self, uri: &Uri) -> Option<(&Arc<Analysis>, PathBuf)> {
        if let Some(open) = self.open.get(uri.as_str()) {
            let analysis = self.analyses.iter().find(|it| it.root == open.root)?;
            return Some((analysis, open.path.clone()));
        }
        let path = path_of(uri)?;
        let analysis = self
            .analyses
            .iter()
            .filter(|it| path.starts_with(&it.root))
            .max_by_key(|it| it.root.as_os_str().len())?;
        let inside = path.strip_prefix(&analysis.root).ok()?.to_path_buf();
        Some((analysis, inside))
    }

    /// A document that is part of an analysis.
    pub(super) fn document(&self, uri: &Uri) -> Option<Document<'_>> {
        let (analysis, path) = self.place(uri)?;
        let file = analysis.file(&path)?;
        Some(Document {
            analysis,
            file,
            text: analysis.sources.text(file),
        })
    }

    /// The diagnostics of a document; `None` when it has none.
    pub(super) fn report(&self, uri: &Uri) -> Option<&Report> {
        let (analysis, path) = self.place(uri)?;
        analysis.reports.get(&path).map(AsRef::as_ref)
    }

    fn open(&self, path: &Path) -> Option<&OpenFile> {
        self.open
            .values()
            .find(|it| path.strip_prefix(&it.root) == Ok(&it.path))
    }

    /// The address of a file, as the client spells it where it has it open.
    pub(super) fn uri(&self, path: &Path) -> Option<Uri> {
        match self.open(path) {
            Some(open) => Some(open.uri.clone()),
            None => uri_of(path),
        }
    }

    /// The client's number of the state of a file, where it has it open.
    pub(super) fn version(&self, path: &Path) -> Option<i32> {
        self.open(path).map(|it| it.version)
    }
}

/// A document in an analysis.
pub(super) struct Document<'a> {
    /// The analysis.
    pub analysis: &'a Arc<Analysis>,
    /// Which file it is there.
    pub file: FileId,
    /// Its text at that time.
    pub text: Arc<SourceText>,
}

impl Document<'_> {
    /// A range of the client's positions in bytes.
    pub(super) fn range(&self, range: lsp_types::Range, features: &Features) -> Range {
        let offset =
            |at: lsp_types::Position| self.text.offset(at.line, at.character, features.units);
        let start = offset(range.start);
        Range {
            start,
            end: offset(range.end).max(start),
        }
    }
}

/// Both ranges have something in common, be it only an end.
pub(super) fn touches(a: Range, b: Range) -> bool {
    a.start <= b.end && b.start <= a.end
}
