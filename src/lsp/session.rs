//! The state of one connection: what the client can do, the folders, the open documents, and the
//! requests that have not been answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};

use lsp_server::{ErrorCode, Notification, Request, RequestId, Response, ResponseError};
use lsp_types::{
    CancelParams, DiagnosticTag, DidChangeConfigurationParams, DidChangeTextDocumentParams,
    DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, FileChangeType, InitializeParams,
    NumberOrString, PublishDiagnosticsParams, Uri,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::analyst::{Checked, Task};
use super::convert::{self, path_of, uri_of};
use super::document::Document;
use super::folder::Folder;
use super::main_loop::{Client, Ended, Event, error, watch_parent};
use super::requests::{self, OpenFile, View};
use super::workers::Question;
use crate::source::span::Units;

/// What the client can do, as it said in `initialize`.
#[derive(Debug, Clone)]
pub(super) struct Features {
    /// The unit of columns.
    pub units: Units,
    /// It asks for diagnostics, so none are pushed.
    pub pulls: bool,
    /// It asks again when told that diagnostics have changed.
    pub refreshes: bool,
    /// It asks again for code lenses when told to.
    pub refreshes_lenses: bool,
    /// It asks again for inlay hints when told to.
    pub refreshes_hints: bool,
    /// It shows the other places of a diagnostic.
    pub related_information: bool,
    /// It shows addresses behind codes.
    pub code_description: bool,
    /// It watches files when asked to.
    pub watches: bool,
    /// It opens a place when asked to.
    pub shows_documents: bool,
    /// It takes edits that name the version of the document.
    pub versioned_edits: bool,
    /// It shows faded what is unnecessary, and the user lets it.
    pub fades: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            units: Units::Utf16,
            pulls: false,
            refreshes: false,
            refreshes_lenses: false,
            refreshes_hints: false,
            related_information: false,
            code_description: false,
            watches: false,
            shows_documents: false,
            versioned_edits: false,
            fades: false,
        }
    }
}

/// What the user switches on and off, in `initializationOptions` or the section `raceproof` of the
/// settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Extras {
    /// Threads that reach a function, above it.
    pub code_lens: bool,
    /// Guard of an attribute, behind it.
    pub inlay_hints: bool,
    /// Code that has no effect, and ignore comments that nothing needs, appear faded.
    pub fade_unnecessary: bool,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            code_lens: false,
            inlay_hints: false,
            fade_unnecessary: true,
        }
    }
}

/// Where the connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing but `initialize` is answered.
    New,
    /// In use.
    Running,
    /// Nothing but `exit` is expected.
    ShutDown,
}

/// An open document.
struct Open {
    uri: Uri,
    /// Root of the folder that analyses it and its path there; `None` when none does.
    place: Option<(PathBuf, PathBuf)>,
    document: Document,
}

/// A request that waits for the analysis of the current state.
struct Waiting {
    id: RequestId,
    work: requests::Work,
}

pub(super) struct Session {
    pub(super) client: Client,
    tasks: Sender<Task>,
    workers: Sender<Question>,
    events: SyncSender<Event>,
    phase: Phase,
    features: Arc<Features>,
    /// The client can show faded what is unnecessary.
    can_fade: bool,
    extras: Extras,
    /// Roots that the client opened.
    workspace: Vec<PathBuf>,
    folders: Vec<Folder>,
    /// By the address as the client spells it.
    documents: FxHashMap<String, Open>,
    waiting: Vec<Waiting>,
    running: FxHashSet<RequestId>,
    asked: i32,
}

impl Session {
    pub(super) fn new(
        client: Client,
        tasks: Sender<Task>,
        workers: Sender<Question>,
        events: SyncSender<Event>,
    ) -> Self {
        Self {
            client,
            tasks,
            workers,
            events,
            phase: Phase::New,
            features: Arc::default(),
            can_fade: false,
            extras: Extras::default(),
            workspace: Vec::new(),
            folders: Vec::new(),
            documents: FxHashMap::default(),
            waiting: Vec::new(),
            running: FxHashSet::default(),
            asked: 0,
        }
    }

