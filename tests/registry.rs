//! Pages and predicates are registered by their file names; what is derived from them is written
//! here, and a stale file fails once.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use raceproof::rule::Page;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Stems of the files in `folder` with `extension`, sorted.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The page of the rule of this name, as the file has it.
fn read(name: &str) -> Page {
    let path = root().join(format!("rules/{name}.md"));
    let text = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    Page::parse(name.to_owned().leak(), &text)
        .unwrap_or_else(|error| panic!("rules/{name}.md: {error}"))
}

fn page_names() -> Vec<String> {
    let mut names = stems("rules", "md");
    names.remove("README");
    names.into_iter().collect()
}

/// Writes `text` where the file differs, and fails so that the change is seen.
fn up_to_date(path: &str, text: &str) {
    let path: &Path = &root().join(path);
    let current = std::fs::read_to_string(path).unwrap_or_default();
    if current.replace("\r\n", "\n") != text {
        std::fs::write(path, text).unwrap();
        panic!(
            "{} was stale and has been rewritten: run the tests again",
            path.display()
        );
    }
}

#[test]
fn pages_are_registered() {
    let mut text = String::from(
        "//! The pages of `rules/`. Written by `tests/registry.rs`; do not edit.\n\n\
         /// Name and text of every page, sorted by name.\n\
         #[rustfmt::skip]\n\
         pub(super) const PAGES: &[(&str, &str)] = &[\n",
    );
    for name in page_names() {
        writeln!(
            text,
            "    (\"{name}\", include_str!(\"../../rules/{name}.md\")),"
        )
        .unwrap();
    }
    text.push_str("];\n");
    up_to_date("src/rule/pages.rs", &text);
}

#[test]
fn the_index_lists_every_page() {
    let mut text = String::from(
        "# Rules\n\n\
         What each rule finds, by name. A page is the documentation, what `raceproof explain RULE`\n\
         prints, and a test: its examples are checked as written.\n\n\
         | rule | severity | what it finds |\n|---|---|---|\n",
    );
    for name in page_names() {
        let page = read(&name);
        let mut severity = format!("{:?}", page.severity).to_lowercase();
        if page.optional {
            severity.push_str(", off");
        }
        writeln!(
            text,
            "| [`{name}`]({name}.md) | {severity} | {} |",
            page.summary
        )
        .unwrap();
    }
    text.push_str(
        "\n`severity` is the highest a finding of the rule can have. A finding that rests on callers we\n\
         only assume is a `warning`. A rule that is off reports once the configuration names it, as in\n\
         `[tool.raceproof.rules]` with `unordered-changes = \"info\"`.\n\n\
         Library knowledge is in [`models/`](models/): which calls start threads, which objects are locks,\n\
         what blocks, what is safe to share.\n",
    );
    up_to_date("rules/README.md", &text);
}

#[test]
fn every_page_has_its_head() {
    for name in page_names() {
        let page = read(&name);
        assert!(
            page.summary.ends_with('.'),
            "{name}: the summary is a sentence"
        );
        assert!(!page.since.is_empty(), "{name}: since when?");
        assert!(
            page.tags.iter().any(|tag| tag.starts_with("CWE-")),
            "{name}: no CWE among the tags"
        );
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
            "{name}: rules are named in kebab-case"
        );
    }
}

#[test]
fn the_library_knows_every_page() {
    assert_eq!(raceproof::rule::names(), page_names());
    for page in raceproof::rule::pages() {
        assert_eq!(
            raceproof::rule::page(page.name).unwrap().summary,
            page.summary
        );
    }
    assert!(raceproof::rule::page("no-such-rule").is_none());
}

#[test]
fn predicates_are_named_as_their_pages() {
    // A predicate that several pages share bears the name of its subject and is listed here.
    let mut shared = BTreeSet::new();
    shared.insert("mod".to_owned());
    let pages: BTreeSet<String> = page_names()
        .iter()
        .map(|name| name.replace('-', "_"))
        .collect();
    let strangers: Vec<String> = stems("src/rules", "rs")
        .into_iter()
        .filter(|stem| !pages.contains(stem) && !shared.contains(stem))
        .collect();
    assert!(strangers.is_empty(), "no page in rules/ for {strangers:?}");
    let list = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules/mod.rs"));
    let list = list.unwrap();
    for stem in stems("src/rules", "rs") {
        let listed = [format!("mod {stem};"), format!("    &{stem}::")];
        assert!(
            stem == "mod" || listed.iter().all(|it| list.contains(it.as_str())),
            "src/rules/mod.rs does not list `{stem}`: it needs a `mod` line and one in `RULES`"
        );
    }
}

#[test]
fn a_page_without_its_head_is_refused() {
    let toml = "```toml\nseverity = \"error\"\nsince = \"0.1.0\"\ntags = []\n```\n";
    let cases = [
        ("Title\n".to_owned(), "title"),
        (format!("# `b`\n\nOne.\n\n{toml}"), "title"),
        ("# `a`\n\nOne line.\n".to_owned(), "block is missing"),
        ("# `a`\n\nOne line.\n\n```toml\n".to_owned(), "not closed"),
        (format!("# `a`\n\n{toml}"), "sums the rule up"),
        (
            format!("# `a`\n\nOne.\n\n{}", toml.replace("since", "sinc")),
            "sinc",
        ),
    ];
    for (text, message) in cases {
        let error = Page::parse("a", &text).unwrap_err();
        assert!(error.contains(message), "{text:?}: {error}");
    }
    let page = Page::parse("a", &format!("# `a`\n\nOne line,\nand more.\n\n{toml}")).unwrap();
    assert_eq!(page.summary, "One line, and more.");
}
