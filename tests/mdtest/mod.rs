//! Runs the examples in Markdown pages.
//!
//! A page is cut into sections at its `##` headings; a section is one test. Every `py` block in it
//! is a program of its own, in a file `main.py`, and is analysed as `raceproof check` would. Blocks
//! that follow one another under lines such as `` `store.py`: `` are the files of one program. A
//! `toml` block, apart from the page's metadata, is the `raceproof.toml` of the section.
//!
//! A comment at the end of a line says what is expected of that line:
//!
//! | comment | asserts |
//! |---|---|
//! | `# error` | a finding, warning or above, of the page's rule (of any rule in `tests/semantics/`) |
//! | `# error: [rule] "text"` | a finding of that rule, with that text in its message; either may be left out |
//! | `# info` | likewise, at the level `info` |
//! | `# related` | a finding of the program names this line as another side |
//! | `# false-alarm: why` | there is a finding, and there should be none |
//! | `# missed: why` | there is no finding, and there should be one |
//! | `# holds: Counter._lock` | whoever reaches this line holds these locks, and no others |
//! | `# runs-on: thread work` | these threads reach this line, and no others |
//!
//! Whatever is reported and not expected fails too. The words of `false-alarm` and `missed` may
//! begin with a rule in brackets. Locks and threads are separated by commas; `nothing` is none.

mod expect;
mod fact;
mod page;
mod verdict;

pub use page::Page;
pub use verdict::check;

/// The sections of a page in `rules/`, in their order, with the least number of examples.
pub const FORM: &[(&str, usize)] = &[
    ("Reported", 1),
    ("Not reported", 2),
    ("How to fix", 0),
    ("Limits", 1),
];
