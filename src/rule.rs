//! Rules: pages that document them and predicates that check them.
//!
//! A page, `rules/<name>.md`, is documentation, the text of `raceproof explain`, metadata and an
//! executable test at once. It begins with the name as title, a paragraph that sums the rule up,
//! and a `toml` block with `severity`, `since`, `tags` and perhaps `optional`; its sections are `Reported`,
//! `Not reported`, `How to fix` and `Limits`.

mod pages;
mod reporter;

use std::sync::LazyLock;

use serde::Deserialize;

use crate::findings::Severity;
use crate::program::Program;

pub use reporter::{AtMost, Reporter, Text, describe, held_words, root_words};

/// The check behind one page of `rules/`.
pub trait Rule: Sync {
    /// The name of its page.
    fn name(&self) -> &'static str;

    /// Looks for the defect and hands every finding to `report`.
    fn check(&self, program: &Program, report: &mut Reporter<'_>);
}

/// What the page of a rule says.
#[derive(Debug, Clone)]
pub struct Page {
    /// Name of the rule.
    pub name: &'static str,
    /// The paragraph under the title, on one line.
    pub summary: String,
    /// Severity unless configured otherwise.
    pub severity: Severity,
    /// Off unless the configuration names the rule.
    pub optional: bool,
    /// Version that brought the rule.
    pub since: String,
    /// Weaknesses (CWE) and subjects.
    pub tags: Vec<String>,
    /// The page without its title and metadata.
    pub body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    severity: Severity,
    #[serde(default)]
    optional: bool,
    since: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// The page does not have the form that the module's documentation tells: what is missing.
    pub fn parse(name: &'static str, text: &str) -> Result<Self, String> {
        let rest = text
            .trim_start()
            .strip_prefix("# `")
            .and_then(|rest| rest.strip_prefix(name))
            .and_then(|rest| rest.strip_prefix('`'))
            .ok_or_else(|| format!("the title must be `# `{name}``"))?;
        let (summary, rest) = rest
            .split_once("```toml\n")
            .ok_or("the ```toml block is missing")?;
        let (metadata, rest) = rest
            .split_once("```")
            .ok_or("the ```toml block is not closed")?;
        let metadata: Metadata = toml::from_str(metadata).map_err(|error| error.to_string())?;
        let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
        if summary.is_empty() {
            return Err("the paragraph that sums the rule up is missing".to_owned());
        }
        Ok(Self {
            name,
            summary,
            severity: metadata.severity,
            optional: metadata.optional,
            since: metadata.since,
            tags: metadata.tags,
            body: rest.trim().to_owned(),
        })
    }

    /// The page for people: title, summary and body.
    pub fn markdown(&self) -> String {
        format!("# `{}`\n\n{}\n\n{}\n", self.name, self.summary, self.body)
    }

    /// Where the page can be read on the web, in the state of this version.
    pub fn url(&self) -> String {
        format!(
            "{}/blob/v{}/rules/{}.md",
            env!("CARGO_PKG_REPOSITORY"),
            env!("CARGO_PKG_VERSION"),
            self.name
        )
    }

    /// The text under a heading of the second level, without the heading.
    pub fn section(&self, heading: &str) -> Option<&str> {
        let mut start = None;
        let mut at = 0;
        let mut fenced = false;
        for line in self.body.split_inclusive('\n') {
            if line.starts_with("```") {
                fenced = !fenced;
            }
            if let Some(title) = line.strip_prefix("## ").filter(|_| !fenced) {
                if let Some(start) = start {
                    return Some(self.body[start..at].trim());
                }
                if title.trim() == heading {
                    start = Some(at + line.len());
                }
            }
            at += line.len();
        }
        Some(self.body[start?..].trim())
    }
}

static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
    pages::PAGES
        .iter()
        .filter_map(|(name, text)| {
            // `tests/registry.rs` parses every page, so none that does not parse can ship.
            let page = Page::parse(name, text);
            debug_assert!(page.is_ok(), "{name}: {page:?}");
            page.ok()
        })
        .collect()
});

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| pages::PAGES.iter().map(|(name, _)| *name).collect());

/// The names of all rules, sorted.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// The pages of all rules, by name.
pub fn pages() -> &'static [Page] {
    &PAGES
}

/// The page of one rule.
pub fn page(name: &str) -> Option<&'static Page> {
    pages().iter().find(|page| page.name == name)
}
