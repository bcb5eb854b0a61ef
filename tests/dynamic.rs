//! `raceproof explore` and `raceproof replay`, on real interpreters: the free-threaded one named by
//! `RACEPROOF_PYTHON` (or `python3.14t`), and `python3`. A test says which of them it found.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stderr)]

mod externals;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use raceproof::dynamic::agent_process::{Isolation, Target, modules};
use raceproof::dynamic::fleet::Fleet;
use raceproof::dynamic::happens_before::Order;
use raceproof::dynamic::interpreter::{Interpreter, ask};
use raceproof::dynamic::protocol::{Policy, Status};
use raceproof::dynamic::search::{Choice, Limits, Outcome, Verdict, search};
use raceproof::dynamic::strategy::Strategy;
use raceproof::dynamic::strategy::auto::Auto;
use raceproof::dynamic::strategy::bounded::Bounded;
use raceproof::dynamic::strategy::dpor::Dpor;
use raceproof::dynamic::strategy::seeded::Seeded;
use serde_json::Value;
use tempfile::TempDir;

/// The interpreters to test with. Where externals are required there is `python3`, and the one of
/// `RACEPROOF_PYTHON` if that is set.
fn interpreters() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let named = std::env::var_os("RACEPROOF_PYTHON");
        let all = std::env::var_os("RACEPROOF_REQUIRE_EXTERNALS").is_some_and(|it| it == "1");
        let free = (named.is_some(), named.unwrap_or("python3.14t".into()));
        let mut found = Vec::new();
        for (expected, path) in [free, (true, "python3".into())] {
            let required = all && expected;
            let path = PathBuf::from(path);
            match ask(&path) {
                Ok(interpreter) => {
                    eprintln!("found {}", interpreter.describe());
                    found.push(interpreter);
                }
                Err(why) => {
                    assert!(!required, "{}: {why}", path.display());
                    eprintln!("skipped: {} {why}", path.display());
                }
            }
        }
        found
    })
}

/// One interpreter; tests that need no particular one are skipped without any.
fn interpreter() -> Option<&'static Interpreter> {
    interpreters().first()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts(folder: &str) -> Vec<PathBuf> {
    let mut scripts: Vec<_> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "py"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    scripts
}

fn target(script: &Path) -> Target {
    let script = fs::canonicalize(script).unwrap();
    let directory = script.parent().unwrap().to_owned();
    Target {
        kind: "script",
        target: script.to_string_lossy().into_owned(),
        function: None,
        argv: Vec::new(),
        root: directory.clone(),
        directory,
        all_accesses: false,
    }
}

fn fleet(interpreter: &Interpreter, script: &Path) -> Fleet {
    Fleet::start(
        interpreter.clone(),
        target(script),
        Isolation::Auto,
        Duration::from_secs(60),
    )
    .map_err(|error| format!("{}: {error:?}", script.display()))
    .unwrap()
}

fn explored(interpreter: &Interpreter, script: &Path, choice: Choice, limits: &Limits) -> Outcome {
    let mut fleet = fleet(interpreter, script);
    search(&mut fleet, choice, 1, limits, &mut ())
        .map_err(|error| format!("{}: {error:?}", script.display()))
        .unwrap()
}

