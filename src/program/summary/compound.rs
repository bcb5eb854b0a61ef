//! Compound changes of a container: stores that are one step each, and go together with what was loaded
//! from the same container before.

#[allow(clippy::wildcard_imports)]
use super::*;

use super::checks::is_same;

/// What an attribute is called whose name only the run knows.
const UNNAMED: &str = "<attribute>";

/// How deep a value may be computed from another.
const DEPTH: u32 = 6;

impl Summaries<'_> {
    /// An element that is added where what is added was computed from the elements that were there:
    /// `rows.append(rows[-1] + x)`, `names[len(names)] = name`. To add it is one step, which is
    /// recorded elsewhere; the two together are an update that another addition spoils.
    pub(super) fn adds_computed(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        added: &[ValueId],
    ) {
        let function = walk.function;
        let mut loads = added.iter();
        let Some(load) = loads.find_map(|&it| loaded_from(function, it, base)) else {
            return;
        };
        // A key that is a value found under another key does not depend on who adds what.
        let is_item = matches!(function.ops[index as usize].kind, OpKind::ItemWrite { .. });
        let is_looked_up = matches!(function.ops[load as usize].kind, OpKind::ItemRead { .. });
        if is_item && is_looked_up {
            return;
        }
        for (place, kind) in self.contents_places(walk, base) {
            // An index into a list does not make it longer.
            if is_item && !kind.is_some_and(|kind| Access::SetItem.changes_size(kind)) {
                continue;
            }
            if self.is_unchanged_since(walk, index, place, load) {
                continue;
            }
            let access = PlaceAccess {
                acts: Access::Add,
                container: kind,
                ..PlaceAccess::plain(place, Access::Update)
            };
            self.update_since(walk, index, load, access);
        }
    }

    /// A container that is emptied after all of it was copied: `batch = list(lines); lines.clear()`. What
    /// others add in between is in neither.
    pub(super) fn clears_copied(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        container: Option<ContainerKind>,
    ) {
        let function = walk.function;
        let control = function.ops[index as usize].control;
        let copies = |&&(op, effect): &&(u32, u32)| {
            function.ops[op as usize].control == control
                && matches!(walk.summary.effects[effect as usize].action, Action::Access(it)
                    if it.place == place && it.access == Access::Snapshot)
        };
        let Some(&(copied, _)) = walk.by_op.iter().rev().find(copies) else {
            return;
        };
        let access = PlaceAccess {
            acts: Access::Clear,
            container,
            ..PlaceAccess::plain(place, Access::Update)
        };
        self.update_since(walk, index, copied, access);
    }

    /// A container that is replaced by one computed from it: `self.waiting = self.waiting - done`. Who
    /// adds to the old one in between adds for nobody.
    pub(super) fn replace_container(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        place: Place,
        load: u32,
    ) {
        let Slot::Field(name) = place.slot else {
            return;
        };
        let before = self.eval.attribute(place.object, name);
        let objects = self.eval.arena.members(before).to_vec();
        let Some(kind) = objects.into_iter().find_map(|it| self.kind_of(it)) else {
            return;
        };
        if self.is_unchanged_since(walk, index, place, load) {
            return;
        }
        let contents = Place {
            slot: Slot::ContentsOf(name),
            ..place
        };
        let access = PlaceAccess {
            acts: Access::Clear,
            container: Some(kind),
            ..PlaceAccess::plain(contents, Access::Update)
        };
        self.update_since(walk, index, load, access);
    }

    /// `setattr(object, name, getattr(object, name) + n)`. Which attribute that is only the run knows:
    /// it is taken to be the same for all who come by way of the function.
    pub(super) fn update_by_name(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        object: ValueId,
        value: ValueId,
        load: u32,
    ) {
        let objects = self.eval.value(walk.frame, object);
        let name = Name::new(UNNAMED);
        for object in self.eval.arena.members(objects).to_vec() {
            self.write(walk, index, object, name, value, Update::From(load));
        }
    }
}

