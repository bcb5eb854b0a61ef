//! From what the program shows to findings.

use std::fmt::Write as _;

use rustc_hash::FxHashSet;

use crate::findings::{Evidence, Finding, Related, Root, Severity};
use crate::program::Program;
use crate::program::atomicity::Access;
use crate::program::conflicts::{Conflict, Defect};
use crate::program::effect::{Action, At, Mode, PlaceAccess};
use crate::program::roots::{self, Record, RootKind};
use crate::program::sharing::is_test_path;
use crate::source::span::Site;

/// Takes what a rule finds. Severity and name are filled in from the rule's page; findings that
/// rest on assumed callers become warnings.
pub struct Reporter<'a> {
    program: &'a Program,
    rule: &'static str,
    severity: Severity,
    findings: &'a mut Vec<Finding>,
    reported: FxHashSet<Site>,
}

/// What a finding says.
pub struct Text {
    /// What is wrong, in one line, without a final full stop.
    pub message: String,
    /// What happens at the primary place, in a short clause.
    pub label: String,
    /// What goes wrong at run time.
    pub consequence: String,
    /// What to do.
    pub advice: String,
}

/// How severe a finding may be, whatever its rule says.
#[derive(Debug, Clone, Copy)]
pub struct AtMost {
    /// On a thread that the program starts.
    pub started: Severity,
    /// Where callers are assumed.
    pub assumed: Severity,
}

impl Default for AtMost {
    fn default() -> Self {
        Self {
            started: Severity::Error,
            assumed: Severity::Warning,
        }
    }
}

impl<'a> Reporter<'a> {
    /// A reporter for one rule.
    pub fn new(
        program: &'a Program,
        rule: &'static str,
        severity: Severity,
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        Self {
            program,
            rule,
            severity,
            findings,
            reported: FxHashSet::default(),
        }
    }

    /// Reports a group of conflicts at its primary access.
    pub fn conflict(&mut self, conflict: &Conflict, text: Text) {
        let primary = self.program.record(conflict.primary);
        let other = self.program.record(conflict.other);
        let mut related = Vec::new();
        let mut at = primary.at;
        if let Action::Access(access) = primary.action
            && let Some(test) = access.relies_on
        {
            // Each of two callees may do its part under a lock; whoever calls them must hold one. What
            // assumed callers do with the two is reported where they act, once for all of them.
            if let Some(meeting) = primary.meeting.as_deref().filter(|_| conflict.explicit) {
                let what = "called for the test here".to_owned();
                related.push(self.related(meeting.asks, what, Vec::new()));
                let what = "acts here".to_owned();
                related.push(self.related(primary.at, what, Vec::new()));
                at = meeting.acts;
            }
            let what = match access.access {
                Access::Update => "the old value is read here",
                _ => "tested here",
            };
            related.push(self.related(test, what.to_owned(), Vec::new()));
        }
        for record in
            std::iter::once(other).chain(conflict.more.iter().map(|&it| self.program.record(it)))
        {
            if record.at == primary.at {
                continue;
            }
            let message = describe(record);
            let held = held_words(record);
            let at = record.at;
            if related
                .iter()
                .all(|known: &Related| known.site != self.program.site(at))
            {
                related.push(self.related(at, message, held));
            }
        }
        let most = match conflict.explicit {
            true if self.is_memo(conflict) => Severity::Warning,
            true => Severity::Error,
            false if self.is_faint(conflict) => Severity::Info,
            false => Severity::Warning,
        };
        let severity = self.severity.min(most);
        let evidence = if conflict.explicit || conflict.guard.is_some() {
            Evidence::Likely
        } else {
            Evidence::Possible
        };
        let roots = self.roots_of(&[primary, other]);
        let state = conflict.place.to_string();
        // One class's code, reached through several of its subclasses, is one place to act.
        if at == primary.at || self.reported.insert(self.program.site(primary.at)) {
            self.push(at, primary, text, severity, evidence, state, related, roots);
        }
    }

    /// Whether a conflict is about a value that two threads may both compute and store, or both add to
    /// a set, each as good as the other as far as is known: often enough meant that way not to bet on
    /// it.
    fn is_memo(&self, conflict: &Conflict) -> bool {
        match self.program.record(conflict.primary).action {
            Action::Access(it) => {
                it.access == Access::CheckThenAct
                    && !it.identity
                    && !it.tells
                    && (it.refills()
                        || it.refreshes()
                        || it.adds_to_set()
                        || conflict.defect == Defect::LazyInit)
            }
            _ => false,
        }
    }

    /// Whether a conflict rests on assumed callers alone and rarely does harm that anybody minds:
    /// functions that count in a variable, and no lock at any access says that threads share it.
    /// Decision 11 has the numbers.
    fn is_faint(&self, conflict: &Conflict) -> bool {
        let primary = self.program.record(conflict.primary);
        let other = self.program.record(conflict.other);
        let is_offered = |record: &Record| self.program.root_of(record).group.is_some();
        conflict.guard.is_none()
            && conflict.defect == Defect::LostUpdate
            && !is_offered(primary)
            && !is_offered(other)
    }

