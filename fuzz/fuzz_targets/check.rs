//! The whole of `check` on arbitrary bytes, cut into the files of one project at form feeds, and
//! every report of what comes out.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use raceproof::config::Settings;
use raceproof::engine::{Host, Job};
use raceproof::report::{Report, concise, github, gitlab, json, sarif, text};
use raceproof::source::files::Memory;

const NAMES: [&str; 4] = ["main.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py"];

fuzz_target!(|bytes: &[u8]| {
    let files = bytes.split(|&byte| byte == b'\x0c');
    let memory = Memory::new(NAMES.into_iter().zip(files));
    let snapshot = Host::new(Arc::new(memory)).snapshot();
    let outcome = snapshot
        .check(&Settings::default(), &Job::default())
        .expect("nobody cancels");
    let sources = snapshot.sources(outcome.files.clone());
    let report = Report {
        outcome: &outcome,
        sources: &sources,
        root: Path::new("/project"),
        directory: Path::new("/project"),
    };
    let mut out = Vec::new();
    let style = text::Style {
        colour: false,
        width: 80,
    };
    text::write(&report, style, &mut out).expect("memory");
    assert!(!out.contains(&0x1b), "an escape sequence of the source reached the terminal");
    out.clear();
    concise::write(&report, &mut out).expect("memory");
    json::write(&report, &mut out).expect("memory");
    github::write(&report, &mut out).expect("memory");
    gitlab::write(&report, &mut out).expect("memory");
    sarif::write(&report, raceproof::rule::pages(), &mut out).expect("memory");
});
