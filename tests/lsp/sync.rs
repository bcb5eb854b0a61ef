//! What the client has, what the disk has, and what is configured.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, project, uri};

const UNUSED: &str = "x = 1  # raceproof: ignore[unlocked-counter] no\n";

fn pulled(client: &mut Client, path: &Path, previous: Option<&str>) -> Value {
    client.result(
        "textDocument/diagnostic",
        json!({ "textDocument": { "uri": uri(path) }, "previousResultId": previous }),
    )
}

fn whole_project(client: &mut Client, previous: &[(&Path, &str)]) -> Vec<Value> {
    let previous: Vec<Value> = previous
        .iter()
        .map(|(path, id)| json!({ "uri": uri(path), "value": id }))
        .collect();
    let report = client.result(
        "workspace/diagnostic",
        json!({ "previousResultIds": previous }),
    );
    report["items"].as_array().unwrap().clone()
}

#[test]
fn diagnostics_are_pushed_for_files_that_are_not_open() {
    let (_directory, root) = project(&[("pkg/a.py", UNUSED), ("b.py", "")]);
    let tags = json!({ "tagSupport": { "valueSet": [1, 2] } });
    let mut client = Client::start(
        &root,
        json!({ "textDocument": { "publishDiagnostics": tags } }),
    );
    client.open(&root.join("b.py"), "");
    let diagnostics = client.pushed_closed(&root.join("pkg/a.py"), |it| !it.is_empty());
    assert_eq!(diagnostics[0]["source"], "raceproof");
    assert_eq!(diagnostics[0]["tags"], json!([1]));
    client.finish();
}

#[test]
fn diagnostics_are_pulled_with_result_ids() {
    let (_directory, root) = project(&[("a.py", UNUSED), ("b.py", "")]);
    let (a, b) = (root.join("a.py"), root.join("b.py"));
    let mut client = Client::start(
        &root,
        json!({
            "textDocument": { "diagnostic": {} },
            "workspace": { "diagnostic": { "refreshSupport": true } },
        }),
    );
    let first = pulled(&mut client, &a, None);
    assert_eq!(first["kind"], "full");
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    // What the project has at first, nobody has asked for yet.
    client.wait("refresh", |it| {
        it["method"] == "workspace/diagnostic/refresh"
    });
    let id = first["resultId"].as_str().unwrap().to_owned();
    let again = pulled(&mut client, &a, Some(&id));
    assert_eq!(again, json!({ "kind": "unchanged", "resultId": id }));

    let items = whole_project(&mut client, &[]);
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["uri"], uri(&a).as_str());
    let items = whole_project(&mut client, &[(&a, &id)]);
    assert_eq!(items[0]["kind"], "unchanged");

    // An edit elsewhere leaves the result as it is, one here does not.
    client.open(&b, UNUSED);
    let items = whole_project(&mut client, &[(&a, &id)]);
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["kind"], "unchanged");
    assert_eq!(items[1]["kind"], "full");
    assert_eq!(items[1]["version"], 1);
    client.open(&a, "x = 1\n");
    let items = whole_project(&mut client, &[(&a, &id)]);
    let here = items
        .iter()
        .find(|it| it["uri"] == uri(&a).as_str())
        .unwrap();
    assert_eq!(here["items"], json!([]));
    // Whoever pulls gets nothing pushed, and is not told to ask again for what it edits itself.
    let end = client.request("shutdown", Value::Null);
    let last = client.wait("end", |it| {
        it["id"] == end
            || it["method"] == "textDocument/publishDiagnostics"
            || it["method"] == "workspace/diagnostic/refresh"
    });
    assert_eq!(last["id"], end);
}

