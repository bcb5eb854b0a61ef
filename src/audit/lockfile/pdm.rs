//! `pdm.lock`, lock version 4.

use rustc_hash::FxHashMap;

use super::requirements::requirement;
use super::table::{header_lines, parse, table, tables, text, texts};
use super::{Lock, Origin, Package};

/// Reads a `pdm.lock`.
pub fn read(source: &str) -> Lock {
    let mut lock = Lock::default();
    let Some(root) = parse(source, &mut lock) else {
        return lock;
    };
    let metadata = table(&root, "metadata");
    match metadata.and_then(|it| text(it, "lock_version")) {
        Some(version) if version.starts_with("4.") => {}
        Some(version) => lock.problem(
            1,
            format!("pdm.lock version {version} is not known (4 is); entries may be misread"),
        ),
        None => lock.problem(1, "no lock_version; is it a pdm.lock?"),
    }
    let lines = header_lines(source, "[[package]]");
    let mut positions = FxHashMap::default();
    for (index, entry) in tables(&root, "package").enumerate() {
        let line = lines.get(index).copied().unwrap_or(1);
        let Some(name) = text(entry, "name") else {
            lock.problem(line, "a package without a name");
            continue;
        };
        let mut package = Package::new(name, text(entry, "version").unwrap_or(""));
        package.line = line;
        package.groups = texts(entry, "groups");
        package.marker = text(entry, "marker").map(str::to_owned);
        if let Some(path) = text(entry, "path") {
            package.origin = if path == "." {
                Origin::Project
            } else {
                Origin::Source
            };
        } else if entry.contains_key("git") {
            package.origin = Origin::Source;
        }
        for file in tables(entry, "files") {
            if let Some(name) = text(file, "file").or_else(|| text(file, "url")) {
                package.add_file(name);
            }
        }
        for dependency in texts(entry, "dependencies") {
            package.requires.extend(requirement(&dependency));
        }
        // One entry per set of extras: `name[extra]` without files of its own.
        let key = (
            package.name.clone(),
            package.version.clone(),
            package.marker.clone(),
        );
        if let Some(&known) = positions.get(&key) {
            let known: &mut Package = &mut lock.packages[known];
            known.requires.append(&mut package.requires);
            known.groups.append(&mut package.groups);
            known.wheels.append(&mut package.wheels);
            known.wheels.sort();
            known.wheels.dedup();
            continue;
        }
        positions.insert(key, lock.packages.len());
        lock.packages.push(package);
    }
    lock
}
