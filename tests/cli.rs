//! The commands of the binary: what they print, where, and the exit code.
#![allow(clippy::unwrap_used, missing_docs)]

mod command;

use command::{Project, Run};

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

fn project(more: &[(&str, &str)]) -> Project {
    let mut files = vec![("counter.py", COUNTER), ("main.py", MAIN)];
    files.extend(more);
    Project::new(&files)
}

/// The rules of the findings with their severities and places.
fn found(run: &Run) -> Vec<String> {
    run.stdout
        .lines()
        .map(|line| {
            let it: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            format!(
                "{}:{} {} {}",
                text("path"),
                it["line"],
                text("severity"),
                text("rule")
            )
        })
        .collect()
}

fn check(project: &Project, arguments: &[&str]) -> Run {
    let mut all = vec!["check", "--output-format", "jsonl"];
    all.extend(arguments);
    project.run(&all)
}

const ERROR: &str = "counter.py:8 error unlocked-counter";

#[test]
fn exit_codes() {
    let project = project(&[]);
    let cases: [(&[&str], i32); 6] = [
        (&[], 1),
        (&["--fail-on", "error"], 1),
        (&["--fail-on", "warning"], 1),
        (&["--fail-on", "info"], 1),
        (&["--fail-on", "never"], 0),
        (&["gone.py"], 2),
    ];
    for (arguments, code) in cases {
        assert_eq!(check(&project, arguments).code, code, "{arguments:?}");
    }
    let quiet = Project::new(&[("quiet.py", "x = 1\n")]);
    assert_eq!(check(&quiet, &[]).code, 0);
    // A severity below the threshold is shown, and no failure.
    project.write(
        "raceproof.toml",
        b"rules = { unlocked-counter = \"info\" }\n",
    );
    let run = check(&project, &[]);
    assert_eq!(
        (found(&run), run.code),
        (vec![ERROR.replace("error", "info")], 0)
    );
    assert_eq!(check(&project, &["--fail-on", "info"]).code, 1);
}

#[test]
fn text() {
    let run = project(&[]).run(&["check"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stderr, "");
    insta::assert_snapshot!(run.stdout);
}

#[test]
fn summary_goes_where_it_disturbs_nobody() {
    let project = project(&[]);
    for format in ["concise", "json", "jsonl", "sarif", "github", "gitlab"] {
        let run = project.run(&["check", "--output-format", format]);
        assert!(
            run.stderr
                .starts_with("Found 1 error. Analysed 2 files, 14 lines"),
            "{run:?}"
        );
        assert!(!run.stdout.contains("Analysed"), "{run:?}");
    }
    let run = project.run(&[
        "check",
        "--output-format",
        "sarif",
        "--output-file",
        "out.sarif",
    ]);
    assert_eq!(run.stdout, "");
    let log = std::fs::read_to_string(project.path().join("out.sarif")).unwrap();
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "unlocked-counter");
}

#[test]
fn configuration() {
    let off = "[tool.raceproof.rules]\nunlocked-counter = \"off\"\n";
    let warning = ERROR.replace("error", "warning");
    let cases: [(&str, &[&str]); 9] = [
        ("", &[ERROR]),
        ("[tool.raceproof]\ncallers = \"single\"\n", &[ERROR]),
        (off, &[]),
        ("[tool.raceproof]\nignore = [\"unlocked-counter\"]\n", &[]),
        (
            "[tool.raceproof]\nselect = [\"unlocked-counter\"]\n",
            &[ERROR],
        ),
        ("[tool.raceproof]\nselect = [\"lazy-init\"]\n", &[]),
        (
            "[tool.raceproof.rules]\nunlocked-counter = \"warning\"\n",
            &[&warning],
        ),
        (
            "[[tool.raceproof.overrides]]\npaths = [\"count*.py\"]\nignore = [\"unlocked-counter\"]\n",
            &[],
        ),
        (
            "[[tool.raceproof.overrides]]\npaths = [\"main.py\"]\nrules = { unlocked-counter = \"off\" }\n",
            &[ERROR],
        ),
    ];
    for (text, expected) in cases {
        let project = project(&[("pyproject.toml", text)]);
        assert_eq!(found(&check(&project, &[])), expected, "{text}");
    }
    // The last override that matches wins, and `raceproof.toml` goes before `pyproject.toml`.
    let own = "\
        overrides = [\n\
        { paths = [\"*.py\"], ignore = [\"unlocked-counter\"] },\n\
        { paths = [\"/counter.py\"], rules = { unlocked-counter = \"warning\" } },\n\
        ]\n";
    let project = project(&[("pyproject.toml", off), ("raceproof.toml", own)]);
    assert_eq!(found(&check(&project, &[])), [warning.as_str()]);
    // One that is named goes before both.
    project.write("other.toml", b"");
    assert_eq!(
        found(&check(&project, &["--config", "other.toml"])),
        [ERROR]
    );
}