#[test]
fn a_client_that_pulls_is_told_of_changes_in_files_it_did_not_edit() {
    let shared =
        "import threading\n\ntotal = 0\n\n\ndef add():\n    global total\n    total += 1\n";
    let start = "import shared\nimport threading\n\nfor _ in range(4):\n    threading.Thread(target=shared.add).start()\n";
    let (_directory, root) = project(&[("shared.py", shared), ("start.py", "")]);
    let path = root.join("start.py");
    let mut client = Client::start(
        &root,
        json!({
            "textDocument": { "diagnostic": {} },
            "workspace": { "diagnostic": { "refreshSupport": true } },
        }),
    );
    client.open(&path, "");
    assert_eq!(pulled(&mut client, &path, None)["items"], json!([]));
    client.change(&path, 2, json!([{ "text": start }]));
    client.wait("refresh", |it| {
        it["method"] == "workspace/diagnostic/refresh"
    });
    let there = pulled(&mut client, &root.join("shared.py"), None);
    assert_eq!(there["items"][0]["code"], "unlocked-counter");
    client.finish();
}

#[test]
fn what_is_unnecessary_is_tagged_for_clients_that_can_show_it() {
    const HINT: i64 = 4;
    let text = format!("import sys\n\nsys.setswitchinterval(10)\n{UNUSED}");
    let (_directory, root) = project(&[("a.py", &text)]);
    let path = root.join("a.py");
    let can = json!({ "textDocument": { "publishDiagnostics": { "tagSupport": { "valueSet": [1, 2] } } } });
    let off = json!({ "raceproof": { "fadeUnnecessary": false } });
    for (capabilities, options, tags) in [
        (&can, json!({}), json!([1])),
        (&can, off, Value::Null),
        (&json!({}), json!({}), Value::Null),
    ] {
        let (mut client, _) = Client::start_with(json!({
            "processId": null,
            "rootUri": uri(&root),
            "capabilities": capabilities,
            "initializationOptions": options,
        }));
        client.open(&path, &text);
        let diagnostics = client.pushed(&path, 1);
        let of = |wanted: &dyn Fn(&Value) -> bool| {
            let found = diagnostics.iter().find(|it| wanted(it));
            found.unwrap_or_else(|| panic!("{diagnostics:#?}"))["tags"].clone()
        };
        assert_eq!(of(&|it| it["code"] == "gil-reliance"), tags);
        assert_eq!(of(&|it| it["severity"] == HINT), tags);
        client.finish();
    }
}

#[test]
fn columns_count_in_the_negotiated_unit() {
    let line = "s = 'é😀'  # raceproof: ignore[unlocked-counter] no\n";
    let (_directory, root) = project(&[("a.py", "")]);
    let path = root.join("a.py");
    for (encoding, column) in [("utf-8", 14), ("utf-16", 11), ("utf-32", 10)] {
        let mut client = Client::start(
            &root,
            json!({ "general": { "positionEncodings": [encoding] } }),
        );
        client.open(&path, line);
        let diagnostics = client.pushed(&path, 1);
        assert_eq!(diagnostics[0]["range"]["start"]["character"], column);
        // Behind the character that takes two units of UTF-16 and four bytes.
        let at = json!({ "line": 0, "character": column - 4 });
        client.change(
            &path,
            2,
            json!([{ "range": { "start": at, "end": at }, "text": "!" }]),
        );
        let diagnostics = client.pushed(&path, 2);
        assert_eq!(diagnostics[0]["range"]["start"]["character"], column + 1);
        client.finish();
    }
}

#[test]
fn a_buffer_is_text_whatever_encoding_it_declares() {
    let line = "# -*- coding: latin-1 -*-\ns = 'é😀'  # raceproof: ignore[unlocked-counter] no\n";
    let (_directory, root) = project(&[("a.py", "")]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, line);
    let diagnostics = client.pushed(&path, 1);
    let start = json!({ "line": 1, "character": 11 });
    assert_eq!(diagnostics[0]["range"]["start"], start);
    client.finish();
}

