//! The pages of `rules/`. Written by `tests/registry.rs`; do not edit.

/// Name and text of every page, sorted by name.
pub(super) const PAGES: &[(&str, &str)] = &[
    (
        "asyncio-lock-across-threads",
        include_str!("../../rules/asyncio-lock-across-threads.md"),
    ),
    (
        "blocking-under-lock",
        include_str!("../../rules/blocking-under-lock.md"),
    ),
    (
        "callback-under-lock",
        include_str!("../../rules/callback-under-lock.md"),
    ),
    (
        "check-then-act",
        include_str!("../../rules/check-then-act.md"),
    ),
    ("context-leak", include_str!("../../rules/context-leak.md")),
    (
        "finalizer-takes-lock",
        include_str!("../../rules/finalizer-takes-lock.md"),
    ),
    ("gil-check", include_str!("../../rules/gil-check.md")),
    ("gil-reliance", include_str!("../../rules/gil-reliance.md")),
    (
        "inconsistent-lock",
        include_str!("../../rules/inconsistent-lock.md"),
    ),
    (
        "iterate-while-mutated",
        include_str!("../../rules/iterate-while-mutated.md"),
    ),
    ("lazy-init", include_str!("../../rules/lazy-init.md")),
    ("leaked-lock", include_str!("../../rules/leaked-lock.md")),
    ("lock-order", include_str!("../../rules/lock-order.md")),
    (
        "loop-affinity",
        include_str!("../../rules/loop-affinity.md"),
    ),
    (
        "mismatched-locks",
        include_str!("../../rules/mismatched-locks.md"),
    ),
    (
        "missing-guard",
        include_str!("../../rules/missing-guard.md"),
    ),
    (
        "notify-without-lock",
        include_str!("../../rules/notify-without-lock.md"),
    ),
    (
        "per-call-lock",
        include_str!("../../rules/per-call-lock.md"),
    ),
    (
        "process-wide-state",
        include_str!("../../rules/process-wide-state.md"),
    ),
    (
        "publish-before-init",
        include_str!("../../rules/publish-before-init.md"),
    ),
    (
        "self-deadlock",
        include_str!("../../rules/self-deadlock.md"),
    ),
    (
        "semaphore-not-a-mutex",
        include_str!("../../rules/semaphore-not-a-mutex.md"),
    ),
    (
        "shared-iterator",
        include_str!("../../rules/shared-iterator.md"),
    ),
    (
        "thread-local-at-import",
        include_str!("../../rules/thread-local-at-import.md"),
    ),
    (
        "thread-local-escapes",
        include_str!("../../rules/thread-local-escapes.md"),
    ),
    (
        "thread-started-in-init",
        include_str!("../../rules/thread-started-in-init.md"),
    ),
    ("torn-state", include_str!("../../rules/torn-state.md")),
    (
        "unlocked-attribute",
        include_str!("../../rules/unlocked-attribute.md"),
    ),
    (
        "unlocked-counter",
        include_str!("../../rules/unlocked-counter.md"),
    ),
    (
        "unlocked-dict",
        include_str!("../../rules/unlocked-dict.md"),
    ),
    (
        "unlocked-list",
        include_str!("../../rules/unlocked-list.md"),
    ),
    ("unlocked-set", include_str!("../../rules/unlocked-set.md")),
    (
        "unsafe-shared-object",
        include_str!("../../rules/unsafe-shared-object.md"),
    ),
    (
        "wait-without-loop",
        include_str!("../../rules/wait-without-loop.md"),
    ),
];
