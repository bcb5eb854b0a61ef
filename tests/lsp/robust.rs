//! Input nobody should send, and more of it than anybody does.

use serde_json::{Value, json};

use crate::client::{Client, project, uri};

/// Every one of these lines is an unused ignore comment, which is a diagnostic.
const LINE: &str = "x = 1  # raceproof: ignore[unlocked-counter] no\n";

#[test]
fn noise_between_messages_is_answered_and_survived() {
    let (_directory, root) = project(&[]);
    let mut client = Client::start(&root, json!({}));
    for noise in [
        "Content-Length: 5\r\n\r\n{]}}}",
        "Content-Length: 2\r\n\r\n{}",
        "Content-Length: 4\r\n\r\nnull",
        "Content-Length: 2\r\n\r\n[]",
        "Content-Length: x\r\n\r\n",
        "Content-Length: 18446744073709551615\r\n\r\n",
        "Content-Length: 4\r\n\r\n\u{fffd}!",
        "GET / HTTP/1.1\r\n\r\n",
        "\r\n\r\nContent-Length: 1\r\nContent-Type: a; charset=b\r\n\r\n{",
        "Content-Length: 52\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"textDocument/hi\"}",
    ] {
        client.write(noise.as_bytes());
        let answer = client.wait(&format!("answer to {noise:?}"), |it| {
            it.get("id") == Some(&Value::Null) && it.get("error").is_some()
        });
        let code = answer["error"]["code"].as_i64().unwrap();
        assert!([-32700, -32600].contains(&code), "{noise:?}: {answer}");
    }
    client.finish();
}

#[test]
fn edits_beyond_the_text_are_cut_to_it() {
    let (_directory, root) = project(&[("a.py", LINE)]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, LINE);
    assert_eq!(client.pushed(&path, 1).len(), 1);
    let far = json!({ "line": 4_000_000_000_u32, "character": 4_000_000_000_u32 });
    let zero = json!({ "line": 0, "character": 0 });
    client.change(
        &path,
        2,
        json!([
            { "range": { "start": far, "end": far }, "text": LINE },
            { "range": { "start": far, "end": zero }, "text": LINE },
            { "range": { "start": zero, "end": zero }, "text": "s = '\u{1f600}'\n" },
        ]),
    );
    let diagnostics = client.pushed(&path, 2);
    let unused = diagnostics
        .iter()
        .filter(|it| it["message"].as_str().unwrap().contains("unused ignore"))
        .count();
    assert_eq!(unused, 3, "{diagnostics:#?}");
    client.finish();
}

#[test]
fn the_last_of_a_thousand_edits_wins() {
    let (_directory, root) = project(&[("a.py", "")]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, "");
    for version in 2..=1001 {
        // Every edit adds a line, every tenth takes all of them away again.
        let zero = json!({ "line": 0, "character": 0 });
        let end = json!({ "line": if version % 10 == 0 { 1000 } else { 0 }, "character": 0 });
        client.change(
            &path,
            version,
            json!([{ "range": { "start": zero, "end": end }, "text": LINE }]),
        );
    }
    assert_eq!(client.pushed(&path, 1001).len(), 2);
    client.finish();
}

#[test]
fn a_thousand_requests_at_once_are_all_answered() {
    let text = "x = 1  # raceproof: ignore[unlocked-counter] no\n";
    let (_directory, root) = project(&[("a.py", text)]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, text);
    let asked: Vec<i64> = (0..1000)
        .map(|column| {
            client.request(
                "textDocument/hover",
                json!({
                    "textDocument": { "uri": uri(&path) },
                    "position": { "line": 0, "character": column % 50 },
                }),
            )
        })
        .collect();
    let mut told = 0;
    for id in asked {
        let answer = client.answer(id);
        assert!(answer.get("error").is_none(), "{answer}");
        told += usize::from(!answer["result"].is_null());
    }
    assert!(told > 0);
    client.finish();
}

#[test]
fn a_hundred_thousand_lines_are_a_document_like_any_other() {
    let text = "value = compute(1, 2)\n".repeat(100_000);
    let (_directory, root) = project(&[("a.py", "")]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, &text);
    assert_eq!(client.pushed(&path, 1).len(), 0);
    let at = json!({ "line": 99_999, "character": 0 });
    client.change(
        &path,
        2,
        json!([{ "range": { "start": at, "end": at }, "text": LINE }]),
    );
    let diagnostics = client.pushed(&path, 2);
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0]["range"]["start"]["line"], 99_999);
    client.finish();
}

#[test]
fn five_hundred_open_files() {
    let names: Vec<String> = (0..500).map(|index| format!("m{index}.py")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "")).collect();
    let (_directory, root) = project(&files);
    let mut client = Client::start(&root, json!({}));
    for name in &names {
        client.open(&root.join(name), LINE);
    }
    for name in &names {
        assert_eq!(client.pushed(&root.join(name), 1).len(), 1, "{name}");
    }
    for name in &names {
        let document = json!({ "textDocument": { "uri": uri(&root.join(name)) } });
        client.notify("textDocument/didClose", document);
    }
    // What is on disk has nothing to remark.
    for name in &names {
        client.pushed_closed(&root.join(name), <[Value]>::is_empty);
    }
    client.finish();
}

#[test]
fn nesting_that_no_parser_survives_is_a_diagnostic() {
    let (_directory, root) = project(&[("a.py", "")]);
    let path = root.join("a.py");
    let mut client = Client::start(&root, json!({}));
    client.open(&path, &"(".repeat(100_000));
    assert!(!client.pushed(&path, 1).is_empty());
    let here = json!({
        "textDocument": { "uri": uri(&path) },
        "position": { "line": 0, "character": 0 },
    });
    assert_eq!(client.result("textDocument/hover", here), Value::Null);
    let everywhere = json!({
        "textDocument": { "uri": uri(&path) },
        "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 9, "character": 0 } },
        "context": { "diagnostics": [] },
    });
    client.result("textDocument/codeAction", everywhere);
    client.finish();
}
