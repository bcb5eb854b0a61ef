//! Input that nobody should have to think about: each case costs a clear line and exit code 2, and
//! the rest is still analysed.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod command;

use std::process::Stdio;

use command::{Project, Run};

/// A file that is fine, beside the one that is not.
const FINE: (&str, &str) = ("fine.py", "def fine():\n    return 1\n");

/// `check` fails with exactly one line on standard error that begins with `error`, and analyses
/// one file beside it.
#[track_caller]
fn one_problem(run: &Run, line: &str) {
    let errors: Vec<&str> = run
        .stderr
        .lines()
        .filter(|it| it.starts_with("error"))
        .collect();
    assert_eq!(errors, [line], "{run:?}");
    assert_eq!(run.code, 2, "{run:?}");
    let rest = "1 path could not be analysed as it should, see above.";
    assert!(run.stdout.contains(rest), "{run:?}");
}

#[track_caller]
fn fine_and(path: &str, bytes: &[u8]) -> Run {
    let project = Project::new(&[FINE]);
    project.write(path, bytes);
    let run = project.run(&["check"]);
    assert!(run.stdout.contains("Analysed 1 file"), "{run:?}");
    run
}

#[test]
fn nul_bytes() {
    one_problem(
        &fine_and("bad.py", b"x = 1\n\0\n"),
        "error: bad.py: contains a NUL byte at offset 6, which Python source cannot; is it a binary file?",
    );
}

#[test]
fn utf16() {
    one_problem(
        &fine_and("bad.py", b"\xff\xfex\0"),
        "error: bad.py: starts with a UTF-16 or UTF-32 byte order mark, which Python does not read; save it as UTF-8",
    );
}

#[test]
fn not_utf8() {
    one_problem(
        &fine_and("bad.py", b"x = '\xe9'\n"),
        "error: bad.py: is not valid UTF-8: byte at offset 5; declare the encoding in a `# -*- coding: NAME -*-` comment",
    );
}

#[test]
fn unknown_encoding() {
    one_problem(
        &fine_and("bad.py", b"# coding: klingon\n"),
        "error: bad.py: declares the unknown encoding `klingon`; correct the `coding:` comment",
    );
}

#[test]
fn mark_against_cookie() {
    one_problem(
        &fine_and("bad.py", b"\xef\xbb\xbf# coding: latin-1\n"),
        "error: bad.py: has a UTF-8 byte order mark but declares the encoding `latin-1`; remove one of them",
    );
}

#[test]
fn declared_encodings_are_read() {
    let project = Project::new(&[]);
    project.write(
        "latin.py",
        b"#!/usr/bin/python\n# -*- coding: latin-1 -*-\nx = '\xe9'\n",
    );
    project.write(
        "cyrillic.py",
        b"# vim: set fileencoding=koi8-r :\nx = '\xc1'\n",
    );
    project.write("japanese.py", b"# coding=cp932\nx = '\x83\x5c'\n");
    project.write("windows.py", b"# coding: cp1252\nx = '\x80'\n");
    project.write("marked.py", b"\xef\xbb\xbfx = '\xc3\xa9'\n");
    // The cookie of a third line, or one behind code, is none.
    project.write("late.py", b"x = 1\n# coding: klingon\n");
    let run = project.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("Analysed 6 files"), "{run:?}");
}

#[test]
fn syntax_error() {
    let run = {
        let project = Project::new(&[
            FINE,
            ("bad.py", "def f():\n    return (1\n\ndef g():\n    pass\n"),
        ]);
        project.run(&["check"])
    };
    one_problem(
        &run,
        "error: bad.py:4:1: syntax error: Expected `)`, found `def` (and 1 more); the rest of the file was analysed",
    );
    // Both files, and in the broken one the definitions that the parser recovers.
    assert!(
        run.stdout
            .contains("Analysed 2 files, 7 lines, 3 functions"),
        "{run:?}"
    );
}

#[test]
fn empty_file_is_fine() {
    let run = fine_and("sub/__init__.pyc", b"");
    assert_eq!(run.code, 0);
    let project = Project::new(&[("__init__.py", "")]);
    let run = project.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("Analysed 1 file, 0 lines"), "{run:?}");
}

