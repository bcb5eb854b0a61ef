//! `Pipfile.lock`, specification 6.

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::{Lock, Origin, Package};

/// Reads a `Pipfile.lock`.
pub fn read(source: &str) -> Lock {
    let mut lock = Lock::default();
    let root: Value = match serde_json::from_str(source) {
        Ok(root) => root,
        Err(error) => {
            lock.problem(error.line(), format!("not valid JSON: {error}"));
            return lock;
        }
    };
    match root.pointer("/_meta/pipfile-spec").and_then(Value::as_u64) {
        Some(6) => {}
        Some(other) => lock.problem(
            1,
            format!(
                "Pipfile.lock specification {other} is not known (6 is); entries may be misread"
            ),
        ),
        None => lock.problem(1, "no pipfile-spec; is it a Pipfile.lock?"),
    }
    let lines = key_lines(source);
    for (section, entries) in root.as_object().into_iter().flatten() {
        if section == "_meta" {
            continue;
        }
        let Some(entries) = entries.as_object() else {
            lock.problem(1, format!("section `{section}` is not a table"));
            continue;
        };
        // `default` and `develop` are the sections of old; categories have names of their own.
        let group = match section.as_str() {
            "default" => "main",
            "develop" => "dev",
            other => other,
        };
        for (name, entry) in entries {
            let text = |key: &str| entry.get(key).and_then(Value::as_str);
            let version = text("version").map_or("", |it| it.trim_start_matches('='));
            let mut package = Package::new(name, version);
            package.lists_files = false;
            package.marker = text("markers").map(str::to_owned);
            package.groups = vec![group.to_owned()];
            package.line = lines.get(name.as_str()).copied().unwrap_or(1);
            if entry.get("git").is_some() || entry.get("path").is_some() {
                package.origin = Origin::Source;
            }
            if let Some(url) = text("file") {
                package.add_file(url);
                package.lists_files = true;
            }
            lock.packages.push(package);
        }
    }
    lock
}

/// The first line of every key that begins one.
fn key_lines(source: &str) -> FxHashMap<&str, usize> {
    let mut lines = FxHashMap::default();
    for (index, line) in source.lines().enumerate() {
        let key = line.trim_start().strip_prefix('"');
        if let Some((key, _)) = key.and_then(|rest| rest.split_once("\":")) {
            lines.entry(key).or_insert(index + 1);
        }
    }
    lines
}