#[test]
fn config_tells_what_is_in_force_and_why() {
    let project = project(&[(
        "pyproject.toml",
        "[tool.raceproof]\ncallers = \"single\"\nexclude = [\"gen\"]\n",
    )]);
    let run = project.run(&["config", "--target", "3.15t"]);
    assert_eq!(run.code, 0, "{run:?}");
    let root = format!("# project root: {}\n", project.path().display());
    insta::assert_snapshot!(run.stdout.strip_prefix(&root).unwrap());
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../docs/configuration.md");
    for (key, _) in raceproof::config::KEYS {
        assert!(
            page.contains(&format!("| `{key}` |")),
            "docs/configuration.md lacks `{key}`"
        );
    }
}

#[test]
fn paths() {
    let project = project(&[
        ("pyproject.toml", ""),
        ("sub/other.py", "y = 1\n"),
        ("build/counter2.py", "z = 1\n"),
        ("ignored/skip.py", "z = 1\n"),
        (".gitignore", "ignored/\n"),
    ]);
    let files = |arguments: &[&str]| {
        let run = check(&project, arguments);
        assert!(run.code < 2, "{run:?}");
        let at = run.stderr.find("Analysed ").unwrap();
        run.stderr[at..].split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(files(&[]), "3");
    assert_eq!(files(&["--exclude", "sub"]), "2");
    assert_eq!(files(&["--include", "sub"]), "1");
    assert_eq!(files(&["--include", "/*.py"]), "2");
    // A path that is named is analysed whatever is left out, and the project around it, too.
    assert_eq!(files(&["sub"]), "3");
    assert_eq!(files(&["ignored"]), "4");
    assert_eq!(files(&["build/counter2.py"]), "4");

    // Either side of a finding is enough to report it.
    assert_eq!(found(&check(&project, &["counter.py"])), [ERROR]);
    assert_eq!(found(&check(&project, &["sub"])), [""; 0]);
    let hidden = check(&project, &["sub"]).stderr;
    assert!(
        hidden.starts_with("Nothing found (1 outside the given paths)"),
        "{hidden}"
    );

    // Paths are relative to the working directory.
    let mut inside = project.command(&["check", "--output-format", "concise", ".."]);
    let run = command::finish(inside.current_dir(project.path().join("sub")));
    assert!(
        run.stdout
            .starts_with("../counter.py:8:5: error[unlocked-counter]"),
        "{run:?}"
    );
}

#[test]
fn standard_input_stands_for_a_file_of_the_project() {
    let project = project(&[("pyproject.toml", "")]);
    let arguments = [
        "check",
        "--output-format",
        "jsonl",
        "-",
        "--stdin-filename",
        "counter.py",
    ];
    let run = project.run_with_stdin(&arguments, COUNTER.as_bytes());
    assert_eq!((found(&run), run.code), (vec![ERROR.to_owned()], 1));
    // What the editor has counts, not what is on disk.
    let run = project.run_with_stdin(&arguments, b"def add():\n    pass\n");
    assert_eq!((found(&run).len(), run.code), (0, 0));
}

#[test]
fn suppression() {
    let with = |from: &str, to: &str| {
        let text = COUNTER.replacen(from, to, 1);
        assert_ne!(text, COUNTER);
        let project = Project::new(&[("counter.py", &text), ("main.py", MAIN)]);
        let run = check(&project, &[]);
        let notes: Vec<String> = run
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("note: "))
            .map(str::to_owned)
            .collect();
        (found(&run).len(), notes)
    };
    let quiet = (0, Vec::new());
    let line = "    total += 1\n";
    let on_line = |comment: &str| with(line, &format!("    total += 1  # {comment}\n"));
    assert_eq!(
        on_line("raceproof: ignore[unlocked-counter] one process only"),
        quiet
    );
    assert_eq!(on_line("raceproof: ignore"), quiet);
    assert_eq!(
        on_line("noqa  # raceproof: ignore[unlocked-counter]"),
        quiet
    );
    // Above it, on its header, on the decorator of the header.
    let comment = "# raceproof: ignore[unlocked-counter]";
    assert_eq!(with(line, &format!("    {comment}\n{line}")), quiet);
    assert_eq!(with("def add():", &format!("def add():  {comment}")), quiet);
    assert_eq!(with("def add():", &format!("{comment}\ndef add():")), quiet);
    // A statement of many lines, the comment on any of them.
    assert_eq!(
        with(
            line,
            &format!("    total += (  {comment}\n        1\n    )\n")
        ),
        quiet
    );
    assert_eq!(
        with(
            line,
            &format!("    total += (\n        1\n    )  {comment}\n")
        ),
        quiet
    );

    let (count, notes) = on_line("raceproof: ignore[lazy-init]");
    assert_eq!(count, 1);
    let unused = "counter.py:8:17: unused ignore comment: `lazy-init` finds nothing here";
    assert_eq!(notes, [unused]);
    let (count, notes) = on_line("raceproof: ignore[unlocked-cuonter]");
    assert_eq!(count, 1);
    assert!(notes[0].contains("unknown rule `unlocked-cuonter`; did you mean `unlocked-counter`?"));
    let (count, notes) = on_line("raceproof: ignore[unlocked-counter");
    assert_eq!(count, 1);
    assert!(notes[0].contains("`]` is missing"), "{notes:?}");
    let (count, notes) = with("total = 0\n", "total = 0  # raceproof: ignore\n");
    assert_eq!(count, 1);
    assert!(notes[0].contains("unused ignore comment"), "{notes:?}");
    let (count, notes) = with("total = 0\n", "total = 0  # raceproof: ingore[x]\n");
    assert_eq!(count, 1);
    assert!(notes[0].contains("unknown directive `ingore`"), "{notes:?}");
    // In a string it is no comment.
    let (count, _) = with(line, "    total += len(\"# raceproof: ignore\")\n");
    assert_eq!(count, 1);
}

