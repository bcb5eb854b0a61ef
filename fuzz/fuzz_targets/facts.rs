//! Facts of arbitrary text: extraction must come to an end without a panic, and what it gives must
//! survive the cache.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raceproof::facts::{ModuleFacts, module_facts};
use raceproof::source::parse::parse;

fuzz_target!(|text: &str| {
    let Ok(parsed) = parse(text) else {
        return;
    };
    let facts = module_facts("pkg/module.py", text, &parsed);
    let bytes = postcard(&facts);
    assert_eq!(read(&bytes), facts);
});

fn postcard(facts: &ModuleFacts) -> Vec<u8> {
    postcard::to_stdvec(facts).expect("facts are plain data")
}

fn read(bytes: &[u8]) -> ModuleFacts {
    postcard::from_bytes(bytes).expect("what was written can be read")
}