/// A program of threads that each run one of `bodies`, with shared state set up first.
fn program(folder: &TempDir, setup: &str, bodies: &[&str]) -> PathBuf {
    let mut text = format!("import queue\nimport threading\n{setup}\n");
    for (number, body) in bodies.iter().enumerate() {
        text.push_str(&format!("def body{number}():\n"));
        text.push_str("    global value, flag\n");
        for line in body.lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    let names: Vec<String> = (0..bodies.len()).map(|it| format!("body{it}")).collect();
    text.push_str(&format!(
        "threads = [threading.Thread(target=it) for it in [{}]]\n",
        names.join(", ")
    ));
    text.push_str("for it in threads: it.start()\nfor it in threads: it.join()\n");
    let path = folder.path().join("program.py");
    fs::write(&path, text).unwrap();
    path
}

fn raceproof(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raceproof"));
    command.args(args).current_dir(directory);
    if let Some(interpreter) = interpreter() {
        command.env("RACEPROOF_PYTHON", &interpreter.path);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

// --- the fixtures ------------------------------------------------------------------------------

#[test]
fn failing_programs_are_found() {
    for interpreter in interpreters() {
        for script in scripts("fixtures/dynamic/reported") {
            let outcome = explored(interpreter, &script, Choice::Auto, &Limits::default());
            assert_eq!(
                outcome.verdict,
                Verdict::Failing,
                "{} on {}: {outcome:?}",
                script.display(),
                interpreter.describe()
            );
        }
    }
}

#[test]
fn correct_programs_are_certified_with_at_most_twice_the_executions_needed() {
    for interpreter in interpreters() {
        for script in scripts("fixtures/dynamic/quiet") {
            let outcome = explored(interpreter, &script, Choice::Auto, &Limits::default());
            assert_eq!(
                outcome.verdict,
                Verdict::NoneExists,
                "{} on {}: {outcome:?}",
                script.display(),
                interpreter.describe()
            );
            assert!(
                outcome.executions <= 2 * outcome.traces,
                "{}: {} executions for {} traces",
                script.display(),
                outcome.executions,
                outcome.traces
            );
        }
    }
}

#[test]
fn the_four_patterns_make_a_table() {
    if interpreter().is_none() {
        return;
    }
    let output = raceproof(
        root(),
        &["explore", "fixtures/patterns", "--output-format", "json"],
    );
    assert_eq!(code(&output), 1, "{}", said(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |name: &str| {
        let programs = result["programs"].as_array().unwrap();
        let found = programs
            .iter()
            .find(|it| it["name"].as_str().unwrap().contains(name))
            .unwrap();
        assert!(
            found["schedules"].as_u64().unwrap() <= 2 * found["traces"].as_u64().unwrap(),
            "{found}"
        );
        found["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("unlocked_counter"), "failing");
    assert_eq!(verdict("unlocked_containers"), "failing");
    assert_eq!(verdict("isolated_tasks"), "none-exists");
    assert_eq!(verdict("proper_locking"), "none-exists");
}

// --- strategies --------------------------------------------------------------------------------

/// The traces of the first schedules a strategy chooses.
fn traces(interpreter: &Interpreter, script: &Path, strategy: &mut dyn Strategy) -> Vec<Vec<u64>> {
    let mut fleet = fleet(interpreter, script);
    let mut traces = Vec::new();
    while traces.len() < 40
        && let Some(plan) = strategy.next_plan()
    {
        let execution = fleet.run(plan).unwrap();
        let order = Order::of(&execution);
        strategy.learn(&execution, &order).unwrap();
        traces.push(execution.trace.iter().map(|it| it.0).collect());
    }
    traces
}

#[test]
fn every_strategy_does_the_same_with_the_same_seed() {
    let steps = 10_000;
    type Make = Box<dyn Fn() -> Box<dyn Strategy>>;
    let make: Vec<(&str, Make)> = vec![
        ("auto", Box::new(move || Box::new(Auto::new(3, steps)))),
        (
            "bounded",
            Box::new(move || Box::new(Bounded::new(2, steps))),
        ),
        ("dpor", Box::new(move || Box::new(Dpor::new(steps)))),
        (
            "pos",
            Box::new(move || Box::new(Seeded::new(Policy::Pos, 3, steps))),
        ),
        (
            "pct",
            Box::new(move || Box::new(Seeded::new(Policy::Pct, 3, steps))),
        ),
        (
            "surw",
            Box::new(move || Box::new(Seeded::new(Policy::Surw, 3, steps))),
        ),
        (
            "random",
            Box::new(move || Box::new(Seeded::new(Policy::Random, 3, steps))),
        ),
    ];
    let script = root().join("fixtures/dynamic/reported/semaphore_of_two.py");
    for interpreter in interpreters() {
        for (name, strategy) in &make {
            let first = traces(interpreter, &script, strategy().as_mut());
            let second = traces(interpreter, &script, strategy().as_mut());
            assert!(first.len() > 5, "{name} ran {} schedules", first.len());
            assert!(
                first.iter().collect::<BTreeSet<_>>().len() > 1,
                "{name} ran one schedule only"
            );
            assert_eq!(first, second, "{name} on {}", interpreter.describe());
        }
    }
}

#[test]
fn every_strategy_finds_a_lost_update() {
    let Some(interpreter) = interpreter() else {
        return;
    };
    let script = root().join("fixtures/patterns/unlocked_counter.py");
    for choice in [
        Choice::Auto,
        Choice::Bounded(2),
        Choice::Dpor,
        Choice::Pos,
        Choice::Pct,
        Choice::Surw,
        Choice::Random,
    ] {
        let outcome = explored(interpreter, &script, choice, &Limits::default());
        assert_eq!(outcome.verdict, Verdict::Failing, "{choice:?}");
    }
}

/// Programs whose number of Mazurkiewicz traces is known.
#[test]
fn exhaustive_search_executes_each_trace_once() {
    let one = "value = 1";
    let append = "shared.append(1)";
    let locked = "with lock:\n    pass";
    let twice = "for _ in range(2):\n    with lock:\n        pass";
    let cases: &[(&str, &[&str], u64)] = &[
        ("nothing shared", &["pass", "pass", "pass"], 1),
        // Orders of writes: 2!, 3!, and those of two threads with two each: 4! / (2! 2!).
        ("two writes", &[one, one], 2),
        ("three writes", &[one, one, one], 6),
        ("three appends", &[append, append, append], 6),
        (
            "two threads, two appends each",
            &["shared.append(1)\nshared.append(2)"; 2],
            6,
        ),
        // A write before, between or after two independent reads: 2 * 2.
        ("a writer and two readers", &[one, "value", "value"], 4),
        (
            "two reads of one thread and a write",
            &["value\nvalue", one],
            3,
        ),
        ("three critical sections", &[locked, locked, locked], 6),
        // 6! / (2! 2! 2!).
        ("three threads, two critical sections each", &[twice; 3], 90),
        ("elements of a list", &["cells[0] = 1", "cells[1] = 1"], 1),
        ("keys of a dict", &["table['a'] = 1", "table['b'] = 1"], 1),
        // Two reads and writes of one place: 4 orders that differ.
        ("two updates", &["value += 1", "value += 1"], 4),
    ];
    let setup = "value = 0\nshared = []\ncells = [0, 0]\ntable = {'a': 0, 'b': 0}\n\
                 lock = threading.Lock()";
    for interpreter in interpreters() {
        for (name, bodies, expected) in cases {
            let folder = TempDir::new().unwrap();
            let script = program(&folder, setup, bodies);
            let outcome = explored(interpreter, &script, Choice::Dpor, &Limits::default());
            assert_eq!(
                (outcome.verdict, outcome.traces, outcome.executions),
                (Verdict::NoneExists, *expected, *expected),
                "{name} on {}",
                interpreter.describe()
            );
        }
    }
}

#[test]
fn all_accesses_are_those_of_names_bound_once_too() {
    let Some(interpreter) = interpreter() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let script = program(&folder, "limit = 3", &["limit", "limit"]);
    let steps = |all_accesses| {
        let target = Target {
            all_accesses,
            ..target(&script)
        };
        let patience = Duration::from_secs(60);
        let mut fleet =
            Fleet::start(interpreter.clone(), target, Isolation::Process, patience).unwrap();
        let plan = raceproof::dynamic::protocol::Plan::free(Policy::GoOn, 0, 10_000);
        fleet.run(plan).unwrap().trace.len()
    };
    // The name is read once by each of the threads; other names are bound once as well.
    assert!(steps(true) >= steps(false) + 2);
}

#[test]
fn a_preemption_bound_is_a_bound() {
    let Some(interpreter) = interpreter() else {
        return;
    };
    let script = root().join("fixtures/patterns/unlocked_counter.py");
    let none = explored(interpreter, &script, Choice::Bounded(0), &Limits::default());
    assert_eq!(none.verdict, Verdict::NoneWithinBound);
    let one = explored(interpreter, &script, Choice::Bounded(1), &Limits::default());
    assert_eq!(one.verdict, Verdict::Failing);
}

// --- happens-before ----------------------------------------------------------------------------

/// For each primitive: the publication it orders is no data race, and is one without it.
#[test]
fn each_primitive_orders_what_it_publishes() {
    let setup = "value = 0\nlock = threading.Lock()\nrlock = threading.RLock()\n\
        event = threading.Event()\ncondition = threading.Condition()\n\
        semaphore = threading.Semaphore(0)\nbarrier = threading.Barrier(2)\n\
        items = queue.Queue()\nsimple = queue.SimpleQueue()\nflag = False\n\
        from concurrent.futures import Future, ThreadPoolExecutor\nfuture = Future()\n";
    let cases: &[(&str, &str, &str)] = &[
        (
            "lock",
            "with lock:\n    value = 1",
            "with lock:\n    value = 2",
        ),
        (
            "rlock",
            "with rlock:\n    value = 1",
            "with rlock:\n    value = 2",
        ),
        ("event", "value = 1\nevent.set()", "event.wait()\nvalue = 2"),
        (
            "condition",
            "value = 1\nwith condition:\n    flag = True\n    condition.notify()",
            "with condition:\n    while not flag:\n        condition.wait()\nvalue = 2",
        ),
        (
            "semaphore",
            "value = 1\nsemaphore.release()",
            "semaphore.acquire()\nvalue = 2",
        ),
        (
            "barrier",
            "value = 1\nbarrier.wait()",
            "barrier.wait()\nvalue = 2",
        ),
        ("queue", "value = 1\nitems.put(1)", "items.get()\nvalue = 2"),
        (
            "simple queue",
            "value = 1\nsimple.put(1)",
            "simple.get()\nvalue = 2",
        ),
        (
            "future",
            "value = 1\nfuture.set_result(1)",
            "future.result()\nvalue = 2",
        ),
        (
            "thread start and join",
            "pass",
            "value = 1\nit = threading.Thread(target=lambda: value)\nit.start()\nit.join()\nvalue = 2",
        ),
        (
            "pool",
            "pass",
            "value = 1\nwith ThreadPoolExecutor(1) as pool:\n    pool.submit(lambda: value)\nvalue = 2",
        ),
    ];
    for interpreter in interpreters() {
        for (name, first, second) in cases {
            let folder = TempDir::new().unwrap();
            let script = program(&folder, setup, &[first, second]);
            let outcome = explored(interpreter, &script, Choice::Auto, &Limits::default());
            assert_eq!(outcome.verdict, Verdict::NoneExists, "{name}: {outcome:?}");
            assert_eq!(outcome.data_races, [], "{name}");
        }
        let folder = TempDir::new().unwrap();
        let script = program(&folder, setup, &["value = 1", "value = 2"]);
        let outcome = explored(interpreter, &script, Choice::Auto, &Limits::default());
        assert_eq!(outcome.data_races.len(), 1);
    }
}

// --- witnesses ---------------------------------------------------------------------------------

/// A copy of a fixture in a project of its own, and the witness of its failure.
fn witnessed(name: &str) -> Option<(TempDir, PathBuf)> {
    interpreter()?;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("pyproject.toml"), "").unwrap();
    fs::copy(
        root().join("fixtures/dynamic/reported").join(name),
        folder.path().join("program.py"),
    )
    .unwrap();
    let output = raceproof(
        folder.path(),
        &["explore", "program.py", "--witness", "witness.json"],
    );
    assert_eq!(code(&output), 1, "{}", said(&output));
    let witness = folder.path().join("witness.json");
    Some((folder, witness))
}

#[test]
fn what_was_found_replays_on_every_interpreter() {
    for script in scripts("fixtures/dynamic/reported") {
        let name = script.file_name().unwrap().to_string_lossy().into_owned();
        let Some((folder, _)) = witnessed(&name) else {
            return;
        };
        for interpreter in interpreters() {
            let python = interpreter.path.to_string_lossy();
            let output = raceproof(
                folder.path(),
                &[
                    "replay",
                    "witness.json",
                    "--times",
                    "20",
                    "--python",
                    &python,
                ],
            );
            assert_eq!(
                code(&output),
                1,
                "{name} on {}: {}",
                interpreter.describe(),
                said(&output)
            );
            assert!(said(&output).contains("replayed 20 of 20 times"), "{name}");
        }
    }
}

fn edited(witness: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(witness).unwrap()).unwrap();
    edit(&mut value);
    fs::write(witness, value.to_string()).unwrap();
}

#[test]
fn a_witness_is_refused_with_the_reason() {
    type Damage = Box<dyn Fn(&Path, &Path)>;
    let cases: Vec<(&str, Damage)> = vec![
        (
            "update raceproof",
            Box::new(|_, witness| edited(witness, |it| it["format"] = 99.into())),
        ),
        (
            "program.py changed",
            Box::new(|folder, _| {
                let path = folder.join("program.py");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text + "\n# another line\n").unwrap();
            }),
        ),
        (
            "program.py (gone)",
            Box::new(|folder, _| fs::remove_file(folder.join("program.py")).unwrap()),
        ),
        (
            "not below the project's root",
            Box::new(|_, witness| {
                edited(witness, |it| it["program"]["target"] = "/etc/passwd".into());
            }),
        ),
        (
            "not below the project's root",
            Box::new(|_, witness| {
                edited(witness, |it| {
                    let hash = it["sources"]["program.py"].clone();
                    it["sources"]["../program.py"] = hash;
                });
            }),
        ),
        (
            "not below the project's root",
            Box::new(|_, witness| {
                edited(witness, |it| {
                    it["program"]["kind"] = "module".into();
                    it["program"]["target"] = "antigravity".into();
                });
            }),
        ),
        (
            "is no witness",
            Box::new(|_, witness| fs::write(witness, "[1, 2]").unwrap()),
        ),
        (
            "is no witness",
            Box::new(|_, witness| fs::write(witness, b"\xff\x00").unwrap()),
        ),
    ];
    for (reason, spoil) in cases {
        let Some((folder, witness)) = witnessed("closure.py") else {
            return;
        };
        spoil(folder.path(), &witness);
        let output = raceproof(folder.path(), &["replay", "witness.json"]);
        assert_eq!(code(&output), 2, "{reason}: {}", said(&output));
        assert!(
            said(&output).contains(reason),
            "{reason}: {}",
            said(&output)
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_project_is_not_followed() {
    let Some((folder, _)) = witnessed("closure.py") else {
        return;
    };
    let elsewhere = TempDir::new().unwrap();
    let outside = elsewhere.path().join("program.py");
    fs::rename(folder.path().join("program.py"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, folder.path().join("program.py")).unwrap();
    let output = raceproof(folder.path(), &["replay", "witness.json"]);
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(said(&output).contains("not below the project's root"));
}

#[test]
fn a_divergence_names_its_first_step() {
    let Some((folder, witness)) = witnessed("closure.py") else {
        return;
    };
    edited(&witness, |it| {
        let steps = it["steps"].as_array_mut().unwrap();
        let step = steps
            .iter_mut()
            .find(|it| it["operation"] == "write")
            .unwrap();
        step["site"] = "program.py:1".into();
    });
    let output = raceproof(folder.path(), &["replay", "witness.json"]);
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(
        said(&output).contains("diverges at step"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("program.py:1"), "{}", said(&output));
}

/// A failure of each kind: its name, the bug, the repaired program, and what the test shows.
fn failures() -> Vec<(&'static str, String, String, &'static str)> {
    let counted = |end: &str| {
        format!(
            "{TWO_THREADS}import os, sys\nn = 0\nlock = threading.Lock()\ndef add():\n    global n\n    \
             n += 1\ndef main():\n    start(add, add)\n    {end}\nmain()\n"
        )
    };
    let raised = format!(
        "{TWO_THREADS}n = [1]\nlock = threading.Lock()\ndef take():\n    if n:\n        n.pop()\n\
         start(take, take)\n"
    );
    let dead = format!(
        "{TWO_THREADS}x, y = threading.Lock(), threading.Lock()\ndef a():\n    with x:\n        \
         with y: pass\ndef b():\n    with y:\n        with x: pass\nstart(a, b)\n"
    );
    let lost = |what: &str| {
        format!(
            "{TWO_THREADS}import os\nflag = 0\nlock = threading.Lock()\ndef a():\n    global flag\n    \
             flag = 1\n    flag = 0\ndef b():\n    if flag:\n        {what}\nstart(a, b)\n"
        )
    };
    let locked = |text: &str| {
        text.replace("    n += 1", "    with lock: n += 1")
            .replace(
                "    if n:\n        n.pop()",
                "    with lock:\n        if n: n.pop()",
            )
            .replace("with y:\n        with x", "with x:\n        with y")
            .replace(
                "    flag = 1\n    flag = 0",
                "    with lock: flag = 1; flag = 0",
            )
            .replace("    if flag", "    with lock: seen = flag\n    if seen")
    };
    [
        ("assertion", counted("assert n == 2"), "AssertionError"),
        ("exception", raised, "IndexError: pop from empty list"),
        ("exit", counted("sys.exit(n - 2)"), "exit status -1"),
        ("exit", counted("os._exit(2 - n)"), "os._exit(1)"),
        ("deadlock", dead, "waits for a lock held by"),
        (
            "not-serial",
            counted("print(n)"),
            "'1' comes from no serial order",
        ),
        (
            "not-serial",
            counted("os.write(1, b'%d' % n)"),
            "'1' comes from no serial order",
        ),
        ("crash", lost("os.abort()"), "Fatal Python error"),
        ("hang", lost("os.read(os.pipe()[0], 1)"), "Timeout"),
    ]
    .into_iter()
    .map(|(kind, text, words)| {
        let fixed = locked(&text);
        assert_ne!(text, fixed);
        (kind, text, fixed, words)
    })
    .collect()
}

/// Explores a program of a failure: its project with `witness.json` and `test_race.py`.
fn with_failure(kind: &str, text: &str) -> Option<TempDir> {
    let args = [
        "--witness",
        "witness.json",
        "--emit-test",
        "test_race.py",
        "--patience",
        "2",
    ];
    let (folder, output) = explore_text(text, &args)?;
    assert_eq!(code(&output), 1, "{kind}: {}", said(&output));
    assert!(
        said(&output).contains(&format!("\n{kind}: ")),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("replay: raceproof replay witness.json"),
        "{kind}"
    );
    // The test waits for so long before it says that a run hangs.
    let test = folder.path().join("test_race.py");
    let text = fs::read_to_string(&test).unwrap();
    let hasty = text.replace("\nSECONDS = 10\n", "\nSECONDS = 2\n");
    assert_ne!(text, hasty);
    fs::write(&test, hasty).unwrap();
    Some(folder)
}

/// Runs the written test as pytest does; it needs nothing of it.
fn run_written_test(interpreter: &Path, folder: &Path) -> Output {
    Command::new(interpreter)
        .args(["-c", "import test_race; test_race.test_interleaving()"])
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn a_failure_of_each_kind_replays_and_its_test_passes_once_it_is_fixed() {
    for (kind, text, fixed, words) in failures() {
        let Some(folder) = with_failure(kind, &text) else {
            return;
        };
        for interpreter in interpreters() {
            let python = interpreter.path.to_string_lossy();
            let name = format!("{kind} on {}", interpreter.describe());
            let args = [
                "replay",
                "witness.json",
                "--times",
                "2",
                "--python",
                &python,
            ];
            let output = raceproof(folder.path(), &args);
            assert_eq!(code(&output), 1, "{name}: {}", said(&output));
            assert!(said(&output).contains("replayed 2 of 2 times"), "{name}");
            assert!(said(&output).contains(&format!("{kind}: ")), "{name}");
            let output = run_written_test(&interpreter.path, folder.path());
            assert!(!output.status.success(), "{name}: {}", said(&output));
            assert!(
                said(&output).contains("AssertionError"),
                "{name}: {}",
                said(&output)
            );
            assert!(said(&output).contains(words), "{name}: {}", said(&output));
        }
        fs::write(folder.path().join("program.py"), fixed).unwrap();
        for interpreter in interpreters() {
            let output = run_written_test(&interpreter.path, folder.path());
            let name = format!("{kind} on {}", interpreter.describe());
            assert!(output.status.success(), "{name}: {}", said(&output));
        }
    }
}

/// The debugger stands where the failure shows: the values there are those of the failing run.
#[test]
fn the_debugger_stops_at_a_failure_of_each_kind() {
    for (kind, text, _, _) in failures() {
        let Some(folder) = with_failure(kind, &text) else {
            return;
        };
        // What is asked there, and what has to be said.
        let (questions, place): (&str, &[&str]) = match kind {
            "assertion" | "exit" => ("p 'n is', n\nc\n", &["main()", "('n is', 1)"]),
            "exception" => ("p len(n)\nc\n", &["take()", "n.pop()"]),
            "deadlock" => (
                "c\nc\nc\n",
                &[
                    ")a()",
                    ")b()",
                    "waits for a lock held by",
                    "MainThread waits for the end of",
                ],
            ),
            "not-serial" => (
                "p 'n is', n\nc\n",
                &["n += 1", "('n is', 1)", "no serial order"],
            ),
            "crash" => (
                "n\nn\n",
                &["if flag:", "-> os.abort()", "Fatal Python error"],
            ),
            _ => ("n\nq\n", &["if flag:", "-> os.read("]),
        };
        for interpreter in interpreters() {
            let python = interpreter.path.to_string_lossy();
            let mut child = Command::new(env!("CARGO_BIN_EXE_raceproof"))
                .args(["replay", "witness.json", "--pdb", "--python", &python])
                .current_dir(folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = child.stdin.take().unwrap();
            input.write_all(questions.as_bytes()).unwrap();
            drop(input);
            let output = child.wait_with_output().unwrap();
            let name = format!("{kind} on {}", interpreter.describe());
            for words in place {
                assert!(
                    said(&output).contains(words),
                    "{name}: {words}: {}",
                    said(&output)
                );
            }
            match kind {
                // The interpreter is the one that dies.
                "crash" => assert!(!output.status.success(), "{name}"),
                _ => assert_eq!(code(&output), 1, "{name}: {}", said(&output)),
            }
        }
    }
}

// --- the command -------------------------------------------------------------------------------

/// Explores a program given as text.
fn explore_text(text: &str, args: &[&str]) -> Option<(TempDir, Output)> {
    interpreter()?;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("pyproject.toml"), "").unwrap();
    fs::write(folder.path().join("program.py"), text).unwrap();
    let mut all = vec!["explore", "program.py", "--budget", "4"];
    all.extend(args);
    let output = raceproof(folder.path(), &all);
    Some((folder, output))
}

const TWO_THREADS: &str = "import threading\n\
    def start(*bodies):\n    \
        threads = [threading.Thread(target=it) for it in bodies]\n    \
        for it in threads: it.start()\n    \
        for it in threads: it.join()\n";

#[test]
fn bad_programs_get_a_clear_line_and_the_right_exit_code() {
    let cases: &[(&str, &str, i32, &str)] = &[
        ("syntax error", "def f(:\n", 2, "SyntaxError"),
        ("not utf-8", "x = '\u{0}'\n", 2, "null bytes"),
        ("no threads", "print('hello')\n", 0, "starts no thread"),
        (
            "exits at once",
            "import sys\nsys.exit(0)\n",
            0,
            "starts no thread",
        ),
        (
            "exits badly",
            "import sys\nsys.exit(3)\n",
            1,
            "exit status 3",
        ),
        ("os._exit", "import os\nos._exit(4)\n", 1, "os._exit(4)"),
        ("reads input", "input()\n", 1, "EOFError"),
        (
            "kills itself",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
            2,
            "died of signal 9",
        ),
        ("crashes", "import os\nos.abort()\n", 2, "died of signal 6"),
        (
            "never ends",
            "while True: pass\n",
            2,
            "the program does not end",
        ),
        (
            "blocks outside",
            "import os\nr, w = os.pipe()\nos.read(r, 1)\n",
            2,
            "the program does not end",
        ),
    ];
    let spins = "n = 0\nflag = False\ndef spin():\n    global n\n    while not flag: n += 1\n";
    let livelock = format!("{TWO_THREADS}{spins}start(spin, spin)\n");
    let ended = format!(
        "{TWO_THREADS}{spins}def end():\n    global flag\n    flag = True\nstart(spin, end)\n"
    );
    let endless = [
        ("never ends in threads", livelock.as_str(), 2, "was at"),
        (
            "ends when another thread has its turn",
            ended.as_str(),
            0,
            "no proof",
        ),
    ];
    for (name, text, expected, words) in cases.iter().chain(&endless) {
        let Some((_, output)) = explore_text(text, &[]) else {
            return;
        };
        assert_eq!(code(&output), *expected, "{name}: {}", said(&output));
        assert!(said(&output).contains(words), "{name}: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{name}");
    }
}

/// Files beside the program, or where the command is given, that are called as a library is.
#[test]
fn files_with_the_names_of_libraries_do_not_matter() {
    if interpreter().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("app")).unwrap();
    for name in ["json.py", "queue.py", "app/random.py", "app/selectors.py"] {
        fs::write(folder.path().join(name), "raise SystemExit('imported')\n").unwrap();
    }
    fs::write(folder.path().join("app/program.py"), "print('hello')\n").unwrap();
    let output = raceproof(folder.path(), &["explore", "app/program.py"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[test]
fn what_cannot_be_run_is_said() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("program.py"), "").unwrap();
    for (args, words) in [
        (&["explore", "missing.py"][..], "missing.py"),
        (
            &["explore", "program.py", "--python", "/nonexistent/python"],
            "cannot be started",
        ),
        (
            &["explore", "program.py", "--python", "/bin/true"],
            "no working Python",
        ),
        (&["explore", "program.py::missing"], "no function 'missing'"),
        (&["replay", "missing.json"], "missing.json"),
    ] {
        if interpreter().is_none() {
            return;
        }
        let output = raceproof(folder.path(), args);
        assert_ne!(code(&output), 0, "{args:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
}

#[test]
fn output_is_captured_and_shown_with_the_failure() {
    let text = format!(
        "{TWO_THREADS}import os\nn = 0\ndef add():\n    global n\n    n += 1\n\
         print('printed before')\nstart(add, add)\nos.write(1, b'written raw')\nassert n == 2\n"
    );
    let Some((_, output)) = explore_text(&text, &[]) else {
        return;
    };
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(out.matches("printed before").count(), 1, "{out}");
    assert!(out.contains("written raw"), "{out}");
}

/// Threads that nobody waits for may have run before the process ends: their orders count.
#[test]
fn threads_that_the_end_of_the_process_ends_are_explored() {
    let cases = [
        (
            "os._exit",
            "import os, threading\nn = 0\ndef work():\n    global n\n    n = 1\n\
             threading.Thread(target=work).start()\nos._exit(n)\n",
            1,
            "os._exit(1)",
        ),
        (
            "a daemon that goes on for ever",
            "import threading, time\nn = 0\ndef work():\n    global n\n    while True:\n        \
             n += 1\n        time.sleep(1)\nthreading.Thread(target=work, daemon=True).start()\n\
             assert n >= 0\n",
            0,
            "threads were stopped after 200 more operations",
        ),
    ];
    for (name, text, expected, words) in cases {
        let Some((_, output)) = explore_text(text, &[]) else {
            return;
        };
        assert_eq!(code(&output), expected, "{name}: {}", said(&output));
        assert!(said(&output).contains(words), "{name}: {}", said(&output));
        assert!(
            !said(&output).contains("all of them were covered"),
            "{name}"
        );
    }
}

/// A pool that the first schedule leaves open is finalised in no other way than by later ones.
#[test]
fn equal_schedules_are_equal_from_the_first_on() {
    let text = "import atexit, tempfile, weakref\nfrom multiprocessing.pool import ThreadPool\n\
                atexit.register(print, 'at exit')\n\
                class Thing: pass\nthing = Thing()\nweakref.finalize(thing, print, 'finalised')\n\
                pool = ThreadPool(2)\nassert pool.map(abs, [1, -2]) == [1, 2]\n";
    for interpreter in interpreters() {
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("program.py");
        fs::write(&script, text).unwrap();
        let mut fleet = fleet(interpreter, &script);
        let plan = raceproof::dynamic::protocol::Plan::free(Policy::Random, 7, 10_000);
        let first = fleet.run(plan.clone()).unwrap();
        assert_eq!(first.rare.output, "finalised\nat exit\n");
        let identities = |it: &raceproof::dynamic::protocol::Execution| {
            it.trace.iter().map(|it| it.identity()).collect::<Vec<_>>()
        };
        for _ in 0..5 {
            let next = fleet.run(plan.clone()).unwrap();
            assert_eq!(identities(&next), identities(&first));
            assert_eq!(next.rare.output, first.rare.output);
        }
    }
}

#[test]
fn no_temporary_file_is_left() {
    let text = "import tempfile, threading\nfolder = tempfile.TemporaryDirectory()\n\
                file = tempfile.NamedTemporaryFile()\nn = 0\ndef work():\n    global n\n    \
                with tempfile.TemporaryDirectory():\n        n += 1\n    n += 1\n\
                threads = [threading.Thread(target=work) for _ in range(2)]\n\
                for it in threads: it.start()\nfor it in threads: it.join()\n";
    for isolation in ["process", "fork"] {
        for interpreter in interpreters() {
            let folder = TempDir::new().unwrap();
            fs::write(folder.path().join("program.py"), text).unwrap();
            let temporary = folder.path().join("temporary");
            fs::create_dir(&temporary).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_raceproof"))
                .args(["explore", "program.py", "--isolate", isolation, "--python"])
                .arg(&interpreter.path)
                .current_dir(folder.path())
                .env("TMPDIR", &temporary)
                .output()
                .unwrap();
            assert_eq!(code(&output), 0, "{}", said(&output));
            let left = fs::read_dir(&temporary).unwrap().count();
            let name = interpreter.describe();
            assert_eq!(left, 0, "{isolation} on {name}: {}", said(&output));
        }
    }
}

#[test]
fn a_program_that_leaks_state_gets_a_process_for_each_run() {
    let text = format!(
        "{TWO_THREADS}import sys\nsys.runs = getattr(sys, 'runs', 0) + 1\nn = 0\n\
         def add():\n    global n\n    for _ in range(sys.runs):\n        n += 1\n\
         start(add, add)\nassert n >= 0\n"
    );
    let Some((_, output)) = explore_text(&text, &[]) else {
        return;
    };
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("state leaks"), "{}", said(&output));
    assert!(
        said(&output).contains("all of them were covered"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_forked_child_runs_alone_and_is_mentioned() {
    let text = format!(
        "{TWO_THREADS}import os\ndef fork():\n    pid = os.fork()\n    if pid == 0:\n        os._exit(0)\n    \
         os.waitpid(pid, 0)\nstart(fork, lambda: None)\n"
    );
    let Some((_, output)) = explore_text(&text, &[]) else {
        return;
    };
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        said(&output).contains("the program forks"),
        "{}",
        said(&output)
    );
}

/// Each pair of a change and an expression depends on the order of the two: both orders are found.
#[test]
fn what_reads_and_changes_shared_objects_is_seen() {
    let Some(interpreter) = interpreter() else {
        return;
    };
    let list = ("shared = [1, 2]", "shared.append(3)");
    let dict = ("shared = {'a': 1}", "shared['b'] = 2");
    let object = ("class C: x = 0\nshared = C()\nshared.x = 1", "shared.x = 2");
    let reads = [
        (list, "f'{shared}'"),
        (list, "'%s' % shared"),
        (list, "'{}'.format(shared)"),
        (list, "shared + []"),
        (list, "bytes(shared)"),
        (list, "list(itertools.chain(shared))"),
        (list, "collections.Counter(shared)"),
        (list, "dict.fromkeys(shared)"),
        (list, "print(*shared) or len(shared)"),
        (dict, "{**shared}"),
        (dict, "dict(**shared)"),
        (dict, "(lambda **more: len(more))(**shared)"),
        (dict, "shared.get('b')"),
        (object, "getattr(shared, 'x')"),
        (object, "getattr(shared, 'x', 5)"),
        (object, "shared.x"),
    ]
    .map(|((setup, change), read)| (setup, change, read));
    let changes = [
        ("shared = [1]", "list.append(shared, 2)", "list(shared)"),
        (
            "shared = [1]",
            "list(map(shared.append, [2]))",
            "list(shared)",
        ),
        (
            "shared = [1]",
            "functools.partial(shared.append, 2)()",
            "list(shared)",
        ),
        (
            "shared = [1]",
            "max([2], key=shared.append)",
            "list(shared)",
        ),
        (
            "shared = [1]\nlater = shared.append",
            "later(2)",
            "list(shared)",
        ),
        ("shared = {}", "dict.update(shared, b=2)", "dict(shared)"),
        (object.0, "setattr(shared, 'x', 3)", "shared.x"),
        (object.0, "delattr(shared, 'x')", "shared.x"),
        (
            object.0,
            "delattr(shared, 'x')",
            "hasattr(shared, 'x') and shared.x",
        ),
    ];
    for (setup, change, read) in reads.into_iter().chain(changes) {
        let folder = TempDir::new().unwrap();
        let setup = format!(
            "import collections, functools, itertools\n{setup}\nvalue = None\nbefore = {read}"
        );
        let script = program(&folder, &setup, &[&format!("value = {read}"), change]);
        let text = fs::read_to_string(&script).unwrap();
        fs::write(
            &script,
            format!("{text}assert repr(value) == repr(before)\n"),
        )
        .unwrap();
        let outcome = explored(interpreter, &script, Choice::Dpor, &Limits::default());
        assert_eq!(outcome.verdict, Verdict::Failing, "{change}: {read}");
    }
}

/// `functools.cached_property` takes a lock until 3.11, and none since.
#[test]
fn a_cached_property_is_computed_twice_where_no_lock_protects_it() {
    let text = "import functools, threading\nopened = []\nclass Pool:\n    \
                @functools.cached_property\n    def connection(self):\n        \
                opened.append(1)\n        return object()\npool = Pool()\n\
                threads = [threading.Thread(target=lambda: pool.connection) for _ in range(2)]\n\
                for it in threads: it.start()\nfor it in threads: it.join()\n\
                assert opened == [1]\n";
    for interpreter in interpreters() {
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("program.py");
        fs::write(&script, text).unwrap();
        let outcome = explored(interpreter, &script, Choice::Auto, &Limits::default());
        let expected = match interpreter.version >= (3, 12, 0) {
            true => Verdict::Failing,
            false => Verdict::NoneExists,
        };
        assert_eq!(outcome.verdict, expected, "{}", interpreter.describe());
    }
}

/// A child process lives in real time: waiting for it is no deadlock and lets no virtual time pass.
#[test]
fn children_are_waited_for_in_real_time() {
    let run = "subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.1); print(1)'], \
               capture_output=True, timeout=50)";
    let text = format!(
        "{TWO_THREADS}import subprocess, sys\ndone = []\ndef work():\n    \
         assert {run}.stdout == b'1\\n'\n    done.append(1)\n    try:\n        \
         subprocess.run(['sleep', '10'], timeout=0.1)\n        assert False\n    \
         except subprocess.TimeoutExpired:\n        pass\n\
         start(work, lambda: done.append(2))\n"
    );
    let Some((_, output)) = explore_text(&text, &[]) else {
        return;
    };
    assert_eq!(code(&output), 0, "{}", said(&output));
    let covered = "all of them were covered (2 distinct traces";
    assert!(said(&output).contains(covered), "{}", said(&output));
    // An event loop waits for the world outside, too; that is left to chance.
    let text = "import asyncio, sys, threading\nasync def main():\n    \
                child = await asyncio.create_subprocess_exec(\n        sys.executable, '-c', \
                'print(1)', stdout=asyncio.subprocess.PIPE)\n    \
                out, _ = await asyncio.wait_for(child.communicate(), 50)\n    \
                assert out == b'1\\n'\n\
                thread = threading.Thread(target=lambda: asyncio.run(main()))\n\
                thread.start()\nthread.join()\n";
    let Some((_, output)) = explore_text(text, &[]) else {
        return;
    };
    assert_eq!(code(&output), 0, "{}", said(&output));
}

/// A crash or a hang that another schedule of the program does not have is its interleaving's.
#[test]
fn crashes_and_hangs_of_some_interleavings_are_findings() {
    let crash = "os.abort()";
    let hang = "os.read(os.pipe()[0], 1)";
    // In the first program the schedule without preemption ends well, in the second it does not.
    let late = |what: &str| {
        format!(
            "{TWO_THREADS}import os\nflag = 0\ndef a():\n    global flag\n    flag = 1\n    flag = 0\n\
             def b():\n    if flag: {what}\nstart(a, b)\n"
        )
    };
    let at_once = |what: &str| {
        format!(
            "{TWO_THREADS}import os\nflag = 0\ndef a():\n    global flag\n    flag = 1\n\
             def b():\n    if flag: {what}\nstart(a, b)\n"
        )
    };
    for (name, text, words, isolation) in [
        ("late crash", late(crash), "died of signal 6", "auto"),
        ("crash at once", at_once(crash), "died of signal 6", "auto"),
        ("crash in a child", late(crash), "died of signal 6", "fork"),
        ("late hang", late(hang), "the run does not end", "auto"),
        (
            "hang at once",
            at_once(hang),
            "the run does not end",
            "auto",
        ),
    ] {
        let Some((_, output)) = explore_text(&text, &["--isolate", isolation]) else {
            return;
        };
        assert_eq!(code(&output), 1, "{name}: {}", said(&output));
        assert!(said(&output).contains(words), "{name}: {}", said(&output));
        assert!(said(&output).contains("program.py\", line"), "{name}");
        assert!(!said(&output).contains("raceproof_agent"), "{name}");
        assert!(
            said(&output).contains("read flag -> 1"),
            "{name}: {}",
            said(&output)
        );
        assert!(said(&output).contains("replay:"), "{name}");
    }
}

/// Killed itself, the explorer leaves no process behind, not even one whose extension blocks with
/// the GIL.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_explorer_leaves_no_process() {
    let Some(interpreter) = interpreters().last() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("program.py"),
        "import ctypes, os, threading\nopen('pid', 'w').write(str(os.getpid()))\n\
         thread = threading.Thread(target=ctypes.PyDLL(None).sleep, args=(1000,))\n\
         thread.start()\nthread.join()\n",
    )
    .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_raceproof"))
        .args(["explore", "program.py", "--budget", "600", "--python"])
        .arg(&interpreter.path)
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    let wait_until = |what: &str, holds: &dyn Fn() -> bool| {
        let mut turns = 0;
        while !holds() {
            turns += 1;
            assert!(turns < 6000, "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let pid = || fs::read_to_string(folder.path().join("pid")).unwrap_or_default();
    wait_until("the program did not start", &|| !pid().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the program's process is still there", &|| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}

/// Pools, futures and what waits for them do what those of the standard library do.
#[test]
fn pools_behave_as_the_real_ones() {
    let script = root().join("fixtures/dynamic/behaviour/pools.py");
    let text = fs::read_to_string(&script).unwrap();
    let functions = text
        .lines()
        .filter_map(|line| line.strip_prefix("def ")?.strip_suffix("():"));
    for interpreter in interpreters() {
        // The expectations are those of the interpreter itself.
        let real = Command::new(&interpreter.path)
            .arg(&script)
            .output()
            .unwrap();
        externals::succeed(&real);
        for function in functions.clone() {
            let target = Target {
                kind: "function",
                function: Some(function.to_owned()),
                ..target(&script)
            };
            let mut fleet = Fleet::start(
                interpreter.clone(),
                target,
                Isolation::Process,
                Duration::from_secs(60),
            )
            .unwrap();
            let limits = Limits {
                max_schedules: 40,
                ..Limits::default()
            };
            let outcome = search(&mut fleet, Choice::Auto, 1, &limits, &mut ()).unwrap();
            assert!(
                matches!(outcome.verdict, Verdict::NoneExists | Verdict::BudgetCut),
                "{function} on {}: {outcome:?}",
                interpreter.describe()
            );
        }
    }
}

// --- pytest ------------------------------------------------------------------------------------

/// A project with a fixture of its own, tests that race and tests that do not.
fn tested_project() -> Option<(TempDir, PathBuf)> {
    let python = externals::python_with("pytest")?;
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("pyproject.toml", "");
    write(
        "conftest.py",
        "import threading\nimport pytest\n\n@pytest.fixture\ndef together():\n    \
         def run(*bodies):\n        \
             threads = [threading.Thread(target=it) for it in bodies]\n        \
             for it in threads: it.start()\n        \
             for it in threads: it.join()\n    \
         return run\n",
    );
    write(
        "test_counter.py",
        "import threading\nimport pytest\n\n\
         class Counter:\n    \
             def __init__(self):\n        self.n = 0\n        self.lock = threading.Lock()\n    \
             def add(self):\n        self.n += 1\n    \
             def add_locked(self):\n        with self.lock:\n            self.n += 1\n\n\
         @pytest.fixture\ndef counter():\n    made = Counter()\n    yield made\n    assert made.n > 0\n\n\
         def test_unlocked(counter, together):\n    \
             together(counter.add, counter.add)\n    assert counter.n == 2\n\n\
         @pytest.mark.parametrize('times', [1, 2])\n\
         def test_locked(counter, together, times):\n    \
             together(*[counter.add_locked] * times)\n    assert counter.n == times\n\n\
         def test_alone(capsys, tmp_path, monkeypatch):\n    \
             monkeypatch.setenv('NAME', 'value')\n    print('hello')\n    \
             assert capsys.readouterr().out == 'hello\\n'\n\n\
         @pytest.mark.skip\ndef test_skipped():\n    assert False\n",
    );
    Some((folder, python))
}

#[test]
fn each_test_of_a_file_is_explored_on_its_own() {
    let Some((folder, python)) = tested_project() else {
        return;
    };
    let python = python.to_string_lossy();
    let args = [
        "explore",
        "--pytest",
        "test_counter.py",
        "--python",
        &python,
    ];
    let output = raceproof(
        folder.path(),
        &[&args[..], &["--output-format", "json"]].concat(),
    );
    assert_eq!(code(&output), 1, "{}", said(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts: Vec<(&str, &str)> = result["programs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            ("test_counter.py::test_unlocked", "failing"),
            ("test_counter.py::test_locked[1]", "none-exists"),
            ("test_counter.py::test_locked[2]", "none-exists"),
            ("test_counter.py::test_alone", "no-threads"),
            ("test_counter.py::test_skipped", "no-threads"),
        ]
    );
    // The rewriting of assertions by pytest and ours are both at work.
    let failure = &result["programs"][0]["failure"];
    assert_eq!(failure["kind"], "assertion");
    assert!(
        failure["message"]
            .as_str()
            .unwrap()
            .contains("assert 1 == 2"),
        "{failure}"
    );
    let report = failure["report"].as_str().unwrap();
    assert!(report.contains("read self.n -> 0"), "{report}");
    // One witness cannot hold the failures of several tests.
    let output = raceproof(
        folder.path(),
        &[&args[..], &["--witness", "one.json"]].concat(),
    );
    assert_eq!(code(&output), 2, "{}", said(&output));
    assert!(said(&output).contains("name one"), "{}", said(&output));
}

#[test]
fn a_failing_test_replays() {
    let Some((folder, python)) = tested_project() else {
        return;
    };
    let python = python.to_string_lossy();
    let explore = |more: &[&str]| {
        let node = "test_counter.py::test_unlocked";
        let args = ["explore", "--pytest", node, "--python", &python];
        raceproof(folder.path(), &[&args[..], more].concat())
    };
    let output = explore(&["--witness", "witness.json"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let args = [
        "replay",
        "witness.json",
        "--times",
        "5",
        "--python",
        &python,
    ];
    let output = raceproof(folder.path(), &args);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(
        said(&output).contains("replayed 5 of 5 times"),
        "{}",
        said(&output)
    );
    // The written test runs the same test, with its fixtures, under the schedule.
    fs::create_dir(folder.path().join("checks")).unwrap();
    let output = explore(&["--emit-test", "checks/test_race.py"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let run = || {
        run_pytest(
            Path::new(&*python),
            &folder.path().join("checks"),
            "test_race.py",
        )
    };
    let output = run();
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("assert 1 == 2"), "{}", said(&output));
    let module = folder.path().join("test_counter.py");
    let text = fs::read_to_string(&module).unwrap();
    let fixed = text.replace(
        "        self.n += 1\n    def",
        "        with self.lock: self.n += 1\n    def",
    );
    assert_ne!(text, fixed);
    fs::write(&module, fixed).unwrap();
    let output = run();
    assert_eq!(code(&output), 0, "{}", said(&output));
}

fn run_pytest(python: &Path, directory: &Path, what: &str) -> Output {
    Command::new(python)
        .args(["-m", "pytest", "-p", "no:cacheprovider", what])
        .current_dir(directory)
        .output()
        .unwrap()
}

/// Tests fail in the ways that programs do.
#[test]
fn failures_of_tests_are_told_by_their_kind() {
    let Some((folder, python)) = tested_project() else {
        return;
    };
    let python = python.to_string_lossy();
    let text = "import os, threading, unittest\nflag = 0\n\
         def a():\n    global flag\n    flag = 1\n    flag = 0\n\
         def both(*bodies):\n    threads = [threading.Thread(target=it) for it in bodies]\n    \
         for it in threads: it.start()\n    for it in threads: it.join()\n\
         class TestIt(unittest.TestCase):\n    def setUp(self): self.n = 0\n    \
         def add(self): self.n += 1\n    \
         def test_case(self):\n        both(self.add, self.add)\n        self.assertEqual(self.n, 2)\n\
         def on_flag(action):\n    def b():\n        if flag: action()\n    both(a, b)\n\
         def test_abort(): on_flag(os.abort)\n\
         def test_block(): on_flag(lambda: os.read(os.pipe()[0], 1))\n\
         def test_leave(): on_flag(lambda: os._exit(4))\n\
         def test_raise(): on_flag(lambda: 1 / 0)\n";
    fs::write(folder.path().join("test_kinds.py"), text).unwrap();
    let output = raceproof(
        folder.path(),
        &[
            "explore",
            "--pytest",
            "test_kinds.py",
            "--python",
            &python,
            "--output-format",
            "json",
            "--patience",
            "2",
        ],
    );
    assert_eq!(code(&output), 1, "{}", said(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let programs = result["programs"].as_array().unwrap();
    let kinds: Vec<(&str, &str)> = programs
        .iter()
        .map(|it| {
            let failure = &it["failure"];
            (
                failure["kind"].as_str().unwrap_or_default(),
                failure["message"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    let expected = [
        ("assertion", "AssertionError: 1 != 2"),
        ("crash", "the interpreter died of signal 6"),
        ("hang", "the run does not end: "),
        ("exit", "os._exit(4)"),
        ("exception", "ZeroDivisionError: division by zero"),
    ];
    assert_eq!(kinds.len(), expected.len());
    for ((kind, message), (expected_kind, words)) in kinds.iter().zip(expected) {
        assert_eq!(*kind, expected_kind, "{message}");
        assert!(message.starts_with(words), "{message}");
    }
}

/// A test is named as in the present directory, whichever pytest takes for its root, and its witness
/// replays from any other.
#[test]
fn a_test_is_explored_from_below_the_root() {
    let Some((folder, python)) = tested_project() else {
        return;
    };
    let python = python.to_string_lossy();
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    for name in ["conftest.py", "test_counter.py"] {
        fs::rename(folder.path().join(name), below.join(name)).unwrap();
    }
    let node = "test_counter.py::test_unlocked";
    let args = [
        "explore",
        "--pytest",
        node,
        "--python",
        &python,
        "--witness",
        "w.json",
    ];
    let output = raceproof(&below, &args);
    assert_eq!(code(&output), 1, "{}", said(&output));
    for (directory, witness) in [
        (&below, "w.json"),
        (&folder.path().to_owned(), "below/w.json"),
    ] {
        let output = raceproof(directory, &["replay", witness, "--python", &python]);
        assert_eq!(code(&output), 1, "{}", said(&output));
    }
}

#[test]
fn tests_that_cannot_be_collected_are_said() {
    let Some((folder, python)) = tested_project() else {
        return;
    };
    let python = python.to_string_lossy();
    fs::write(folder.path().join("test_broken.py"), "def test_it(:\n").unwrap();
    fs::write(
        folder.path().join("test_imports.py"),
        "import absent_module\n",
    )
    .unwrap();
    for (node, words) in [
        ("absent.py", "pytest found no test in absent.py"),
        (
            "test_counter.py::absent",
            "pytest found no test in test_counter.py::absent",
        ),
        ("test_broken.py", "SyntaxError"),
        ("test_imports.py", "No module named 'absent_module'"),
    ] {
        let output = raceproof(
            folder.path(),
            &["explore", "--pytest", node, "--python", &python],
        );
        assert_eq!(code(&output), 2, "{node}: {}", said(&output));
        assert!(said(&output).contains(words), "{node}: {}", said(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_behind() {
    let text = "import subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\n\
                open('pid', 'w').write(str(child.pid))\nwhile True: pass\n";
    let Some((folder, output)) = explore_text(text, &[]) else {
        return;
    };
    assert_eq!(code(&output), 2, "{}", said(&output));
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(
        state.is_empty() || state.contains(") Z "),
        "the child is still there: {state}"
    );
    let left: BTreeSet<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let expected = ["pid", "program.py", "pyproject.toml"].map(str::to_owned);
    assert_eq!(left, BTreeSet::from(expected));
}

#[test]
fn a_function_a_module_and_a_package_can_be_explored() {
    if interpreter().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("pyproject.toml"), "").unwrap();
    fs::create_dir(folder.path().join("app")).unwrap();
    fs::write(folder.path().join("app/__init__.py"), "").unwrap();
    fs::write(
        folder.path().join("app/state.py"),
        "n = 0\ndef add():\n    global n\n    n += 1\n",
    )
    .unwrap();
    let main = format!(
        "{TWO_THREADS}from app import state\ndef both():\n    start(state.add, state.add)\n    \
         assert state.n == 2, state.n\nif __name__ == '__main__':\n    both()\n"
    );
    fs::write(folder.path().join("app/__main__.py"), &main).unwrap();
    fs::write(folder.path().join("program.py"), &main).unwrap();
    for args in [
        &["explore", "program.py"][..],
        &["explore", "program.py::both"],
        &["explore", "-m", "app"],
    ] {
        let output = raceproof(folder.path(), args);
        assert_eq!(code(&output), 1, "{args:?}: {}", said(&output));
        assert!(
            said(&output).contains("AssertionError: 1"),
            "{args:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains("state.py:4"),
            "{args:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn formats_are_well_formed() {
    if interpreter().is_none() {
        return;
    }
    let output = raceproof(
        root(),
        &[
            "explore",
            "fixtures/dynamic/reported/closure.py",
            "--output-format",
            "junit",
        ],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("<?xml"), "{text}");
    assert!(text.contains(r#"failures="1""#), "{text}");
    assert!(text.trim_end().ends_with("</testsuites>"), "{text}");
}

// --- the agent ---------------------------------------------------------------------------------

/// The agent keeps to the syntax of the oldest Python it runs on.
#[test]
fn the_agent_is_python_3_9() {
    for interpreter in interpreters() {
        for (name, source) in modules() {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join(format!("{name}.py"));
            fs::write(&path, source).unwrap();
            let output = Command::new(&interpreter.path)
                .args([
                    "-c",
                    "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))",
                ])
                .arg(&path)
                .output()
                .unwrap();
            assert!(output.status.success(), "{name}: {}", said(&output));
        }
    }
    // Where there is a 3.9, it also runs.
    if let Ok(old) = ask(Path::new("python3.9")) {
        let script = root().join("fixtures/dynamic/reported/semaphore_of_two.py");
        let outcome = explored(&old, &script, Choice::Auto, &Limits::default());
        assert_eq!(outcome.verdict, Verdict::Failing);
    }
}

#[test]
fn a_run_without_a_plan_is_complete() {
    for interpreter in interpreters() {
        let script = root().join("fixtures/dynamic/quiet/condition.py");
        let mut fleet = fleet(interpreter, &script);
        let plan = raceproof::dynamic::protocol::Plan::free(Policy::GoOn, 0, 10_000);
        let first = fleet.run(plan.clone()).unwrap();
        assert_eq!(first.status, Status::Complete);
        assert_eq!(fleet.run(plan).unwrap().trace, first.trace);
    }
}
