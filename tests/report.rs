//! The formats of findings, on an outcome made up so that every part of each format occurs.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raceproof::findings::outcome::{Coverage, Hidden, Outcome, Problem};
use raceproof::findings::{Evidence, Finding, Related, Root, Severity, fingerprint};
use raceproof::report::{Report, concise, github, gitlab, json, sarif, summary, text};
use raceproof::source::files::Memory;
use raceproof::source::span::{FileId, Position, Range, Site};
use raceproof::source::text::Sources;

const COUNTER: &str = "\
import threading


class Counter:
    def add(self):
        self.total += 1

    def reset(self):
        with self._lock:
            self.total = 0
";
/// Characters of one to four bytes before the place, and what a terminal must not obey.
const MAIN: &str = "\
from counter import Counter
c = Counter()
s = \"é€🧵\"; c.add()  # \u{1b}[31mred\u{202e}
";

struct Made {
    outcome: Outcome,
    sources: Sources,
}

fn site(file: u32, needle: &str) -> Site {
    let text = if file == 0 { COUNTER } else { MAIN };
    let start = u32::try_from(text.find(needle).unwrap()).unwrap();
    let end = start + u32::try_from(needle.len()).unwrap();
    Site {
        file: FileId(file),
        range: Range { start, end },
    }
}

fn finding(rule: &str, severity: Severity, primary: Site) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity,
        evidence: Evidence::Possible,
        message: "`Counter.total` is counted up by many threads without a lock".to_owned(),
        consequence: "two updates at once lose one of them".to_owned(),
        advice: "hold `self._lock` around the update, as `Counter.reset` does".to_owned(),
        primary,
        label: "read, incremented and stored here".to_owned(),
        function: "Counter.add".to_owned(),
        state: "Counter.total".to_owned(),
        held: Vec::new(),
        related: Vec::new(),
        roots: Vec::new(),
        fingerprint: String::new(),
    }
}

fn made() -> Made {
    let mut first = finding(
        "unlocked-counter",
        Severity::Error,
        site(0, "self.total += 1"),
    );
    first.evidence = Evidence::Likely;
    first.related = vec![
        Related {
            site: site(0, "self.total = 0"),
            message: "written here".to_owned(),
            function: "Counter.reset".to_owned(),
            held: vec!["self._lock".to_owned()],
        },
        Related {
            site: site(1, "c.add()"),
            message: "called here".to_owned(),
            function: String::new(),
            held: Vec::new(),
        },
    ];
    first.roots = vec![
        Root {
            description: "thread running `Counter.add` (many)".to_owned(),
            spawn: Some(site(1, "c.add()")),
            many: true,
            explicit: true,
        },
        Root {
            description: "any caller of `Counter.reset`".to_owned(),
            spawn: None,
            many: false,
            explicit: false,
        },
    ];
    let mut second = finding("lazy-init", Severity::Warning, site(1, "c = Counter()"));
    second.message = "50% of it, a:b\nand \u{1b}[2Jmore".to_owned();
    let third = finding("unlocked-list", Severity::Info, site(1, "c.add()"));
    let mut findings = vec![first, second, third];

    let files: Arc<[PathBuf]> = ["pkg/counter.py", "pkg/ma in.py"].map(PathBuf::from).into();
    let memory = Memory::new([
        ("pkg/counter.py", COUNTER.as_bytes()),
        ("pkg/ma in.py", MAIN.as_bytes()),
    ]);
    let sources = Sources::new(Arc::new(memory), Arc::clone(&files));
    fingerprint::fill(&mut findings, &sources);
    let outcome = Outcome {
        files,
        findings,
        hidden: Hidden {
            suppressed: 2,
            baseline: 1,
            off: 3,
            elsewhere: 1_234,
        },
        coverage: Coverage {
            files: 2,
            lines: 12_345,
            functions: 3,
            calls: 1_000,
            unresolved_calls: 17,
            limits: 1,
            stubs: 1,
            notebooks: 2,
        },
        problems: vec![Problem {
            path: PathBuf::from("pkg/broken.py"),
            position: Some(Position { line: 3, column: 7 }),
            message: "syntax error: expected `)`".to_owned(),
            ignore: None,
        }],
        notices: vec![Problem {
            path: PathBuf::from("pkg/counter.py"),
            position: Some(Position { line: 1, column: 1 }),
            message: "unused ignore comment: `lazy-init` finds nothing here".to_owned(),
            ignore: None,
        }],
    };
    Made { outcome, sources }
}

