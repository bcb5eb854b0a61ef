//! `uv.lock`, version 1.

use toml::{Table, Value};

use super::table::{header_lines, parse, table, tables, text, texts};
use super::{Lock, Origin, Package, Requirement, Scope};
use crate::audit::tag::normal_name;

/// Reads a `uv.lock`.
pub fn read(source: &str) -> Lock {
    let mut lock = Lock::default();
    let Some(root) = parse(source, &mut lock) else {
        return lock;
    };
    match root.get("version").and_then(Value::as_integer) {
        Some(1) => {}
        Some(other) => lock.problem(
            1,
            format!("uv.lock version {other} is not known (1 is); entries may be misread"),
        ),
        None => lock.problem(1, "uv.lock without a version; is it one?"),
    }
    let lines = header_lines(source, "[[package]]");
    for (index, entry) in tables(&root, "package").enumerate() {
        let line = lines.get(index).copied().unwrap_or(1);
        let Some(name) = text(entry, "name") else {
            lock.problem(line, "a package without a name");
            continue;
        };
        let mut package = Package::new(name, text(entry, "version").unwrap_or(""));
        package.line = line;
        if let Some(origin) = table(entry, "source") {
            package.origin = if origin.contains_key("editable") || origin.contains_key("virtual") {
                Origin::Project
            } else if origin.contains_key("directory") || origin.contains_key("git") {
                Origin::Source
            } else {
                Origin::Index
            };
            // A direct URL or path to a file.
            if let Some(url) = text(origin, "url").or_else(|| text(origin, "path")) {
                package.add_file(url);
            }
        }
        let markers = texts(entry, "resolution-markers");
        if !markers.is_empty() {
            let alternatives: Vec<_> = markers.iter().map(|it| format!("({it})")).collect();
            package.marker = Some(alternatives.join(" or "));
        }
        package.sdist |= entry.contains_key("sdist");
        for wheel in tables(entry, "wheels") {
            for key in ["url", "path", "filename"] {
                if let Some(url) = text(wheel, key) {
                    package.add_file(url);
                    break;
                }
            }
        }
        for dependency in tables(entry, "dependencies") {
            package
                .requires
                .extend(requirement(dependency, Scope::Always));
        }
        let mut scoped = |key: &str, scope: fn(String) -> Scope| {
            for (name, list) in table(entry, key).into_iter().flatten() {
                for dependency in list.as_array().into_iter().flatten() {
                    if let Some(dependency) = dependency.as_table() {
                        let scope = scope(normal_name(name));
                        package.requires.extend(requirement(dependency, scope));
                    }
                }
            }
        };
        scoped("optional-dependencies", Scope::Extra);
        scoped("dev-dependencies", Scope::Group);
        lock.packages.push(package);
    }
    lock
}

fn requirement(dependency: &Table, scope: Scope) -> Option<Requirement> {
    Some(Requirement {
        name: normal_name(text(dependency, "name")?),
        version: text(dependency, "version").map(str::to_owned),
        marker: text(dependency, "marker").map(str::to_owned),
        extras: texts(dependency, "extra")
            .iter()
            .map(|it| normal_name(it))
            .collect(),
        scope,
    })
}
