//! `pylock.toml` (PEP 751), lock version 1.

use super::table::{header_lines, parse, table, tables, text};
use super::{Lock, Origin, Package, Requirement, Scope};
use crate::audit::tag::normal_name;

/// Reads a `pylock.toml`.
pub fn read(source: &str) -> Lock {
    let mut lock = Lock::default();
    let Some(root) = parse(source, &mut lock) else {
        return lock;
    };
    match text(&root, "lock-version") {
        Some(version) if version == "1" || version.starts_with("1.") => {}
        Some(version) => lock.problem(
            1,
            format!("lock-version {version} is not known (1.0 is); entries may be misread"),
        ),
        None => lock.problem(1, "no lock-version; is it a pylock.toml?"),
    }
    let lines = header_lines(source, "[[packages]]");
    for (index, entry) in tables(&root, "packages").enumerate() {
        let line = lines.get(index).copied().unwrap_or(1);
        let Some(name) = text(entry, "name") else {
            lock.problem(line, "a package without a name");
            continue;
        };
        let mut package = Package::new(name, text(entry, "version").unwrap_or(""));
        package.line = line;
        package.marker = text(entry, "marker").map(str::to_owned);
        if let Some(folder) = table(entry, "directory") {
            package.origin = match text(folder, "path") {
                Some("." | "./") => Origin::Project,
                _ => Origin::Source,
            };
        } else if entry.contains_key("vcs") {
            package.origin = Origin::Source;
        }
        let mut add = |file: &toml::Table| {
            // `name` may be left out when the URL or path ends with it.
            for key in ["name", "url", "path"] {
                if let Some(url) = text(file, key) {
                    package.add_file(url);
                    break;
                }
            }
        };
        if let Some(file) = table(entry, "archive") {
            add(file);
        }
        for file in tables(entry, "wheels") {
            add(file);
        }
        package.sdist |= entry.contains_key("sdist");
        for dependency in tables(entry, "dependencies") {
            if let Some(name) = text(dependency, "name") {
                package.requires.push(Requirement {
                    name: normal_name(name),
                    version: text(dependency, "version").map(str::to_owned),
                    marker: text(dependency, "marker").map(str::to_owned),
                    extras: Vec::new(),
                    scope: Scope::Always,
                });
            }
        }
        lock.packages.push(package);
    }
    lock
}