/// The op that loaded what an op stores, where it is another element of the same container that is
/// itself stored anew: `a[i], a[j] = a[j], a[i]`, at once or by way of a variable.
pub(super) fn exchanged_from(function: &Function, index: u32) -> Option<u32> {
    let OpKind::ItemWrite { base, value, .. } = function.ops[index as usize].kind else {
        return None;
    };
    let Value::Item {
        base: from,
        key: taken,
        op: load,
    } = *function.value(value)
    else {
        return None;
    };
    let is_stored_anew = |op: &crate::facts::Op| {
        matches!(op.kind, OpKind::ItemWrite { base: other, key, value, .. }
            if is_same(function, other, base)
                && is_same_key(function, key, taken)
                && matches!(*function.value(value), Value::Item { base: from, .. }
                    if is_same(function, from, base)))
    };
    let others = function.ops.iter().enumerate();
    let exchanged = is_same(function, from, base)
        && others
            .filter(|(at, _)| *at != index as usize)
            .any(|(_, op)| is_stored_anew(op));
    (exchanged && load != u32::MAX).then_some(load)
}

/// Whether two keys are spelled alike, sums such as `i + 1` among them.
fn is_same_key(function: &Function, a: ValueId, b: ValueId) -> bool {
    match (function.value(a), function.value(b)) {
        (Value::Combined(one), Value::Combined(other)) => {
            let (one, other) = (function.list(*one), function.list(*other));
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(&a, &b)| is_same(function, a, b))
        }
        _ => is_same(function, a, b),
    }
}

/// The op that loaded what a value is computed from, out of a container: an element of it, its size, or
/// its least or greatest element.
fn loaded_from(function: &Function, value: ValueId, base: ValueId) -> Option<u32> {
    computed_from(function, value, 0, &|part| match part {
        Value::Item { base: from, op, .. } => is_same(function, *from, base).then_some(*op),
        Value::Call(index) => {
            let call = &function.calls[*index as usize];
            let asks = matches!(function.value(call.callee), Value::Global(name)
                if matches!(name.as_str(), "len" | "max" | "min" | "sum"));
            let mut given = function.given(call);
            (asks && given.any(|it| is_same(function, it, base)))
                .then(|| op_of(function, *index))
                .flatten()
        }
        _ => None,
    })
}

/// The op of `getattr(object, attribute)` that a value is computed from.
pub(super) fn got_from(
    function: &Function,
    value: ValueId,
    object: ValueId,
    attribute: ValueId,
) -> Option<u32> {
    // To put back what was there is not to compute from it.
    let from = computed_from(function, value, 0, &|part| {
        let Value::Call(index) = part else {
            return None;
        };
        let call = &function.calls[*index as usize];
        let is_getattr = matches!(function.value(call.callee), Value::Global(name)
            if name.as_str() == "getattr");
        let is_it = is_getattr
            && matches!(*function.list(call.arguments), [of, named, ..]
                if is_same(function, of, object) && is_same(function, named, attribute));
        is_it.then(|| op_of(function, *index)).flatten()
    });
    from.filter(|&it| !is_result(function, value, it))
}

/// Whether a value is what the call of an op returns.
fn is_result(function: &Function, value: ValueId, op: u32) -> bool {
    matches!(function.value(value), Value::Call(call)
        if function.ops[op as usize].kind == OpKind::Call(*call))
}

/// The first answer about a value or what it is computed from.
fn computed_from(
    function: &Function,
    value: ValueId,
    depth: u32,
    load: &dyn Fn(&Value) -> Option<u32>,
) -> Option<u32> {
    if depth > DEPTH {
        return None;
    }
    let part = function.value(value);
    if let Some(found) = load(part) {
        return Some(found);
    }
    let further = |it: ValueId| computed_from(function, it, depth + 1, load);
    match part {
        Value::Item { base, .. } | Value::Attribute { base, .. } => further(*base),
        Value::Combined(list) | Value::Join(list) | Value::Container { elements: list, .. } => {
            function.list(*list).iter().copied().find_map(further)
        }
        Value::Call(index) => {
            let call = &function.calls[*index as usize];
            function.given(call).find_map(further)
        }
        _ => None,
    }
}

/// The op that makes a call.
fn op_of(function: &Function, call: u32) -> Option<u32> {
    let mut ops = (0..).zip(&function.ops);
    ops.find(|(_, op)| op.kind == OpKind::Call(call))
        .map(|(at, _)| at)
}
