//! Identity: keys of objects, places and frames, equal in two modules when both mean the same
//! thing.

use super::Finder;
use crate::program::effect::{Place, Slot};
use crate::program::object::{FrameId, Object, ObjectId, Origin, SetId};

impl Finder<'_> {
    pub(super) fn place_key(&mut self, place: Place) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        self.key(place.object).hash(&mut hasher);
        match place.slot {
            Slot::Field(name) => (1_u8, name.as_str()).hash(&mut hasher),
            Slot::ContentsOf(name) => (2_u8, name.as_str()).hash(&mut hasher),
            Slot::Contents => 3_u8.hash(&mut hasher),
            Slot::File(name) => (5_u8, name.as_str()).hash(&mut hasher),
            Slot::State(state) => (4_u8, state).hash(&mut hasher),
        }
        hasher.finish()
    }

    /// The identity of an object in the whole program: it does not depend on the order in which
    /// objects were met. An object refers only to objects and frames interned before it, so the
    /// recursion ends.
    pub(super) fn key(&mut self, object: ObjectId) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        if let Some(&known) = self.keys.get(&object) {
            return known;
        }
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        let data = self.summaries.eval.arena.get(object).clone();
        std::mem::discriminant(&data).hash(&mut hasher);
        match data {
            Object::Constant(_) => {}
            Object::Module(module) => module.hash(&mut hasher),
            Object::External(name) => name.as_str().hash(&mut hasher),
            Object::Function(id, frame) => {
                id.hash(&mut hasher);
                self.frame_key(frame).hash(&mut hasher);
            }
            Object::Class(class) => class.hash(&mut hasher),
            Object::Bound(receiver, function) => {
                self.key(receiver).hash(&mut hasher);
                self.key(function).hash(&mut hasher);
            }
            Object::Method(receiver, name) => {
                self.key(receiver).hash(&mut hasher);
                name.as_str().hash(&mut hasher);
            }
            Object::Instance(class, origin) => {
                class.hash(&mut hasher);
                self.origin_key(origin).hash(&mut hasher);
            }
            Object::Foreign(name, origin) => {
                name.as_str().hash(&mut hasher);
                self.origin_key(origin).hash(&mut hasher);
            }
            Object::Container(_, origin) => self.origin_key(origin).hash(&mut hasher),
            Object::Tuple(sets) => {
                for set in sets {
                    self.set_key(set).hash(&mut hasher);
                }
            }
            Object::Partial(frame, call) => {
                self.frame_key(frame).hash(&mut hasher);
                call.hash(&mut hasher);
            }
            Object::Context(frame) | Object::Variables(frame) => {
                self.frame_key(frame).hash(&mut hasher);
            }
            Object::NamedLock(owner, name) => {
                owner.map(|owner| self.key(owner)).hash(&mut hasher);
                name.as_str().hash(&mut hasher);
            }
            Object::Super(class, receiver) => {
                class.hash(&mut hasher);
                self.key(receiver).hash(&mut hasher);
            }
        }
        let key = hasher.finish();
        self.keys.insert(object, key);
        key
    }

    fn origin_key(&mut self, origin: Origin) -> u64 {
        match origin {
            Origin::Site { frame, value, .. } => {
                self.frame_key(frame).wrapping_mul(31) ^ u64::from(value)
            }
            Origin::Assumed { shared } => 7 + u64::from(shared),
            Origin::Static => 9,
        }
    }

    fn frame_key(&mut self, frame: FrameId) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        if frame == FrameId::NONE {
            return 0;
        }
        if let Some(&known) = self.frame_keys.get(&frame) {
            return known;
        }
        let data = self.summaries.eval.arena.frame_of(frame).clone();
        let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
        data.function.hash(&mut hasher);
        self.frame_key(data.environment).hash(&mut hasher);
        for set in data.arguments {
            self.set_key(set).hash(&mut hasher);
        }
        let key = hasher.finish();
        self.frame_keys.insert(frame, key);
        key
    }

    /// Order-free: sets list their members in the order of interning.
    fn set_key(&mut self, set: SetId) -> u64 {
        let members = self.summaries.eval.arena.members(set).to_vec();
        members
            .into_iter()
            .map(|object| self.key(object))
            .fold(0, u64::wrapping_add)
    }
}
