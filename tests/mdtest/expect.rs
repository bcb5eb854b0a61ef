//! Comments to expectations.

/// What a comment asserts of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A finding, warning or above.
    Error,
    /// A finding at the level `info`.
    Info,
    /// A finding names this line as another side.
    Related,
    /// A finding that should not be there.
    FalseAlarm,
    /// No finding, although there should be one.
    Missed,
    /// The locks held on this line are these.
    Holds,
    /// The threads that reach this line are these.
    RunsOn,
}

const WORDS: &[(&str, Kind)] = &[
    ("error", Kind::Error),
    ("info", Kind::Info),
    ("related", Kind::Related),
    ("false-alarm", Kind::FalseAlarm),
    ("missed", Kind::Missed),
    ("holds", Kind::Holds),
    ("runs-on", Kind::RunsOn),
];

/// One assertion.
#[derive(Debug)]
pub struct Expectation {
    pub kind: Kind,
    /// Line in the file, from 1.
    pub line: usize,
    /// The rule in brackets.
    pub rule: Option<String>,
    /// The text in quotes; for facts, the words.
    pub text: Option<String>,
}

/// The expectations of a file.
///
/// # Errors
/// A comment begins like one and goes on otherwise, or gives no reason where one is due: the line
/// and what is wrong.
pub fn expectations(text: &str) -> Result<Vec<Expectation>, (usize, String)> {
    let mut found = Vec::new();
    for (line, code) in (1..).zip(text.lines()) {
        for comment in code.split("# ").skip(1) {
            if let Some(expectation) = parse(line, comment.trim()).map_err(|it| (line, it))? {
                found.push(expectation);
            }
        }
    }
    Ok(found)
}

fn parse(line: usize, comment: &str) -> Result<Option<Expectation>, String> {
    let (word, rest) = match comment.split_once(':') {
        Some((word, rest)) => (word, rest.trim()),
        None => (comment, ""),
    };
    let Some(&(_, kind)) = WORDS.iter().find(|(name, _)| *name == word) else {
        return Ok(None);
    };
    let mut rest = rest;
    let mut rule = None;
    if let Some((name, after)) = rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
        rule = Some(name.to_owned());
        rest = after.trim();
    }
    let mut text = None;
    match kind {
        Kind::FalseAlarm | Kind::Missed => {
            if rest.is_empty() {
                return Err(format!("`# {word}` tells why: `# {word}: because`"));
            }
        }
        Kind::Error | Kind::Info => {
            if let Some(quoted) = rest.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
                text = Some(quoted.to_owned());
            } else if !rest.is_empty() {
                return Err(format!(
                    "after `# {word}:` comes `[rule]`, `\"text\"` or both, not `{rest}`"
                ));
            }
        }
        Kind::Holds | Kind::RunsOn => {
            if rest.is_empty() {
                return Err(format!(
                    "`# {word}` tells what: `# {word}: a, b`, or `nothing`"
                ));
            }
            text = Some(rest.to_owned());
        }
        Kind::Related => {
            if !rest.is_empty() {
                return Err(format!("nothing comes after `# related`, not `{rest}`"));
            }
        }
    }
    Ok(Some(Expectation {
        kind,
        line,
        rule,
        text,
    }))
}