#[test]
fn a_broken_file_keeps_what_was_found_in_it() {
    let text = format!("def f():\n    return 1\n\n\n{UNUSED}\ndef g():\n    return 2\n");
    let (_directory, root) = project(&[("a.py", &text)]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, &text);
    assert_eq!(client.pushed(&path, 1).len(), 1);
    let at = json!({ "line": 0, "character": 0 });
    client.change(
        &path,
        2,
        json!([{ "range": { "start": at, "end": at }, "text": "def broken(:\n    '''\n" }]),
    );
    let diagnostics = client.pushed(&path, 2);
    let messages: Vec<&str> = diagnostics
        .iter()
        .map(|it| it["message"].as_str().unwrap())
        .collect();
    assert!(
        messages.iter().any(|it| it.contains("syntax error")),
        "{messages:?}"
    );
    let unused = diagnostics
        .iter()
        .find(|it| it["message"].as_str().unwrap().contains("unused ignore"))
        .unwrap();
    assert_eq!(
        unused["range"]["start"],
        json!({ "line": 6, "character": 7 })
    );
    client.finish();
}

#[test]
fn files_changed_elsewhere_are_read_again() {
    let (_directory, root) = project(&[("a.py", "")]);
    let mut client = Client::start(
        &root,
        json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } }),
    );
    let registration = client.wait("registration", |it| {
        it["method"] == "client/registerCapability"
    });
    let registered = &registration["params"]["registrations"][0];
    assert_eq!(registered["method"], "workspace/didChangeWatchedFiles");
    client.send(&json!({ "jsonrpc": "2.0", "id": registration["id"], "result": null }));

    let changed = |client: &mut Client, name: &str, kind: u8| {
        client.notify(
            "workspace/didChangeWatchedFiles",
            json!({ "changes": [{ "uri": uri(&root.join(name)), "type": kind }] }),
        );
    };
    std::fs::write(root.join("a.py"), UNUSED).unwrap();
    changed(&mut client, "a.py", 2);
    client.pushed_closed(&root.join("a.py"), |it| it.len() == 1);
    std::fs::write(root.join("b.py"), UNUSED).unwrap();
    changed(&mut client, "b.py", 1);
    client.pushed_closed(&root.join("b.py"), |it| it.len() == 1);
    std::fs::remove_file(root.join("b.py")).unwrap();
    changed(&mut client, "b.py", 3);
    client.pushed_closed(&root.join("b.py"), <[Value]>::is_empty);
    client.finish();
}

#[test]
fn the_configuration_is_read_again() {
    let (_directory, root) = project(&[("a.py", UNUSED)]);
    let configuration = root.join("raceproof.toml");
    let mut client = Client::start(&root, json!({}));
    client.pushed_closed(&root.join("a.py"), |it| it.len() == 1);
    let changed = json!({ "changes": [{ "uri": uri(&configuration), "type": 2 }] });

    std::fs::write(&configuration, "exclud = ['a.py']\n").unwrap();
    client.notify("workspace/didChangeWatchedFiles", changed.clone());
    let message = client.wait("complaint", |it| it["method"] == "window/showMessage");
    assert!(
        message["params"]["message"]
            .as_str()
            .unwrap()
            .contains("exclud")
    );

    std::fs::write(&configuration, "exclude = ['a.py']\n").unwrap();
    client.notify("workspace/didChangeWatchedFiles", changed.clone());
    client.pushed_closed(&root.join("a.py"), <[Value]>::is_empty);

    std::fs::write(&configuration, "").unwrap();
    client.notify("workspace/didChangeWatchedFiles", changed);
    client.pushed_closed(&root.join("a.py"), |it| it.len() == 1);
    client.finish();
}

