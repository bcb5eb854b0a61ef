//! Checks: the tests that decide about acts, and the acts that rely on what a test said.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// Records an access and, when a test decided about it, the two together.
    pub(super) fn act(&mut self, walk: &mut Walk<'_>, index: u32, access: PlaceAccess) {
        let sure = if access.place.slot.is_told() {
            walk.function.ops[index as usize].refusal_handled
        } else {
            cannot_fail(walk.function, index, access.access, access.container)
        };
        let may_rely = !sure
            && ((access.access.writes() && !self.is_keyed_by_thread(walk, index))
                || access.access == Access::Read
                || access.access == Access::Lookup && self.repeats_a_test(walk, index));
        let (tested, settled) = if may_rely {
            match self.tested(walk, index, access.place) {
                Decision::Free => (None, false),
                Decision::Settled => (None, true),
                Decision::Stale(tested) => (Some(tested), false),
            }
        } else {
            walk.fills_in_section = false;
            (None, sure)
        };
        // Filled once, by whoever finds it empty under the lock: others see nothing or all of it.
        let access = PlaceAccess {
            fills: walk.fills_in_section
                && access.access == Access::Write
                && !is_built_after(walk.function, index, access.place.slot),
            settled,
            ..access
        };
        match tested {
            Some(tested) if access.access.writes() => {
                self.record(walk, index, Action::Access(access));
                self.check_then_act(walk, index, access, &tested);
            }
            Some(tested)
                if access.access == Access::Lookup
                    || tested.look == Look::IsNone
                    || tested.look == Look::Truth =>
            {
                // Used because it was there a moment ago.
                let held = self.held_at(walk, index);
                let kept = common_sections(&tested.held, &held);
                let relying = PlaceAccess {
                    relies_on: Some(tested.at),
                    ..access
                };
                if kept.len() == held.len() {
                    self.record(walk, index, Action::Access(relying));
                } else {
                    self.record_held(walk, index, Action::Access(relying), kept);
                }
            }
            _ => self.record(walk, index, Action::Access(access)),
        }
    }

    pub(super) fn check_then_act(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        act: PlaceAccess,
        tested: &Tested,
    ) {
        let now = self.held_at(walk, index);
        let held = common_sections(&tested.held, &now);
        let function = walk.function;
        let both = tested.with_act(act, function.ops[index as usize].in_loop);
        let access = PlaceAccess {
            identity: act.identity || self.does_something_before(walk, index),
            matters_after: !decides_alone(function, index) || is_loaded_after(function, index),
            locked: now.iter().any(|it| it.mode == Mode::Exclusive),
            piecemeal: both.piecemeal && !returns_after(function, index),
            ensures: act.access == Access::Add && self.adds_what_was_missing(walk, index),
            ..both
        };
        self.record_held(walk, index, Action::Access(access), held);
    }

    /// The innermost test of a place that decides whether an op runs, unless the test and the op
    /// lie in one critical section or a test inside it asks again.
    pub(super) fn tested(&mut self, walk: &mut Walk<'_>, index: u32, place: Place) -> Decision {
        walk.fills_in_section = false;
        let now = self.held_at(walk, index);
        let mut control = walk.function.ops[index as usize].control;
        let mut found: Option<Tested> = None;
        while control != 0 {
            let node = walk.function.controls[control as usize];
            let asks = node.first < node.end;
            if asks && !(node.first..node.end).contains(&index) {
                let in_test = self.in_test(walk, node);
                // A callee that also changes the place does its own testing; what it returns says
                // what it did.
                let changing: Vec<u32> = in_test
                    .iter()
                    .filter(|&&(_, effect, _)| {
                        matches!(walk.summary.effects[effect as usize].action,
                            Action::Access(it) if it.place == place && it.access.writes())
                    })
                    .map(|&(op, ..)| op)
                    .collect();
                for &(op, effect, recalled) in &in_test {
                    if changing.contains(&op) {
                        continue;
                    }
                    let effect = &walk.summary.effects[effect as usize];
                    let Action::Access(access) = effect.action else {
                        continue;
                    };
                    if access.place != place
                        || !matches!(
                            access.access,
                            Access::Read | Access::Lookup | Access::Snapshot
                        )
                    {
                        continue;
                    }
                    // Not the effect's own locks: a test that itself relies on an outer one is
                    // recorded with what both have in common.
                    let (at, look) = (effect.at, recalled.unwrap_or(access.look));
                    let look = if node.absent { Look::IsNone } else { look };
                    let held = self.held_at(walk, op);
                    let tester = &walk.function.ops[op as usize];
                    let look = match tester.kind {
                        OpKind::Truth { .. } => Look::Truth,
                        _ => look,
                    };
                    let keyed = matches!(
                        tester.kind,
                        OpKind::Contains { .. } | OpKind::ItemRead { .. }
                    );
                    let test = Tested {
                        op,
                        at,
                        held,
                        look,
                        in_loop: tester.in_loop,
                        keyed,
                    };
                    if !common_sections(&test.held, &now).is_empty() {
                        walk.fills_in_section = matches!(look, Look::IsNone | Look::Truth);
                        return Decision::Settled;
                    }
                    found.get_or_insert(test);
                }
            }
            control = node.parent;
        }
        match found {
            Some(_) if self.is_put_in_before(walk, index, place, &now) => Decision::Settled,
            Some(test) if self.is_unchanged_since(walk, index, place, test.op) => Decision::Settled,
            Some(test) => Decision::Stale(test),
            None => Decision::Free,
        }
    }

    /// Whether what an act finds was put there in the same critical section, whatever a test before it
    /// said: `if k not in d: with lock: d.setdefault(k, v); d.move_to_end(k)`.
    fn is_put_in_before(
        &self,
        walk: &Walk<'_>,
        index: u32,
        place: Place,
        now: &[HeldLock],
    ) -> bool {
        let function = walk.function;
        let control = function.ops[index as usize].control;
        walk.by_op
            .iter()
            .take_while(|(op, _)| *op < index)
            .any(|&(op, effect)| {
                let effect = &walk.summary.effects[effect as usize];
                let puts_in = matches!(effect.action, Action::Access(it)
                    if it.place == place && matches!(it.access, Access::Add | Access::SetItem));
                puts_in
                    && function.ops[op as usize].control == control
                    && !common_sections(&effect.held, now).is_empty()
            })
    }

    /// What a test loads, by op and effect: itself, or into a local variable earlier, with how the
    /// variable is looked at.
    pub(super) fn in_test(&self, walk: &Walk<'_>, node: Control) -> Vec<(u32, u32, Option<Look>)> {
        let recalled: Vec<(u32, Look)> = walk.function.ops[node.first as usize..node.end as usize]
            .iter()
            .filter_map(|op| match op.kind {
                OpKind::Recall { load, look } => Some((load, look)),
                _ => None,
            })
            .collect();
        // Effects come in the order of the ops.
        let of_ops = |first: u32, end: u32| {
            let from = walk.by_op.partition_point(|(op, _)| *op < first);
            let to = walk.by_op.partition_point(|(op, _)| *op < end);
            walk.by_op[from..to].iter()
        };
        let itself = of_ops(node.first, node.end).map(|&(op, effect)| (op, effect, None));
        // What another method than `get` returns says something of a state alone: it may have computed
        // the rest.
        let answers = move |load: u32, effect: u32| {
            let OpKind::Call(call) = walk.function.ops[load as usize].kind else {
                return true;
            };
            let callee = walk.function.calls[call as usize].callee;
            matches!(walk.function.value(callee),
                Value::Attribute { name, .. } if name.as_str() == "get")
                || matches!(walk.summary.effects[effect as usize].action,
                    Action::Access(it) if matches!(it.place.slot, Slot::State(_)))
        };
        let before = recalled.iter().flat_map(|&(load, look)| {
            of_ops(load, load + 1)
                .filter(move |&&(op, effect)| answers(op, effect))
                .map(move |&(op, effect)| (op, effect, Some(look)))
        });
        itself.chain(before).collect()
    }

    /// Whether an op loads `base[key]` after a test has asked for the same key.
    fn repeats_a_test(&self, walk: &Walk<'_>, index: u32) -> bool {
        let function = walk.function;
        let op = &function.ops[index as usize];
        let OpKind::ItemRead { base, key } = op.kind else {
            return false;
        };
        let mut control = op.control;
        while control != 0 {
            let node = function.controls[control as usize];
            let test = &function.ops[node.first as usize..node.end as usize];
            let asks = test.iter().any(|op| match op.kind {
                OpKind::Contains {
                    base: other,
                    key: asked,
                } => is_same(function, other, base) && is_same(function, asked, key),
                // The callee looks the key up: its effects tell where.
                OpKind::Call(call) => {
                    let call = &function.calls[call as usize];
                    let mut given = function.list(call.arguments).iter();
                    given.any(|&it| is_same(function, it, key))
                }
                _ => false,
            });
            if asks {
                return true;
            }
            control = node.parent;
        }
        false
    }

    /// Whether an op puts into a container what the test before it looked for there, and the test
    /// decides about nothing else.
    fn adds_what_was_missing(&self, walk: &Walk<'_>, index: u32) -> bool {
        let function = walk.function;
        let op = &function.ops[index as usize];
        let OpKind::Call(call) = op.kind else {
            return false;
        };
        let &[added] = function.list(function.calls[call as usize].arguments) else {
            return false;
        };
        let node = function.controls[op.control as usize];
        let mut test = function.ops[node.first as usize..node.end as usize].iter();
        let asked = test.any(
            |op| matches!(op.kind, OpKind::Contains { key, .. } if is_same(function, key, added)),
        );
        let mut others = function.ops.iter().enumerate();
        let alone = others.all(|(at, other)| {
            at == index as usize
                || other.control != op.control
                || matches!(
                    other.kind,
                    OpKind::Read { .. } | OpKind::ReadVariable { .. } | OpKind::Recall { .. }
                )
        });
        op.control != 0 && asked && alone
    }

    /// Whether an op stores or removes what only the thread that runs asks for.
    fn is_keyed_by_thread(&mut self, walk: &Walk<'_>, index: u32) -> bool {
        let (OpKind::ItemWrite { key, .. } | OpKind::ItemDelete { key, .. }) =
            walk.function.ops[index as usize].kind
        else {
            return false;
        };
        let module = walk.function_id.module;
        sharing::is_thread_identity(&mut self.eval, module, walk.function, key)
    }

    /// Whether something is done for its own sake between the test that an act relies on and the
    /// act: done twice, it may differ from done once.
    fn does_something_before(&self, walk: &Walk<'_>, index: u32) -> bool {
        let function = walk.function;
        let control = function.ops[index as usize].control;
        let before = function.ops[..index as usize].iter().rev();
        before
            .take_while(|op| op.control >= control)
            .any(|op| match op.kind {
                OpKind::Call(call) if op.control == control => {
                    let call = &function.calls[call as usize];
                    call.statement && changes_others(function, call)
                }
                _ => false,
            })
    }
}

