//! What the analysis knows of a line, apart from findings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use raceproof::config::Settings;
use raceproof::engine::{Host, Job};
use raceproof::program::Program as Linked;
use raceproof::program::roots::{Record, RootKind};
use raceproof::source::files::Memory;
use raceproof::source::text::SourceText;

use super::expect::{Expectation, Kind};
use super::page::Program;

/// The linked program of an example.
pub struct Facts {
    linked: Linked,
    paths: Arc<[PathBuf]>,
    texts: Vec<(String, SourceText)>,
}

impl Facts {
    /// Links the files of an example.
    pub fn of(program: &Program, settings: &Settings) -> Self {
        let files = program.files.iter();
        let memory = Memory::new(files.map(|it| (it.path.as_str(), it.text.as_bytes())));
        let snapshot = Host::new(Arc::new(memory)).snapshot();
        let (linked, paths) = snapshot.program(settings, &Job::default()).unwrap();
        let files = program.files.iter();
        let texts = files
            .map(|it| (it.path.clone(), SourceText::new(it.text.clone())))
            .collect();
        Self {
            linked,
            paths,
            texts,
        }
    }

    /// What is wrong with an assertion about a line, if anything is.
    pub fn differs(&self, file: &str, expectation: &Expectation) -> Option<String> {
        let words = expectation.text.as_deref().unwrap_or_default();
        let wanted: BTreeSet<String> = words
            .split(',')
            .map(|it| it.trim().to_owned())
            .filter(|it| it != "nothing")
            .collect();
        let records: Vec<&Record> = self
            .linked
            .records()
            .iter()
            .filter(|it| self.is_at(it, file, expectation.line))
            .collect();
        if records.is_empty() && !wanted.is_empty() {
            return Some("nothing is known to happen on this line".to_owned());
        }
        if expectation.kind == Kind::RunsOn {
            let found: BTreeSet<String> = records.iter().map(|it| self.thread(it)).collect();
            return (found != wanted).then(|| format!("runs on {found:?}, not {wanted:?}"));
        }
        for record in records {
            let found: BTreeSet<String> = record
                .held
                .iter()
                .map(|it| it.words.as_str().to_owned())
                .collect();
            if found != wanted {
                let thread = self.thread(record);
                return Some(format!("on {thread}, holds {found:?}, not {wanted:?}"));
            }
        }
        None
    }

    fn is_at(&self, record: &Record, file: &str, line: usize) -> bool {
        let site = self.linked.site(record.at);
        let path = &self.paths[site.file.0 as usize];
        let text = self.texts.iter().find(|(name, _)| path.ends_with(name));
        text.is_some_and(|(name, text)| {
            name == file && text.position(site.range.start).line as usize == line
        })
    }

    /// The thread of a record in words, such as `thread work`, `main` or `caller Cache.get`.
    fn thread(&self, record: &Record) -> String {
        let root = self.linked.root_of(record);
        let function = self.linked.links().qualified_name(root.function);
        match root.kind {
            RootKind::Main => "main".to_owned(),
            RootKind::Caller => format!("caller {function}"),
            RootKind::Thread => format!("{} {function}", root.runs_as),
        }
    }
}
