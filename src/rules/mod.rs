//! The rules, one file each, named as their page.

mod asyncio_lock_across_threads;
mod blocking_under_lock;
mod callback_under_lock;
mod check_then_act;
mod context_leak;
mod finalizer_takes_lock;
mod gil_check;
mod gil_reliance;
mod inconsistent_lock;
mod iterate_while_mutated;
mod lazy_init;
mod leaked_lock;
mod lock_order;
mod loop_affinity;
mod mismatched_locks;
mod missing_guard;
mod notify_without_lock;
mod per_call_lock;
mod process_wide_state;
mod publish_before_init;
mod self_deadlock;
mod semaphore_not_a_mutex;
mod shared_iterator;
mod thread_local_at_import;
mod thread_local_escapes;
mod thread_started_in_init;
mod torn_state;
mod unlocked_attribute;
mod unlocked_counter;
mod unlocked_dict;
mod unlocked_list;
mod unlocked_set;
mod unordered_changes;
mod unsafe_shared_object;
mod wait_without_loop;

use crate::facts::{Call, Function, Literal, Op, OpKind, Value};
use crate::findings::Finding;
use crate::models::ContainerKind;
use crate::program::conflicts::Conflict;
use crate::program::effect::{Action, At, Mode};
use crate::program::roots::{Held, Record, Root, RootKind};
use crate::program::{Program, Target};
use crate::rule::{self, Page, Reporter, Rule};
use crate::source::span::Range;

static RULES: &[&dyn Rule] = &[
    &asyncio_lock_across_threads::AsyncioLockAcrossThreads,
    &blocking_under_lock::BlockingUnderLock,
    &callback_under_lock::CallbackUnderLock,
    &check_then_act::CheckThenAct,
    &context_leak::ContextLeak,
    &finalizer_takes_lock::FinalizerTakesLock,
    &gil_check::GilCheck,
    &gil_reliance::GilReliance,
    &inconsistent_lock::InconsistentLock,
    &iterate_while_mutated::IterateWhileMutated,
    &lazy_init::LazyInit,
    &leaked_lock::LeakedLock,
    &lock_order::LockOrder,
    &loop_affinity::LoopAffinity,
    &mismatched_locks::MismatchedLocks,
    &missing_guard::MissingGuard,
    &notify_without_lock::NotifyWithoutLock,
    &per_call_lock::PerCallLock,
    &process_wide_state::ProcessWideState,
    &publish_before_init::PublishBeforeInit,
    &self_deadlock::SelfDeadlock,
    &semaphore_not_a_mutex::SemaphoreNotAMutex,
    &shared_iterator::SharedIterator,
    &thread_local_at_import::ThreadLocalAtImport,
    &thread_local_escapes::ThreadLocalEscapes,
    &thread_started_in_init::ThreadStartedInInit,
    &torn_state::TornState,
    &unlocked_attribute::UnlockedAttribute,
    &unlocked_counter::UnlockedCounter,
    &unlocked_dict::UnlockedDict,
    &unlocked_list::UnlockedList,
    &unlocked_set::UnlockedSet,
    &unordered_changes::UnorderedChanges,
    &unsafe_shared_object::UnsafeSharedObject,
    &wait_without_loop::WaitWithoutLoop,
];

/// Everything that the rules find which `wanted` picks.
pub fn check_all(program: &Program, wanted: &dyn Fn(&Page) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        let Some(page) = rule::page(rule.name()).filter(|page| wanted(page)) else {
            continue;
        };
        let mut report = Reporter::new(program, page.name, page.severity, &mut findings);
        rule.check(program, &mut report);
    }
    findings
}

/// The kind of the container a conflict is about, if it is about the elements of one.
fn container_of(conflict: &Conflict, program: &Program) -> Option<ContainerKind> {
    let record = program.record(conflict.primary);
    match record.action {
        Action::Access(access) => access.container.or_else(|| {
            rebuilt(
                program.links().function(record.at.function),
                record.at.range,
            )
        }),
        _ => None,
    }
}