/// Whether what is done to the elements of a container comes out the same whatever a test before
/// it said: who wrote it expects the element to be gone, or there already.
///
/// A mapping or set that is emptied may be filled again; a list that is emptied loses what was
/// appended since somebody looked.
fn cannot_fail(
    function: &Function,
    index: u32,
    access: Access,
    container: Option<ContainerKind>,
) -> bool {
    let op = &function.ops[index as usize];
    if access == Access::Clear {
        return !matches!(
            container,
            Some(ContainerKind::List | ContainerKind::Deque | ContainerKind::Bytearray)
        );
    }
    if matches!(access, Access::Remove | Access::Lookup) && op.absence_handled {
        return true;
    }
    let OpKind::Call(call) = op.kind else {
        return false;
    };
    let call = &function.calls[call as usize];
    let Value::Attribute { name, .. } = function.value(call.callee) else {
        return false;
    };
    match access {
        Access::Remove => match name.as_str() {
            "pop" => call.arguments.len > 1 || !call.keywords.is_empty(),
            "discard" => true,
            _ => false,
        },
        Access::Add => name.as_str() == "setdefault",
        _ => false,
    }
}

/// Whether a function returns once an op is done: a loop around it goes no further.
fn returns_after(function: &Function, index: u32) -> bool {
    let control = function.ops[index as usize].control;
    let mut after = function.ops[index as usize..].iter();
    after.any(|op| op.control == control && matches!(op.kind, OpKind::Return { .. }))
}

