//! `raceproof audit`, through the command: modules of every platform, lock files written by the
//! real tools, environments and wheels in every state, reports, and `--run` with a real
//! interpreter.
#![allow(clippy::print_stderr, clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
mod command;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use command::{Project, Run, finish};
use proptest::prelude::*;
use raceproof::audit::binary::claim::claim;
use raceproof::audit::binary::image::Image;
use raceproof::audit::lockfile;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audit")
}

fn modules() -> PathBuf {
    fixtures().join("modules")
}

fn lock(name: &str) -> String {
    let path = fixtures().join("locks").join(name);
    path.to_str().unwrap().to_owned()
}

/// Runs `raceproof audit` with the environment variables of the surrounding session taken away.
fn audit(directory: &Path, arguments: &[&str]) -> Run {
    let mut all = vec!["audit", "--no-code"];
    all.extend(arguments);
    finish(
        command::command(directory, &all)
            .env_remove("VIRTUAL_ENV")
            .env_remove("CONDA_PREFIX"),
    )
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

fn audit_json(directory: &Path, arguments: &[&str]) -> Value {
    let mut all = vec!["--output-format", "json"];
    all.extend(arguments);
    json(&audit(directory, &all))
}

/// Distribution to a field of it.
fn field(report: &Value, name: &str) -> BTreeMap<String, String> {
    report["distributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["name"].as_str().unwrap().to_owned(),
                it[name].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// Module to verdict.
fn verdicts(report: &Value) -> BTreeMap<String, String> {
    report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["module"].as_str().unwrap().to_owned(),
                it["verdict"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// Something that lies outside the repository: when it is missing, the test says so and passes,
/// unless everything was promised to be there.
fn external<T>(what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        assert!(
            std::env::var_os("RACEPROOF_REQUIRE_EXTERNALS").is_none(),
            "{what} is required and missing"
        );
        eprintln!("skipped: {what} is missing");
    }
    found
}

// Modules

const UNDECIDABLE: &str = "undecidable";
const KEEPS: &str = "keeps-gil-off";
const TURNS_ON: &str = "re-enables-gil";

fn verdicts_of_platform(platform: &str) -> BTreeMap<String, String> {
    let folder = modules().join(platform);
    let mut paths: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| path.contains("314t"))
        .collect();
    paths.sort();
    let arguments: Vec<&str> = paths.iter().map(String::as_str).collect();
    verdicts(&audit_json(&folder, &arguments))
}

fn expected(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter()
        .map(|(module, verdict)| ((*module).to_owned(), (*verdict).to_owned()))
        .collect()
}

#[test]
fn modules_are_followed_through_their_code_on_every_machine() {
    let decided = expected(&[
        ("declared", KEEPS),
        ("foreign", UNDECIDABLE),
        ("runtime_free", KEEPS),
        ("runtime_used", TURNS_ON),
        ("setgil", KEEPS),
        ("silent", TURNS_ON),
        ("single", TURNS_ON),
        ("used", TURNS_ON),
    ]);
    for platform in [
        "linux_x86_64",
        "linux_aarch64",
        "macosx_x86_64",
        "win_amd64",
    ] {
        assert_eq!(verdicts_of_platform(platform), decided, "{platform}");
    }
    // Initialised once, by the compiler's means.
    let mut with_guard = decided;
    with_guard.insert("guarded".to_owned(), KEEPS.to_owned());
    assert_eq!(verdicts_of_platform("macosx_arm64"), with_guard);
}

#[test]
fn files_for_other_builds_cannot_be_loaded() {
    let folder = modules().join("linux_x86_64");
    let report = audit_json(
        &folder,
        &[
            "single.abi3.so",
            "silent.so",
            "exported.cpython-315t-x86_64-linux-gnu.so",
        ],
    );
    assert_eq!(
        verdicts(&report),
        expected(&[
            ("exported", "cannot-load"),
            ("silent", "cannot-load"),
            ("single", "cannot-load"),
        ])
    );
    let exported = "exported.cpython-315t-x86_64-linux-gnu.so";
    let report = audit_json(&folder, &["--target", "3.15t", exported]);
    assert_eq!(verdicts(&report), expected(&[("exported", KEEPS)]));
    assert_eq!(report["modules"][0]["initialisation"], "slots export");
}

#[test]
fn a_plain_library_is_not_an_extension_module() {
    let run = audit(&modules().join("linux_x86_64"), &["library.so"]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("not an extension module"), "{run:?}");
}

#[test]
fn json_has_the_documented_shape() {
    let folder = modules().join("linux_x86_64");
    let file = "declared.cpython-314t-x86_64-linux-gnu.so";
    let report = audit_json(&folder, &[file]);
    assert_eq!(report["target"], "3.14t");
    let module = &report["modules"][0];
    assert_eq!(module["distribution"], "");
    assert_eq!(module["version"], "");
    assert_eq!(module["module"], "declared");
    assert_eq!(module["path"], file);
    assert_eq!(module["verdict"], "keeps-gil-off");
    let reason = module["reason"].as_str().unwrap();
    assert!(reason.contains("Py_mod_gil"), "{reason}");
    assert!(report["distributions"].as_array().unwrap().is_empty());
    assert_eq!(report["summary"]["keeps_gil_off"], 1);
    assert_eq!(report["summary"]["readiness"], "ready");
}

#[test]
fn exit_codes_tell_ready_blocked_and_unread() {
    let folder = modules().join("linux_x86_64");
    let code = |arguments: &[&str]| audit(&folder, arguments).code;
    let suffix = "cpython-314t-x86_64-linux-gnu.so";
    let (ready, blocked, open) = (
        format!("declared.{suffix}"),
        format!("silent.{suffix}"),
        format!("foreign.{suffix}"),
    );
    assert_eq!(code(&[&ready]), 0);
    assert_eq!(code(&[&blocked]), 1);
    assert_eq!(code(&[&open]), 0);
    assert_eq!(code(&["--fail-on", "unproven", &open]), 1);
    assert_eq!(code(&["--fail-on", "never", &blocked]), 0);
    assert_eq!(code(&["no-such-file.so"]), 2);
    assert_eq!(code(&["--platform", "amiga", &ready]), 2);
    assert_eq!(code(&["--target", "3.14", &ready]), 2);
    assert_eq!(code(&["--why", "nobody", &ready]), 2);
}

// Lock files

#[test]
fn every_tool_locks_the_same_supply() {
    // Pipfile and requirements files name no wheels; the others agree.
    for name in ["uv.lock", "pylock.toml", "poetry.lock", "pdm.lock"] {
        let report = audit_json(
            &fixtures(),
            &["--platform", "manylinux_x86_64", &lock(name)],
        );
        let supply = field(&report, "supply");
        for (distribution, expected) in [
            ("numpy", "free-threaded-wheel"),
            ("pyyaml", "free-threaded-wheel"),
            ("requests", "pure"),
            ("lxml", "gil-only"),
            ("orjson", "gil-only"),
            ("cryptography", "gil-only"),
        ] {
            assert_eq!(supply[distribution], expected, "{distribution} in {name}");
        }
        assert!(
            !supply.contains_key("pywin32"),
            "a marker excludes it in {name}"
        );
        assert!(
            !supply.contains_key("shop"),
            "the project is not its dependency"
        );
        assert_eq!(report["summary"]["readiness"], "blocked");
        assert_eq!(
            report["summary"]["blocked_by"],
            serde_json::json!(["cryptography 44.0.0", "lxml 5.4.0", "orjson 3.11.0"])
        );
    }
}

#[test]
fn files_without_names_leave_the_question_open() {
    for name in ["requirements.txt", "Pipfile.lock"] {
        let report = audit_json(
            &fixtures(),
            &["--platform", "manylinux_x86_64", &lock(name)],
        );
        assert_eq!(field(&report, "supply")["numpy"], "unknown", "{name}");
        assert_eq!(report["summary"]["readiness"], "unproven", "{name}");
    }
}

#[test]
fn markers_follow_the_platform() {
    let windows = ["--platform", "win_amd64"];
    for name in ["uv.lock", "poetry.lock", "pylock.toml", "pdm.lock"] {
        let report = audit_json(&fixtures(), &[windows[0], windows[1], &lock(name)]);
        let supply = field(&report, "supply");
        assert_eq!(supply["colorama"], "pure", "{name}");
        assert!(supply.contains_key("pywin32"), "{name}");
    }
    // With several platforms, the worst counts.
    let report = audit_json(&fixtures(), &["--platform", "all", &lock("uv.lock")]);
    assert!(field(&report, "supply").contains_key("pywin32"));
}

#[test]
fn groups_and_extras_are_asked_for() {
    for name in ["uv.lock", "poetry.lock", "pdm.lock"] {
        let names = |arguments: &[&str]| {
            let lock = lock(name);
            let mut all = vec!["--platform", "manylinux_x86_64", lock.as_str()];
            all.extend(arguments);
            field(&audit_json(&fixtures(), &all), "supply")
        };
        let plain = names(&[]);
        for absent in ["pytest", "aiohttp", "peewee"] {
            assert!(!plain.contains_key(absent), "{absent} in {name}");
        }
        assert!(names(&["--group", "dev"]).contains_key("pytest"), "{name}");
        assert_eq!(
            names(&["--group", "docs"])["peewee"],
            "sdist-only",
            "{name}"
        );
        assert!(
            names(&["--extra", "web"]).contains_key("multidict"),
            "{name}"
        );
        assert!(names(&["--all-groups"]).contains_key("peewee"), "{name}");
    }
}

#[test]
fn why_shows_the_path() {
    let run = audit(
        &fixtures(),
        &["--extra", "web", "--why", "MultiDict", &lock("uv.lock")],
    );
    assert!(
        run.stdout
            .contains("required by shop -> aiohttp -> multidict"),
        "{run:?}"
    );
    assert!(run.stdout.contains("uv.lock:"), "{run:?}");
}

#[test]
fn long_chains_and_many_packages_cost_no_more_than_their_size() {
    let mut lock = "version = 1\n[[package]]\nname = \"app\"\nsource = { virtual = \".\" }\ndependencies = [{ name = \"p0\" }]\n".to_owned();
    for index in 0..20_000 {
        let next = index + 1;
        lock.push_str(&format!("[[package]]\nname = \"p{index}\"\nversion = \"1\"\ndependencies = [{{ name = \"p{next}\" }}]\n"));
    }
    let project = Project::new(&[("uv.lock", &lock)]);
    let run = audit(&project.path(), &["--why", "p19999", "uv.lock"]);
    assert!(
        run.stdout.contains("required by app -> ... -> p"),
        "{run:?}"
    );
    assert!(run.stdout.contains("-> p19998 -> p19999"), "{run:?}");

    let entries: Vec<String> = (0..20_000)
        .map(|index| format!("\"p{index}\": {{\"version\": \"==1\"}}"))
        .collect();
    let text = format!(
        "{{\"_meta\": {{\"pipfile-spec\": 6}}, \"default\": {{\n{}}}}}",
        entries.join(",\n")
    );
    let project = Project::new(&[("Pipfile.lock", &text)]);
    let run = audit(&project.path(), &["--why", "p19999", "Pipfile.lock"]);
    assert!(run.stdout.contains("Pipfile.lock:20001"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn pipes_are_not_waited_for() {
    let project = environment();
    let site = "venv/lib/python3.14t/site-packages";
    let pipes = [
        format!("{site}/good-1.0.dist-info/RECORD"),
        format!("{site}/bad-1.0.dist-info/METADATA"),
        format!("{site}/pipe.{SUFFIX}"),
        "venv/pyvenv.cfg".to_owned(),
        "uv.lock".to_owned(),
        "index.json".to_owned(),
    ];
    for pipe in &pipes {
        let path = project.path().join(pipe);
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }
    let arguments = ["--index-metadata", "index.json", "venv", "uv.lock"];
    let run = audit(&project.path(), &arguments);
    assert_eq!(run.code, 2);
    for pipe in pipes.iter().filter(|it| !it.ends_with("pyvenv.cfg")) {
        let line = format!("{pipe}: not a regular file");
        assert!(run.stdout.contains(&line), "{line} in {run:?}");
    }
}

#[test]
fn index_metadata_and_newer_entries_give_advice() {
    let project = Project::new(&[
        (
            "uv.lock",
            r#"version = 1
requires-python = ">=3.12"

[[package]]
name = "fast"
version = "1.0"
source = { registry = "https://files.example/simple" }
resolution-markers = ["python_full_version >= '3.14'"]
wheels = [{ url = "https://files.example/fast-1.0-cp314-cp314-manylinux_2_28_x86_64.whl" }]

[[package]]
name = "fast"
version = "2.0"
source = { registry = "https://files.example/simple" }
resolution-markers = ["python_full_version < '3.14'"]
wheels = [{ url = "https://files.example/fast-2.0-cp314-cp314t-manylinux_2_28_x86_64.whl" }]
"#,
        ),
        ("requirements.txt", "slow==1.0 --hash=sha256:00\n"),
        (
            "simple.json",
            r#"{"name": "Slow", "files": [
                {"filename": "slow-1.0-cp314-cp314-manylinux_2_28_x86_64.whl"},
                {"filename": "slow-1.1-cp314-cp314t-manylinux_2_28_x86_64.whl", "yanked": "broken"},
                {"filename": "slow-1.2-cp314-cp314t-manylinux_2_28_x86_64.whl", "yanked": false},
                {"filename": "slow-1.3-cp314-cp314t-manylinux_2_28_x86_64.whl"}]}"#,
        ),
    ]);
    let arguments = [
        "--platform",
        "manylinux_x86_64",
        "--index-metadata",
        "simple.json",
        "uv.lock",
        "requirements.txt",
    ];
    let report = audit_json(&project.path(), &arguments);
    let advice = field(&report, "advice");
    assert!(advice["fast"].contains("fast 2.0"), "{advice:?}");
    assert!(advice["slow"].contains("slow 1.2"), "{advice:?}");
    assert_eq!(field(&report, "supply")["slow"], "gil-only");
}

#[test]
fn a_project_is_audited_where_it_stands() {
    let project = Project::new(&[
        ("requirements-dev.txt", "requests==2.0\n"),
        ("sub/notes.txt", "nothing"),
    ]);
    let report = audit_json(&project.path(), &[]);
    assert_eq!(
        report["sources"],
        serde_json::json!(["./requirements-dev.txt"])
    );
    let empty = Project::new(&[("readme.md", "")]);
    let run = audit(&empty.path(), &[]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("no dependencies to audit"), "{run:?}");
}

#[test]
fn requirements_include_each_other_once() {
    let project = Project::new(&[
        (
            "requirements.txt",
            "-r sub/more.txt\n-r requirements.txt\none==1\n",
        ),
        (
            "sub/more.txt",
            "two==2 ; python_version < '3' \nthree[x]==3 \\\n  --hash=sha256:00  # why\n-r gone.txt\n",
        ),
    ]);
    let run = audit(
        &project.path(),
        &["--output-format", "json", "requirements.txt"],
    );
    assert_eq!(run.code, 2);
    let report = json(&run);
    let names: Vec<String> = field(&report, "supply").into_keys().collect();
    assert_eq!(names, ["one", "three"]);
    let problems = report["problems"].to_string();
    assert!(problems.contains("gone.txt"), "{problems}");
    assert!(problems.contains("include each other"), "{problems}");
}

#[test]
fn broken_lock_files_are_lines_not_crashes() {
    let project = Project::new(&[
        ("uv.lock", "version = 9\n[[package]]\nversion = '1'\n"),
        ("poetry.lock", "[[package]\n"),
        (
            "pdm.lock",
            "[metadata]\nlock_version = '9'\n[[package]]\nname = 3\n",
        ),
        ("pylock.toml", "lock-version = '2.0'\n"),
        ("Pipfile.lock", "{\"_meta\": 3, \"default\": []}"),
        ("requirements.txt", "==\n-r more.txt\n"),
        ("more.txt", "one==1\ntwo==2\n<html>\n"),
    ]);
    let run = audit(&project.path(), &["."]);
    assert_eq!(run.code, 2);
    for line in [
        "uv.lock version 9 is not known",
        "a package without a name",
        "poetry.lock:1: not valid TOML",
        "pdm.lock version 9",
        "lock-version 2.0",
        "no pipfile-spec",
        "requirements.txt:1: not a requirement: `==`",
        "requirements.txt:2: not a requirement: `<html>`",
    ] {
        assert!(run.stdout.contains(line), "{line} in {}", run.stdout);
    }
}

#[test]
fn packages_locked_twice_are_told() {
    let entry = "[[package]]\nname = \"a\"\nversion = \"1\"\n";
    let project = Project::new(&[("uv.lock", &format!("version = 1\n{entry}{entry}"))]);
    let run = audit(&project.path(), &["uv.lock"]);
    assert!(
        run.stdout.contains("locked twice, first in line 2"),
        "{run:?}"
    );
}

// Environments and wheels

const SUFFIX: &str = "cpython-314t-x86_64-linux-gnu.so";

fn module_bytes(name: &str) -> Vec<u8> {
    let name = format!("{name}.{SUFFIX}");
    std::fs::read(modules().join("linux_x86_64").join(name)).unwrap()
}

/// A virtual environment for 3.14t with two distributions: `good` and `bad`.
fn environment() -> Project {
    let project = Project::new(&[("venv/pyvenv.cfg", "version = 3.14.7\n")]);
    let site = "venv/lib/python3.14t/site-packages";
    for (name, module) in [("good", "declared"), ("bad", "silent")] {
        let info = format!("{site}/{name}-1.0.dist-info");
        project.write(
            &format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nClassifier: Programming Language :: Python :: Free Threading :: 3 - Stable\n\nName: body\n").as_bytes(),
        );
        project.write(
            &format!("{info}/WHEEL"),
            b"Wheel-Version: 1.0\nTag: cp314-cp314t-manylinux_2_28_x86_64\n",
        );
        project.write(
            &format!("{info}/RECORD"),
            format!("{name}/__init__.py,,\n\"{name}/{module}.{SUFFIX}\",sha256=x,3\n").as_bytes(),
        );
        project.write(
            &format!("{site}/{name}/{module}.{SUFFIX}"),
            &module_bytes(module),
        );
    }
    project
}

#[test]
fn an_environment_is_judged_by_distribution() {
    let project = environment();
    let report = audit_json(&project.path(), &["venv"]);
    assert_eq!(
        field(&report, "standing"),
        expected(&[("good", "ready"), ("bad", "blocked")])
    );
    assert_eq!(
        field(&report, "classifier"),
        expected(&[("good", "3 - Stable"), ("bad", "3 - Stable")])
    );
    assert_eq!(
        verdicts(&report),
        expected(&[("good.declared", KEEPS), ("bad.silent", TURNS_ON)])
    );
    assert_eq!(
        report["summary"]["blocked_by"],
        serde_json::json!(["bad 1.0"])
    );
    // The same by its site-packages folder, and found from the project.
    let site = audit_json(&project.path(), &["venv/lib/python3.14t/site-packages"]);
    assert_eq!(verdicts(&site), verdicts(&report));
    assert_eq!(
        verdicts(&audit_json(&project.path(), &[])),
        verdicts(&report)
    );
}

#[test]
fn what_is_installed_answers_for_what_is_locked() {
    let project = environment();
    project.write(
        "pylock.toml",
        b"lock-version = '1.0'\n[[packages]]\nname = 'good'\nversion = '1.0'\nwheels = [{ name = 'good-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl' }]\n[[packages]]\nname = 'bad'\nversion = '1.1'\nwheels = [{ name = 'bad-1.1-cp314-cp314t-manylinux_2_28_x86_64.whl' }]\n",
    );
    let arguments = ["--platform", "manylinux_x86_64", "pylock.toml"];
    let locked = audit_json(&project.path(), &arguments);
    assert_eq!(
        field(&locked, "standing"),
        expected(&[("good", "unproven"), ("bad", "unproven")])
    );
    let both = audit_json(&project.path(), &["--platform", "manylinux_x86_64", "."]);
    let standings: Vec<(&str, &str)> = both["distributions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["source"].as_str().unwrap().contains("pylock"))
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["standing"].as_str().unwrap(),
            )
        })
        .collect();
    // Another version that is installed says nothing.
    assert_eq!(standings, [("bad", "unproven"), ("good", "ready")]);
}

#[test]
fn files_that_the_target_never_looks_at_block_nobody() {
    let project = environment();
    let site = "venv/lib/python3.14t/site-packages";
    let old = "single.cpython-39-x86_64-linux-gnu.so";
    project.write(&format!("{site}/good/{old}"), &module_bytes("single"));
    project.write(
        &format!("{site}/good-1.0.dist-info/RECORD"),
        format!("good/{old},,\n").as_bytes(),
    );
    let report = audit_json(&project.path(), &["venv"]);
    assert_eq!(verdicts(&report)["good.single"], "cannot-load");
    assert_eq!(field(&report, "standing")["good"], "ready");
}

#[test]
fn an_environment_of_another_interpreter_is_told() {
    let project = Project::new(&[("venv/pyvenv.cfg", "version = 3.12.1\n")]);
    project.write("venv/lib/python3.12/site-packages/x.py", b"");
    let run = audit(&project.path(), &["venv"]);
    assert!(
        run.stdout
            .contains("an environment for Python 3.12, not 3.14t"),
        "{run:?}"
    );
}

#[test]
fn damaged_environments_cost_a_line_each() {
    let project = environment();
    let site = "venv/lib/python3.14t/site-packages";
    std::fs::remove_file(project.path().join(site).join("good-1.0.dist-info/RECORD")).unwrap();
    project.write(&format!("{site}/good-0.9.dist-info/RECORD"), b"");
    project.write(
        &format!("{site}/cut.{SUFFIX}"),
        &module_bytes("declared")[..700],
    );
    project.write(&format!("{site}/text.{SUFFIX}"), b"#!/bin/sh\n");
    project.write(&format!("{site}/empty.{SUFFIX}"), b"");
    project.write(
        &format!("{site}/dev-1.0.dist-info/direct_url.json"),
        br#"{"url": "file:///no/such%20folder", "dir_info": {"editable": true}}"#,
    );
    #[cfg(unix)]
    {
        let at = |name: &str| project.path().join(site).join(name);
        std::os::unix::fs::symlink("nowhere", at(&format!("dangling.{SUFFIX}"))).unwrap();
        std::os::unix::fs::symlink("..", at("loop")).unwrap();
    }
    let run = audit(&project.path(), &["venv"]);
    assert_eq!(run.code, 2);
    let mut lines = vec![
        "no RECORD",
        "`good` is installed twice",
        "cut.cpython-314t-x86_64-linux-gnu.so: broken binary",
        "text.cpython-314t-x86_64-linux-gnu.so: not an ELF, Mach-O or PE file",
        "empty.cpython-314t-x86_64-linux-gnu.so: not an ELF",
        "METADATA: No such file",
        "development mode from a folder that is gone",
    ];
    if cfg!(unix) {
        lines.push("dangling");
        lines.push("leads back to a folder above it");
    }
    for line in lines {
        assert!(run.stdout.contains(line), "{line} in {}", run.stdout);
    }
    // What could be read is judged all the same.
    assert!(run.stdout.contains("bad.silent"), "{run:?}");
}

/// Root reads everything, so the command runs as nobody there, from where nobody may go.
#[cfg(unix)]
#[test]
fn what_may_not_be_read_costs_a_line_each() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let project = environment();
    let at = |path: &str| project.path().join(path);
    let site = "venv/lib/python3.14t/site-packages";
    project.write(
        &format!("{site}/other/used.{SUFFIX}"),
        &module_bytes("used"),
    );
    project.write("uv.lock", b"version = 1\n");
    wheel(&project, "w-1-cp314-cp314t-any.whl", &[("w.py", b"")]);
    let forbidden = [
        format!("{site}/good/declared.{SUFFIX}"),
        format!("{site}/good-1.0.dist-info/RECORD"),
        format!("{site}/other"),
        "uv.lock".to_owned(),
        "w-1-cp314-cp314t-any.whl".to_owned(),
    ];
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in &forbidden {
        allow(&at(path), 0o000);
    }
    allow(&project.path(), 0o755);
    let arguments = ["audit", "venv", "uv.lock", "w-1-cp314-cp314t-any.whl"];
    let mut command = project.command(&arguments);
    if std::fs::metadata(project.path()).unwrap().uid() == 0 {
        const NOBODY: u32 = 65534;
        let binary = at("raceproof");
        std::fs::copy(env!("CARGO_BIN_EXE_raceproof"), &binary).unwrap();
        command = Command::new(binary);
        command.args(arguments).current_dir(project.path());
        command.uid(NOBODY).gid(NOBODY);
    }
    let run = finish(&mut command);
    for path in &forbidden {
        allow(&at(path), 0o755);
    }
    assert_eq!(run.code, 2, "{run:?}");
    for path in &forbidden {
        let line = format!("{path}: Permission denied");
        assert!(run.stdout.contains(&line), "{line} in {run:?}");
    }
    assert!(run.stdout.contains("bad.silent"), "{run:?}");
}

#[test]
fn editable_installs_are_looked_up_in_their_folder() {
    let project = environment();
    let folder = project.path().join("work tree");
    project.write(
        &format!("work tree/pkg/used.{SUFFIX}"),
        &module_bytes("used"),
    );
    let site = "venv/lib/python3.14t/site-packages";
    project.write(
        &format!("{site}/dev-1.0.dist-info/METADATA"),
        b"Name: dev\nVersion: 1.0\n",
    );
    project.write(&format!("{site}/dev-1.0.dist-info/RECORD"), b"");
    let url = format!("file://{}", folder.display()).replace(' ', "%20");
    project.write(
        &format!("{site}/dev-1.0.dist-info/direct_url.json"),
        format!("{{\"url\": \"{url}\", \"dir_info\": {{\"editable\": true}}}}").as_bytes(),
    );
    let report = audit_json(&project.path(), &["venv"]);
    assert_eq!(verdicts(&report)["pkg.used"], TURNS_ON);
    assert_eq!(field(&report, "standing")["dev"], "blocked");
}

fn wheel(project: &Project, name: &str, members: &[(&str, &[u8])]) {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (member, bytes) in members {
        writer.start_file(*member, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    project.write(name, &bytes);
}

#[test]
fn a_wheel_is_read_in_memory() {
    let project = Project::new(&[]);
    let name = "pkg-2.0-cp314-cp314t-manylinux_2_28_x86_64.whl";
    let declared = module_bytes("declared");
    wheel(
        &project,
        name,
        &[
            (&format!("pkg/declared.{SUFFIX}"), &declared[..]),
            (
                &format!("pkg-2.0.data/platlib/top/silent.{SUFFIX}"),
                &module_bytes("silent"),
            ),
            ("pkg.libs/libfoo-1234.so.1.2", b"not looked at"),
            ("pkg-2.0.dist-info/METADATA", b"Name: Pkg\nVersion: 2.0\n"),
            (
                "pkg-2.0.dist-info/WHEEL",
                b"Tag: cp314-cp314t-manylinux_2_28_x86_64\n",
            ),
        ],
    );
    let report = audit_json(&project.path(), &[name]);
    assert_eq!(
        verdicts(&report),
        expected(&[("pkg.declared", KEEPS), ("top.silent", TURNS_ON)])
    );
    assert_eq!(field(&report, "version")["pkg"], "2.0");
}

#[test]
fn hostile_wheels_are_told_and_not_unpacked() {
    let project = Project::new(&[]);
    let bomb = vec![0; 64 << 20];
    let name = "evil-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl";
    wheel(
        &project,
        name,
        &[
            (
                &format!("../../outside.{SUFFIX}"),
                &module_bytes("declared"),
            ),
            (&format!("evil/bomb.{SUFFIX}"), &bomb),
        ],
    );
    project.write("cut-1.0-py3-none-any.whl", b"PK\x03\x04 and no more");
    project.write("odd.whl", b"");
    let run = audit(
        &project.path(),
        &[name, "cut-1.0-py3-none-any.whl", "odd.whl"],
    );
    assert_eq!(run.code, 2);
    for line in [
        "leads out of the folder",
        "may be a zip bomb",
        "cut-1.0-py3-none-any.whl: not a wheel that can be read",
        "odd.whl: `odd.whl` is not name-version-python-abi-platform.whl",
    ] {
        assert!(run.stdout.contains(line), "{line} in {}", run.stdout);
    }
    let left: Vec<_> = std::fs::read_dir(project.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(!project.path().join("../../outside").exists());
}

// Hostile input

static EVERY_MODULE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for platform in std::fs::read_dir(modules()).unwrap() {
        let platform = platform.unwrap().path();
        if platform.is_dir() {
            for file in std::fs::read_dir(platform).unwrap() {
                found.push(std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
    assert!(found.len() > 30);
    found
});

/// Reads bytes as far as they go; must come back.
fn read_binary(bytes: &[u8]) {
    if let Ok(image) = Image::parse(bytes) {
        for hook in image.hooks.iter().take(8) {
            let _ = claim(&image, hook);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_binaries_never_crash(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..24),
        head in any::<bool>(),
    ) {
        let mut bytes = EVERY_MODULE[which.index(EVERY_MODULE.len())].clone();
        let limit = if head { bytes.len().min(1024) } else { bytes.len() };
        for (at, byte) in damage {
            bytes[at.index(limit)] = byte;
        }
        read_binary(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_binary(&bytes);
    }

    #[test]
    fn damaged_lock_files_never_crash(
        which in 0..6usize,
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..8),
    ) {
        use lockfile::Format::{Pdm, Pipfile, Poetry, Pylock, Requirements, Uv};
        let texts = [
            (Uv, "version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [{ name = \"b\", marker = \"x == 'y'\", extra = [\"z\"] }]\nwheels = [{ url = \"https://files.example/a-1-py3-none-any.whl\" }]\n"),
            (Pylock, "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nwheels = [{ name = \"a-1-py3-none-any.whl\" }]\n"),
            (Poetry, "[[package]]\nname = \"a\"\nfiles = [{ file = \"a-1.tar.gz\" }]\n[package.dependencies]\nb = { version = \"*\", markers = \"os_name == 'nt'\" }\n[metadata]\nlock-version = \"2.1\"\n"),
            (Pdm, "[metadata]\nlock_version = \"4.5.0\"\n[[package]]\nname = \"a\"\ndependencies = [\"b[c]>=1; os_name == 'nt'\"]\n"),
            (Requirements, "a[b]==1 ; python_version < '3.9' \\\n --hash=sha256:00\n-r x\nc @ https://files.example/c-1-py3-none-any.whl ; os_name == 'nt'\n"),
            (Pipfile, "{\"_meta\": {\"pipfile-spec\": 6}, \"default\": {\"a\": {\"version\": \"==1\", \"markers\": \"os_name == 'nt'\"}}}"),
        ];
        let (format, text) = &texts[which];
        let mut characters: Vec<char> = text.chars().collect();
        for (at, character) in damage {
            let index = at.index(characters.len());
            characters[index] = character;
        }
        characters.truncate(1 + cut.index(characters.len()));
        let text: String = characters.into_iter().collect();
        let _ = lockfile::read(*format, &text, &|_| Err("none".to_owned()));
    }
}

// Reports

#[test]
fn sarif_is_valid() {
    let run = audit(
        &fixtures(),
        &["--output-format", "sarif", "--all-groups", &lock("uv.lock")],
    );
    let log = json(&run);
    // The official schema has a pattern that is no ECMAScript regular expression in Unicode mode:
    // a bracket that closes nothing (oasis-tcs/sarif-spec, `run.language`).
    let schema = include_str!("sarif/sarif-schema-2.1.0.json")
        .replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}\\\\]?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&log)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let results = log["runs"][0]["results"].as_array().unwrap();
    let lxml = results
        .iter()
        .find(|it| it["message"]["text"].as_str().unwrap().starts_with("lxml"))
        .unwrap();
    assert_eq!(lxml["ruleId"], "audit/no-free-threaded-wheel");
    let line = lxml["locations"][0]["physicalLocation"]["region"]["startLine"]
        .as_u64()
        .unwrap();
    let text = std::fs::read_to_string(lock("uv.lock")).unwrap();
    let entry: Vec<&str> = text
        .lines()
        .skip(usize::try_from(line).unwrap() - 1)
        .take(2)
        .collect();
    assert_eq!(entry, ["[[package]]", "name = \"lxml\""]);
}

#[test]
fn markdown_and_text_escape_names_from_files() {
    let project = Project::new(&[("requirements.txt", "a==1|<script>\u{1b}[31m\nb==2\n")]);
    for format in ["text", "markdown", "html", "sarif", "json"] {
        let run = audit(
            &project.path(),
            &["--output-format", format, "requirements.txt"],
        );
        assert!(!run.stdout.contains('\u{1b}'), "{format}: {run:?}");
        if matches!(format, "markdown" | "html") {
            assert!(!run.stdout.contains("1|<script>"), "{format}: {run:?}");
        }
    }
}

#[test]
fn the_report_goes_to_a_file_when_asked() {
    let project = environment();
    let run = audit(
        &project.path(),
        &[
            "--output-format",
            "html",
            "--output-file",
            "report.html",
            "venv",
        ],
    );
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    let page = std::fs::read_to_string(project.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs {outside}");
    }
}

fn chromium() -> Option<PathBuf> {
    std::env::var_os("CHROMIUM")
        .map(PathBuf::from)
        .into_iter()
        .chain(
            ["chromium", "chromium-browser", "google-chrome"]
                .iter()
                .flat_map(|name| {
                    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                        .map(move |folder| folder.join(name))
                        .collect::<Vec<_>>()
                }),
        )
        .find(|path| path.is_file())
}

/// Opens a page in headless Chromium; returns the document afterwards and what the console said.
fn browse(chromium: &Path, page: &Path) -> (String, Vec<String>) {
    let profile = tempfile::TempDir::with_prefix("raceproof-chromium-").unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .map(str::to_owned)
        .collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), said)
}

/// The texts of a column in the dumped document, by position.
fn column(document: &str, table: &str, position: usize) -> Vec<String> {
    let Some(table) = document.split(&format!("<table id=\"{table}\"")).nth(1) else {
        panic!("no table in {document}")
    };
    let body = table
        .split("<tbody>")
        .nth(1)
        .unwrap()
        .split("</tbody>")
        .next()
        .unwrap();
    body.split("<tr>")
        .skip(1)
        .map(|row| {
            let cell = row.split("<td").nth(position + 1).unwrap();
            cell.split_once('>')
                .unwrap()
                .1
                .split("</td>")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(chromium) = external("chromium", chromium()) else {
        return;
    };
    let project = environment();
    let run = audit(
        &project.path(),
        &["--output-format", "html", "venv", &lock("uv.lock")],
    );
    let page = run.stdout;
    project.write("report.html", page.as_bytes());
    let at = |name: &str| project.path().join(name);

    // As it is: no console message, and worst first.
    let (document, said) = browse(&chromium, &at("report.html"));
    assert!(said.is_empty(), "{said:?}");
    let standings = column(&document, "distributions", 0);
    let mut sorted = standings.clone();
    sorted.sort_by_key(|it| {
        ["blocked", "unproven", "ready"]
            .iter()
            .position(|name| name == it)
    });
    assert_eq!(standings, sorted);
    assert!(document.contains("<button type=\"button\">Distribution</button>"));

    // A click on a heading sorts by it, a second one turns the order round.
    let names = column(&document, "distributions", 1);
    let mut ascending = names.clone();
    ascending.sort();
    assert_ne!(names, ascending, "the test needs rows that a sort moves");
    let click = "document.querySelectorAll('#distributions th button')[1].click();";
    for (clicks, expected) in [
        (1, ascending.clone()),
        (2, ascending.iter().rev().cloned().collect::<Vec<_>>()),
    ] {
        let driver = format!("<script>{}</script></body>", click.repeat(clicks));
        project.write("driven.html", page.replace("</body>", &driver).as_bytes());
        let (document, said) = browse(&chromium, &at("driven.html"));
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(column(&document, "distributions", 1), expected);
    }

    // Without JavaScript it reads the same.
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'none'\">";
    project.write(
        "plain.html",
        page.replace("<head>", &format!("<head>{policy}"))
            .as_bytes(),
    );
    let (document, _) = browse(&chromium, &at("plain.html"));
    assert_eq!(column(&document, "distributions", 1), names);
    assert!(!document.contains("<button"));

    // The console is heard: a page with an error is caught by the same means.
    let broken = page.replace("</body>", "<script>nothing.here()</script></body>");
    project.write("broken.html", broken.as_bytes());
    let (_, said) = browse(&chromium, &at("broken.html"));
    assert!(!said.is_empty());
}

// Importing

/// A free-threaded CPython 3.14 on a machine whose modules are among the fixtures:
/// `RACEPROOF_PYTHON`, or `python3.14t`. No package manager that `.ci/run` uses has one for every
/// system, so externals require it only where it is named.
fn free_threaded_python() -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return None;
    }
    let probe = "import sys, sysconfig; sys.exit(not (sysconfig.get_config_var('Py_GIL_DISABLED') and sys.version_info[:2] == (3, 14)))";
    let named = std::env::var_os("RACEPROOF_PYTHON");
    let expected = named.is_some();
    let found = [named, Some("python3.14t".into())]
        .into_iter()
        .flatten()
        .map(PathBuf::from)
        .find(|path| {
            Command::new(path)
                .args(["-c", probe])
                .status()
                .is_ok_and(|status| status.success())
        });
    if expected {
        return external("a free-threaded CPython 3.14 in $RACEPROOF_PYTHON", found);
    }
    if found.is_none() {
        eprintln!("skipped: no python3.14t");
    }
    found
}

#[test]
fn imports_confirm_the_verdicts() {
    let Some(python) = free_threaded_python() else {
        return;
    };
    let folder = modules().join("linux_x86_64");
    let mut paths: Vec<String> = [
        "declared",
        "used",
        "silent",
        "single",
        "setgil",
        "runtime_free",
        "runtime_used",
        "foreign",
    ]
    .iter()
    .map(|name| format!("{name}.{SUFFIX}"))
    .collect();
    paths.push("single.abi3.so".to_owned());
    let mut arguments = vec!["--run", "--python", python.to_str().unwrap()];
    arguments.extend(paths.iter().map(String::as_str));
    let report = audit_json(&folder, &arguments);
    let observed: BTreeMap<String, String> = report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["path"].as_str().unwrap().contains("314t"))
        .map(|it| {
            (
                it["module"].as_str().unwrap().to_owned(),
                it["observed"]["result"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        observed,
        expected(&[
            ("declared", KEEPS),
            ("foreign", "failed"),
            ("runtime_free", KEEPS),
            ("runtime_used", TURNS_ON),
            ("setgil", KEEPS),
            ("silent", TURNS_ON),
            ("single", TURNS_ON),
            ("used", TURNS_ON),
        ])
    );
    assert_eq!(report["run_with"], python.to_str().unwrap());
}

/// Module to what importing it showed.
fn observed(report: &Value) -> BTreeMap<String, String> {
    report["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["module"].as_str().unwrap().to_owned(),
                it["observed"]["result"]
                    .as_str()
                    .unwrap_or("none")
                    .to_owned(),
            )
        })
        .collect()
}

#[test]
fn members_of_wheels_are_imported_from_a_folder_that_is_removed() {
    let Some(python) = free_threaded_python() else {
        return;
    };
    let project = Project::new(&[("temporary/keep", "")]);
    let name = "pkg-2.0-cp314-cp314t-manylinux_2_28_x86_64.whl";
    wheel(
        &project,
        name,
        &[
            // The package needs one of its own files and another wheel.
            (
                "pkg/__init__.py",
                b"import other\nfrom pathlib import Path\nassert Path(__file__).with_name('data.txt').exists()\n",
            ),
            ("pkg/data.txt", b"here"),
            (&format!("pkg/declared.{SUFFIX}"), &module_bytes("declared")),
            (
                &format!("pkg-2.0.data/platlib/silent.{SUFFIX}"),
                &module_bytes("silent"),
            ),
            ("pkg-2.0.data/scripts/run", b"#!python\n"),
        ],
    );
    let other = "other-1.0-py3-none-any.whl";
    wheel(&project, other, &[("other.py", b"")]);
    let evil = "evil-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl";
    wheel(
        &project,
        evil,
        &[
            (&format!("used.{SUFFIX}"), &module_bytes("used")),
            ("../escaped.py", b""),
        ],
    );
    let run = |options: &[&str], wheels: &[&str]| {
        let mut arguments = vec!["audit", "--no-code", "--output-format", "json"];
        arguments.extend(options);
        arguments.extend(wheels);
        let run = finish(
            project
                .command(&arguments)
                .env("RACEPROOF_PYTHON", &python)
                .env("TMPDIR", project.path().join("temporary")),
        );
        let left: Vec<_> = std::fs::read_dir(project.path().join("temporary"))
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(left, ["keep"], "{run:?}");
        (run.code, json(&run))
    };

    let (code, report) = run(&["--run"], &[name, other]);
    assert_eq!(code, 1, "{report}");
    assert_eq!(
        observed(&report),
        expected(&[("pkg.declared", KEEPS), ("silent", TURNS_ON)])
    );
    assert_eq!(report["run_with"], python.to_str().unwrap());

    // Alone it fails, and says why.
    let (_, report) = run(&["--run"], &[name]);
    assert_eq!(observed(&report)["pkg.declared"], "failed");
    assert!(
        report.to_string().contains("No module named 'other'"),
        "{report}"
    );

    // What no honest wheel contains is refused as a whole.
    let (code, report) = run(&["--run"], &[evil]);
    assert_eq!(code, 2);
    assert_eq!(observed(&report), expected(&[("used", "none")]));
    assert!(
        report.to_string().contains("not imported: member"),
        "{report}"
    );
    assert!(!project.path().join("escaped.py").exists());

    let (_, report) = run(&[], &[name, other]);
    assert_eq!(report["run_with"], Value::Null);
}

#[test]
fn imports_that_fail_crash_or_hang_are_told() {
    let Some(python) = free_threaded_python() else {
        return;
    };
    let project = environment();
    let site = "venv/lib/python3.14t/site-packages";
    for (package, code) in [
        ("crashes", "import os\nos.abort()\n"),
        ("hangs", "while True:\n    pass\n"),
        ("raises", "raise ValueError('not today')\n"),
        ("exits", "import os\nos._exit(7)\n"),
        // A backport must not shadow the standard library.
        ("json", "raise RuntimeError('shadows')\n"),
        ("shadowed", "import json\njson.dumps\n"),
    ] {
        project.write(&format!("{site}/{package}/__init__.py"), code.as_bytes());
        if package != "json" {
            let module = format!("{site}/{package}/declared.{SUFFIX}");
            project.write(&module, &module_bytes("declared"));
        }
    }
    let python = python.to_str().unwrap();
    let arguments = ["--run", "--python", python, "--timeout", "5", "venv"];
    let report = audit_json(&project.path(), &arguments);
    assert_eq!(
        observed(&report),
        expected(&[
            ("bad.silent", TURNS_ON),
            ("crashes.declared", "crashed"),
            ("exits.declared", "crashed"),
            ("good.declared", KEEPS),
            ("hangs.declared", "timed-out"),
            ("raises.declared", "failed"),
            ("shadowed.declared", KEEPS),
        ])
    );
    let text = audit(&project.path(), &arguments).stdout;
    for line in [
        "raises.declared: could not be imported: ValueError: not today",
        "hangs.declared: could not be imported: the import did not end in time",
        "crashed when imported (signal 6 (abort))",
        "crashed when imported (exit code 7)",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn the_interpreter_is_found_as_for_explore() {
    let folder = modules().join("linux_x86_64");
    let file = format!("declared.{SUFFIX}");
    // Nothing named is of use: every place that was looked at is named, in order.
    let project = Project::new(&[("venv/bin/python", "no program")]);
    let run = finish(
        command::command(&folder, &["audit", "--no-code", "--run", &file])
            .env("PATH", "")
            .env("RACEPROOF_PYTHON", "/no/such/python")
            .env("VIRTUAL_ENV", project.path().join("venv")),
    );
    assert_eq!(run.code, 2);
    let places = [
        "RACEPROOF_PYTHON=/no/such/python",
        "virtual environment's",
        "python3.14t:",
        "python3:",
    ];
    let found: Vec<_> = places.iter().map(|it| run.stdout.find(it)).collect();
    assert!(found.iter().all(Option::is_some), "{found:?} {run:?}");
    assert!(found.is_sorted(), "{found:?} {run:?}");
}

#[test]
fn run_without_an_interpreter_says_what_was_tried() {
    let folder = modules().join("linux_x86_64");
    let file = format!("declared.{SUFFIX}");
    let run = audit(&folder, &["--run", "--python", "/no/such/python", &file]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.contains("/no/such/python"), "{run:?}");
    assert!(run.stdout.contains("--python"), "{run:?}");
}

// The project's own code

#[test]
fn the_code_of_a_project_is_counted_and_its_classifier_compared() {
    let project = Project::new(&[
        (
            "pyproject.toml",
            "[project]\nname = \"app\"\nclassifiers = [\"Programming Language :: Python :: Free Threading :: 3 - Stable\"]\n",
        ),
        ("requirements.txt", "# none\n"),
        (
            "app.py",
            "import os\nimport threading\n\ncount = 0\ncache = {}\nlock = threading.Lock()\n\n\ndef work():\n    global count\n    os.chdir(\"/\")\n    with lock:\n        cache[1] = 2\n    for _ in range(1000):\n        count += 1\n\n\ndef main():\n    threads = [threading.Thread(target=work) for _ in range(4)]\n    for thread in threads:\n        thread.start()\n    for thread in threads:\n        thread.join()\n    print(count)\n\n\nif __name__ == \"__main__\":\n    main()\n",
        ),
    ]);
    let run = finish(
        project
            .command(&["audit", "--output-format", "json"])
            .env_remove("VIRTUAL_ENV")
            .env_remove("CONDA_PREFIX"),
    );
    let report = json(&run);
    let code = &report["code"];
    assert_eq!(code["files"], 1, "{code}");
    assert!(code["errors"].as_u64().unwrap() >= 1, "{code}");
    assert_eq!(code["module_state"], 2, "{code}");
    assert!(code["process_wide"].as_u64().unwrap() >= 1, "{code}");
    assert_eq!(code["thread_starts"], 1, "{code}");
    assert_eq!(code["locks"], 1, "{code}");
    assert_eq!(code["classifier"], "3 - Stable");
    let remark = code["remark"].as_str().unwrap();
    assert!(
        remark.starts_with("declares Free Threading :: 3 - Stable, but"),
        "{remark}"
    );
    assert_eq!(report["summary"]["readiness"], "unproven");
    let text = project.run(&["audit"]).stdout;
    assert!(text.contains("Code: 1 file; "), "{text}");
    // An audit leaves nothing behind.
    assert!(!project.path().join(".raceproof_cache").exists());
}