    /// How the connection ends when `exit` arrives now.
    pub(super) fn ended(&self) -> Ended {
        match self.phase {
            Phase::ShutDown => Ended::Orderly,
            Phase::New | Phase::Running => Ended::Abrupt,
        }
    }

    // Requests.

    pub(super) fn request(&mut self, request: Request) {
        let id = request.id.clone();
        let unanswered = self.running.contains(&id) || self.waiting.iter().any(|it| it.id == id);
        if unanswered {
            let refused = error(ErrorCode::InvalidRequest, "this identifier is in use");
            self.client.answer(id, Err(refused));
            return;
        }
        match (self.phase, request.method.as_str()) {
            (Phase::New, "initialize") => {
                let result = read(request.params).map(|params| self.initialize(params));
                self.client.answer(id, result);
            }
            (Phase::New, _) => {
                let refused = error(ErrorCode::ServerNotInitialized, "`initialize` comes first");
                self.client.answer(id, Err(refused));
            }
            (Phase::ShutDown, _) => {
                let refused = error(ErrorCode::InvalidRequest, "the server is shut down");
                self.client.answer(id, Err(refused));
            }
            (Phase::Running, "initialize") => {
                let refused = error(ErrorCode::InvalidRequest, "already initialized");
                self.client.answer(id, Err(refused));
            }
            (Phase::Running, "shutdown") => {
                self.phase = Phase::ShutDown;
                self.folders.iter().for_each(Folder::cancel);
                for waiting in std::mem::take(&mut self.waiting) {
                    let refused = error(ErrorCode::RequestCanceled, "the server is shut down");
                    self.client.answer(waiting.id, Err(refused));
                }
                self.client.answer(id, Ok(Value::Null));
            }
            (Phase::Running, "workspace/executeCommand") => {
                let result = read(request.params).and_then(|params| self.command(params));
                self.client.answer(id, result);
            }
            (Phase::Running, _) => match requests::route(request) {
                Ok(work) => self.waiting.push(Waiting { id, work }),
                Err(error) => self.client.answer(id, Err(error)),
            },
        }
    }

    fn initialize(&mut self, params: InitializeParams) -> Value {
        let workspace = params.capabilities.workspace.as_ref();
        let document = params.capabilities.text_document.as_ref();
        let window = params.capabilities.window.as_ref();
        let general = params.capabilities.general.as_ref();
        let pushed = document.and_then(|it| it.publish_diagnostics.as_ref());
        let (units, encoding) =
            convert::negotiate(general.and_then(|it| it.position_encodings.as_deref()));
        self.features = Arc::new(Features {
            units,
            pulls: document.is_some_and(|it| it.diagnostic.is_some()),
            refreshes: workspace
                .and_then(|it| it.diagnostic.as_ref())
                .and_then(|it| it.refresh_support)
                .unwrap_or_default(),
            refreshes_lenses: workspace
                .and_then(|it| it.code_lens.as_ref())
                .and_then(|it| it.refresh_support)
                .unwrap_or_default(),
            refreshes_hints: workspace
                .and_then(|it| it.inlay_hint.as_ref())
                .and_then(|it| it.refresh_support)
                .unwrap_or_default(),
            // A client that pulls has no place to say this in the version of the protocol that
            // `lsp-types` knows; those that pull show both.
            related_information: pushed.is_none_or(|it| it.related_information != Some(false)),
            code_description: pushed.is_none_or(|it| it.code_description_support != Some(false)),
            watches: workspace
                .and_then(|it| it.did_change_watched_files)
                .and_then(|it| it.dynamic_registration)
                .unwrap_or_default(),
            shows_documents: window
                .and_then(|it| it.show_document.as_ref())
                .is_some_and(|it| it.support),
            versioned_edits: workspace
                .and_then(|it| it.workspace_edit.as_ref())
                .and_then(|it| it.document_changes)
                .unwrap_or_default(),
            fades: false,
        });
        self.can_fade = pushed
            .and_then(|it| it.tag_support.as_ref())
            .is_some_and(|it| it.value_set.contains(&DiagnosticTag::UNNECESSARY));
        self.configure(&params.initialization_options.unwrap_or_default());
        if let Some(parent) = params.process_id {
            watch_parent(parent, &self.events);
        }
        self.phase = Phase::Running;
        #[allow(deprecated)]
        let root = params.root_uri.as_ref().and_then(path_of);
        let roots: Vec<PathBuf> = match params.workspace_folders {
            Some(folders) => folders.iter().filter_map(|it| path_of(&it.uri)).collect(),
            None => root.into_iter().collect(),
        };
        for root in roots {
            self.open_folder(root);
        }
        json!({
            "capabilities": requests::capabilities(encoding),
            "serverInfo": { "name": "raceproof", "version": env!("CARGO_PKG_VERSION") },
        })
    }

