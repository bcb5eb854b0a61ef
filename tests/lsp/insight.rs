//! What the server tells about code that nothing, or something, is wrong with.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, project, uri};

const ACCOUNT: &str = "\
import threading


class Account:
    def __init__(self):
        self._lock = threading.Lock()
        self.cents = 0

    def deposit(self, cents):
        with self._lock:
            self.cents += cents

    def withdraw(self, cents):
        with self._lock:
            self.cents -= cents


account = Account()


def work():
    account.deposit(1)
    account.withdraw(1)


def main():
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == \"__main__\":
    main()
";

fn position(text: &str, needle: &str) -> Value {
    let before = &text[..text.find(needle).unwrap()];
    let line = before.matches('\n').count();
    json!({ "line": line, "character": before.len() - before.rfind('\n').map_or(0, |it| it + 1) })
}

fn hover(client: &mut Client, path: &Path, at: &Value) -> String {
    let answer = client.result(
        "textDocument/hover",
        json!({ "textDocument": { "uri": uri(path) }, "position": at }),
    );
    answer["contents"]["value"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn switched_on(root: &Path) -> Client {
    Client::start_with(json!({
        "processId": null,
        "rootUri": uri(root),
        "capabilities": {},
        "initializationOptions": { "codeLens": true, "inlayHints": true },
    }))
    .0
}

#[test]
fn an_access_is_told_with_its_locks_and_the_others() {
    let (_directory, root) = project(&[("account.py", ACCOUNT)]);
    let path = root.join("account.py");
    let mut client = Client::start(&root, json!({}));
    let text = hover(
        &mut client,
        &path,
        &position(ACCOUNT, "self.cents += cents"),
    );
    for part in [
        "`Account.cents`",
        "holding Account._lock",
        "`Account.withdraw`, account.py:15",
        "thread running `work`",
        "both sides hold the same lock",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let nothing = hover(&mut client, &path, &position(ACCOUNT, "import threading"));
    assert_eq!(nothing, "");
    client.finish();
}

#[test]
fn a_race_is_told_with_its_other_side() {
    let text = ACCOUNT.replace(
        "        with self._lock:\n            self.cents -= cents",
        "        self.cents -= cents",
    );
    let (_directory, root) = project(&[("account.py", &text)]);
    let path = root.join("account.py");
    let mut client = Client::start(&root, json!({}));
    let at = position(&text, "self.cents -= cents");
    let told = hover(&mut client, &path, &at);
    assert!(told.contains("without a lock"), "{told}");
    assert!(told.contains("`Account.deposit`, account.py:11"), "{told}");

    let others = client.result(
        "textDocument/declaration",
        json!({ "textDocument": { "uri": uri(&path) }, "position": at }),
    );
    let lines: Vec<u64> = others
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["range"]["start"]["line"].as_u64().unwrap())
        .collect();
    assert!(lines.contains(&10), "{lines:?}");
    client.finish();
}

#[test]
fn the_other_side_is_shown_by_a_client_that_can() {
    let text = ACCOUNT.replace(
        "        with self._lock:\n            self.cents -= cents",
        "        self.cents -= cents",
    );
    let (_directory, root) = project(&[("account.py", &text)]);
    let path = root.join("account.py");
    let mut client = Client::start(
        &root,
        json!({ "window": { "showDocument": { "support": true } } }),
    );
    let at = position(&text, "self.cents -= cents");
    let actions = client.result(
        "textDocument/codeAction",
        json!({
            "textDocument": { "uri": uri(&path) },
            "range": { "start": at, "end": at },
            "context": { "diagnostics": [] },
        }),
    );
    let go = actions
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["command"] == "raceproof.otherSide")
        .unwrap();
    let location = client.result(
        "workspace/executeCommand",
        json!({ "command": go["command"], "arguments": go["arguments"] }),
    );
    let shown = client.wait("request to show", |it| {
        it["method"] == "window/showDocument"
    });
    assert_eq!(shown["params"]["uri"], location["uri"]);
    assert_eq!(shown["params"]["selection"], location["range"]);
    client.finish();
}

#[test]
fn lenses_and_hints_are_off_unless_switched_on() {
    let (_directory, root) = project(&[("account.py", ACCOUNT)]);
    let document = json!({ "uri": uri(&root.join("account.py")) });
    let all = json!({
        "start": { "line": 0, "character": 0 }, "end": { "line": 99, "character": 0 },
    });
    let mut client = Client::start(&root, json!({}));
    let lenses = json!({ "textDocument": document });
    let hints = json!({ "textDocument": document, "range": all });
    assert_eq!(
        client.result("textDocument/codeLens", lenses.clone()),
        Value::Null
    );
    assert_eq!(
        client.result("textDocument/inlayHint", hints.clone()),
        Value::Null
    );
    client.finish();

    let mut client = switched_on(&root);
    let shown = client.result("textDocument/codeLens", lenses);
    let above_deposit = shown
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["range"]["start"] == position(ACCOUNT, "deposit(self"))
        .unwrap_or_else(|| panic!("{shown:#}"));
    let title = above_deposit["command"]["title"].as_str().unwrap();
    assert!(title.contains("thread running `work` (many)"), "{title}");

    let shown = client.result("textDocument/inlayHint", hints);
    let labels: Vec<&str> = shown
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["position"]["line"] == 6)
        .map(|it| it["label"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["guarded by Account._lock"], "{shown:#}");
    client.finish();
}
