//! Every front end gives the same findings, to the byte: the library on files in memory, the
//! binary on a directory, cold and warm, and on the file a hook or an editor names.
#![allow(clippy::unwrap_used, missing_docs)]

mod command;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use command::Project;
use raceproof::config::{self, Settings};
use raceproof::engine::{Host, Job};
use raceproof::report::{Report, json};
use raceproof::source::files::Memory;

fn fixtures() -> Vec<PathBuf> {
    let mut fixtures = Vec::new();
    for kind in ["reported", "quiet"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/static")
            .join(kind);
        let entries = std::fs::read_dir(folder).unwrap();
        fixtures.extend(entries.map(|entry| entry.unwrap().path()));
    }
    fixtures.sort();
    assert!(fixtures.len() >= 2);
    fixtures
}

/// Files below `directory` by their path from it, `/` between its parts; without the cache of
/// whoever has checked it by hand.
fn files(directory: &Path) -> Vec<(String, String)> {
    walkdir::WalkDir::new(directory)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".raceproof_cache")
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(directory).unwrap();
            let name = path.to_str().unwrap().replace('\\', "/");
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn memory_and_binary_agree() {
    for fixture in fixtures() {
        let files = files(&fixture);
        let borrowed: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        // A place of its own: the configuration of this repository is none of its business.
        let project = Project::new(&borrowed);
        let root = project.path();

        let table = config::find(&root, None, raceproof::rule::names())
            .unwrap()
            .table;
        let settings = Settings::resolve(table).unwrap();
        let python = borrowed.iter().filter(|(path, _)| path.ends_with(".py"));
        let memory = Memory::new(python.map(|(path, text)| (*path, text.as_bytes())));
        let snapshot = Host::new(Arc::new(memory)).snapshot();
        let outcome = snapshot.check(&settings, &Job::default()).unwrap();
        let sources = snapshot.sources(outcome.files.clone());
        let report = Report {
            outcome: &outcome,
            sources: &sources,
            root: &root,
            directory: &root,
        };
        let mut expected = Vec::new();
        json::write_lines(&report, &mut expected).unwrap();
        let expected = String::from_utf8(expected).unwrap();

        let run = |arguments: &[&str]| {
            let mut all = vec!["check", "--output-format", "jsonl"];
            all.extend(arguments);
            let run = project.run(&all);
            assert!(run.code < 2, "{}: {run:?}", fixture.display());
            run.stdout
        };
        assert_eq!(run(&["--no-cache"]), expected, "{}", fixture.display());
        assert_eq!(run(&[]), expected, "{}: cold", fixture.display());
        assert_eq!(run(&[]), expected, "{}: warm", fixture.display());

        // With a project around it, one file shows exactly the findings that have a side in it.
        project.write("raceproof.toml", b"");
        for (path, text) in &files {
            if !path.ends_with(".py") {
                continue;
            }
            let quoted = format!("\"path\":{}", serde_json::to_string(path).unwrap());
            let of_file: String = expected
                .split_inclusive('\n')
                .filter(|line| line.split("\"roots\"").next().unwrap().contains(&quoted))
                .collect();
            assert_eq!(run(&[path]), of_file, "{}: {path}", fixture.display());
            let mut arguments = vec!["check", "--output-format", "jsonl", "-"];
            arguments.extend(["--stdin-filename", path]);
            let piped = project.run_with_stdin(&arguments, text.as_bytes());
            assert_eq!(piped.stdout, of_file, "{}: {path} piped", fixture.display());
        }
    }
}

#[test]
fn runs_that_share_a_cache_agree() {
    let files: Vec<(String, String)> = fixtures()
        .iter()
        .enumerate()
        .flat_map(|(index, fixture)| {
            let files = files(fixture).into_iter();
            files.map(move |(path, text)| (format!("p{index}/{path}"), text))
        })
        .collect();
    let borrowed: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let project = Project::new(&borrowed);
    let arguments = ["check", "--output-format", "jsonl"];
    let alone = project.run(&["check", "--output-format", "jsonl", "--no-cache"]);
    for _ in 0..3 {
        let runs: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| project.run(&arguments)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for run in runs {
            assert_eq!(run.stdout, alone.stdout);
            assert_eq!((run.code, run.stderr), (alone.code, alone.stderr.clone()));
        }
    }
}