    fn command(&mut self, params: lsp_types::ExecuteCommandParams) -> Result<Value, ResponseError> {
        match params.command.as_str() {
            "raceproof.restart" => {
                self.restart();
                Ok(Value::Null)
            }
            "raceproof.explain" => requests::explain(&params.arguments),
            "raceproof.otherSide" => {
                let location: lsp_types::Location = params
                    .arguments
                    .into_iter()
                    .next()
                    .ok_or_else(|| error(ErrorCode::InvalidParams, "the location is missing"))
                    .and_then(read)?;
                if self.features.shows_documents {
                    self.ask::<lsp_types::request::ShowDocument>(lsp_types::ShowDocumentParams {
                        uri: location.uri.clone(),
                        external: Some(false),
                        take_focus: Some(true),
                        selection: Some(location.range),
                    });
                }
                Ok(json!(location))
            }
            unknown => Err(error(
                ErrorCode::InvalidParams,
                format!("there is no command `{unknown}`"),
            )),
        }
    }

    fn ask<R: lsp_types::request::Request>(&mut self, params: R::Params) {
        self.asked += 1;
        self.client.ask::<R>(self.asked.into(), params);
    }

    /// An answer to something the server asked. None of them decides anything.
    pub(super) fn response(&mut self, response: Response) {
        if let Err(error) = response.response_result {
            self.client
                .log(&format!("the client refused a request: {}", error.message));
        }
    }

    /// Passes on the answer of a request that has been worked on, unless it was cancelled.
    pub(super) fn answer(&mut self, id: RequestId, result: Result<Value, ResponseError>) {
        if self.running.remove(&id) {
            self.client.answer(id, result);
        }
    }

    fn cancel(&mut self, id: &RequestId) {
        let waiting = self.waiting.iter().position(|it| it.id == *id);
        if let Some(index) = waiting {
            self.waiting.remove(index);
        } else if !self.running.remove(id) {
            return;
        }
        let cancelled = error(ErrorCode::RequestCanceled, "cancelled by the client");
        self.client.answer(id.clone(), Err(cancelled));
    }

    // Notifications.

    pub(super) fn notification(&mut self, notification: Notification) {
        if self.phase != Phase::Running {
            return;
        }
        let Notification { method, params } = notification;
        let result = match method.as_str() {
            "initialized" => {
                self.watch();
                Ok(())
            }
            "textDocument/didOpen" => read(params).map(|it| self.opened(it)),
            "textDocument/didChange" => read(params).and_then(|it| self.changed(it)),
            "textDocument/didClose" => read(params).map(|it| self.closed(&it)),
            "textDocument/didSave" => read(params).map(|it| self.saved(&it)),
            "workspace/didChangeWatchedFiles" => read(params).map(|it| self.touched(&it)),
            "workspace/didChangeWorkspaceFolders" => read(params).map(|it| self.refolded(it)),
            "workspace/didChangeConfiguration" => {
                read(params).map(|it: DidChangeConfigurationParams| {
                    self.configure(&it.settings);
                    self.reload();
                })
            }
            "$/cancelRequest" => read(params).map(|it: CancelParams| {
                let id = match it.id {
                    NumberOrString::Number(id) => id.into(),
                    NumberOrString::String(id) => id.into(),
                };
                self.cancel(&id);
            }),
            // A server may ignore what it does not know.
            _ => Ok(()),
        };
        if let Err(error) = result {
            self.client.log(&format!("{method}: {}", error.message));
        }
    }

