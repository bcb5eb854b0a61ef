//! Waiting: which threads a join ends, and which ones the next turn of a loop meets.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// Takes into account that a call waits for what a thread, future or pool does. Where the turn of a
    /// loop that starts a thread also waits for it, there is one at a time; who waits after the loop
    /// for the one in a variable waits for the last.
    pub(super) fn wait_for(&mut self, walk: &mut Walk<'_>, call: &Call, handle: ObjectId) {
        let function = walk.function;
        let of_last_turn = !call.many
            && matches!(*function.value(call.callee),
                Value::Attribute { base, .. } if is_of_last_turn(function, base));
        for &started in &walk.one_a_turn {
            let spawn = &mut walk.summary.spawns[started as usize];
            if !spawn.handles.contains(&handle) {
                continue;
            }
            if of_last_turn {
                return;
            }
            spawn.many &= !call.in_turn;
        }
        self.finish(walk, handle);
    }

    /// After the last op of a loop that leaves threads running: what its turns do before they start
    /// these, the second turn does beside those of the first. Objects that each turn makes anew are not
    /// the same ones.
    pub(super) fn turn_again(&mut self, walk: &mut Walk<'_>, last: u32) {
        let function = walk.function;
        if walk.live.is_empty() {
            return;
        }
        let mut closed = function.loops.iter().filter(|it| it.end == last + 1);
        let Some(around) = closed.next_back() else {
            return;
        };
        let turn = around.first..around.end;
        let started = |it: &u32| walk.started_by.get(*it as usize).copied();
        let left = walk.live.iter().filter_map(started);
        let Some(start) = left.filter(|op| turn.contains(op)).min() else {
            return;
        };
        let before = (
            walk.live.clone(),
            walk.finished.clone(),
            walk.extra_held.clone(),
        );
        let counted = (self.calls, self.unresolved);
        walk.again = true;
        for index in around.first..start {
            if !walk.started_by.contains(&index) {
                self.step(walk, index);
            }
        }
        walk.again = false;
        (self.calls, self.unresolved) = counted;
        (walk.live, walk.finished, walk.extra_held) = before;
    }
}

/// Whether a value is what a call in a loop returned last.
fn is_of_last_turn(function: &Function, value: ValueId) -> bool {
    let is_made_in_loop = |value: ValueId| matches!(*function.value(value), Value::Call(call) if function.calls[call as usize].many);
    let value = function.as_given(value);
    match *function.value(value) {
        Value::Join(list) => function.list(list).iter().any(|&it| is_made_in_loop(it)),
        _ => is_made_in_loop(value),
    }
}

/// Whether a function asks threads whether they still run.
pub(super) fn asks_whether_alive(function: &Function) -> bool {
    let mut callees = function.calls.iter().map(|it| function.value(it.callee));
    callees.any(|it| {
        matches!(it, Value::Attribute { name, .. } if matches!(name.as_str(), "is_alive" | "isAlive"))
    })
}
