//! `poetry.lock`, lock versions 1 and 2.

use toml::Value;

use super::table::{header_lines, parse, table, tables, text, texts};
use super::{Lock, Origin, Package, Requirement, Scope};
use crate::audit::tag::normal_name;

/// Reads a `poetry.lock`.
pub fn read(source: &str) -> Lock {
    let mut lock = Lock::default();
    let Some(root) = parse(source, &mut lock) else {
        return lock;
    };
    let metadata = table(&root, "metadata");
    match metadata.and_then(|it| text(it, "lock-version")) {
        Some(version) if version.starts_with("1.") || version.starts_with("2.") => {}
        Some(version) => lock.problem(
            1,
            format!(
                "poetry.lock version {version} is not known (1 and 2 are); entries may be misread"
            ),
        ),
        None => lock.problem(1, "no lock-version; is it a poetry.lock?"),
    }
    // Lock version 1 keeps the files of all packages in one table.
    let shared = metadata.and_then(|it| table(it, "files"));
    let lines = header_lines(source, "[[package]]");
    for (index, entry) in tables(&root, "package").enumerate() {
        let line = lines.get(index).copied().unwrap_or(1);
        let Some(name) = text(entry, "name") else {
            lock.problem(line, "a package without a name");
            continue;
        };
        let mut package = Package::new(name, text(entry, "version").unwrap_or(""));
        package.line = line;
        package.optional = entry.get("optional").and_then(Value::as_bool) == Some(true);
        package.groups = texts(entry, "groups");
        if let Some(category) = text(entry, "category") {
            package.groups.push(category.to_owned());
        }
        // One marker, or one per group.
        package.marker = match entry.get("markers") {
            Some(Value::String(marker)) => Some(marker.clone()),
            Some(Value::Table(markers)) => {
                let alternatives: Vec<_> = markers
                    .values()
                    .filter_map(Value::as_str)
                    .map(|it| format!("({it})"))
                    .collect();
                (alternatives.len() == package.groups.len() && !alternatives.is_empty())
                    .then(|| alternatives.join(" or "))
            }
            _ => None,
        };
        if let Some(origin) = table(entry, "source") {
            match text(origin, "type") {
                Some("directory" | "git") => package.origin = Origin::Source,
                Some("file" | "url") => {
                    if let Some(url) = text(origin, "url") {
                        package.add_file(url);
                    }
                }
                _ => {}
            }
        }
        for file in tables(entry, "files") {
            if let Some(name) = text(file, "file") {
                package.add_file(name);
            }
        }
        if let Some(shared) = shared {
            for file in tables(shared, name) {
                if let Some(name) = text(file, "file") {
                    package.add_file(name);
                }
            }
        }
        for (name, value) in table(entry, "dependencies").into_iter().flatten() {
            let forms: Vec<&Value> = match value {
                Value::Array(forms) => forms.iter().collect(),
                form => vec![form],
            };
            for form in forms {
                let form = form.as_table();
                let optional = form
                    .and_then(|it| it.get("optional"))
                    .and_then(Value::as_bool);
                if optional == Some(true) {
                    continue;
                }
                package.requires.push(Requirement {
                    name: normal_name(name),
                    version: None,
                    marker: form.and_then(|it| text(it, "markers")).map(str::to_owned),
                    extras: form.map(|it| texts(it, "extras")).unwrap_or_default(),
                    scope: Scope::Always,
                });
            }
        }
        lock.packages.push(package);
    }
    lock
}