#[test]
fn folders_come_and_go() {
    let (_one, first) = project(&[("a.py", UNUSED)]);
    let (_two, second) = project(&[("b.py", UNUSED)]);
    let folder = |root: &Path| json!({ "uri": uri(root), "name": "folder" });
    let (mut client, _) = Client::start_with(json!({
        "processId": null,
        "workspaceFolders": [folder(&first)],
        "capabilities": {},
    }));
    client.pushed_closed(&first.join("a.py"), |it| it.len() == 1);
    client.notify(
        "workspace/didChangeWorkspaceFolders",
        json!({ "event": { "added": [folder(&second)], "removed": [] } }),
    );
    client.pushed_closed(&second.join("b.py"), |it| it.len() == 1);
    client.notify(
        "workspace/didChangeWorkspaceFolders",
        json!({ "event": { "added": [], "removed": [folder(&first)] } }),
    );
    client.pushed_closed(&first.join("a.py"), <[Value]>::is_empty);
    client.finish();
}

#[test]
fn a_file_outside_any_project_is_analysed_alone() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::write(root.join("neighbour.py"), UNUSED).unwrap();
    let path = root.join("with space.py");
    let (mut client, _) = Client::start_with(json!({
        "processId": null, "rootUri": null, "capabilities": {},
    }));
    client.open(&path, UNUSED);
    assert_eq!(client.pushed(&path, 1).len(), 1);
    let items = whole_project(&mut client, &[]);
    assert_eq!(items.len(), 1, "the neighbour is not open: {items:#?}");
    // What has no file is not analysed, and does no harm.
    client.notify(
        "textDocument/didOpen",
        json!({ "textDocument": {
            "uri": "untitled:Untitled-1", "languageId": "python", "version": 1, "text": UNUSED,
        }}),
    );
    let report = client.result(
        "textDocument/diagnostic",
        json!({ "textDocument": { "uri": "untitled:Untitled-1" } }),
    );
    assert_eq!(report["items"], json!([]));
    client.finish();
}

#[test]
fn restart_begins_anew_with_what_is_open() {
    let (_directory, root) = project(&[("a.py", ""), ("b.py", "")]);
    let (a, b) = (root.join("a.py"), root.join("b.py"));
    let mut client = Client::start(&root, json!({}));
    client.open(&a, UNUSED);
    assert_eq!(client.pushed(&a, 1).len(), 1);
    // Nobody told the server about this one.
    std::fs::write(&b, UNUSED).unwrap();
    client.result(
        "workspace/executeCommand",
        json!({ "command": "raceproof.restart" }),
    );
    client.pushed_closed(&b, |it| it.len() == 1);
    let report = pulled(&mut client, &a, None);
    assert_eq!(report["items"].as_array().unwrap().len(), 1);
    client.finish();
}

#[test]
fn a_rule_is_explained() {
    let (_directory, root) = project(&[("a.py", UNUSED)]);
    let mut client = Client::start(&root, json!({}));
    let page = client.result(
        "workspace/executeCommand",
        json!({ "command": "raceproof.explain", "arguments": ["check-then-act"] }),
    );
    assert!(page.as_str().unwrap().starts_with("# `check-then-act`"));
    let column = UNUSED.find("unlocked").unwrap() + 2;
    let hover = client.result(
        "textDocument/hover",
        json!({
            "textDocument": { "uri": uri(&root.join("a.py")) },
            "position": { "line": 0, "character": column },
        }),
    );
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(text.starts_with("# `unlocked-counter`"), "{text}");
    client.finish();
}

#[test]
fn an_unused_ignore_is_removed_by_an_action() {
    let (_directory, root) = project(&[("a.py", UNUSED)]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    let actions = client.result(
        "textDocument/codeAction",
        json!({
            "textDocument": { "uri": uri(&path) },
            "range": {
                "start": { "line": 0, "character": 12 }, "end": { "line": 0, "character": 12 },
            },
            "context": { "diagnostics": [] },
        }),
    );
    let edit = &actions[0]["edit"]["changes"][uri(&path)][0];
    assert_eq!(edit["newText"], "");
    assert_eq!(edit["range"]["start"], json!({ "line": 0, "character": 5 }));
    assert_eq!(edit["range"]["end"]["line"], 0);
    client.finish();
}
