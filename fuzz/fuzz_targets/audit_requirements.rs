//! The reader of requirements files on arbitrary text, and what is needed of what it read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raceproof::audit::lockfile::needed::needed;
use raceproof::audit::lockfile::{Format, read};
use raceproof::audit::marker::MarkerEnvironment;
use raceproof::audit::tag::Platform;
use raceproof::audit::target::Target;

fuzz_target!(|text: &str| {
    let lock = read(Format::Requirements, text, &|_| {
        Err("nothing to include".to_owned())
    });
    let environment = MarkerEnvironment {
        target: Target::default(),
        platform: Platform::host(),
        extras: &[],
        groups: &[],
        all: true,
    };
    let _ = needed(&lock, &environment);
});