#[test]
fn deep_nesting() {
    let n = 100_000;
    let cases = [
        format!("{}{}", "(".repeat(n), ")".repeat(n)),
        "[".repeat(n),
        format!("x = {}1", "1+".repeat(n)),
        format!("x = {}1", "not ".repeat(n)),
        format!("x = {}1", "-".repeat(n)),
        format!("x = {}1", "lambda a, b: ".repeat(n / 10)),
        format!("x = a{}", ".b".repeat(n)),
        format!("x = a{}", "()".repeat(n)),
        format!("x = {}1", "1 if x else ".repeat(n / 10)),
        format!("x = {}1", "2**".repeat(n)),
        format!("x = {}1{}", "f\"{".repeat(n / 10), "}\"".repeat(n / 10)),
        format!("def f(x: {}): pass", "[z-a]".repeat(n)),
        (0..2_000)
            .map(|i| format!("{}if x:\n", " ".repeat(i)))
            .collect(),
        format!("match x:\n  case {}", "(".repeat(n)),
        "class A: ".repeat(n / 10),
        format!("x = {}", "await ".repeat(n / 10)),
        format!("{}: 1", "{1:".repeat(n / 10)),
        format!("x = {}1", "yield ".repeat(n / 10)),
        "@".repeat(n),
        "try:\n ".repeat(1_500),
    ];
    for text in cases {
        let run = fine_and_deep(&text);
        let errors: Vec<&str> = run
            .stderr
            .lines()
            .filter(|it| it.starts_with("error"))
            .collect();
        assert_eq!(errors.len(), 1, "{:.60}: {run:?}", text);
        assert!(
            errors[0].starts_with("error: deep.py"),
            "{:.60}: {run:?}",
            text
        );
        assert_eq!(run.code, 2, "{:.60}: {run:?}", text);
    }
}

fn fine_and_deep(text: &str) -> Run {
    let project = Project::new(&[FINE, ("deep.py", text)]);
    project.run(&["check", "--no-cache"])
}

/// Just below the bound everything that walks a tree must manage on a thread's stack, in a debug
/// build, too.
#[test]
fn nesting_below_the_bound() {
    let n = raceproof::source::depth::MAX_DEPTH / 2 - 10;
    let cases = [
        format!("x = {}{}", "(1, ".repeat(n), ")".repeat(n)),
        format!("x = {}1", "1+".repeat(n)),
        format!("x = {}1", "not ".repeat(n)),
        format!("x = a{}", ".b()".repeat(n / 2)),
        format!("x = {}1", "lambda: ".repeat(n / 2)),
        format!("x = {}1{}", "f(".repeat(n), ")".repeat(n)),
        format!("x = {}1{}", "[y for x in ".repeat(n / 4), "]".repeat(n / 4)),
        format!("x = {}1", "1 if x else ".repeat(n / 2)),
        (0..n)
            .map(|i| format!("{}if x:\n", " ".repeat(i)))
            .collect::<String>()
            + &" ".repeat(n)
            + "pass\n",
        (0..n / 2)
            .map(|i| format!("{}def f():\n", " ".repeat(i)))
            .collect::<String>()
            + &" ".repeat(n / 2)
            + "pass\n",
        (0..n / 2)
            .map(|i| format!("{}class A:\n", " ".repeat(i)))
            .collect::<String>()
            + &" ".repeat(n / 2)
            + "pass\n",
    ];
    for text in cases {
        let run = fine_and_deep(&text);
        assert_eq!(run.code, 0, "{:.60}: {run:?}", text);
    }
}

