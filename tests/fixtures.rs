//! Whole little projects through the command line: those in `fixtures/static/reported/` have the
//! findings that their comments expect, those in `fixtures/static/quiet/` have none.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "mdtest/expect.rs"]
#[allow(dead_code)]
mod expect;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect::{Kind, expectations};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/static")
        .join(name)
}

/// The projects in a folder, in order.
fn projects(name: &str) -> Vec<PathBuf> {
    let mut projects: Vec<_> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    projects.sort();
    projects
}

/// Exit code and findings of `raceproof check` in a project.
fn check(project: &Path) -> (i32, Vec<Value>) {
    let output = Command::new(env!("CARGO_BIN_EXE_raceproof"))
        .args(["check", ".", "--no-cache", "--output-format", "jsonl"])
        .current_dir(project)
        .output()
        .unwrap();
    let findings = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output.status.code().unwrap(), findings)
}

/// A finding as the comments speak of it: file, line, rule.
fn seen(finding: &Value) -> (String, usize, String) {
    let text = |key: &str| finding[key].as_str().unwrap().to_owned();
    let line = finding["line"].as_u64().unwrap() as usize;
    (text("path").replace('\\', "/"), line, text("rule"))
}

/// What the comments in a project expect, in the order of files: kind, file, line, rule.
fn expected(project: &Path) -> Vec<(Kind, String, usize, Option<String>)> {
    let mut expected = Vec::new();
    for entry in walkdir::WalkDir::new(project).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|it| it != "py") {
            continue;
        }
        let inner = path.strip_prefix(project).unwrap();
        let inner = inner.to_str().unwrap().replace('\\', "/");
        let text = std::fs::read_to_string(&path).unwrap();
        for it in expectations(&text).unwrap() {
            expected.push((it.kind, inner.clone(), it.line, it.rule));
        }
    }
    expected
}

#[test]
fn reported_projects_have_the_findings_their_comments_expect() {
    let mut wrong = Vec::new();
    for project in projects("reported") {
        let name = project.file_name().unwrap().to_str().unwrap();
        let (code, findings) = check(&project);
        if code != 1 {
            wrong.push(format!("{name}: exit code {code}"));
        }
        let mut left: BTreeSet<_> = findings.iter().map(seen).collect();
        let related: BTreeSet<(String, usize)> = findings
            .iter()
            .flat_map(|it| it["related"].as_array().unwrap())
            .map(|it| {
                let path = it["path"].as_str().unwrap().replace('\\', "/");
                (path, it["line"].as_u64().unwrap() as usize)
            })
            .collect();
        for (kind, file, line, rule) in expected(&project) {
            if kind == Kind::Related {
                if !related.contains(&(file.clone(), line)) {
                    wrong.push(format!("{name}/{file}:{line}: is not related to a finding"));
                }
                continue;
            }
            let before = left.len();
            left.retain(|it| {
                (&it.0, it.1) != (&file, line) || rule.as_ref().is_some_and(|rule| it.2 != *rule)
            });
            if left.len() == before {
                wrong.push(format!("{name}/{file}:{line}: no finding of {rule:?}"));
            }
        }
        for (file, line, rule) in left {
            wrong.push(format!("{name}/{file}:{line}: unexpected {rule}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quiet_projects_have_no_findings() {
    let mut wrong = Vec::new();
    for project in projects("quiet") {
        let name = project.file_name().unwrap().to_str().unwrap();
        let (code, findings) = check(&project);
        if code != 0 {
            wrong.push(format!("{name}: exit code {code}"));
        }
        for finding in &findings {
            if finding["severity"] != "info" {
                wrong.push(format!("{name}: {finding}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_twice_as_many_quiet_projects() {
    assert!(projects("quiet").len() >= 2 * projects("reported").len());
}