#[test]
fn baseline() {
    let project = project(&[("pyproject.toml", "")]);
    let run = project.run(&["baseline"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr
            .ends_with("raceproof-baseline.json accepts 1 finding\n"),
        "{run:?}"
    );
    let with = ["--baseline", "raceproof-baseline.json"];
    let run = check(&project, &with);
    assert_eq!((found(&run).len(), run.code), (0, 0));
    assert!(run.stderr.contains("(1 in the baseline)"), "{run:?}");

    // It holds when lines move, and in the configuration.
    project.write("counter.py", format!("# moved\n\n{COUNTER}").as_bytes());
    project.write(
        "pyproject.toml",
        b"[tool.raceproof]\nbaseline = \"raceproof-baseline.json\"\n",
    );
    assert_eq!(check(&project, &[]).code, 0);
    // Writing it again keeps what it accepts.
    assert_eq!(project.run(&["baseline"]).code, 0);
    assert_eq!(check(&project, &[]).code, 0);

    // Another finding is new; one that is gone is stale.
    project.write("counter.py", COUNTER.replace("total", "count").as_bytes());
    let run = check(&project, &[]);
    assert_eq!((found(&run), run.code), (vec![ERROR.to_owned()], 1));
    let stale = "note: counter.py: the baseline accepts a `unlocked-counter` on `total` that is no longer found";
    assert!(run.stderr.contains(stale), "{run:?}");

    project.write(
        "raceproof-baseline.json",
        b"{\"version\": 9, \"findings\": []}",
    );
    let run = check(&project, &[]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains("raceproof-baseline.json: is not a baseline: has version 9"),
        "{run:?}"
    );
}

#[test]
fn rules_and_pages() {
    let project = Project::new(&[]);
    let run = project.run(&["rules", "--output-format", "json"]);
    let rules: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(rules.len(), raceproof::rule::names().len());
    let list = project.run(&["rules"]).stdout;
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        assert!(list.lines().any(|line| line.starts_with(name)), "{name}");
        let page = project.run(&["explain", name]);
        assert_eq!(page.code, 0);
        assert!(page.stdout.starts_with(name), "{}", page.stdout);
        assert!(page.stdout.contains("Not reported"), "{}", page.stdout);
    }
}