/// The text of a format, seen from the directory `project/pkg`.
fn shown(write: impl Fn(&Report<'_>, &mut dyn io::Write) -> io::Result<()>) -> String {
    let made = made();
    let report = Report {
        outcome: &made.outcome,
        sources: &made.sources,
        root: Path::new("/home/project"),
        directory: Path::new("/home/project/pkg"),
    };
    let mut out = Vec::new();
    write(&report, &mut out).unwrap();
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    String::from_utf8(out)
        .unwrap()
        .replace(&version, "\"VERSION\"")
}

#[test]
fn text() {
    let style = text::Style {
        colour: false,
        width: 100,
    };
    let text = shown(|report, out| text::write(report, style, out));
    assert!(
        !text.contains(['\u{1b}', '\u{202e}']),
        "nothing a terminal obeys"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn text_with_colours() {
    let style = text::Style {
        colour: true,
        width: 100,
    };
    let text = shown(|report, out| text::write(report, style, out));
    // Ours are there, those of the source are not.
    assert!(text.contains("\u{1b}[31m"));
    assert!(!text.contains("\u{1b}[31mred") && !text.contains("\u{1b}[2J"));
}

#[test]
fn concise() {
    let text = shown(concise::write);
    assert_eq!(text.lines().count(), 3);
    insta::assert_snapshot!(text);
}

#[test]
fn json() {
    insta::assert_snapshot!(shown(json::write));
}

#[test]
fn jsonl() {
    let text = shown(json::write_lines);
    assert_eq!(text.lines().count(), 3);
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&str> = record
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "rule",
                "severity",
                "evidence",
                "message",
                "path",
                "line",
                "column",
                "end_line",
                "end_column",
                "function",
                "state",
                "related",
                "roots",
                "fingerprint"
            ]
        );
    }
    insta::assert_snapshot!(text);
}

#[test]
fn github() {
    let text = shown(github::write);
    // A line feed in a message would end the command.
    assert!(text.lines().all(|line| line.starts_with("::")));
    insta::assert_snapshot!(text);
}

#[test]
fn gitlab() {
    insta::assert_snapshot!(shown(gitlab::write));
}

#[test]
fn sarif() {
    let text = shown(|report, out| sarif::write(report, raceproof::rule::pages(), out));
    let mut log: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = include_str!("sarif/sarif-schema-2.1.0.json");
    // The official schema has a pattern that is no ECMAScript regular expression in Unicode mode:
    // a bracket that closes nothing (oasis-tcs/sarif-spec, `run.language`).
    let schema = schema.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}\\\\]?$");
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&log)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);

    let rules = log["runs"][0]["tool"]["driver"]["rules"].take();
    for (index, result) in log["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"], "result {index}");
        assert!(!rule["help"]["markdown"].as_str().unwrap().is_empty());
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap());
}

#[test]
fn summary_line() {
    assert_eq!(
        summary::line(&made().outcome),
        "Found 1 error, 1 warning, 1 info (2 suppressed, 1 in the baseline, 3 of rules that are off, \
         1,234 outside the given paths). Analysed 2 files, 12,345 lines, 3 functions; 17 of 1,000 calls \
         unresolved; 1 limit of the analysis hit; 1 stub and 2 notebooks left out; 1 path could not be \
         analysed as it should, see above."
    );
    assert_eq!(
        summary::line(&Outcome::default()),
        "Nothing found. Analysed 0 files, 0 lines, 0 functions."
    );
}

/// The identity of a finding is that of its code, not of its place.
#[test]
fn fingerprints() {
    let of = |text: &str, state: &str| -> Vec<String> {
        let files: Arc<[PathBuf]> = [PathBuf::from("a.py")].into();
        let memory = Memory::new([("a.py", text.as_bytes())]);
        let sources = Sources::new(Arc::new(memory), files);
        let mut findings: Vec<Finding> = text
            .match_indices("total += 1")
            .map(|(at, _)| {
                let start = u32::try_from(at).unwrap();
                let range = Range {
                    start,
                    end: start + 5,
                };
                let mut finding = finding(
                    "unlocked-counter",
                    Severity::Error,
                    Site {
                        file: FileId(0),
                        range,
                    },
                );
                finding.state = state.to_owned();
                finding
            })
            .collect();
        fingerprint::fill(&mut findings, &sources);
        findings.into_iter().map(|it| it.fingerprint).collect()
    };
    let one = of("total += 1\n", "total");
    assert_eq!(one[0].len(), 16);
    assert_eq!(of("import x\n\n\nif x:\n    total += 1\n", "total"), one);
    assert_ne!(of("total += 1\n", "other"), one);
    assert_ne!(of("total += 12\n", "total"), one);
    // Equal lines are told apart by their order; the first keeps its identity.
    let two = of("total += 1\ntotal += 1\n", "total");
    assert_eq!(two[0], one[0]);
    assert_ne!(two[1], one[0]);
}