    fn opened(&mut self, params: DidOpenTextDocumentParams) {
        let uri = params.text_document.uri;
        let place = path_of(&uri).and_then(|path| self.place(&path));
        let document = Document::new(params.text_document.version, params.text_document.text);
        if let Some((root, path)) = &place
            && let Some(folder) = folder_mut(&mut self.folders, root)
        {
            folder.expect(path);
            folder.edit(path.clone(), document.text().into());
        }
        self.documents.insert(
            uri.as_str().to_owned(),
            Open {
                uri,
                place,
                document,
            },
        );
    }

    fn changed(&mut self, params: DidChangeTextDocumentParams) -> Result<(), ResponseError> {
        let units = self.features.units;
        let uri = params.text_document.uri;
        let Some(open) = self.documents.get_mut(uri.as_str()) else {
            return Err(error(
                ErrorCode::InvalidParams,
                format!("{} is not open", uri.as_str()),
            ));
        };
        open.document.version = params.text_document.version;
        for change in params.content_changes {
            open.document.change(change, units);
        }
        if let Some((root, path)) = &open.place
            && let Some(folder) = folder_mut(&mut self.folders, root)
        {
            // The text itself is handed over once, before the next analysis.
            folder.touch(path);
        }
        Ok(())
    }

    fn closed(&mut self, params: &DidCloseTextDocumentParams) {
        let Some(open) = self.documents.remove(params.text_document.uri.as_str()) else {
            return;
        };
        if let Some((root, path)) = open.place
            && let Some(folder) = folder_mut(&mut self.folders, &root)
        {
            folder.close(&path);
        }
        self.drop_unused();
    }

    fn saved(&mut self, params: &DidSaveTextDocumentParams) {
        if let Some(path) = path_of(&params.text_document.uri)
            && is_configuration(&path)
        {
            self.reload();
        }
    }

    fn touched(&mut self, params: &DidChangeWatchedFilesParams) {
        let mut reload = false;
        for change in &params.changes {
            let Some(path) = path_of(&change.uri) else {
                continue;
            };
            reload |= is_configuration(&path);
            let listed = change.typ != FileChangeType::CHANGED;
            for folder in &mut self.folders {
                if path.starts_with(folder.root()) {
                    folder.disk_changed(&path, listed);
                }
            }
        }
        if reload {
            self.reload();
        }
    }

    fn refolded(&mut self, params: DidChangeWorkspaceFoldersParams) {
        for removed in params
            .event
            .removed
            .iter()
            .filter_map(|it| path_of(&it.uri))
        {
            self.workspace.retain(|it| *it != removed);
        }
        for added in params.event.added.iter().filter_map(|it| path_of(&it.uri)) {
            self.open_folder(added);
        }
        self.drop_unused();
        self.place_again();
    }

    /// Takes what the user switches from settings, which some clients wrap in their section.
    fn configure(&mut self, settings: &Value) {
        let section = settings.get("raceproof").unwrap_or(settings);
        if section.is_object()
            && let Ok(extras) = Extras::deserialize(section)
        {
            self.extras = extras;
        }
        Arc::make_mut(&mut self.features).fades = self.can_fade && self.extras.fade_unnecessary;
    }

    /// Asks the client to tell about files that change on disk.
    fn watch(&mut self) {
        if !self.features.watches {
            return;
        }
        let globs = [
            "**/*.py",
            "**/pyproject.toml",
            "**/raceproof.toml",
            "**/.gitignore",
        ];
        let watchers: Vec<Value> = globs
            .iter()
            .map(|it| json!({ "globPattern": it }))
            .collect();
        self.ask::<lsp_types::request::RegisterCapability>(lsp_types::RegistrationParams {
            registrations: vec![lsp_types::Registration {
                id: "files".to_owned(),
                method: "workspace/didChangeWatchedFiles".to_owned(),
                register_options: Some(json!({ "watchers": watchers })),
            }],
        });
    }

    // Folders.

