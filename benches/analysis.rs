//! What each step of the analysis costs, and that the whole grows with the tree and no faster.
//!
//! The tree is `fixtures/`, or the directory that `RACEPROOF_BENCH_TREE` names.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use raceproof::config::Settings;
use raceproof::engine::{Host, Job};
use raceproof::facts::{ModuleFacts, module_facts};
use raceproof::models::Models;
use raceproof::program::link::Module;
use raceproof::program::{self, Options, Program};
use raceproof::source::decode::decode;
use raceproof::source::discover::Selection;
use raceproof::source::files::{Disk, Files, Memory};
use raceproof::source::parse::parse;
use raceproof::source::span::FileId;

/// Files by path and text.
fn tree() -> Vec<(String, String)> {
    let root = std::env::var("RACEPROOF_BENCH_TREE")
        .unwrap_or_else(|_| format!("{}/fixtures", env!("CARGO_MANIFEST_DIR")));
    let disk = Disk::new(Selection::all(Path::new(&root).canonicalize().unwrap()));
    let files = disk.list().files;
    let read = |path: &Path| decode(disk.read(path).ok()?).ok();
    let tree: Vec<_> = files
        .iter()
        .filter_map(|path| Some((path.to_str()?.replace('\\', "/"), read(path)?)))
        .filter(|(_, text)| parse(text).is_ok())
        .collect();
    assert!(!tree.is_empty(), "{root} has no Python files");
    tree
}

fn facts_of(path: &str, text: &str) -> ModuleFacts {
    module_facts(path, text, &parse(text).unwrap())
}

fn link(facts: Vec<(FileId, Arc<ModuleFacts>)>, models: &Models) -> Program {
    // Nothing is remembered of a linking before.
    let memory = program::Memory::default();
    let modules = facts.into_iter().map(|(file, facts)| Module {
        file,
        facts,
        table: None,
    });
    let modules = modules.collect();
    Program::link(modules, models, &Options::default(), &memory, &|| false)
}

fn steps(criterion: &mut Criterion) {
    let tree = tree();
    let bytes: usize = tree.iter().map(|(_, text)| text.len()).sum();
    let mut group = criterion.benchmark_group("analysis");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.sample_size(10);

    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            tree.iter()
                .for_each(|(_, text)| drop(black_box(parse(text))))
        });
    });
    let parsed: Vec<_> = tree.iter().map(|(_, text)| parse(text).unwrap()).collect();
    group.bench_function("facts", |bencher| {
        bencher.iter(|| {
            for ((path, text), parsed) in tree.iter().zip(&parsed) {
                black_box(module_facts(path, text, parsed));
            }
        });
    });
    drop(parsed);
    let models = Models::builtin();
    let facts: Vec<_> = (0..)
        .map(FileId)
        .zip(
            tree.iter()
                .map(|(path, text)| Arc::new(facts_of(path, text))),
        )
        .collect();
    group.bench_function("link", |bencher| {
        bencher.iter_batched(
            || facts.clone(),
            |facts| black_box(link(facts, &models)),
            BatchSize::PerIteration,
        );
    });
    let program = link(facts, &models);
    group.bench_function("rules", |bencher| {
        bencher.iter(|| black_box(raceproof::rules::check_all(&program, &|_| true)));
    });
    group.finish();
}

/// The same tree once, twice and four times, side by side in directories of their own.
fn growth(criterion: &mut Criterion) {
    let tree = tree();
    let mut group = criterion.benchmark_group("growth");
    group.sample_size(10);
    for copies in [1, 2, 4] {
        let files: Vec<(String, &str)> = (0..copies)
            .flat_map(|copy| {
                let files = tree.iter();
                files.map(move |(path, text)| (format!("copy{copy}/{path}"), text.as_str()))
            })
            .collect();
        let files = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_bytes()));
        let memory: Arc<dyn Files> = Arc::new(Memory::new(files));
        group.bench_function(BenchmarkId::new("check", copies), |bencher| {
            bencher.iter(|| {
                let snapshot = Host::new(Arc::clone(&memory)).snapshot();
                black_box(snapshot.check(&Settings::default(), &Job::default()))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps, growth);
criterion_main!(benches);