/// Whether the test that decides about a store decides about nothing else that stays.
fn decides_alone(function: &Function, index: u32) -> bool {
    let control = function.ops[index as usize].control;
    let mut others = (0..)
        .zip(&function.ops)
        .filter(|(at, op)| *at != index && op.control == control);
    others.all(|(_, op)| match op.kind {
        OpKind::Write { .. }
        | OpKind::WriteVariable { .. }
        | OpKind::ItemWrite { .. }
        | OpKind::ItemDelete { .. }
        | OpKind::Delete { .. } => false,
        OpKind::Call(call) => !function.calls[call as usize].statement,
        _ => true,
    })
}

/// Whether a function loads an attribute or variable once more after an op that stores it: what it
/// gets may be another thread's.
fn is_loaded_after(function: &Function, index: u32) -> bool {
    let store = &function.ops[index as usize].kind;
    let mut after = function.ops[index as usize + 1..].iter();
    after.any(|op| match (store, &op.kind) {
        (
            OpKind::Write { base, name, .. },
            OpKind::Read {
                base: other,
                name: loaded,
                ..
            },
        ) => name == loaded && is_same(function, *base, *other),
        (
            OpKind::WriteVariable { variable, .. },
            OpKind::ReadVariable {
                variable: loaded, ..
            },
        ) => variable == loaded,
        _ => false,
    })
}

