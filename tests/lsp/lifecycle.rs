//! Beginning, end, and what happens out of order.

use serde_json::{Value, json};

use crate::client::{Client, project, uri};

const NOT_INITIALIZED: i64 = -32002;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const CANCELLED: i64 = -32800;

#[test]
fn nothing_is_answered_before_initialize() {
    let mut client = Client::raw();
    let hover = json!({});
    assert_eq!(client.error("textDocument/hover", hover), NOT_INITIALIZED);
    assert_eq!(client.error("shutdown", Value::Null), NOT_INITIALIZED);
    client.notify("textDocument/didOpen", json!({ "noise": true }));
    client.notify("exit", Value::Null);
    assert_eq!(client.ended().code(), Some(1));
}

#[test]
fn the_end_follows_the_protocol() {
    let (_directory, root) = project(&[]);
    let mut client = Client::start(&root, json!({}));
    assert_eq!(client.error("initialize", json!({})), INVALID_REQUEST);
    assert_eq!(client.result("shutdown", Value::Null), Value::Null);
    assert_eq!(client.error("shutdown", Value::Null), INVALID_REQUEST);
    client.notify("exit", Value::Null);
    assert_eq!(client.ended().code(), Some(0));
}

#[test]
fn a_client_that_goes_without_a_word_is_noticed() {
    let (_directory, root) = project(&[]);
    let mut client = Client::start(&root, json!({}));
    client.hang_up();
    assert_eq!(client.ended().code(), Some(1));
}

#[test]
#[cfg(unix)]
fn the_death_of_the_editor_is_noticed() {
    // The pipe stays open, as when another child of the editor has inherited it.
    let mut editor = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let (mut client, _) = Client::start_with(json!({
        "processId": editor.id(),
        "rootUri": null,
        "capabilities": {},
    }));
    editor.kill().unwrap();
    editor.wait().unwrap();
    assert_eq!(client.ended().code(), Some(1));
    assert_ne!(client.id(), 0);
}

#[test]
fn unknown_and_misused_methods_are_refused() {
    let (_directory, root) = project(&[]);
    let mut client = Client::start(&root, json!({}));
    assert_eq!(
        client.error("textDocument/inventThings", json!({})),
        METHOD_NOT_FOUND
    );
    assert_eq!(client.error("$/optional", json!({})), METHOD_NOT_FOUND);
    assert_eq!(
        client.error("textDocument/hover", json!({})),
        INVALID_PARAMS
    );
    let nothing = json!({ "command": "raceproof.nothing" });
    assert_eq!(
        client.error("workspace/executeCommand", nothing),
        INVALID_PARAMS
    );
    client.notify("textDocument/didChange", json!({ "textDocument": 1 }));
    client.notify("$/optional", json!({}));
    client.send(&json!({ "jsonrpc": "2.0", "id": 9999, "result": null }));
    client.finish();
}

#[test]
fn the_unit_of_columns_is_negotiated() {
    for (offered, chosen) in [
        (json!(["utf-32", "utf-16"]), "utf-16"),
        (json!(["utf-32", "utf-16", "utf-8"]), "utf-8"),
        (json!(["utf-32"]), "utf-32"),
        (Value::Null, "utf-16"),
    ] {
        let (client, result) = Client::start_with(json!({
            "processId": null,
            "rootUri": null,
            "capabilities": { "general": { "positionEncodings": offered } },
        }));
        assert_eq!(result["capabilities"]["positionEncoding"], chosen);
        client.finish();
    }
}

#[test]
fn a_cancelled_request_is_answered_as_cancelled() {
    // Enough to analyse that the request is still waiting when it is cancelled.
    let module = "import threading\n\n".to_owned()
        + &"def function(argument):\n    return [argument, threading.Lock()]\n\n\n".repeat(2000);
    let files: Vec<(String, &str)> = (0..40)
        .map(|index| (format!("module_{index}.py"), module.as_str()))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|it| (it.0.as_str(), it.1)).collect();
    let (_directory, root) = project(&files);
    let mut client = Client::start(&root, json!({}));
    let path = root.join("module_0.py");
    client.open(&path, &module);
    let id = client.request(
        "textDocument/hover",
        json!({
            "textDocument": { "uri": uri(&path) },
            "position": { "line": 0, "character": 0 },
        }),
    );
    client.notify("$/cancelRequest", json!({ "id": id }));
    client.notify("$/cancelRequest", json!({ "id": "never sent" }));
    assert_eq!(client.answer(id)["error"]["code"], CANCELLED);
    client.finish();
}

#[test]
fn an_identifier_in_use_is_refused() {
    let (_directory, root) = project(&[("a.py", "")]);
    let mut client = Client::start(&root, json!({}));
    let request = json!({
        "jsonrpc": "2.0", "id": 77, "method": "workspace/diagnostic",
        "params": { "previousResultIds": [] },
    });
    client.open(&root.join("a.py"), &"x = 1\n".repeat(10_000));
    client.send(&request);
    client.send(&request);
    let first = client.answer(77);
    let second = client.answer(77);
    let refused = [&first, &second]
        .iter()
        .filter(|it| it["error"]["code"] == INVALID_REQUEST)
        .count();
    // The first may have been answered before the second arrived.
    assert!(refused <= 1, "{first} {second}");
    client.finish();
}