/// What a lost update of a container is, and what comes of it: of an element, which messages call
/// `element`, or of what is added.
fn lost_update(conflict: &Conflict, program: &Program, element: &str) -> (String, String) {
    let place = conflict.place;
    let article = if element.starts_with('e') { "an" } else { "a" };
    match program.record(conflict.primary).action {
        Action::Access(access) if access.adds_computed() => (
            format!(
                "what is added to `{place}` is computed from what it held before, without a lock"
            ),
            "another thread adds in between: what both add starts from the same state".to_owned(),
        ),
        _ => (
            format!("{article} {element} of `{place}` is updated in two steps without a lock"),
            format!("two threads read the same {element} and one of the updates is lost"),
        ),
    }
}

/// The kind of the container that a store puts together from an old one and a literal, as in
/// `self.rows = self.rows + [row]`.
fn rebuilt(function: &Function, range: Range) -> Option<ContainerKind> {
    let stored = function.ops.iter().find_map(|op| match op.kind {
        OpKind::Write { value, .. } | OpKind::WriteVariable { value, .. } if op.range == range => {
            Some(value)
        }
        _ => None,
    })?;
    let Value::Combined(parts) = function.value(stored) else {
        return None;
    };
    let mut parts = function.list(*parts).iter().map(|it| function.value(*it));
    parts.find_map(|part| match part {
        Value::Container { literal, .. } => match literal {
            Literal::List => Some(ContainerKind::List),
            Literal::Dict => Some(ContainerKind::Dict),
            Literal::Set => Some(ContainerKind::Set),
            Literal::Tuple | Literal::Generator => None,
        },
        _ => None,
    })
}

/// Of the records that `wanted` picks, one for each place in the source and thing it is about:
/// that of a root which the program itself starts where there is one. In source order.
fn one_a_site(program: &Program, wanted: impl Fn(&Record) -> bool) -> Vec<&Record> {
    let mut picked: Vec<&Record> = program.records().iter().filter(|it| wanted(it)).collect();
    picked.sort_by_key(|it| (it.at, it.key, !program.root_of(it).explicit));
    picked.dedup_by_key(|it| (it.at, it.key));
    picked
}

/// The locks of a record that keep all other threads out.
fn exclusive(record: &Record) -> impl Iterator<Item = &Held> {
    record
        .held
        .iter()
        .filter(|held| held.mode == Mode::Exclusive)
}

/// A record as seen by the function that holds the lock: at the call that it makes under the
/// lock, with the place where it happens as related.
fn seen_from(record: &Record, what: &str) -> (Record, Vec<(At, String)>) {
    let mut shown = record.clone();
    let mut related = Vec::new();
    if let Some(under) = record.under
        && under.function != record.at.function
    {
        related.push((record.at, what.to_owned()));
        shown.at = under;
    }
    (shown, related)
}

/// Whether a root runs while others do: a thread that the program starts, or any caller.
fn may_run_beside_others(root: &Root) -> bool {
    match root.kind {
        RootKind::Main => false,
        RootKind::Caller => root.many,
        RootKind::Thread => root.explicit && !root.interrupt,
    }
}

/// The call at which something happens, with its op and the index of that.
fn call_of<'f>(function: &'f Function, record: &Record) -> Option<(usize, &'f Op, &'f Call)> {
    let mut ops = function.ops.iter().enumerate();
    ops.find_map(|(index, op)| match op.kind {
        OpKind::Call(call) if op.range == record.at.range => {
            Some((index, op, &function.calls[call as usize]))
        }
        _ => None,
    })
}

/// Where the lock that a record takes is made, as a related place.
fn made_at(record: &Record) -> Option<(At, String)> {
    match record.action {
        Action::Acquire { made, .. } => Some((made?, "the lock is made here".to_owned())),
        _ => None,
    }
}

/// Whether what holds up to a target no longer holds on the one in force.
fn is_over(program: &Program, until: Option<Target>) -> bool {
    until.is_some_and(|until| program.options().target >= until)
}