const GUARDED: &str = "\
import threading

total = 0
safe = 0
lock = threading.Lock()


def add():
    global total, safe
    total += 1
    with lock:
        safe += 1


def quiet():
    return 3
";

#[test]
fn explain_a_line() {
    let project = Project::new(&[("counter.py", GUARDED), ("main.py", MAIN)]);
    let explain = |line: &str| {
        let run = project.run(&["explain", line]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{line}");
        run.stdout
    };
    let racy = explain("counter.py:10");
    let thread = "thread running `add` (many), started at main.py:6:5";
    assert!(racy.contains(thread), "{racy}");
    assert!(
        racy.contains("`total`: read, changed and stored, no lock held; by"),
        "{racy}"
    );
    assert!(racy.contains("found:    counter.py:10:5: "), "{racy}");
    assert!(racy.contains("(unlocked-counter)"), "{racy}");

    let guarded = explain("counter.py:12");
    assert!(guarded.contains("holding lock"), "{guarded}");
    assert!(
        guarded.contains("quiet: both sides hold the same lock"),
        "{guarded}"
    );
    assert!(
        guarded.contains("found:    nothing on this line"),
        "{guarded}"
    );

    let quiet = explain("counter.py:16");
    assert!(
        quiet.contains("it touches nothing that the analysis takes for shared")
            || quiet.contains("no thread is known to run it"),
        "{quiet}"
    );
    let imported = explain("counter.py:3");
    assert!(
        imported.contains("it runs while the module is imported"),
        "{imported}"
    );

    for (line, wanted) in [
        ("counter.py:99", "has no line 99"),
        ("counter.py:0", "has no line 0"),
        ("gone.py:1", "is not analysed"),
    ] {
        let run = project.run(&["explain", line]);
        assert_eq!(run.code, 2, "{line}");
        assert!(run.stderr.contains(wanted), "{line}: {}", run.stderr);
    }
}

#[test]
fn graph() {
    let project = Project::new(&[("counter.py", GUARDED), ("main.py", MAIN)]);
    let run = |arguments: &[&str]| {
        let mut all = vec!["graph"];
        all.extend(arguments);
        let run = project.run(&all);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
        run.stdout
    };
    insta::assert_snapshot!("graph_dot", run(&["--focus", "total"]));
    insta::assert_snapshot!(
        "graph_mermaid",
        run(&["--output-format", "mermaid", "--focus", "add"])
    );
    let all = run(&["--output-format", "json"]);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let nodes = all["nodes"].as_array().unwrap();
    let has = |kind: &str, name: &str| {
        nodes
            .iter()
            .any(|node| node["kind"] == kind && node["name"] == name)
    };
    assert!(has("root", "thread") && has("root", "main thread"), "{all}");
    assert!(
        has("function", "counter.add") && has("place", "total") && has("place", "safe"),
        "{all}"
    );
    let conflicts: Vec<_> = nodes
        .iter()
        .filter(|node| node["conflict"] == true)
        .collect();
    assert_eq!(conflicts.len(), 1, "{all}");
    for edge in all["edges"].as_array().unwrap() {
        for end in ["from", "to"] {
            assert!(edge[end].as_u64().unwrap() < nodes.len() as u64);
        }
    }
    // Of the whole project, what the paths have to do with.
    project.write("raceproof.toml", b"");
    project.write(
        "other.py",
        b"import threading\n\n\ndef beat():\n    pass\n\n\nthreading.Thread(target=beat).start()\n",
    );
    let part = run(&["other.py", "--output-format", "json"]);
    assert!(part.contains("other.beat"), "{part}");
    assert!(!part.contains("counter.add"), "{part}");
    let nobody = project.run(&["graph", "--focus", "nobody"]);
    assert!(
        nobody
            .stderr
            .contains("no thread reaches anything called `nobody`"),
        "{nobody:?}"
    );
}

#[test]
fn completions() {
    let project = Project::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = project.run(&["completions", shell]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("stdin-filename"), "{shell}");
    }
}

/// Every command tells what it does, with examples.
#[test]
fn help() {
    let project = Project::new(&[]);
    let help = project.run(&["--help"]).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 11, "{commands:?}");
    for name in commands {
        let run = project.run(&[name, "--help"]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("Examples:"), "{name}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let project = project(&[]);
    let run = project.run(&["check"]);
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'));
}