/// Whether two values of a function are spelled alike.
pub(super) fn is_same(function: &Function, a: ValueId, b: ValueId) -> bool {
    if a == b {
        return a != ValueId::UNKNOWN;
    }
    let variable = |op: u32| match function.ops.get(op as usize).map(|op| &op.kind) {
        Some(OpKind::ReadVariable { variable, .. }) => Some(*variable),
        _ => None,
    };
    match (function.value(a), function.value(b)) {
        (
            Value::Attribute { base, name, .. },
            Value::Attribute {
                base: other_base,
                name: other,
                ..
            },
        ) => name == other && is_same(function, *base, *other_base),
        (
            Value::Item { base, key, .. },
            Value::Item {
                base: other_base,
                key: other,
                ..
            },
        ) => is_same(function, *key, *other) && is_same(function, *base, *other_base),
        (Value::Read(one), Value::Read(other)) => {
            variable(*one).is_some() && variable(*one) == variable(*other)
        }
        (Value::Call(one), Value::Call(other)) => {
            let (one, other) = (
                &function.calls[*one as usize],
                &function.calls[*other as usize],
            );
            let (mine, others) = (function.list(one.arguments), function.list(other.arguments));
            is_same(function, one.callee, other.callee)
                && mine.len() == others.len()
                && mine
                    .iter()
                    .zip(others)
                    .all(|(&a, &b)| is_same(function, a, b))
        }
        (one, other) => {
            matches!(
                one,
                Value::Parameter(_) | Value::Global(_) | Value::Captured(_) | Value::Constant(_)
            ) && one == other
        }
    }
}

/// Whether a call writes a line to a log or stream.
pub(super) fn reports(function: &Function, call: &Call) -> bool {
    matches!(function.value(call.callee), Value::Attribute { name, .. } if matches!(
        name.as_str(),
        "debug"
            | "info"
            | "warning"
            | "warn"
            | "error"
            | "exception"
            | "critical"
            | "log"
            | "write"
    ))
}

/// Whether a call whose result is thrown away acts on something that the function did not make
/// itself, and does more than report.
fn changes_others(function: &Function, call: &Call) -> bool {
    let Value::Attribute { base, .. } = function.value(call.callee) else {
        return false;
    };
    !reports(function, call)
        && matches!(
            function.value(*base),
            Value::Global(_)
                | Value::Captured(_)
                | Value::Imported { .. }
                | Value::Read(_)
                | Value::Parameter(_)
                | Value::Attribute { .. }
        )
}