/// Found by fuzzing, and cut down: calls that call one another twice doubled the threads they start
/// at each step, until memory was full.
#[test]
fn threads_of_calls_that_call_one_another() {
    let text = "    \
threading.Threa.show).import threading
def each(items, visit):
    for item in items:
   sta(erdtgt=table.add, argrt()
     visit(item)
        visit(item)
def add(n):
    each([1, 2, 3], add)
for _ in ranork():
    each([1, 2, 3], add)
    threading.Thread(target=work).start()
";
    let project = Project::new(&[FINE, ("twice.py", text)]);
    let run = project.run(&["check", "--no-cache"]);
    assert!(run.stderr.starts_with("error: twice.py:1:"), "{run:?}");
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn large_file() {
    let text = "x = 1\n".repeat(9_000_000);
    one_problem(
        &fine_and("bad.py", text.as_bytes()),
        "error: bad.py: is larger than 16 MB; exclude it if it is data",
    );
}

#[test]
fn long_line() {
    let text = format!("x = [{}]\n", "1, ".repeat(1_000_000));
    let run = {
        let project = Project::new(&[FINE, ("wide.py", &text)]);
        project.run(&["check"])
    };
    assert_eq!(run.code, 0, "{:.2000}", run.stderr);
}

#[test]
fn not_python() {
    let project = Project::new(&[
        FINE,
        ("notes.txt", "hello"),
        ("fine.pyi", ""),
        ("a.ipynb", "{}"),
    ]);
    let cases = [
        (
            "notes.txt",
            "error: notes.txt: is not a Python file (`.py` or `.pyw`)",
        ),
        (
            "fine.pyi",
            "error: fine.pyi: is a stub file, which holds no code that runs: not analysed",
        ),
        (
            "a.ipynb",
            "error: a.ipynb: is a notebook: not analysed; export it as a Python file",
        ),
        ("gone.py", "error: gone.py: does not exist"),
        ("gone", "error: gone: does not exist"),
    ];
    for (path, line) in cases {
        let run = project.run(&["check", "fine.py", path]);
        one_problem(&run, line);
        assert!(run.stdout.contains("Analysed 1 file"), "{run:?}");
    }
    // Met on the way they are counted, not complained about.
    let run = project.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("; 1 stub and 1 notebook left out"),
        "{run:?}"
    );
}

#[test]
fn nothing_to_analyse() {
    let project = Project::new(&[("notes.txt", "hello")]);
    let run = project.run(&["check"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr
            .contains("error: .: has no Python files: nothing to analyse"),
        "{run:?}"
    );
}

#[cfg(unix)]
#[test]
fn symbolic_links() {
    use std::os::unix::fs::symlink;
    let project = Project::new(&[FINE, ("pkg/mod.py", "x = 1\n")]);
    let at = |path: &str| project.path().join(path);
    symlink(".", at("loop")).unwrap();
    one_problem(
        &project.run(&["check"]),
        "error: loop: is a symbolic link to its own parent `.`",
    );
    std::fs::remove_file(at("loop")).unwrap();

    // Into the project: the same files again. Dangling: no file, unless it should be Python.
    symlink("pkg", at("again")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let run = project.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("Analysed 2 files"), "{run:?}");
    symlink("nowhere", at("dangling.py")).unwrap();
    one_problem(
        &project.run(&["check"]),
        "error: dangling.py: does not exist",
    );
    std::fs::remove_file(at("dangling.py")).unwrap();

    // Out of the project: part of it.
    let outside = Project::new(&[("lib.py", "y = 1\n")]);
    symlink(outside.path(), at("lib")).unwrap();
    let run = project.run(&["check"]);
    assert!(run.stdout.contains("Analysed 3 files"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn unreadable() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new(&[FINE, ("secret.py", "x = 1\n")]);
    let path = project.path().join("secret.py");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        eprintln!("skipped: this user reads files whatever their permissions say");
        return;
    }
    let run = project.run(&["check"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("error: secret.py: cannot be read: "),
        "{run:?}"
    );
}

#[cfg(unix)]
#[test]
fn not_a_regular_file() {
    let project = Project::new(&[FINE]);
    let fifo = project.path().join("pipe.py");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no mkfifo");
        return;
    }
    let run = project.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    one_problem(
        &project.run(&["check", "fine.py", "pipe.py"]),
        "error: pipe.py: is not a regular file",
    );
}

#[test]
fn broken_configuration() {
    let cases = [
        (
            "[tool.raceproof]\ntargt = \"3.14t\"\n",
            "did you mean `target`?",
        ),
        (
            "[tool.raceproof]\ntarget = \"3.12\"\n",
            "one of: 3.13t, 3.14t, 3.15t",
        ),
        ("[tool.raceproof]\ntarget = 3\n", "takes one of the strings"),
        (
            "[tool.raceproof.rules]\nlazy-inti = \"off\"\n",
            "did you mean `lazy-init`?",
        ),
        (
            "[tool.raceproof]\nselect = [\"zzz\"]\n",
            "`raceproof rules` lists the rules",
        ),
        (
            "[tool.raceproof]\nexclude = \"x\"\n",
            "takes an array of strings, not a string",
        ),
        ("[tool.raceproof]\nexclude = [\"[z-a]\"]\n", "not a pattern"),
        (
            "[tool.raceproof]\nmodels = [\"gone.toml\"]\n",
            "cannot be read",
        ),
        (
            "[[tool.raceproof.overrides]]\nrules = {}\n",
            "an override needs `paths`",
        ),
        ("[tool.raceproof\n", "not valid TOML"),
        ("tool = 3\n[x]\nraceproof = 1\n", "takes a table"),
    ];
    for (text, wanted) in cases {
        let project = Project::new(&[FINE, ("pyproject.toml", text)]);
        let run = project.run(&["check"]);
        assert_eq!(run.code, 2, "{text}: {run:?}");
        assert!(run.stderr.contains(wanted), "{text}: {}", run.stderr);
        assert!(
            run.stderr.contains("pyproject.toml") || wanted == "cannot be read",
            "{run:?}"
        );
        assert!(run.stdout.is_empty(), "{run:?}");
    }
}

#[test]
fn corrupt_cache() {
    let project = Project::new(&[FINE, ("bad.py", "x = (\n")]);
    let first = project.run(&["check"]);
    let cache = project.path().join(".raceproof_cache");
    let files = || -> Vec<_> {
        let entries = std::fs::read_dir(&cache).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    assert!(
        files()
            .iter()
            .any(|path| path.extension().is_some_and(|it| it == "pack"))
    );
    type Spoil = fn(&mut Vec<u8>);
    let spoils: [Spoil; 6] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55),
        |bytes| bytes[0] ^= 1,
        |bytes| {
            let at = bytes.len() - 20;
            bytes[at] ^= 0x80;
        },
        |bytes| bytes.extend_from_slice(b"more"),
    ];
    for spoil in spoils {
        for path in files() {
            if path
                .extension()
                .is_some_and(|it| it == "pack" || it == "bin")
            {
                let mut bytes = std::fs::read(&path).unwrap();
                // A file that was spoiled before and not needed since is left as it is.
                if bytes.len() < 20 {
                    continue;
                }
                spoil(&mut bytes);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let again = project.run(&["check"]);
        assert_eq!(again.stdout, first.stdout);
        assert_eq!(again.stderr, first.stderr);
        assert_eq!(again.code, first.code);
    }
    // A file in its place is no cache, and no reason to fail.
    std::fs::remove_dir_all(&cache).unwrap();
    std::fs::write(&cache, "not a directory").unwrap();
    assert_eq!(project.run(&["check"]).stdout, first.stdout);
}

#[test]
fn closed_pipe() {
    let text: String = (0..3_000).map(|i| format!("x{i} = (\n")).collect();
    let project = Project::new(&[FINE, ("bad.py", &text)]);
    for format in ["text", "json", "sarif"] {
        let mut child = project
            .command(&["check", "--output-format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(2));
    }
    let mut child = project
        .command(&["rules", "--output-format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn output_that_cannot_be_written() {
    let project = Project::new(&[FINE]);
    let run = project.run(&["check", "--output-file", "no/such/directory/out.json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr
            .contains("no/such/directory/out.json: cannot be written"),
        "{run:?}"
    );
}

#[test]
fn invocations() {
    let project = Project::new(&[FINE]);
    let cases: [(&[&str], &str); 8] = [
        (&["chekc"], "similar subcommand"),
        (&["check", "--output-format", "xml"], "possible values"),
        (
            &["check", "--baseline", "gone.json"],
            "gone.json: cannot be read",
        ),
        (
            &["check", "--config", "gone.toml"],
            "gone.toml: cannot be read",
        ),
        (
            &["check", "-", "fine.py"],
            "`-` cannot be combined with other paths",
        ),
        (
            &["check", "--stdin-filename", "a.py"],
            "`--stdin-filename` needs the path `-`",
        ),
        (&["explain", "lazy-inti"], "did you mean `lazy-init`?"),
        (&["check", "--exclude", "[z-a]"], "--exclude: not a pattern"),
    ];
    for (arguments, wanted) in cases {
        let run = project.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(wanted), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn standard_input() {
    let project = Project::new(&[FINE]);
    let run = project.run_with_stdin(&["check", "-"], b"x = (\n");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("error: stdin.py:2:1: syntax error"),
        "{run:?}"
    );
    let run = project.run_with_stdin(&["check", "-", "--stdin-filename", "new.py"], b"\0");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("standard input contains a NUL byte"),
        "{run:?}"
    );
    let run = project.run_with_stdin(&["check", "-", "--stdin-filename", "new.py"], b"x = 1\n");
    assert_eq!(run.code, 0, "{run:?}");
}
