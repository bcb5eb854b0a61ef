//! Elements: what is in a container, by how it was made and what is put into it later.

use std::rc::Rc;

use super::{CALL_ORIGIN, CallSite, Evaluator, MAX_QUESTIONS};
use crate::facts::{Literal, Value, ValueId};
use crate::program::link::{Home, Stored};
use crate::program::object::{FrameId, FunctionId, ModuleIndex, Object, ObjectId, Origin, SetId};
use crate::source::name::Name;

/// A dict that is written out with more entries is one of settings.
const MAX_ENTRIES: u32 = 12;
/// So many callers of a method are asked what they pass.
const MAX_CALLERS: usize = 12;

impl Evaluator<'_> {
    /// What iteration over, or an item of, any of some objects may be.
    pub fn elements_of_set(&mut self, base: SetId) -> SetId {
        let mut all = SetId::UNKNOWN;
        for object in self.arena.members(base).to_vec() {
            let elements = self.elements(object);
            all = self.arena.union(all, elements);
        }
        all
    }

    /// A container that is copied into itself (`x = list(x)`, `x += x`) adds nothing to itself, and
    /// of long chains of copies the far end is not known.
    pub(super) fn elements(&mut self, object: ObjectId) -> SetId {
        if let Some(&known) = self.elements.get(&object) {
            return known;
        }
        if self.depth >= MAX_QUESTIONS {
            return SetId::UNKNOWN;
        }
        self.elements.insert(object, SetId::UNKNOWN);
        self.depth += 1;
        let result = self.find_elements(object);
        self.depth -= 1;
        self.elements.insert(object, result);
        self.hold(object, result);
        result
    }

    fn find_elements(&mut self, object: ObjectId) -> SetId {
        let links = self.links;
        match self.arena.get(object).clone() {
            Object::Container(_, Origin::Site { frame, value, .. }) => {
                let function_id = self.arena.frame_of(frame).function;
                let function = links.function(function_id);
                let mut all = SetId::UNKNOWN;
                if value & CALL_ORIGIN != 0 {
                    // `list(x)`, `sorted(x)`, `d.values()`: the elements of what is copied.
                    let call = &function.calls[(value & !CALL_ORIGIN) as usize];
                    if let Some(&first) = function.list(call.arguments).first() {
                        let first = self.value(frame, first);
                        all = self.elements_of_set(first);
                    } else if let Value::Attribute { base, .. } = function.value(call.callee) {
                        let base = self.value(frame, *base);
                        all = self.elements_of_set(base);
                    }
                } else {
                    let id = ValueId(value);
                    match function.value(id) {
                        // Of a table of settings only the key tells which entry is meant.
                        Value::Container {
                            literal: Literal::Dict,
                            elements,
                            ..
                        } if elements.len > MAX_ENTRIES => {}
                        Value::Container { elements, .. } => {
                            for &element in function.list(*elements) {
                                let element = self.value(frame, element);
                                all = self.arena.union(all, element);
                            }
                        }
                        Value::Combined(list) => {
                            for &part in function.list(*list) {
                                let part = self.value(frame, part);
                                let elements = self.elements_of_set(part);
                                all = self.arena.union(all, elements);
                            }
                        }
                        _ => {}
                    }
                    let put = self.put_into(function_id, id, frame);
                    all = self.arena.union(all, put);
                }
                all
            }
            Object::Foreign(name, Origin::Site { frame, value, .. }) => {
                let function_id = self.arena.frame_of(frame).function;
                let mut all = SetId::UNKNOWN;
                if value & CALL_ORIGIN != 0 {
                    let call = value & !CALL_ORIGIN;
                    let function = links.function(function_id);
                    let id = function.calls[call as usize].result;
                    all = self.put_into(function_id, id, frame);
                    // `defaultdict(C)`: what the factory makes.
                    if all == SetId::UNKNOWN && name.as_str() == "collections.defaultdict" {
                        let arguments = function.list(function.calls[call as usize].arguments);
                        if let Some(&factory) = arguments.first() {
                            let factories = self.value(frame, factory);
                            all = self.assumed_instances(factories);
                        }
                    }
                }
                all
            }
            Object::Tuple(sets) => {
                let mut all = SetId::UNKNOWN;
                for set in sets {
                    all = self.arena.union(all, set);
                }
                all
            }
            _ => SetId::UNKNOWN,
        }
    }

    /// What is put into a container after it was made, by the name it goes under.
    fn put_into(&mut self, function: FunctionId, value: ValueId, frame: FrameId) -> SetId {
        let links = self.links;
        let mut all = SetId::UNKNOWN;
        let home = links.home(function, value);
        // What the body of a class makes, methods fill through `self`.
        let through_self = match home {
            Some(Home::Class(class, name)) => Some(Home::Attribute(class, name)),
            _ => None,
        };
        let homes = [Some(Home::Local(function, value)), home, through_self];
        for home in homes.into_iter().flatten() {
            let Some(stored) = links.elements(home) else {
                continue;
            };
            for &Stored { function, value } in stored {
                let storing = match home {
                    Home::Local(..) => frame,
                    Home::Global(..) | Home::Class(..) => {
                        if function.index == 0 {
                            self.module_frame(function.module)
                        } else {
                            self.generic_frame(function, None)
                        }
                    }
                    Home::Attribute(..) => {
                        let receiver = self.arena.frame_of(frame).arguments.first().copied();
                        let receiver =
                            receiver.and_then(|set| self.arena.members(set).first().copied());
                        match receiver {
                            Some(receiver) => self.storing_frame(function, receiver),
                            None => self.generic_frame(function, None),
                        }
                    }
                };
                let mut known = self.value(storing, value);
                if known == SetId::UNKNOWN
                    && let Value::Parameter(position) = *links.function(function).value(value)
                {
                    known = self.passed(storing, function, position);
                }
                all = self.arena.union(all, known);
            }
        }
        all
    }

    /// What callers in the module of a method pass for a parameter: `engine.add(reader)` tells what
    /// `add` puts into its list. In the methods of the object that made the receiver, `self` is that
    /// object.
    fn passed(&mut self, frame: FrameId, method: FunctionId, position: u16) -> SetId {
        let links = self.links;
        let Some(own) = links.enclosing_class(method) else {
            return SetId::UNKNOWN;
        };
        let name = links.function(method).name;
        let maker = self.receiver(frame).and_then(|it| self.owner(it));
        let made_by = maker.and_then(|it| match *self.arena.get(it) {
            Object::Instance(class, _) => Some(class),
            _ => None,
        });
        let at = usize::from(position).saturating_sub(1);
        let mut all = SetId::UNKNOWN;
        for &(index, call) in self.calls_of(method.module, name).iter() {
            let caller = FunctionId {
                module: method.module,
                index,
            };
            let function = links.function(caller);
            let class = links.enclosing_class(caller);
            let Some(&argument) = function
                .list(function.calls[call as usize].arguments)
                .get(at)
            else {
                continue;
            };
            if class == Some(own) {
                continue;
            }
            let receiver = maker.filter(|_| class.is_some() && class == made_by);
            let frame = if function.class.is_some() {
                self.generic_frame(caller, receiver)
            } else if index == 0 {
                self.module_frame(caller.module)
            } else {
                self.generic_frame(caller, None)
            };
            // Objects of the program only: of functions, others may pass more.
            let value = self.value(frame, argument);
            let members = self.arena.members(value).to_vec();
            let is_instance = |it: &ObjectId| matches!(self.arena.get(*it), Object::Instance(..));
            let instances: Vec<ObjectId> = members.into_iter().filter(is_instance).collect();
            let instances = self.arena.set(instances);
            all = self.arena.union(all, instances);
        }
        all
    }

    /// The calls of methods of a name in a module: by function and call.
    fn calls_of(&mut self, module: ModuleIndex, name: Name) -> Rc<[CallSite]> {
        if let Some(known) = self.method_calls.get(&(module, name)) {
            return Rc::clone(known);
        }
        let facts = self.links.module(module);
        let functions = (0..).zip(&facts.functions);
        let found: Rc<[CallSite]> = functions
            .flat_map(|(index, function)| {
                let calls = (0..).zip(&function.calls);
                calls
                    .filter(|(_, call)| {
                        matches!(function.value(call.callee),
                            Value::Attribute { name: called, .. } if *called == name)
                    })
                    .map(move |(call, _)| (index, call))
            })
            .take(MAX_CALLERS)
            .collect();
        self.method_calls.insert((module, name), Rc::clone(&found));
        found
    }
}
