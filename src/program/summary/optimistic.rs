//! Optimistic updates: what was computed without the lock is stored under it if nothing has changed
//! meanwhile, as compare-and-swap does (Kung and Robinson, "On optimistic methods for concurrency
//! control", TODS 1981).
//!
//! Whether something has changed is asked by comparing what is there now with what was there before:
//! the place itself, or a version that whoever stores the place advances with it. Any other test
//! under the lock says nothing of what happened since the load.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::checks::is_same;

impl Summaries<'_> {
    /// Whether a test under a lock that is still held decided that a place is as it was when `load`
    /// loaded it.
    pub(super) fn is_unchanged_since(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        load: u32,
    ) -> bool {
        let now = self.held_at(walk, index);
        let mut control = walk.function.ops[index as usize].control;
        while control != 0 && !now.is_empty() {
            let node = walk.function.controls[control as usize];
            for (earlier, version) in self.compared(walk, node, &now) {
                let before = self.held_at(walk, earlier);
                let at_load = self.held_at(walk, load);
                // Loaded together, or first the version and then what it is the version of.
                let in_time = earlier <= load || !common_sections(&before, &at_load).is_empty();
                let tells = version == place
                    || self.is_beside(version, place) && self.advances(walk, index, version);
                if in_time && tells {
                    return true;
                }
            }
            control = node.parent;
        }
        false
    }

    /// The loads before the present critical section with which a test compares what it loads inside
    /// the section from the same place.
    fn compared(
        &mut self,
        walk: &mut Walk<'_>,
        node: Control,
        now: &[HeldLock],
    ) -> Vec<(u32, Place)> {
        let mut loads: Vec<(u32, Place)> = Vec::new();
        let in_test = self.in_test(walk, node);
        for (op, effect, recalled) in in_test {
            let Action::Access(access) = walk.summary.effects[effect as usize].action else {
                continue;
            };
            let look = recalled.unwrap_or(access.look);
            let is_compared = match access.access {
                Access::Read => look == Look::Compare,
                // How an element is looked at is not known where it is loaded in the test itself.
                Access::Lookup => matches!(look, Look::Compare | Look::Use),
                _ => false,
            };
            if is_compared {
                loads.push((op, access.place));
            }
        }
        let (fresh, earlier): (Vec<_>, Vec<_>) = loads.into_iter().partition(|&(op, _)| {
            let held = self.held_at(walk, op);
            !common_sections(&held, now).is_empty()
        });
        let is_fresh = |place: &Place| fresh.iter().any(|(_, it)| it == place);
        earlier
            .into_iter()
            .filter(|(_, place)| is_fresh(place))
            .collect()
    }

    /// Whether two places belong to one object.
    fn is_beside(&self, version: Place, place: Place) -> bool {
        matches!(version.slot, Slot::Field(_))
            && (version.object == place.object
                || self.eval.owner(place.object) == Some(version.object))
    }

    /// Whether the function stores a version anew in the critical section in which an op stores what
    /// it is the version of.
    fn advances(&mut self, walk: &mut Walk<'_>, index: u32, version: Place) -> bool {
        let Slot::Field(field) = version.slot else {
            return false;
        };
        let function = walk.function;
        let op = &function.ops[index as usize];
        let sections = &function.held[op.held as usize];
        let object = match op.kind {
            OpKind::Write { base, .. } => Some(base),
            _ => None,
        };
        let stored = function.ops.iter().any(|other| {
            let together = function.held[other.held as usize]
                .iter()
                .any(|held| sections.iter().any(|it| it.region == held.region));
            together
                && decides(function, other.control, op.control)
                && match other.kind {
                    OpKind::Write { base, name, .. } => {
                        name == field && object.is_none_or(|it| is_same(function, it, base))
                    }
                    OpKind::WriteVariable {
                        variable: Variable::Global(name) | Variable::Cell(name),
                        ..
                    } => name == field,
                    _ => false,
                }
        });
        stored || self.is_advanced_by_callee(walk, index, version)
    }

    /// Whether a function that was called before an op in the same critical section stores a place.
    fn is_advanced_by_callee(&mut self, walk: &mut Walk<'_>, index: u32, version: Place) -> bool {
        let stores: Vec<u32> = walk
            .by_op
            .iter()
            .filter(|&&(_, effect)| {
                matches!(walk.summary.effects[effect as usize].action,
                    Action::Access(it) if it.place == version && it.access.writes())
            })
            .map(|&(op, _)| op)
            .collect();
        let now = self.held_at(walk, index);
        stores.into_iter().any(|op| {
            let held = self.held_at(walk, op);
            !common_sections(&held, &now).is_empty()
        })
    }
}

/// Whether what one control lets run has been let run where another one does.
fn decides(function: &Function, outer: u32, inner: u32) -> bool {
    let mut control = inner;
    while control != outer && control != 0 {
        control = function.controls[control as usize].parent;
    }
    control == outer
}