    /// Reports one thing that a root does.
    pub fn record(
        &mut self,
        record: &Record,
        text: Text,
        state: String,
        related: Vec<(At, String)>,
        others: &[&Record],
    ) {
        self.record_at_most(AtMost::default(), record, text, state, related, others);
    }

    /// The same, and no more severe than that.
    pub fn record_at_most(
        &mut self,
        most: AtMost,
        record: &Record,
        text: Text,
        state: String,
        related: Vec<(At, String)>,
        others: &[&Record],
    ) {
        let explicit = self.program.root_of(record).explicit;
        let severity = self
            .severity
            .min(if explicit { most.started } else { most.assumed });
        let evidence = if explicit {
            Evidence::Likely
        } else {
            Evidence::Possible
        };
        let related = related
            .into_iter()
            .map(|(at, message)| self.related(at, message, Vec::new()))
            .collect();
        let mut all = vec![record];
        all.extend_from_slice(others);
        let roots = self.roots_of(&all);
        self.push(
            record.at, record, text, severity, evidence, state, related, roots,
        );
    }

    /// Reports something that syntax alone shows.
    pub fn at(&mut self, at: At, text: Text, state: String, related: Vec<(At, String)>) {
        let related = related
            .into_iter()
            .map(|(at, message)| self.related(at, message, Vec::new()))
            .collect();
        self.findings.push(Finding {
            rule: self.rule.to_owned(),
            severity: self.severity,
            evidence: Evidence::Likely,
            message: text.message,
            consequence: text.consequence,
            advice: text.advice,
            primary: self.program.site(at),
            label: text.label,
            function: self.program.function_name(at),
            state,
            held: Vec::new(),
            related,
            roots: Vec::new(),
            fingerprint: String::new(),
        });
    }

    #[allow(clippy::too_many_arguments)]
    fn push(
        &mut self,
        at: At,
        record: &Record,
        text: Text,
        severity: Severity,
        evidence: Evidence,
        state: String,
        related: Vec<Related>,
        roots: Vec<Root>,
    ) {
        let primary = self.program.site(at);
        if !self.reported.insert(primary) {
            return;
        }
        // Nobody's data depends on what a test loses.
        let path = &self.program.links().module(at.function.module).path;
        let severity = if is_test_path(path) {
            severity.min(Severity::Info)
        } else {
            severity
        };
        self.findings.push(Finding {
            rule: self.rule.to_owned(),
            severity,
            evidence,
            message: text.message,
            consequence: text.consequence,
            advice: text.advice,
            primary,
            label: text.label,
            function: self.program.function_name(at),
            state,
            held: held_words(record),
            related,
            roots,
            fingerprint: String::new(),
        });
    }

    fn related(&self, at: At, message: String, held: Vec<String>) -> Related {
        Related {
            site: self.program.site(at),
            message,
            function: self.program.function_name(at),
            held,
        }
    }

    fn roots_of(&self, records: &[&Record]) -> Vec<Root> {
        let mut roots: Vec<Root> = Vec::new();
        for record in records {
            let root = self.program.root_of(record);
            let root = Root {
                description: root_words(self.program, root),
                spawn: root.spawn.map(|at| self.program.site(at)),
                many: root.many,
                explicit: root.explicit,
            };
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }
}

/// A root in words.
pub fn root_words(program: &Program, root: &roots::Root) -> String {
    let name = program.links().qualified_name(root.function);
    match root.kind {
        RootKind::Main if root.function.index == 0 => "main thread".to_owned(),
        RootKind::Main => format!("caller of `{name}`"),
        RootKind::Caller => format!("any caller of `{name}`"),
        RootKind::Thread => {
            let mut text = format!("{} running `{name}`", root.runs_as);
            if root.many {
                text.push_str(" (many)");
            }
            text
        }
    }
}

/// The locks of a record in words.
pub fn held_words(record: &Record) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for held in &record.held {
        let mut text = held.words.to_string();
        match held.mode {
            Mode::Exclusive => {}
            Mode::Shared => text.push_str(" (shared side)"),
            Mode::Permits => text.push_str(" (several permits)"),
            Mode::PerCall => text.push_str(" (made for this call)"),
            Mode::Async => text.push_str(" (of the event loop)"),
            Mode::InterProcess => text.push_str(" (between processes)"),
        }
        if !words.contains(&text) {
            words.push(text);
        }
    }
    words
}

/// What happens at a record, in a short clause.
pub fn describe(record: &Record) -> String {
    let Action::Access(PlaceAccess { access, .. }) = record.action else {
        return "here".to_owned();
    };
    let mut text = match access {
        Access::Read => "read here",
        Access::Snapshot => "copied here",
        Access::Lookup => "looked up here",
        Access::Iterate => "iterated here",
        Access::Write => "written here",
        Access::SetItem => "an element is set here",
        Access::Add => "an element is added here",
        Access::Remove => "an element is removed here",
        Access::Clear => "elements are removed here",
        Access::Rearrange => "rearranged here",
        Access::Update => "read, changed and stored here",
        Access::CheckThenAct => "acted on after a test here",
        Access::Delete => "deleted here",
        Access::Advance => "advanced here",
    }
    .to_owned();
    let held = held_words(record);
    if !held.is_empty() {
        let _ = write!(text, ", holding {}", held.join(", "));
    }
    text
}
