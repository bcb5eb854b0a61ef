//! A failing interleaving for people: one column for each thread, one row for each operation that
//! matters.

use std::fmt::Write;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use super::event::{Event, Kind, Mode, STRUCTURE, WHOLE};
use super::fleet::Sites;
use super::oracle::Failing;
use super::protocol::Execution;
use super::search::{Found, Outcome, Verdict};
use super::witness::relative;

/// Most rows shown; the middle of longer schedules is left out, and said to be.
const MAX_ROWS: usize = 60;
/// Widest and narrowest column of a thread.
const COLUMN: usize = 44;
const MIN_COLUMN: usize = 18;
const MIN_OPERATION: usize = 12;
const MAX_OUTPUT_LINES: usize = 20;
const MAX_STACK_LINES: usize = 60;

/// What the verdict means, in one sentence.
pub fn verdict(outcome: &Outcome) -> String {
    let traces = count(outcome.traces, "distinct trace");
    let executions = count(outcome.executions, "schedule");
    match outcome.verdict {
        Verdict::Failing => format!(
            "failing interleaving found at schedule {}",
            outcome.first_failure.unwrap_or(outcome.executions)
        ),
        Verdict::NoneExists => {
            format!("no interleaving fails: all of them were covered ({traces}, {executions})")
        }
        Verdict::NoneWithinBound => {
            format!("no interleaving fails within the preemption bound ({executions}, {traces})")
        }
        Verdict::BudgetCut => format!(
            "no failing interleaving found before the budget was used up ({executions}, {traces}); \
             this is no proof that there is none"
        ),
        Verdict::NoThreads => {
            "the program starts no thread, so there is only one interleaving; it does not fail"
                .to_owned()
        }
    }
}

/// A number and a noun.
pub fn count(number: u64, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => "",
        _ if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}

struct Row {
    thread: usize,
    line: String,
    /// The operation; shortened where there is no room.
    operation: String,
    /// The value and the locks held: what the operation is shown for.
    value: String,
    switch: bool,
}

impl Row {
    fn width(&self) -> usize {
        self.operation.chars().count() + self.value.chars().count()
    }

    fn fitted(&self, width: usize) -> String {
        let room = width.saturating_sub(self.value.chars().count());
        let operation = clipped(&self.operation, room.max(MIN_OPERATION));
        clipped(&format!("{operation}{}", self.value), width)
    }
}

/// The text of a failing interleaving, for a terminal of so many columns.
pub fn failing(found: &Found, sites: &Sites, root: &Path, width: usize) -> String {
    let mut text = String::new();
    let execution = &found.execution;
    let _ = writeln!(
        text,
        "{}: {}",
        found.failing.kind(),
        found.failing.message()
    );
    if let Failing::Raised { thread, frames, .. } = &found.failing {
        let _ = writeln!(text, "  in {}", thread_name(execution, *thread as usize));
        for (file, line, function) in frames {
            let _ = writeln!(
                text,
                "  at {}:{line} in {function}",
                relative(Path::new(file), root)
            );
        }
    }
    if let Failing::Deadlock(blocked) = &found.failing {
        for it in blocked {
            let place = sites.get(it.site).map_or_else(String::new, |site| {
                format!(
                    " at {}:{}",
                    relative(Path::new(&site.file), root),
                    site.line
                )
            });
            let _ = writeln!(
                text,
                "  {} waits for {}{place}",
                thread_name(execution, it.thread as usize),
                it.waits
            );
        }
    }
    if let Failing::Crash { stacks, .. } | Failing::Hang { stacks, .. } = &found.failing {
        for line in stacks.lines().take(MAX_STACK_LINES) {
            let _ = writeln!(text, "  {line}");
        }
        if execution.trace.is_empty() {
            text.push_str(
                "The same schedule once more did not do it again, so its steps are not known and \
                 it cannot be replayed.\n",
            );
            return text;
        }
    }
    let _ = writeln!(
        text,
        "with the GIL: {}",
        if found.with_gil {
            "possible too (every switch is where the GIL may be handed over)"
        } else {
            "not possible (a switch lies where the GIL is not handed over)"
        }
    );
    let rows = rows(execution, sites, root);
    if !rows.is_empty() {
        text.push('\n');
        table(&mut text, execution, &rows, width);
    }
    for (name, output) in [
        ("standard output", &execution.rare.output),
        ("standard error", &execution.rare.errors),
    ] {
        if !output.trim().is_empty() {
            let _ = writeln!(text, "\n{name} of this schedule:");
            for line in output.lines().take(MAX_OUTPUT_LINES) {
                let _ = writeln!(text, "  {line}");
            }
            if output.lines().count() > MAX_OUTPUT_LINES {
                let _ = writeln!(text, "  ...");
            }
        }
    }
    text
}

fn thread_name(execution: &Execution, thread: usize) -> String {
    match execution.rare.names.get(thread) {
        Some(name) if !name.is_empty() => name.clone(),
        _ if thread == 0 => "MainThread".to_owned(),
        _ => format!("thread {thread}"),
    }
}

