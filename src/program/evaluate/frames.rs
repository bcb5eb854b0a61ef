//! Frames: the bindings of parameters in which the code of a function is evaluated.

use super::{Binding, CALL_ORIGIN, Evaluator};
use crate::facts::{Call, ParameterKind, Value};
use crate::program::object::{
    Arena, Frame, FrameId, FunctionId, MAX_DEPTH, ModuleIndex, Object, ObjectId, Origin, SetId,
};
use crate::source::name::Name;

/// Functions bound in more ways than this are bound by their receiver alone.
const MAX_BINDINGS: u32 = 24;

impl Evaluator<'_> {
    /// The frame of the body of a module.
    pub fn module_frame(&mut self, module: ModuleIndex) -> FrameId {
        self.arena.frame(Frame {
            function: FunctionId { module, index: 0 },
            environment: FrameId::NONE,
            arguments: Vec::new(),
        })
    }

    /// The frame of a function about whose arguments nothing is known, except `self`.
    pub fn generic_frame(&mut self, function: FunctionId, receiver: Option<ObjectId>) -> FrameId {
        let facts = self.links.function(function);
        let mut arguments = vec![SetId::UNKNOWN; facts.parameters.len()];
        let is_static = self.binding(function) == Binding::Static;
        if let Some(receiver) = receiver
            && let Some(first) = arguments.first_mut()
            && !is_static
        {
            *first = self.arena.only(receiver);
        }
        let environment = if facts.parent == 0 {
            FrameId::NONE
        } else {
            let parent = FunctionId {
                module: function.module,
                index: facts.parent,
            };
            let links = self.links;
            let receiver = receiver.or_else(|| {
                let class = links.enclosing_class(parent)?;
                Some(
                    self.arena
                        .object(Object::Instance(class, Origin::Assumed { shared: false })),
                )
            });
            self.generic_frame(parent, receiver)
        };
        self.arena.frame(Frame {
            function,
            environment,
            arguments,
        })
    }

    /// The frame in which a function's decorators, defaults and annotations are evaluated.
    pub(super) fn defining_frame(&mut self, frame: FrameId) -> FrameId {
        let data = self.arena.frame_of(frame);
        if data.environment != FrameId::NONE {
            return data.environment;
        }
        let FunctionId { module, index } = data.function;
        let parent = self.links.module(module).functions[index as usize].parent;
        if parent == 0 {
            self.module_frame(module)
        } else {
            self.generic_frame(
                FunctionId {
                    module,
                    index: parent,
                },
                None,
            )
        }
    }

    /// The frame in which a method stores into an object: the constructor's real one.
    pub(super) fn storing_frame(&mut self, function: FunctionId, receiver: ObjectId) -> FrameId {
        let links = self.links;
        if links.function(function).name.as_str() == "__init__"
            && let Some(frame) = self.constructor_frame(receiver, function)
        {
            return frame;
        }
        if links.function(function).class.is_some() {
            return self.generic_frame(function, Some(receiver));
        }
        // A function nested in a method, which sees its `self`.
        let facts = links.function(function);
        let parent = FunctionId {
            module: function.module,
            index: facts.parent,
        };
        let environment = self.storing_frame(parent, receiver);
        self.arena.frame(Frame {
            function,
            environment,
            arguments: vec![SetId::UNKNOWN; facts.parameters.len()],
        })
    }

    /// The frame of `__init__` that constructed an object, where the call is known.
    pub fn constructor_frame(&mut self, object: ObjectId, init: FunctionId) -> Option<FrameId> {
        let Some(Origin::Site { frame, value, .. }) = self.arena.origin(object) else {
            return None;
        };
        if value & CALL_ORIGIN == 0 {
            return None;
        }
        let links = self.links;
        let function_id = self.arena.frame_of(frame).function;
        let function = links.function(function_id);
        let call = function.calls.get((value & !CALL_ORIGIN) as usize)?;
        let Object::Instance(class, _) = *self.arena.get(object) else {
            return None;
        };
        let lineage = self.lineage(class);
        let own_init = self.method_of(class, Name::new("__init__"))?;
        if own_init != init {
            // A base's constructor gets what `super().__init__(...)` passes; look for that call.
            if !lineage.order.contains(&links.enclosing_class(init)?) {
                return None;
            }
            let below = self.constructor_frame(object, own_init)?;
            return self.super_call_frame(below, object, init);
        }
        let receiver = self.arena.only(object);
        Some(self.bind_call(init, FrameId::NONE, &[receiver], frame, call))
    }

    fn super_call_frame(
        &mut self,
        below: FrameId,
        object: ObjectId,
        init: FunctionId,
    ) -> Option<FrameId> {
        let links = self.links;
        let function = links.function(self.arena.frame_of(below).function);
        for call in &function.calls {
            let Value::Attribute { base, name, .. } = function.value(call.callee) else {
                continue;
            };
            if name.as_str() != "__init__" {
                continue;
            }
            let through_super = *function.value(*base) == Value::Super;
            let receiver = self.arena.only(object);
            if through_super {
                return Some(self.bind_call(init, FrameId::NONE, &[receiver], below, call));
            }
            return Some(self.bind_call(init, FrameId::NONE, &[], below, call));
        }
        None
    }

    /// Binds the arguments of a call to the parameters of a function.
    pub fn bind_call(
        &mut self,
        callee: FunctionId,
        environment: FrameId,
        before: &[SetId],
        frame: FrameId,
        call: &Call,
    ) -> FrameId {
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let mut positional = before.to_vec();
        let mut open = false;
        for &argument in function.list(call.arguments) {
            if let Value::Element(inner) = function.value(argument)
                && call.starred
            {
                let spread = self.value(frame, *inner);
                let members = self.arena.members(spread).to_vec();
                match members.as_slice() {
                    [single] => match self.arena.get(*single).clone() {
                        Object::Tuple(sets) => positional.extend(sets),
                        _ => open = true,
                    },
                    _ => open = true,
                }
                continue;
            }
            positional.push(self.value(frame, argument));
        }
        let mut keywords = Vec::with_capacity(call.keywords.len());
        for &(name, value) in &call.keywords {
            keywords.push((name, self.value(frame, value)));
        }
        self.bind(callee, environment, &positional, &keywords, open)
    }

    /// Binds known arguments; `open` when an unknown number of further ones may follow.
    pub fn bind(
        &mut self,
        callee: FunctionId,
        environment: FrameId,
        positional: &[SetId],
        keywords: &[(Name, SetId)],
        open: bool,
    ) -> FrameId {
        let links = self.links;
        let function = links.function(callee);
        let mut arguments = vec![SetId::UNKNOWN; function.parameters.len()];
        let mut given = positional.iter();
        let mut defaults = Vec::new();
        for (at, parameter) in function.parameters.iter().enumerate() {
            match parameter.kind {
                ParameterKind::Positional | ParameterKind::KeywordOnly => {
                    let by_position = if parameter.kind == ParameterKind::Positional {
                        given.next().copied()
                    } else {
                        None
                    };
                    let by_keyword = keywords
                        .iter()
                        .find(|(name, _)| *name == parameter.name)
                        .map(|(_, value)| *value);
                    match by_position.or(by_keyword) {
                        Some(value) => arguments[at] = self.relevant(value),
                        None if !open => {
                            if let Some(default) = parameter.default {
                                defaults.push((at, default));
                            }
                        }
                        None => {}
                    }
                }
                ParameterKind::Star if !open => {
                    let rest: Vec<SetId> = given
                        .by_ref()
                        .copied()
                        .map(|it| self.relevant(it))
                        .collect();
                    arguments[at] = self.arena.single(Object::Tuple(rest));
                }
                ParameterKind::Star | ParameterKind::DoubleStar => {}
            }
        }
        if !defaults.is_empty() {
            let definer = if environment == FrameId::NONE {
                self.module_frame(callee.module)
            } else {
                environment
            };
            if function.parent == 0 || environment != FrameId::NONE {
                for (at, default) in defaults {
                    let value = self.value(definer, default);
                    arguments[at] = self.relevant(value);
                }
            }
        }
        let mut frame = Frame {
            function: callee,
            environment,
            arguments,
        };
        if !self.arena.has_frame(&frame) {
            let bindings = self.bindings.entry(callee).or_default();
            *bindings += 1;
            if *bindings > MAX_BINDINGS {
                // A function called in many ways: only whose method it is still counts.
                for argument in frame.arguments.iter_mut().skip(1) {
                    *argument = SetId::UNKNOWN;
                }
            }
        }
        self.arena.frame(frame)
    }

    /// What of an argument is worth telling frames apart by.
    pub(super) fn relevant(&mut self, set: SetId) -> SetId {
        let members = self.arena.members(set);
        let keep = |arena: &Arena, id: ObjectId| {
            !matches!(arena.get(id), Object::Constant(_) | Object::External(_))
                && arena.depth(id) <= MAX_DEPTH
        };
        if members.iter().all(|&it| keep(&self.arena, it)) {
            return set;
        }
        let kept: Vec<_> = members
            .iter()
            .copied()
            .filter(|&it| keep(&self.arena, it))
            .collect();
        self.arena.set(kept)
    }

    /// The `self` of a frame.
    pub fn receiver(&self, frame: FrameId) -> Option<ObjectId> {
        let data = self.arena.frame_of(frame);
        if data.function.module == u32::MAX {
            return None;
        }
        let function = self.links.function(data.function);
        if function.class.is_none() {
            if data.function.index == 0 && data.arguments.is_empty() {
                return None;
            }
            if data.environment != FrameId::NONE {
                return self.receiver(data.environment);
            }
        }
        let first = data.arguments.first()?;
        if function.class.is_none() && data.function.index != 0 {
            return None;
        }
        match self.arena.members(*first) {
            [single] => Some(*single),
            _ => None,
        }
    }
}
