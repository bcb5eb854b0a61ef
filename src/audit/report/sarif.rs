//! The audit as SARIF 2.1.0: one result for everything that is not ready.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::outcome::{Audit, Module, Standing, Verdict};
use super::super::readiness::standing_of;

const RULES: [(&str, &str); 5] = [
    (
        "re-enables-gil",
        "An extension module turns the GIL on for the whole process",
    ),
    (
        "cannot-load",
        "An extension module cannot be loaded by the free-threaded build",
    ),
    (
        "undecidable",
        "What an extension module does to the GIL cannot be told from its file",
    ),
    (
        "no-free-threaded-wheel",
        "A locked distribution has no wheel for the free-threaded build",
    ),
    (
        "unproven-distribution",
        "A locked distribution could not be shown to keep the GIL off",
    ),
];

/// Writes it.
///
/// # Errors
/// What writing says.
pub fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let mut results = Vec::new();
    for module in &audit.modules {
        results.extend(module_result(module));
    }
    for distribution in &audit.distributions {
        // An installed distribution is told by its modules.
        if distribution.modules > 0 {
            continue;
        }
        let (rule, level) = match distribution.standing {
            Standing::Ready => continue,
            Standing::Unproven => (4, "note"),
            Standing::Blocked => (3, "error"),
        };
        let text = format!(
            "{} {}: {}. {}",
            distribution.name, distribution.version, distribution.reason, distribution.advice
        );
        let key = format!("{}@{}", distribution.name, distribution.version);
        results.push(result(rule, level, &text, &distribution.source, &key));
    }
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(id, text)| {
            json!({"id": format!("audit/{id}"), "shortDescription": {"text": text},
                   "helpUri": "https://docs.python.org/3/howto/free-threading-extensions.html"})
        })
        .collect();
    let notifications: Vec<Value> = audit
        .problems
        .iter()
        .map(|problem| {
            json!({
                "level": if problem.fatal { "error" } else { "note" },
                "message": {"text": format!("{}: {}", problem.path, problem.message)},
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "raceproof audit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": !audit.problems.iter().any(|it| it.fatal),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "properties": {"summary": audit.summary, "target": audit.target},
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn module_result(module: &Module) -> Option<Value> {
    let (rule, level) = match (standing_of(module), module.verdict) {
        (Standing::Ready, _) => return None,
        (Standing::Blocked, Verdict::CannotLoad) => (1, "error"),
        (Standing::Blocked, _) => (0, "error"),
        (Standing::Unproven, _) => (2, "note"),
    };
    let text = format!("{}: {}", module.module, module.reason);
    let key = format!("{}@{}", module.distribution, module.module);
    Some(result(rule, level, &text, &module.path, &key))
}

/// `location` is a path, or a path and a line.
fn result(rule: usize, level: &str, text: &str, location: &str, key: &str) -> Value {
    let (path, line) = match location.rsplit_once(':') {
        Some((path, line)) => match line.parse::<u32>() {
            Ok(line) => (path, line.max(1)),
            Err(_) => (location, 1),
        },
        None => (location, 1),
    };
    json!({
        "ruleId": format!("audit/{}", RULES[rule].0),
        "ruleIndex": rule,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(path)},
            "region": {"startLine": line},
        }}],
        "partialFingerprints": {"raceproofAudit/v1": format!("{}/{key}", RULES[rule].0)},
    })
}

/// A path as a URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        match byte {
            b'\\' => uri.push('/'),
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b'/'
            | b'+'
            | b'@' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
