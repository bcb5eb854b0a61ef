//! A client of `raceproof server` that says exactly what a test tells it to, right or wrong.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longer than anything takes on a loaded machine; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    seen: VecDeque<Value>,
    next: i64,
}

impl Client {
    /// A server that has not been initialized.
    pub fn raw() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_raceproof"))
            .arg("server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = child.stdout.take().unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            messages,
            seen: VecDeque::new(),
            next: 0,
        }
    }

    /// A server that serves `root`.
    pub fn start(root: &Path, capabilities: Value) -> Self {
        Self::start_with(json!({
            "processId": std::process::id(),
            "rootUri": uri(root),
            "capabilities": capabilities,
        }))
        .0
    }

    /// A server initialized with these parameters, and its answer.
    pub fn start_with(params: Value) -> (Self, Value) {
        let mut client = Self::raw();
        let id = client.request("initialize", params);
        let answer = client.answer(id);
        assert!(answer.get("result").is_some(), "{answer}");
        client.notify("initialized", json!({}));
        (client, answer["result"].clone())
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    pub fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub fn request(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    pub fn open(&mut self, path: &Path, text: &str) {
        self.notify(
            "textDocument/didOpen",
            json!({ "textDocument": {
                "uri": uri(path), "languageId": "python", "version": 1, "text": text,
            }}),
        );
    }

    pub fn change(&mut self, path: &Path, version: i32, changes: Value) {
        self.notify(
            "textDocument/didChange",
            json!({
                "textDocument": { "uri": uri(path), "version": version },
                "contentChanges": changes,
            }),
        );
    }

    /// The next message that `wanted` accepts; what comes before stays for later.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.seen.iter().position(&wanted) {
            return self.seen.remove(index).unwrap();
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(message) = self.messages.recv_timeout(left) else {
                panic!("no {what}; seen: {:#?}", self.seen);
            };
            if wanted(&message) {
                return message;
            }
            self.seen.push_back(message);
        }
    }

    /// The answer to a request.
    pub fn answer(&mut self, id: i64) -> Value {
        self.wait(&format!("answer to {id}"), |it| {
            it["id"] == id && it.get("method").is_none()
        })
    }

    /// The result of a request that must succeed.
    pub fn result(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The error of a request that must fail.
    pub fn error(&mut self, method: &str, params: Value) -> i64 {
        let id = self.request(method, params);
        let answer = self.answer(id);
        answer["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    /// The diagnostics pushed for a version of a file.
    pub fn pushed(&mut self, path: &Path, version: i32) -> Vec<Value> {
        let uri = uri(path);
        let message = self.wait(&format!("diagnostics of {uri}, version {version}"), |it| {
            it["method"] == "textDocument/publishDiagnostics"
                && it["params"]["uri"] == uri.as_str()
                && it["params"]["version"] == version
        });
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// The diagnostics pushed for a file that is not open, the next time there are any that
    /// `wanted` accepts.
    pub fn pushed_closed(&mut self, path: &Path, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = uri(path);
        let message = self.wait(&format!("diagnostics of {uri}"), |it| {
            it["method"] == "textDocument/publishDiagnostics"
                && it["params"]["uri"] == uri.as_str()
                && it["params"]["diagnostics"]
                    .as_array()
                    .is_some_and(|it| wanted(it))
        });
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// Ends the connection by the protocol.
    pub fn finish(mut self) {
        assert_eq!(self.result("shutdown", Value::Null), Value::Null);
        self.notify("exit", Value::Null);
        assert_eq!(self.ended().code(), Some(0));
    }

    /// Closes the input.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended.
    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut bytes = vec![0; length];
    output.read_exact(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The address of a path.
pub fn uri(path: &Path) -> String {
    let text = path.to_str().unwrap().replace('\\', "/");
    format!("file://{}", text.replace(' ', "%20"))
}

/// A directory with these files.
pub fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::write(root.join("raceproof.toml"), "").unwrap();
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    (directory, root)
}
