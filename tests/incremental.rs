//! An edit recomputes the facts of the edited file and of no other, and the outcome is that of a
//! fresh run.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raceproof::config::Settings;
use raceproof::engine::{Cache, Change, Host, Job};
use raceproof::findings::outcome::Outcome;
use raceproof::source::discover::Selection;
use raceproof::source::files::{Disk, Memory};

const COUNTER: &str = "\
import threading

total = 0


def add():
    global total
    total += 1
";
const MAIN: &str = "\
import threading
from counter import add

for _ in range(4):
    threading.Thread(target=add).start()
";
const LOCKED: &str = "\
import threading

total = 0
lock = threading.Lock()


def add():
    global total
    with lock:
        total += 1
";

fn fresh(files: &[(&str, &str)]) -> Outcome {
    raceproof::engine::check_memory(files, &Settings::default())
}

fn check(host: &Host) -> (Outcome, usize) {
    let job = Job::default();
    let outcome = host.snapshot().check(&Settings::default(), &job).unwrap();
    (outcome, job.recomputed())
}

#[test]
fn edits_in_memory() {
    let files = Memory::new([
        ("counter.py", COUNTER.as_bytes()),
        ("main.py", MAIN.as_bytes()),
        ("other.py", b"x = 1\n" as &[u8]),
    ]);
    let mut host = Host::new(Arc::new(files));
    let (before, recomputed) = check(&host);
    assert_eq!(recomputed, 3);
    assert_eq!(
        before,
        fresh(&[
            ("counter.py", COUNTER),
            ("main.py", MAIN),
            ("other.py", "x = 1\n")
        ])
    );
    assert_ne!(before.findings, [], "an unlocked counter is found");

    let (again, recomputed) = check(&host);
    assert_eq!((again, recomputed), (before.clone(), 0));

    let edited = |text: &str| Change::Edited(PathBuf::from("counter.py"), text.into());
    host.apply(edited(LOCKED));
    let (locked, recomputed) = check(&host);
    assert_eq!(recomputed, 1);
    assert_eq!(
        locked,
        fresh(&[
            ("counter.py", LOCKED),
            ("main.py", MAIN),
            ("other.py", "x = 1\n")
        ])
    );
    assert_eq!(locked.findings, [], "a locked counter is fine");

    // The snapshot of before is not touched by edits after it.
    let snapshot = host.snapshot();
    host.apply(edited("def add(:\n"));
    let old = snapshot
        .check(&Settings::default(), &Job::default())
        .unwrap();
    assert_eq!(old, locked);
    let (broken, _) = check(&host);
    assert_eq!(broken.problems.len(), 1);

    host.apply(Change::Closed(PathBuf::from("counter.py")));
    assert_eq!(check(&host).0, before);

    // A buffer that was never saved is a file.
    host.apply(Change::Edited(PathBuf::from("new.py"), "y = 2\n".into()));
    let (more, recomputed) = check(&host);
    assert_eq!((more.coverage.files, recomputed), (4, 1));
}

