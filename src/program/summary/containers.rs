//! Containers: whose elements an operation touches, and in how many steps.

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// The kind of the container a value is, if it is one.
    pub(super) fn container_kind(
        &mut self,
        frame: FrameId,
        value: ValueId,
    ) -> Option<ContainerKind> {
        let set = self.eval.value(frame, value);
        self.eval
            .arena
            .members(set)
            .to_vec()
            .into_iter()
            .find_map(|object| self.kind_of(object))
    }

    pub(super) fn kind_of(&mut self, object: ObjectId) -> Option<ContainerKind> {
        match *self.eval.arena.get(object) {
            Object::Container(literal, _) => match literal {
                Literal::List => Some(ContainerKind::List),
                Literal::Dict => Some(ContainerKind::Dict),
                Literal::Set => Some(ContainerKind::Set),
                Literal::Tuple | Literal::Generator => None,
            },
            Object::Foreign(name, _) => self
                .eval
                .class_models(name)
                .iter()
                .find_map(|model| model.container),
            _ => None,
        }
    }

    /// The place of the elements of a container: by the attribute or name that holds it, so that
    /// a new container put there is the same place.
    pub(super) fn contents_place(&mut self, object: ObjectId) -> Place {
        let unnamed = Place {
            object,
            slot: Slot::Contents,
        };
        let Some(Origin::Site { frame, value, .. }) = self.eval.arena.origin(object) else {
            return unnamed;
        };
        let function_id = self.eval.arena.frame_of(frame).function;
        let links = self.eval.links;
        let id = made_value(links.function(function_id), value);
        match links.home(function_id, id) {
            Some(Home::Attribute(_, name)) => match self.eval.receiver(frame) {
                Some(owner) => Place {
                    object: owner,
                    slot: Slot::ContentsOf(name),
                },
                None => unnamed,
            },
            Some(Home::Class(class, name)) => Place {
                object: self.eval.arena.object(Object::Class(class)),
                slot: Slot::ContentsOf(name),
            },
            Some(Home::Global(module, name)) => Place {
                object: self.eval.arena.object(Object::Module(module)),
                slot: Slot::ContentsOf(name),
            },
            _ => unnamed,
        }
    }

    /// The places of the elements of what a value may be.
    pub(super) fn contents_places(
        &mut self,
        walk: &Walk<'_>,
        base: ValueId,
    ) -> Vec<(Place, Option<ContainerKind>)> {
        let set = self.eval.value(walk.frame, base);
        let mut places = Vec::new();
        for object in self.eval.arena.members(set).to_vec() {
            if let Some(kind) = self.kind_of(object) {
                let place = self.contents_place(object);
                if !places.iter().any(|(known, _)| *known == place) {
                    places.push((place, Some(kind)));
                }
            }
        }
        places
    }

    pub(super) fn contents(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        access: Access,
    ) {
        self.contents_from(walk, index, base, access, None, false);
    }

    pub(super) fn contents_from(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        access: Access,
        from: Option<u32>,
        identity: bool,
    ) {
        for (place, kind) in self.contents_places(walk, base) {
            match from {
                Some(load) => self.update_from(walk, index, place, load, kind),
                None => {
                    let access = PlaceAccess {
                        container: kind,
                        identity,
                        ..PlaceAccess::plain(place, access)
                    };
                    self.act(walk, index, access);
                }
            }
        }
    }

    pub(super) fn iterate(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        // `for x in d.items()` walks `d`; `for x in list(d)` walks a copy.
        if let Value::Call(call) = walk.function.value(base) {
            let call = &walk.function.calls[*call as usize];
            let targets = self.eval.value(walk.frame, call.callee);
            let is_own = self.eval.arena.members(targets).iter().any(|&it| {
                let callee = self.eval.arena.get(it);
                matches!(callee, Object::Function(..) | Object::Bound(..))
            });
            if let Value::Attribute { base, name, .. } = walk.function.value(call.callee)
                && matches!(name.as_str(), "items" | "values" | "keys")
                && !is_own
            {
                self.contents(walk, index, *base, Access::Iterate);
                return;
            }
            let arguments = walk.function.list(call.arguments).to_vec();
            let lazy = self.eval.arena.members(targets).iter().any(|&it| {
                matches!(
                    self.eval.arena.get(it),
                    Object::External(name) if matches!(
                        name.as_str(),
                        "builtins.enumerate" | "builtins.zip" | "builtins.map"
                            | "builtins.filter" | "builtins.reversed" | "builtins.iter"
                    )
                )
            });
            if lazy {
                for argument in arguments {
                    self.iterate(walk, index, argument);
                }
                return;
            }
        }
        self.advance(walk, index, base);
        self.contents(walk, index, base, Access::Iterate);
    }

    /// A step of an iterator object that others may hold too.
    pub(super) fn advance(&mut self, walk: &mut Walk<'_>, index: u32, base: ValueId) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            let is_iterator = match self.eval.arena.get(object) {
                Object::Container(Literal::Generator, _) => true,
                Object::Foreign(name, _) => {
                    let name = *name;
                    matches!(name.as_str(), "builtins.generator" | "builtins.iterator")
                        || self
                            .eval
                            .class_models(name)
                            .iter()
                            .any(|model| model.iterator)
                }
                _ => false,
            };
            if is_iterator {
                let place = self.contents_place(object);
                self.access(walk, index, place, Access::Advance, Look::Use, None);
            }
        }
    }

    /// Runs `__getitem__` and its like where a class of the program defines them.
    pub(super) fn special_method(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        base: ValueId,
        name: &str,
    ) {
        let set = self.eval.value(walk.frame, base);
        for object in self.eval.arena.members(set).to_vec() {
            if let Object::Instance(class, _) = *self.eval.arena.get(object)
                && let Some(method) = self.eval.method_of(class, Name::new(name))
            {
                let frame = self.eval.generic_frame(method, Some(object));
                self.compose(walk, index, frame);
            }
        }
    }
}
