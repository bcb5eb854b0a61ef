//! The rules, one file each, named as their page.

mod asyncio_lock_across_threads;
mod check_then_act;
mod inconsistent_lock;
mod iterate_while_mutated;
mod lazy_init;
mod mismatched_locks;
mod per_call_lock;
mod publish_before_init;
mod semaphore_not_a_mutex;
mod shared_iterator;
mod torn_state;
mod unlocked_attribute;
mod unlocked_counter;
mod unlocked_dict;
mod unlocked_list;
mod unlocked_set;

use crate::findings::Finding;
use crate::models::ContainerKind;
use crate::program::Program;
use crate::program::conflicts::Conflict;
use crate::program::effect::Action;
use crate::rule::{self, Reporter, Rule};

static RULES: &[&dyn Rule] = &[
    &asyncio_lock_across_threads::AsyncioLockAcrossThreads,
    &check_then_act::CheckThenAct,
    &inconsistent_lock::InconsistentLock,
    &iterate_while_mutated::IterateWhileMutated,
    &lazy_init::LazyInit,
    &mismatched_locks::MismatchedLocks,
    &per_call_lock::PerCallLock,
    &publish_before_init::PublishBeforeInit,
    &semaphore_not_a_mutex::SemaphoreNotAMutex,
    &shared_iterator::SharedIterator,
    &torn_state::TornState,
    &unlocked_attribute::UnlockedAttribute,
    &unlocked_counter::UnlockedCounter,
    &unlocked_dict::UnlockedDict,
    &unlocked_list::UnlockedList,
    &unlocked_set::UnlockedSet,
];

/// Everything the rules find.
pub fn check_all(program: &Program) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        let Some(page) = rule::page(rule.name()) else {
            continue;
        };
        let mut report = Reporter::new(program, page.name, page.severity, &mut findings);
        rule.check(program, &mut report);
    }
    findings
}

/// The kind of the container a conflict is about, if it is about the elements of one.
fn container_of(conflict: &Conflict, program: &Program) -> Option<ContainerKind> {
    match program.record(conflict.primary).action {
        Action::Access(access) => access.container,
        _ => None,
    }
}