/// The Python files below a directory, with paths relative to it.
fn python_files(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            python_files(root, &path, found);
        } else if path.extension().is_some_and(|it| it == "py") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push((name.to_owned(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn parses(text: &str) -> bool {
    raceproof::source::parse::parse(text)
        .is_ok_and(|it| raceproof::source::parse::errors(&it).next().is_none())
}

/// Edits of a text, each of which leaves it valid: a line moved down, a line more, a line less.
fn edits(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut edits = vec![format!("# moved\n{text}")];
    for index in (0..lines.len()).step_by(7) {
        let mut more = lines.clone();
        let indent = lines[index].len() - lines[index].trim_start().len();
        let statement = format!("{}unused = [1, 2]\n", &lines[index][..indent]);
        more.insert(index, &statement);
        edits.push(more.concat());
        let mut less = lines.clone();
        less.remove(index);
        edits.push(less.concat());
    }
    edits.retain(|it| parses(it));
    edits
}

#[test]
fn what_is_kept_of_a_program_is_what_would_be_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all = Vec::new();
    python_files(&root, &root, &mut all);
    all.sort();
    assert!(all.len() > 10, "the fixtures are there");
    let borrowed = |files: &[(String, String)]| -> Vec<(String, Vec<u8>)> {
        files
            .iter()
            .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
            .collect()
    };
    let memory = borrowed(&all);
    let files = Memory::new(memory.iter().map(|(path, text)| (path.as_str(), &text[..])));
    let mut host = Host::new(Arc::new(files));
    check(&host);
    let (mut looked, mut kept) = (0, 0);
    for index in (0..all.len()).step_by(8) {
        let original = all[index].1.clone();
        for edited in edits(&original).into_iter().take(6).chain([original]) {
            all[index].1 = edited;
            let (path, text) = &all[index];
            host.apply(Change::Edited(PathBuf::from(path), text.as_str().into()));
            let job = Job::default();
            let settings = Settings::default();
            let outcome = host.snapshot().check(&settings, &job).unwrap();
            looked += job.relinked();
            kept += all.len() - job.relinked();
            let expected: Vec<(&str, &str)> = all
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str()))
                .collect();
            assert_eq!(outcome, fresh(&expected), "{path}:\n{text}");
        }
    }
    assert!(
        looked < kept,
        "{looked} modules looked through, {kept} kept"
    );
}

#[test]
fn an_edit_looks_again_only_where_the_edited_function_was_seen() {
    let files = Memory::new([
        ("counter.py", COUNTER.as_bytes()),
        ("main.py", MAIN.as_bytes()),
        ("other.py", MAIN.replace("counter", "third").as_bytes()),
        ("third.py", COUNTER.as_bytes()),
    ]);
    let mut host = Host::new(Arc::new(files));
    let relinked = |host: &Host| {
        let job = Job::default();
        let settings = Settings::default();
        let outcome = host.snapshot().check(&settings, &job).unwrap();
        (outcome, job.relinked())
    };
    let (before, all) = relinked(&host);
    assert_eq!(all, 4);
    assert_eq!(relinked(&host), (before.clone(), 0));

    // Moved, and nothing else.
    let moved = format!("# a comment\n{COUNTER}");
    host.apply(Change::Edited(
        PathBuf::from("counter.py"),
        moved.as_str().into(),
    ));
    let (after, looked) = relinked(&host);
    assert_eq!(looked, 0);
    assert_eq!(
        after.findings[0].primary.range.start,
        before.findings[0].primary.range.start + 12
    );

    // What one function does: the module itself and the one whose thread runs it.
    let changed = moved.replace("total += 1", "total += 2 * 3");
    host.apply(Change::Edited(
        PathBuf::from("counter.py"),
        changed.as_str().into(),
    ));
    let (_, looked) = relinked(&host);
    assert!(looked <= 2, "{looked}");
}

#[test]
fn a_cancelled_run_says_so_and_forgets_nothing() {
    let files = Memory::new([("counter.py", COUNTER.as_bytes())]);
    let host = Host::new(Arc::new(files));
    assert_eq!(check(&host).1, 1);
    let job = Job::default();
    job.cancel();
    assert!(host.snapshot().check(&Settings::default(), &job).is_err());
    assert_eq!(check(&host).1, 0);
}

struct OnDisk {
    directory: tempfile::TempDir,
}

impl OnDisk {
    fn new() -> Self {
        let disk = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        disk.write("counter.py", COUNTER);
        disk.write("main.py", MAIN);
        disk
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root().join(path), text).unwrap();
    }

    /// A host as a new process would have it.
    fn host(&self) -> Host {
        let files = Disk::new(Selection::all(self.root().to_path_buf()));
        let cache = Cache::new(
            self.root().join(".raceproof_cache"),
            self.root().to_path_buf(),
        );
        Host::new(Arc::new(files)).with_cache(cache)
    }

    /// Waits until the files' times tell that they are unchanged.
    fn settle(&self) {
        std::thread::sleep(std::time::Duration::from_millis(2_100));
    }
}