/// The operations worth a row: those on places that two threads touch, one of them writing, and
/// synchronisation at the program's own sites.
fn rows(execution: &Execution, sites: &Sites, root: &Path) -> Vec<Row> {
    let trace = &execution.trace;
    // Where operations are on parts only, one part has nothing to do with another.
    let undivided: FxHashSet<u64> = trace
        .iter()
        .filter(|it| it.part() <= STRUCTURE)
        .map(|it| it.object())
        .collect();
    let place = |event: &Event| match undivided.contains(&event.object()) {
        true => (event.object(), WHOLE),
        false => (event.object(), event.part()),
    };
    let mut touched: FxHashMap<_, (FxHashSet<usize>, bool)> = FxHashMap::default();
    for event in trace {
        let entry = touched.entry(place(event)).or_default();
        entry.0.insert(event.thread());
        entry.1 |= event.kind().mode() == Mode::Writes;
    }
    let values: FxHashMap<u32, &str> = execution
        .rare
        .detail
        .iter()
        .map(|it| (it.step, it.value.as_str()))
        .collect();
    // Locks are named by the lines at which they were taken.
    let held: FxHashMap<u32, String> = execution
        .rare
        .detail
        .iter()
        .filter(|it| !it.held.is_empty())
        .map(|it| {
            let lines: Vec<String> = it
                .held
                .iter()
                .filter_map(|&site| Some(format!(":{}", sites.get(site)?.line)))
                .collect();
            (it.step, lines)
        })
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(step, lines)| {
            let noun = if lines.len() == 1 { "lock" } else { "locks" };
            (step, format!("{noun} {}", lines.join(", ")))
        })
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut previous = None;
    for (step, &event) in trace.iter().enumerate() {
        let shared = touched
            .get(&place(&event))
            .is_some_and(|(threads, written)| threads.len() > 1 && *written);
        let Some(site) = sites.get(event.site()) else {
            continue;
        };
        let matters = if event.kind().is_access() {
            shared
        } else {
            !matches!(event.kind(), Kind::Begin | Kind::End)
        };
        if !matters {
            continue;
        }
        let (operation, mut value) =
            describe(event, &site.label, values.get(&(step as u32)).copied());
        if let Some(lines) = held.get(&(step as u32)) {
            let _ = write!(value, "  [{lines}]");
        }
        let line = format!(
            "{}:{}",
            Path::new(&relative(Path::new(&site.file), root))
                .file_name()
                .map_or_else(String::new, |it| it.to_string_lossy().into_owned()),
            site.line
        );
        // Library code makes several operations of one call; one row tells of it.
        if site.inner
            && rows
                .last()
                .is_some_and(|last| last.thread == event.thread() && last.line == line)
        {
            continue;
        }
        rows.push(Row {
            thread: event.thread(),
            line,
            operation: if site.inner {
                "(library call)".to_owned()
            } else {
                operation
            },
            value: if site.inner { String::new() } else { value },
            switch: previous.is_some_and(|it| it != event.thread()),
        });
        previous = Some(event.thread());
    }
    rows
}

/// The operation, and the value it read or wrote.
fn describe(event: Event, label: &str, value: Option<&str>) -> (String, String) {
    let value = value.map_or_else(String::new, |it| match event.kind() {
        Kind::Read => format!(" -> {it}"),
        _ => format!(" = {it}"),
    });
    let word = event.kind().name();
    let operation = match label {
        "" => word.to_owned(),
        label => format!("{word} {label}"),
    };
    (operation, value)
}

/// The width of each thread's column; none when they do not fit side by side.
fn columns(
    execution: &Execution,
    rows: &[Row],
    threads: &[usize],
    room: usize,
) -> Option<Vec<usize>> {
    let mut widths: Vec<usize> = threads
        .iter()
        .map(|&thread| {
            rows.iter()
                .filter(|it| it.thread == thread)
                .map(Row::width)
                .chain([thread_name(execution, thread).chars().count()])
                .max()
                .unwrap_or(0)
                .min(COLUMN)
        })
        .collect();
    // The widest gives way first.
    while widths.iter().map(|it| it + 2).sum::<usize>() > room {
        let widest = widths.iter_mut().max_by_key(|it| **it)?;
        if *widest <= MIN_COLUMN {
            return None;
        }
        *widest -= 1;
    }
    Some(widths)
}

fn table(text: &mut String, execution: &Execution, rows: &[Row], width: usize) {
    let mut threads: Vec<usize> = rows.iter().map(|it| it.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    let longest = |of: &mut dyn Iterator<Item = usize>| of.max().unwrap_or(0);
    let place = longest(&mut rows.iter().map(|it| it.line.chars().count()));
    let room = width.saturating_sub(place + 2);
    let widths = columns(execution, rows, &threads, room);
    let name = |thread: usize| thread_name(execution, thread);
    let names = longest(&mut threads.iter().map(|&it| name(it).chars().count())).min(MIN_COLUMN);
    if let Some(widths) = &widths {
        let mut line = format!("  {:place$}", "");
        for (&thread, &width) in threads.iter().zip(widths) {
            let _ = write!(line, "  {:width$}", clipped(&name(thread), width));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let skipped = rows.len().saturating_sub(MAX_ROWS);
    for (number, row) in rows.iter().enumerate() {
        if skipped > 0 && number == MAX_ROWS / 2 {
            let _ = writeln!(text, "  ... {skipped} operations ...");
        }
        if skipped > 0 && (MAX_ROWS / 2..MAX_ROWS / 2 + skipped).contains(&number) {
            continue;
        }
        let mark = if row.switch { '>' } else { ' ' };
        let mut line = format!("{mark} {:place$}", row.line);
        match &widths {
            Some(widths) => {
                for (&thread, &width) in threads.iter().zip(widths) {
                    let cell = match thread == row.thread {
                        true => row.fitted(width),
                        false => String::new(),
                    };
                    let _ = write!(line, "  {cell:width$}");
                }
            }
            // Too many threads to stand side by side: each row names its own.
            None => {
                let left = room.saturating_sub(names + 4).max(MIN_COLUMN);
                let name = clipped(&name(row.thread), names);
                let _ = write!(line, "  {name:names$}  {}", row.fitted(left));
            }
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
