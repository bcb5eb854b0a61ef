//! Runs the examples in `rules/*.md` and `tests/semantics/*.md`: one test for each heading.
//!
//! `cargo test --test rules unlocked-counter` runs one page. What the comments in the examples
//! assert is told in `tests/mdtest/mod.rs`.
#![allow(clippy::unwrap_used, missing_docs)]

mod mdtest;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use mdtest::{FORM, Page};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Shown by `cargo test` for every other target; the pages make hundreds of lines.
    arguments.quiet = arguments.quiet || arguments.filter.is_none();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut trials = of_the_runner();
    for path in pages(&root.join("rules")) {
        let name = stem(&path);
        trials.extend(of_page(
            &name,
            &format!("rules/{name}.md"),
            Some(&name),
            &path,
        ));
    }
    let semantics = pages(&root.join("tests/semantics"));
    for path in &semantics {
        let name = stem(path);
        let shown = format!("tests/semantics/{name}.md");
        trials.extend(of_page(&format!("semantics/{name}"), &shown, None, path));
    }
    trials.push(trial(
        "semantics::more-quiet-than-loud".to_owned(),
        move || quiet_to_loud(&semantics).err().into_iter().collect(),
    ));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The pages in a folder, sorted.
fn pages(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut pages: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .filter(|path| stem(path) != "README")
        .collect();
    pages.sort();
    pages
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Precision comes first: at least two quiet cases to a loud one, counted over all pages of
/// `tests/semantics/`.
fn quiet_to_loud(pages: &[std::path::PathBuf]) -> Result<(), String> {
    let (mut quiet, mut loud) = (0, 0);
    for path in pages {
        let text = std::fs::read_to_string(path).unwrap();
        let page = Page::parse("", None, &text)?;
        let programs = page.sections.iter().flat_map(|it| &it.programs);
        for program in programs {
            if program.files.iter().any(|it| it.text.contains("# error")) {
                loud += 1;
            } else {
                quiet += 1;
            }
        }
    }
    if quiet < 2 * loud {
        return Err(format!("{quiet} quiet cases to {loud} loud ones"));
    }
    Ok(())
}

/// The tests of one page: its form when it documents a rule, and each of its sections.
fn of_page(name: &str, shown: &str, rule: Option<&str>, path: &Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let page = match Page::parse(shown, rule, &text) {
        Ok(page) => Arc::new(page),
        Err(error) => return vec![trial(format!("{name}::form"), move || vec![error])],
    };
    let mut trials = Vec::new();
    if rule.is_some() {
        let page = Arc::clone(&page);
        trials.push(trial(format!("{name}::form"), move || page.lacks()));
    }
    for (index, section) in page.sections.iter().enumerate() {
        let heading = slug(&section.title);
        let page = Arc::clone(&page);
        trials.push(trial(format!("{name}::{heading}"), move || {
            mdtest::check(&page, &page.sections[index])
        }));
    }
    trials
}

/// A heading as part of a test's name.
fn slug(title: &str) -> String {
    let words = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// A test that passes when `run` finds no difference.
fn trial(name: String, run: impl FnOnce() -> Vec<String> + Send + 'static) -> Trial {
    let rerun = format!("cargo test --test rules -- --exact '{name}'");
    Trial::test(name, move || {
        let failures = run();
        if failures.is_empty() {
            return Ok(());
        }
        Err(Failed::from(format!(
            "{}\n\nrerun with: {rerun}",
            failures.join("\n")
        )))
    })
}

/// Tests of the runner itself: each hands it a page that it must refuse, or accept.
fn of_the_runner() -> Vec<Trial> {
    const RACE: &str = "import threading\n\nn = 0\n\n\ndef work():\n    global n\n    n += 1{}\n\n\n\
                        for _ in range(4):\n    threading.Thread(target=work).start()\n";
    let race = |comment: &str| RACE.replace("{}", comment);
    let block = |code: &str| format!("```py\n{code}```\n");
    // Heading, program, a part of the complaint; an empty part stands for none.
    let cases = [
        ("expected-and-found", "Reported", race("  # error"), ""),
        (
            "not-found",
            "Reported",
            "n = 1  # error\n".to_owned(),
            "there is not a finding of `unlocked-counter`",
        ),
        (
            "found-and-not-expected",
            "Not reported",
            race(""),
            "unexpected error [unlocked-counter]",
        ),
        (
            "wrong-text",
            "Reported",
            race("  # error: \"unheard of\""),
            "does not say \"unheard of\"",
        ),
        (
            "wrong-rule",
            "Limits",
            race("  # error: [lock-order]"),
            "there is not a finding of `lock-order`",
        ),
        (
            "not-related",
            "Reported",
            "n = 1  # related\n".to_owned(),
            "no finding names this line as related",
        ),
        (
            "missed-and-found",
            "Limits",
            race("  # missed: why"),
            "no longer missed",
        ),
        ("missed", "Limits", "n = 1  # missed: why\n".to_owned(), ""),
        ("false-alarm", "Limits", race("  # false-alarm: why"), ""),
        (
            "false-alarm-gone",
            "Limits",
            "n = 1  # false-alarm: why\n".to_owned(),
            "any more",
        ),
        (
            "no-reason",
            "Limits",
            "n = 1  # missed\n".to_owned(),
            "tells why",
        ),
        (
            "gap-under-reported",
            "Reported",
            race("  # missed: why"),
            "expects no finding of this rule",
        ),
        (
            "error-under-fix",
            "How to fix",
            race("  # error"),
            "under `How to fix`",
        ),
        (
            "no-gap-under-limits",
            "Limits",
            "n = 1\n".to_owned(),
            "neither",
        ),
        (
            "broken-program",
            "Not reported",
            "def (:\n".to_owned(),
            "made-up.md:5: syntax error",
        ),
    ];
    let mut trials = Vec::new();
    for (name, heading, code, complaint) in cases {
        let text = format!("# page\n\n## {heading}\n{}", block(&code));
        trials.push(trial(format!("mdtest::{name}"), move || {
            let page = Page::parse("made-up.md", Some("unlocked-counter"), &text).unwrap();
            let failures = mdtest::check(&page, &page.sections[0]);
            let fits = if complaint.is_empty() {
                failures.is_empty()
            } else {
                failures.iter().any(|it| it.contains(complaint))
            };
            let wrong = (!fits).then(|| format!("wanted {complaint:?}, got {failures:?}"));
            wrong.into_iter().collect()
        }));
    }
    trials.push(trial("mdtest::form".to_owned(), || {
        let text = "# page\n\n## Reported\n\n## Limits\n";
        let lacks = Page::parse("made-up.md", None, text).unwrap().lacks();
        let wrong = lacks.len() != 3;
        wrong
            .then(|| format!("{FORM:?}: {lacks:?}"))
            .into_iter()
            .collect()
    }));
    trials.push(trial("mdtest::unclosed".to_owned(), || {
        let parsed = Page::parse("made-up.md", None, "## A\n\n```py\nn = 1\n");
        let wrong = !parsed.is_err_and(|it| it.contains("made-up.md:3: the block is not closed"));
        wrong.then(|| "accepted".to_owned()).into_iter().collect()
    }));
    trials
}
