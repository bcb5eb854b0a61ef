//! Attributes: what is found under a name on a module, a class or an object.

use super::results::builtin_container;
use super::{Binding, CALL_ORIGIN, Evaluator};
use crate::facts::{Constant, OpKind, Value};
use crate::models::CallModel;
use crate::program::link::Stored;
use crate::program::object::{
    ClassId, Frame, FrameId, FunctionId, Object, ObjectId, Origin, SetId,
};
use crate::source::name::Name;

impl Evaluator<'_> {
    /// What an attribute of any of some objects may be.
    pub fn attribute_of_set(&mut self, base: SetId, name: Name) -> SetId {
        let mut all = SetId::UNKNOWN;
        for object in self.arena.members(base).to_vec() {
            let value = self.attribute(object, name);
            all = self.arena.union(all, value);
        }
        all
    }

    /// What an attribute of an object may be.
    pub fn attribute(&mut self, object: ObjectId, name: Name) -> SetId {
        if let Some(&known) = self.attributes.get(&(object, name)) {
            return known;
        }
        self.attributes.insert((object, name), SetId::UNKNOWN);
        let result = self.find_attribute(object, name);
        self.attributes.insert((object, name), result);
        if matches!(
            self.arena.get(object),
            Object::Instance(..) | Object::Class(_)
        ) {
            self.hold(object, result);
        }
        result
    }

    fn find_attribute(&mut self, object: ObjectId, name: Name) -> SetId {
        match self.arena.get(object).clone() {
            Object::Module(module) => {
                if self.links.global(module, name).is_some() {
                    return self.global(module, name);
                }
                let path = &self.links.module(module).path;
                if path.ends_with("__init__.py")
                    && let Some(submodule) = self.links.resolve(module, &format!(".{name}"))
                {
                    return self.arena.single(Object::Module(submodule));
                }
                SetId::UNKNOWN
            }
            Object::External(base) => {
                let dotted = format!("{base}.{name}");
                let known = Name::new(&self.models.canonical(&dotted));
                self.external_value(known)
            }
            Object::Class(class) => self.class_attribute(class, name, Some(object)),
            Object::Instance(class, _) => self.instance_attribute(object, class, name),
            Object::Super(class, receiver) => self.super_attribute(class, receiver, name),
            Object::Foreign(..)
            | Object::Container(..)
            | Object::Tuple(_)
            | Object::Constant(Constant::Text(_)) => {
                self.arena.single(Object::Method(object, name))
            }
            _ => SetId::UNKNOWN,
        }
    }

    /// An attribute found in the body of a class or of one it derives from; `on_class` when it
    /// is looked up on the class itself.
    fn class_attribute(&mut self, class: ClassId, name: Name, on_class: Option<ObjectId>) -> SetId {
        let lineage = self.lineage(class);
        for &owner in &lineage.order {
            let values = self.own_class_attribute(owner, name);
            if values != SetId::UNKNOWN {
                let Some(class_object) = on_class else {
                    return values;
                };
                return self.bind_found(values, class_object, class_object);
            }
        }
        // Assigned through the class: `cls.x = ...` in a class method.
        for &owner in &lineage.order {
            let found = self.stored(owner, name, class, None);
            if found != SetId::UNKNOWN {
                return found;
            }
        }
        SetId::UNKNOWN
    }

    fn own_class_attribute(&mut self, class: ClassId, name: Name) -> SetId {
        let links = self.links;
        let facts = links.class(class);
        let owner = FunctionId {
            module: class.module,
            index: facts.owner,
        };
        let mut all = SetId::UNKNOWN;
        let mut frame = None;
        for &(attribute, value) in &facts.attributes {
            if attribute != name {
                continue;
            }
            let frame = *frame.get_or_insert_with(|| {
                if owner.index == 0 {
                    self.module_frame(owner.module)
                } else {
                    self.generic_frame(owner, None)
                }
            });
            let value = self.value(frame, value);
            all = self.arena.union(all, value);
        }
        all
    }

    /// Binds functions found on a class to an object, as attribute access does.
    fn bind_found(&mut self, values: SetId, receiver: ObjectId, class_object: ObjectId) -> SetId {
        let on_class = receiver == class_object;
        let mut bound = Vec::new();
        for value in self.arena.members(values).to_vec() {
            let Object::Function(id, _) = *self.arena.get(value) else {
                bound.push(value);
                continue;
            };
            let binding = if self.links.function(id).class.is_some() {
                self.binding(id)
            } else {
                // A wrapper that a decorator put in the method's place.
                Binding::Method
            };
            match binding {
                Binding::Static => bound.push(value),
                Binding::ClassMethod => {
                    bound.push(self.arena.object(Object::Bound(class_object, value)));
                }
                Binding::Method | Binding::Property | Binding::CachedProperty if on_class => {
                    bound.push(value);
                }
                Binding::Method => bound.push(self.arena.object(Object::Bound(receiver, value))),
                Binding::Property | Binding::CachedProperty => {
                    let frame = self.generic_frame(id, Some(receiver));
                    let result = self.returned(frame);
                    bound.extend_from_slice(self.arena.members(result));
                }
            }
        }
        self.arena.set(bound)
    }

    fn instance_attribute(&mut self, object: ObjectId, class: ClassId, name: Name) -> SetId {
        let class_object = self.arena.object(Object::Class(class));
        let lineage = self.lineage(class);
        let mut found = SetId::UNKNOWN;
        for &owner in &lineage.order {
            let values = self.own_class_attribute(owner, name);
            if values != SetId::UNKNOWN {
                found = self.bind_found(values, object, class_object);
                found = self.field_defaults(found, object);
                break;
            }
        }
        for &owner in &lineage.order {
            let stored = self.stored(owner, name, class, Some(object));
            found = self.arena.union(found, stored);
        }
        let given = self.given_by_maker(object, name);
        found = self.arena.union(found, given);
        if found == SetId::UNKNOWN && !lineage.external.is_empty() {
            let models = self.inherited_models(class);
            let mut held_in = models.iter().filter_map(|it| it.server_in.as_deref());
            if held_in.any(|attribute| attribute == name.as_str()) {
                return self.servers_beside(class);
            }
            return self.arena.single(Object::Method(object, name));
        }
        found
    }

    /// What the function that makes an object stores in it afterwards: `a = A(); a.b = B(a)`.
    fn given_by_maker(&mut self, object: ObjectId, name: Name) -> SetId {
        let Some(Origin::Site { frame, value, .. }) = self.arena.origin(object) else {
            return SetId::UNKNOWN;
        };
        if value & CALL_ORIGIN == 0 || !self.links.is_rewritten(name) {
            return SetId::UNKNOWN;
        }
        let function = self.links.function(self.arena.frame_of(frame).function);
        let made = Value::Call(value & !CALL_ORIGIN);
        let mut all = SetId::UNKNOWN;
        for op in &function.ops {
            if let OpKind::Write {
                base,
                name: stored,
                value,
                ..
            } = op.kind
                && stored == name
                && *function.value(function.as_given(base)) == made
            {
                let value = self.value(frame, value);
                all = self.arena.union(all, value);
            }
        }
        all
    }

    /// The server for which a handler works: of a class that stands beside that of the handler.
    fn servers_beside(&mut self, handler: ClassId) -> SetId {
        let origin = Origin::Assumed { shared: true };
        let mut servers = Vec::new();
        for index in 0..self.links.module(handler.module).classes.len() {
            let class = ClassId {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                ..handler
            };
            let models = self.inherited_models(class);
            let serves = |call: &CallModel| !call.serves.is_empty();
            if models
                .iter()
                .any(|it| it.method.get("__init__").is_some_and(serves))
            {
                servers.push(self.arena.object(Object::Instance(class, origin)));
            }
        }
        self.arena.set(servers)
    }

    fn super_attribute(&mut self, class: ClassId, receiver: ObjectId, name: Name) -> SetId {
        let (dynamic, is_class) = match self.arena.get(receiver) {
            Object::Instance(dynamic, _) => (*dynamic, false),
            Object::Class(dynamic) => (*dynamic, true),
            _ => return SetId::UNKNOWN,
        };
        let lineage = self.lineage(dynamic);
        let position = lineage.order.iter().position(|&it| it == class);
        let after = position.map_or(0, |at| at + 1);
        for &owner in lineage.order.iter().skip(after) {
            let values = self.own_class_attribute(owner, name);
            if values != SetId::UNKNOWN {
                let class_object = if is_class {
                    receiver
                } else {
                    self.arena.object(Object::Class(dynamic))
                };
                if is_class {
                    // `super().__new__(cls)`: the class is passed on.
                    let mut bound = Vec::new();
                    for value in self.arena.members(values).to_vec() {
                        bound.push(self.arena.object(Object::Bound(receiver, value)));
                    }
                    return self.arena.set(bound);
                }
                return self.bind_found(values, receiver, class_object);
            }
        }
        self.arena.single(Object::Method(receiver, name))
    }

    /// `field(default_factory=C)` in the body of a dataclass makes a `C` for each instance.
    fn field_defaults(&mut self, values: SetId, object: ObjectId) -> SetId {
        let mut result = Vec::new();
        for value in self.arena.members(values).to_vec() {
            match *self.arena.get(value) {
                Object::Foreign(
                    name,
                    Origin::Site {
                        frame, value: site, ..
                    },
                ) if matches!(
                    name.as_str(),
                    "dataclasses.field" | "attr.ib" | "attrs.field" | "attr.Factory"
                ) =>
                {
                    let call = site & !CALL_ORIGIN;
                    let made = self.made_by_factory(frame, call, object);
                    result.extend_from_slice(self.arena.members(made));
                }
                _ => result.push(value),
            }
        }
        self.arena.set(result)
    }

    fn made_by_factory(&mut self, frame: FrameId, call: u32, object: ObjectId) -> SetId {
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let facts = &function.calls[call as usize];
        let factory = facts
            .keywords
            .iter()
            .find(|(name, _)| matches!(name.as_str(), "default_factory" | "factory" | "default"))
            .map(|(_, value)| *value);
        let Some(factory) = factory else {
            return SetId::UNKNOWN;
        };
        let factories = self.value(frame, factory);
        // The object is named as if a method of its own had made it.
        let owner = self.arena.only(object);
        let own = self.arena.frame(Frame {
            function: self.arena.frame_of(frame).function,
            environment: FrameId::NONE,
            arguments: vec![owner],
        });
        let origin = Origin::Site {
            frame: own,
            value: call | CALL_ORIGIN,
            many: false,
        };
        let mut made = Vec::new();
        for factory in self.arena.members(factories).to_vec() {
            match self.arena.get(factory) {
                Object::External(name) => {
                    let object = match builtin_container(name.as_str()) {
                        Some(literal) => Object::Container(literal, origin),
                        None => Object::Foreign(*name, origin),
                    };
                    made.push(self.arena.object(object));
                }
                Object::Class(class) => {
                    let object = Object::Instance(*class, origin);
                    made.push(self.arena.object(object));
                }
                _ => {}
            }
        }
        self.arena.set(made)
    }

    fn stored(
        &mut self,
        owner: ClassId,
        name: Name,
        class: ClassId,
        object: Option<ObjectId>,
    ) -> SetId {
        let links = self.links;
        let Some(stores) = links.attribute_stores(owner, name) else {
            return SetId::UNKNOWN;
        };
        let mut all = SetId::UNKNOWN;
        for &Stored { function, value } in stores {
            let is_class_method = self.binding(function) == Binding::ClassMethod;
            let receiver = match object {
                Some(object) if !is_class_method => object,
                None if !is_class_method => continue,
                _ => self.arena.object(Object::Class(class)),
            };
            let frame = self.storing_frame(function, receiver);
            let value = self.value(frame, value);
            all = self.arena.union(all, value);
        }
        all
    }
}
