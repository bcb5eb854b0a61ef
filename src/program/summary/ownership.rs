//! Ownership: who can see an object at a point, and what makes it visible.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// Who sees an object at this point: `None` when nobody but this call does, else how, and
    /// whether the object was made by this call.
    pub(super) fn seen_by(&self, walk: &Walk<'_>, object: ObjectId) -> Option<(Exposure, bool)> {
        let viewer = self.eval.receiver(walk.frame);
        let mut current = Some(object);
        let mut own = false;
        let mut first_exposure = None;
        for _ in 0..12 {
            let Some(it) = current else { break };
            match self.eval.arena.get(it) {
                Object::Instance(_, Origin::Assumed { shared: false })
                | Object::Foreign(_, Origin::Assumed { shared: false })
                | Object::Container(_, Origin::Assumed { shared: false }) => return None,
                Object::Variables(frame) if *frame == walk.frame => {
                    // Variables of this very call: others see them once a nested function runs
                    // on another thread.
                    return (!walk.live.is_empty()).then_some((Exposure::Shared, own));
                }
                _ => {}
            }
            let mine = walk.exposure.get(&it).copied().or_else(|| {
                matches!(
                    self.eval.arena.origin(it),
                    Some(Origin::Site { frame, .. }) if frame == walk.frame
                )
                .then_some(Exposure::Owned)
            });
            if let Some(how) = mine {
                own |= it == object
                    || matches!(
                        self.eval.arena.origin(it),
                        Some(Origin::Site { frame, .. }) if frame == walk.frame
                    );
                match how {
                    Exposure::Owned => {
                        return first_exposure.map(|exposure| (exposure, own));
                    }
                    Exposure::Through(holder) if holder != it => {
                        first_exposure.get_or_insert(how);
                        current = Some(holder);
                        continue;
                    }
                    how => {
                        first_exposure.get_or_insert(how);
                    }
                }
            }
            current = self.eval.owner_for(viewer, it);
        }
        Some((first_exposure.unwrap_or(Exposure::Shared), own))
    }

    pub(super) fn is_mine(&self, walk: &Walk<'_>, object: ObjectId) -> bool {
        walk.exposure.contains_key(&object)
            || matches!(
                self.eval.arena.origin(object),
                Some(Origin::Site { frame, .. }) if frame == walk.frame
            )
    }

    pub(super) fn exposure_of(&self, walk: &Walk<'_>, object: ObjectId) -> Option<Exposure> {
        match walk.exposure.get(&object) {
            Some(&how) => Some(how),
            None => self.is_mine(walk, object).then_some(Exposure::Owned),
        }
    }

    /// A value is stored in some objects.
    pub(super) fn publish_into(&mut self, walk: &mut Walk<'_>, bases: SetId, value: ValueId) {
        let values = self.eval.value(walk.frame, value);
        self.publish_set_into(walk, bases, values);
    }

    fn publish_set_into(&mut self, walk: &mut Walk<'_>, bases: SetId, values: SetId) {
        let values = self.eval.arena.members(values).to_vec();
        if values.is_empty() {
            return;
        }
        for base in self.eval.arena.members(bases).to_vec() {
            let how = self.exposure_of(walk, base);
            for &object in &values {
                match how {
                    Some(Exposure::Owned) => {
                        walk.stored_in.insert((object, base));
                    }
                    Some(how) => self.publish(walk, object, how),
                    None => match self.eval.arena.get(base) {
                        Object::Module(_) | Object::Class(_) => {
                            self.publish(walk, object, Exposure::Shared);
                        }
                        _ => self.publish(walk, object, Exposure::Through(base)),
                    },
                }
            }
        }
    }

    /// An object, and all that can be reached through it, becomes visible.
    pub(super) fn publish(&mut self, walk: &mut Walk<'_>, object: ObjectId, how: Exposure) {
        let mut pending = vec![object];
        let mut seen: FxHashSet<ObjectId> = FxHashSet::default();
        let first = object;
        while let Some(object) = pending.pop() {
            if !seen.insert(object) {
                continue;
            }
            let is_inside = object != first
                && walk.stored_in.iter().any(|(inner, _)| *inner == object)
                && matches!(self.eval.arena.get(object), Object::Instance(..));
            match self.eval.arena.get(object).clone() {
                Object::Bound(receiver, function) => pending.extend([receiver, function]),
                Object::Method(receiver, _) => pending.push(receiver),
                Object::Function(_, environment) if environment == walk.frame => {
                    // A nested function leaves: so does all that it sees of this call.
                    for (_, values) in &walk.function.cells {
                        for &value in values {
                            let set = self.eval.value(walk.frame, value);
                            pending.extend_from_slice(self.eval.arena.members(set));
                        }
                    }
                }
                Object::Tuple(sets) => {
                    for set in sets {
                        pending.extend_from_slice(self.eval.arena.members(set));
                    }
                }
                Object::Partial(frame, call) => {
                    let links = self.eval.links;
                    let function = links.function(self.eval.arena.frame_of(frame).function);
                    let arguments = function.calls[call as usize].arguments;
                    for &argument in function.list(arguments) {
                        let set = self.eval.value(frame, argument);
                        pending.extend_from_slice(self.eval.arena.members(set));
                    }
                }
                data => {
                    match self.exposure_of(walk, object) {
                        Some(Exposure::Owned) => {}
                        Some(Exposure::Through(_)) if how == Exposure::Shared => {}
                        // Handed in, and put into what is published: the caller is told.
                        None if is_inside => {}
                        _ => continue,
                    }
                    walk.exposure.insert(object, how);
                    let inside = walk.stored_in.iter().filter(|(_, base)| *base == object);
                    pending.extend(inside.map(|(object, _)| *object));
                    if let Object::Container(..) = data {
                        let set = self.eval.arena.only(object);
                        let elements = self.eval.elements_of_set(set);
                        pending.extend_from_slice(self.eval.arena.members(elements));
                    }
                }
            }
        }
    }
}