/// What one process after the other computes, with a cache between them: findings, files whose
/// facts were computed, and whether any file was looked into.
fn process(disk: &OnDisk) -> (Outcome, usize, bool) {
    let job = Job::default();
    let outcome = disk
        .host()
        .snapshot()
        .check(&Settings::default(), &job)
        .unwrap();
    (outcome, job.recomputed(), job.progress().1 > 0)
}

#[test]
fn facts_outlive_the_process() {
    let disk = OnDisk::new();
    let (first, recomputed, looked) = process(&disk);
    assert_eq!((recomputed, looked), (2, true));
    // The files are too young for their times to tell anything.
    let (second, recomputed, looked) = process(&disk);
    assert_eq!((recomputed, looked), (0, true));
    assert_eq!(first, second);
    disk.write("counter.py", LOCKED);
    let (third, recomputed, _) = process(&disk);
    assert_eq!((recomputed, third.findings.len()), (1, 0));
    // Its old contents are still known.
    disk.write("counter.py", COUNTER);
    let (fourth, recomputed, _) = process(&disk);
    assert_eq!((recomputed, fourth), (0, first));
}

#[test]
fn an_unchanged_project_is_not_looked_into() {
    let disk = OnDisk::new();
    disk.settle();
    let (first, _, looked) = process(&disk);
    assert!(looked);
    let (second, recomputed, looked) = process(&disk);
    assert_eq!((recomputed, looked), (0, false));
    assert_eq!(first, second);

    // Whatever may change the outcome is seen, younger than the clock's resolution or not.
    disk.write("counter.py", LOCKED);
    assert_eq!(process(&disk).0.findings, []);
    disk.write("counter.py", COUNTER);
    assert_eq!(process(&disk).0, first);
    disk.write("more.py", "x = 1\n");
    assert_eq!(process(&disk).0.coverage.files, 3);
    disk.write(".gitignore", "more.py\n");
    assert_eq!(process(&disk).0, first);
    std::fs::remove_file(disk.root().join("main.py")).unwrap();
    assert_eq!(process(&disk).0.coverage.files, 1);
    disk.write("main.py", MAIN);

    // A file of the same size put in its place with an old time is another file.
    disk.settle();
    assert_eq!(process(&disk).0, first);
    assert!(!process(&disk).2);
    let old = std::fs::metadata(disk.root().join("counter.py"))
        .unwrap()
        .modified()
        .unwrap();
    let same_size = COUNTER.replace("total += 1", "total    = 1");
    assert_eq!(same_size.len() - 2, COUNTER.len());
    let same_size = same_size.replacen("\n\n\n", "\n", 1);
    assert_eq!(same_size.len(), COUNTER.len());
    disk.write("counter.py", &same_size);
    let file = std::fs::File::options()
        .write(true)
        .open(disk.root().join("counter.py"))
        .unwrap();
    file.set_modified(old).unwrap();
    drop(file);
    let (_, recomputed, looked) = process(&disk);
    assert!(looked);
    assert_eq!(recomputed, 1);
}

#[test]
fn packs_are_merged_and_what_is_gone_is_dropped() {
    let disk = OnDisk::new();
    for round in 0..20 {
        disk.write("counter.py", &format!("{COUNTER}# {round}\n"));
        assert_eq!(process(&disk).1, if round == 0 { 2 } else { 1 });
    }
    let packs = std::fs::read_dir(disk.root().join(".raceproof_cache"))
        .unwrap()
        .filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|it| it == "pack")
        })
        .count();
    assert!((1..=7).contains(&packs), "{packs} packs");
    assert_eq!(process(&disk).1, 0);
}
