//! Requirements files, as pip reads them: pinned lines, markers, hashes, included files.

use super::{Lock, Origin, Package, Requirement, Scope};
use crate::audit::tag::normal_name;

/// Files included by files included by files.
const MAX_INCLUDES: usize = 8;
const MAX_FILES: usize = 200;

/// Reads a requirements file.
pub fn read(source: &str, include: &dyn Fn(&str) -> Result<String, String>) -> Lock {
    let mut lock = Lock::default();
    let mut files = 0;
    read_into(source, include, &mut lock, &mut files, &Included::default());
    lock
}

/// How a file came to be read.
#[derive(Default)]
struct Included {
    depth: usize,
    /// Its folder, from the outermost file's.
    folder: String,
    /// The line of the outermost file that led here.
    line: Option<usize>,
}

fn read_into(
    source: &str,
    include: &dyn Fn(&str) -> Result<String, String>,
    lock: &mut Lock,
    files: &mut usize,
    included: &Included,
) {
    for (line, text) in logical_lines(source) {
        // What an included file says is reported at the line that includes it.
        let line = included.line.unwrap_or(line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if let Some(option) = text.strip_prefix('-') {
            let option = option.trim_start_matches('-');
            let (name, value) = option
                .split_once(|it: char| it.is_whitespace() || it == '=')
                .unwrap_or((option, ""));
            let value = value.trim();
            match name {
                "r" | "requirement" => {
                    *files += 1;
                    if included.depth >= MAX_INCLUDES || *files > MAX_FILES {
                        lock.problem(
                            line,
                            format!("`{value}`: files include each other; not read"),
                        );
                        continue;
                    }
                    let path = if included.folder.is_empty() {
                        value.to_owned()
                    } else {
                        format!("{}/{value}", included.folder)
                    };
                    match include(&path) {
                        Ok(text) => {
                            let inner = Included {
                                depth: included.depth + 1,
                                folder: path.rsplit_once('/').map_or("", |it| it.0).to_owned(),
                                line: Some(line),
                            };
                            read_into(&text, include, lock, files, &inner);
                        }
                        Err(error) => lock.problem(line, format!("included `{value}`: {error}")),
                    }
                }
                "e" | "editable" => {
                    let name = value
                        .rsplit("egg=")
                        .next()
                        .filter(|_| value.contains("egg="));
                    let mut package = Package::new(name.unwrap_or(value), "");
                    package.origin = match value {
                        "." | "./" => Origin::Project,
                        _ => Origin::Source,
                    };
                    package.line = line;
                    lock.packages.push(package);
                }
                // Indexes, constraints and switches of pip name no package.
                _ => {}
            }
            continue;
        }
        let (specification, _) = text.split_once(" --").unwrap_or((text, ""));
        if matches!(specification.trim(), "." | "./") {
            continue;
        }
        match package(specification.trim()) {
            Some(mut package) => {
                package.line = line;
                if package.version.is_empty() && package.lists_files {
                    package.lists_files = package.sdist || !package.wheels.is_empty();
                }
                lock.packages.push(package);
            }
            None => lock.problem(line, format!("not a requirement: `{}`", shortened(text))),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Lines with continuations joined and comments removed, with their first line's number.
fn logical_lines(source: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut pending: Option<(usize, String)> = None;
    for (index, line) in source.lines().enumerate() {
        let (continued, line) = match line.strip_suffix('\\') {
            Some(line) => (true, line),
            None => (false, line),
        };
        let line = match line.find('#') {
            Some(0) => "",
            Some(at) if line[..at].ends_with(char::is_whitespace) => &line[..at],
            _ => line,
        };
        let (_, text) = pending.get_or_insert_with(|| (index + 1, String::new()));
        text.push_str(line);
        text.push(' ');
        if !continued && let Some(done) = pending.take() {
            lines.push(done);
        }
    }
    lines.extend(pending);
    lines
}

/// `name[extras]==version; marker` or `name @ url; marker`.
fn package(specification: &str) -> Option<Package> {
    let parsed = requirement(specification)?;
    let (head, _) = split_marker(specification);
    let mut package = if let Some((_, url)) = head.split_once('@') {
        let url = url.trim();
        let mut package = Package::new(&parsed.name, "");
        package.add_file(url);
        if package.wheels.is_empty() && !package.sdist {
            package.origin = Origin::Source;
        }
        package
    } else {
        let version = head
            .split_once("==")
            .map(|(_, version)| version.trim_start_matches('=').trim())
            .filter(|version| !version.contains([',', '*']))
            .unwrap_or("");
        let mut package = Package::new(&parsed.name, version);
        package.lists_files = false;
        package
    };
    package.marker = parsed.marker;
    Some(package)
}

fn split_marker(specification: &str) -> (&str, Option<&str>) {
    // In a URL, a marker needs a space before the semicolon.
    let at = if specification.contains("://") {
        specification.find(" ;").map(|at| (at, at + 2))
    } else {
        specification.find(';').map(|at| (at, at + 1))
    };
    match at {
        Some((end, start)) => (
            specification[..end].trim(),
            Some(specification[start..].trim()),
        ),
        None => (specification.trim(), None),
    }
}

/// Reads a dependency specifier (PEP 508) as far as a graph needs it.
pub fn requirement(specification: &str) -> Option<Requirement> {
    let (head, marker) = split_marker(specification);
    let end = head
        .find(|it: char| !(it.is_alphanumeric() || matches!(it, '-' | '_' | '.')))
        .unwrap_or(head.len());
    let name = &head[..end];
    if name.is_empty() {
        return None;
    }
    let rest = head[end..].trim_start();
    let known = rest.is_empty() || rest.starts_with(['[', '=', '<', '>', '!', '~', '(', '@']);
    if !known {
        return None;
    }
    let extras = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(extras, _)| {
            extras
                .split(',')
                .map(normal_name)
                .filter(|it| !it.is_empty())
                .collect()
        })
        .unwrap_or_default();
    Some(Requirement {
        name: normal_name(name),
        version: None,
        marker: marker.filter(|it| !it.is_empty()).map(str::to_owned),
        extras,
        scope: Scope::Always,
    })
}