    /// Takes in a folder that the client opened, unless a known project holds it.
    fn open_folder(&mut self, root: PathBuf) {
        if !self.workspace.contains(&root) {
            self.workspace.push(root.clone());
        }
        let (folder, complaint) = Folder::around(&root);
        if let Some(complaint) = complaint {
            self.client.show(&complaint);
        }
        if !self.folders.iter().any(|it| it.root() == folder.root()) {
            self.folders.push(folder);
        }
    }

    /// The folder that analyses a file, made when there is none, and the file's path in it. `None`
    /// for a file that its project leaves out.
    fn place(&mut self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let holds = |folder: &&Folder| !folder.is_loose() && path.starts_with(folder.root());
        let known = self
            .folders
            .iter()
            .filter(holds)
            .max_by_key(|it| it.root().as_os_str().len());
        let root = match known {
            Some(folder) => folder.root().to_path_buf(),
            None => {
                let (folder, complaint) = Folder::of_file(path)?;
                if let Some(complaint) = complaint {
                    self.client.show(&complaint);
                }
                let root = folder.root().to_path_buf();
                if !self.folders.iter().any(|it| it.root() == root) {
                    self.folders.push(folder);
                }
                root
            }
        };
        let folder = folder_mut(&mut self.folders, &root)?;
        let inside = path.strip_prefix(&root).ok()?.to_path_buf();
        folder.analyses(&inside).then_some((root, inside))
    }

    /// Finds the folder of every open document anew.
    fn place_again(&mut self) {
        let mut documents = std::mem::take(&mut self.documents);
        for open in documents.values_mut() {
            let place = path_of(&open.uri).and_then(|path| self.place(&path));
            if place == open.place {
                continue;
            }
            if let Some((root, path)) = &open.place
                && let Some(folder) = folder_mut(&mut self.folders, root)
            {
                folder.close(path);
            }
            if let Some((root, path)) = &place
                && let Some(folder) = folder_mut(&mut self.folders, root)
            {
                if !self.features.pulls {
                    folder.expect(path);
                }
                folder.edit(path.clone(), open.document.text().into());
            }
            open.place = place;
        }
        self.documents = documents;
        self.drop_unused();
    }

    /// Forgets folders that neither the client nor an open document needs.
    fn drop_unused(&mut self) {
        let used: FxHashSet<&Path> = self
            .documents
            .values()
            .filter_map(|it| it.place.as_ref())
            .map(|(root, _)| root.as_path())
            .collect();
        let workspace = &self.workspace;
        let (kept, dropped): (Vec<Folder>, Vec<Folder>) = std::mem::take(&mut self.folders)
            .into_iter()
            .partition(|it| {
                used.contains(it.root()) || workspace.iter().any(|root| it.serves(root))
            });
        self.folders = kept;
        self.dismiss(&dropped);
    }

    /// Takes back what was said about the files of folders that are not analysed any more.
    fn dismiss(&mut self, folders: &[Folder]) {
        let mut told = false;
        for folder in folders {
            folder.cancel();
            for path in folder.published() {
                told = true;
                self.publish(&folder.root().join(path), Vec::new());
            }
        }
        if told && self.features.pulls && self.features.refreshes {
            self.ask::<lsp_types::request::WorkspaceDiagnosticRefresh>(());
        }
    }

    /// Reads the configuration of all folders anew.
    fn reload(&mut self) {
        for folder in &mut self.folders {
            if let Some(complaint) = folder.reload() {
                self.client.show(&complaint);
            }
        }
        self.place_again();
    }

    /// Forgets everything but what the client opened, and begins anew.
    fn restart(&mut self) {
        let folders = std::mem::take(&mut self.folders);
        self.dismiss(&folders);
        for root in std::mem::take(&mut self.workspace) {
            self.open_folder(root);
        }
        for open in self.documents.values_mut() {
            open.place = None;
        }
        self.place_again();
    }

    // Analysis.

    /// Starts what has to be done, now that no event waits.
    pub(super) fn schedule(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        for open in self.documents.values() {
            if let Some((root, path)) = &open.place
                && let Some(folder) = folder_mut(&mut self.folders, root)
                && folder.is_touched(path)
            {
                folder.expect(path);
                folder.edit(path.clone(), open.document.text().into());
            }
        }
        for folder in &mut self.folders {
            if let Some(task) = folder.task(&self.features)
                && self.tasks.send(task).is_err()
            {
                self.client
                    .log("the analysis has stopped; restart the server");
            }
        }
        if self.folders.iter().all(Folder::is_current) {
            let waiting = std::mem::take(&mut self.waiting);
            self.begin(waiting);
        }
    }

    /// Hands the requests that have waited to the threads that answer them.
    fn begin(&mut self, waiting: Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let view = Arc::new(self.view());
        for Waiting { id, work } in waiting {
            let question = Question {
                id: id.clone(),
                work,
                view: Arc::clone(&view),
            };
            if self.workers.send(question).is_ok() {
                self.running.insert(id);
            } else {
                let failed = error(ErrorCode::InternalError, "no thread is left to answer");
                self.client.answer(id, Err(failed));
            }
        }
    }

    fn view(&self) -> View {
        let open = self
            .documents
            .values()
            .filter_map(|it| {
                let (root, path) = it.place.as_ref()?;
                let file = OpenFile {
                    uri: it.uri.clone(),
                    root: root.clone(),
                    path: path.clone(),
                    version: it.document.version,
                };
                Some((it.uri.as_str().to_owned(), file))
            })
            .collect();
        View::new(
            self.folders.iter().filter_map(Folder::analysis).collect(),
            open,
            Arc::clone(&self.features),
            self.extras,
        )
    }

    /// Takes in an analysis that has ended.
    pub(super) fn checked(&mut self, checked: Checked) {
        let Some(folder) = folder_mut(&mut self.folders, &checked.root) else {
            return;
        };
        let analysis = match folder.checked(checked.revision, checked.result) {
            Ok(Some(analysis)) => analysis,
            Ok(None) => return,
            Err(error) => {
                self.client.show(&error.message);
                return;
            }
        };
        let changes = folder.take_changes(&analysis);
        let root = folder.root().to_path_buf();
        if self.features.pulls {
            // For what it has edited itself a client asks without being told to.
            if changes.unexpected && self.features.refreshes {
                self.ask::<lsp_types::request::WorkspaceDiagnosticRefresh>(());
            }
        } else {
            for path in changes.files {
                let diagnostics = analysis
                    .reports
                    .get(&path)
                    .map(|it| it.diagnostics.clone())
                    .unwrap_or_default();
                self.publish(&root.join(&path), diagnostics);
            }
        }
        if self.extras.code_lens && self.features.refreshes_lenses {
            self.ask::<lsp_types::request::CodeLensRefresh>(());
        }
        if self.extras.inlay_hints && self.features.refreshes_hints {
            self.ask::<lsp_types::request::InlayHintRefreshRequest>(());
        }
    }

    fn publish(&self, path: &Path, diagnostics: Vec<lsp_types::Diagnostic>) {
        if self.features.pulls {
            return;
        }
        let open = self.documents.values().find(|it| {
            it.place
                .as_ref()
                .is_some_and(|(root, inside)| path.strip_prefix(root) == Ok(inside))
        });
        let Some(uri) = open.map(|it| it.uri.clone()).or_else(|| uri_of(path)) else {
            return;
        };
        self.client
            .notify::<lsp_types::notification::PublishDiagnostics>(PublishDiagnosticsParams {
                uri,
                diagnostics,
                version: open.map(|it| it.document.version),
            });
    }
}

fn folder_mut<'a>(folders: &'a mut [Folder], root: &Path) -> Option<&'a mut Folder> {
    folders.iter_mut().find(|it| it.root() == root)
}

fn is_configuration(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|it| it == "pyproject.toml" || it == "raceproof.toml")
}

/// Parameters as the protocol defines them.
pub(super) fn read<T: DeserializeOwned>(params: Value) -> Result<T, ResponseError> {
    serde_json::from_value(params).map_err(|it| error(ErrorCode::InvalidParams, it.to_string()))
}
