//! Results: what calls and contexts give back.

use super::{CALL_ORIGIN, Evaluator, Target};
use crate::facts::{Call, Constant, Function, Literal, OpKind, Value, ValueId};
use crate::program::object::{FrameId, FunctionId, ModuleIndex, Object, ObjectId, Origin, SetId};
use crate::source::name::Name;

impl Evaluator<'_> {
    pub(super) fn call_result(&mut self, frame: FrameId, index: u32) -> SetId {
        let targets = self.targets(frame, index);
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let call = &function.calls[index as usize];
        let mut all = SetId::UNKNOWN;
        for target in targets.iter() {
            let result = match target {
                Target::Function(callee) => self.function_result(*callee, frame, index),
                Target::Construct(_, object, _) => self.arena.only(*object),
                Target::External(name) => self.external_result(frame, index, call, *name),
                Target::Method(receiver, name) => {
                    self.method_result(frame, index, call, *receiver, *name)
                }
            };
            all = self.arena.union(all, result);
        }
        if all == SetId::UNKNOWN {
            return self.allocated(frame, index, call);
        }
        all
    }

    fn function_result(&mut self, callee: FrameId, frame: FrameId, index: u32) -> SetId {
        let id = self.arena.frame_of(callee).function;
        let function = self.links.function(id);
        if function.is_generator {
            if self.is_decorated_with(id, &["contextmanager", "asynccontextmanager"]) {
                return self.arena.single(Object::Context(callee));
            }
            let many = self.is_many(frame, index);
            let wrapped = self
                .decorator_models(id)
                .into_iter()
                .find_map(|model| model.returns.as_deref());
            let class = Name::new(wrapped.unwrap_or("builtins.generator"));
            return self.made(frame, |origin| {
                Object::Foreign(class, origin(index | CALL_ORIGIN, many))
            });
        }
        self.returned(callee)
    }

    /// What a function returns in a frame.
    pub fn returned(&mut self, frame: FrameId) -> SetId {
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let mut all = SetId::UNKNOWN;
        for &value in &function.returns {
            let value = self.value(frame, value);
            all = self.arena.union(all, value);
        }
        all
    }

    /// What `with ... as x` binds.
    pub(super) fn entered(&mut self, contexts: SetId) -> SetId {
        let mut all = Vec::new();
        for context in self.arena.members(contexts).to_vec() {
            match self.arena.get(context).clone() {
                Object::Instance(class, _) => {
                    if let Some(enter) = self.method_of(class, Name::new("__enter__")) {
                        let frame = self.generic_frame(enter, Some(context));
                        let result = self.returned(frame);
                        all.extend_from_slice(self.arena.members(result));
                    } else {
                        all.push(context);
                    }
                }
                Object::Context(frame) => {
                    let result = self.yielded(frame);
                    all.extend_from_slice(self.arena.members(result));
                }
                _ => all.push(context),
            }
        }
        self.arena.set(all)
    }

    fn yielded(&mut self, frame: FrameId) -> SetId {
        let function = self.links.function(self.arena.frame_of(frame).function);
        let mut all = SetId::UNKNOWN;
        for op in &function.ops {
            if let OpKind::Yield { value } = op.kind {
                let value = self.value(frame, value);
                all = self.arena.union(all, value);
            }
        }
        all
    }

    /// What `super().__new__(cls)` and `object.__new__(cls)` make, where no class of the program
    /// defines another `__new__`.
    fn allocated(&mut self, frame: FrameId, index: u32, call: &Call) -> SetId {
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let is_new = matches!(function.value(call.callee),
            Value::Attribute { name, .. } if name.as_str() == "__new__");
        let Some(&class) = function.list(call.arguments).first().filter(|_| is_new) else {
            return SetId::UNKNOWN;
        };
        let classes = self.value(frame, class);
        let mut objects = Vec::new();
        for object in self.arena.members(classes).to_vec() {
            if let Object::Class(class) = *self.arena.get(object) {
                objects.push(self.constructed(class, frame, index, call.many));
            }
        }
        self.arena.set(objects)
    }

    fn external_result(&mut self, frame: FrameId, index: u32, call: &Call, name: Name) -> SetId {
        let many = call.many;
        if let Some(literal) = builtin_container(name.as_str()) {
            return self.made(frame, |origin| {
                Object::Container(literal, origin(index | CALL_ORIGIN, many))
            });
        }
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let arguments = function.list(call.arguments);
        match name.as_str() {
            "builtins.getattr" => {
                if let [object, attribute, ..] = arguments
                    && let Value::Constant(Constant::Text(Some(attribute))) =
                        function.value(*attribute)
                {
                    let object = self.value(frame, *object);
                    return self.attribute_of_set(object, *attribute);
                }
                return SetId::UNKNOWN;
            }
            "builtins.next" | "builtins.min" | "builtins.max" => {
                if let Some(&iterator) = arguments.first() {
                    let iterator = self.value(frame, iterator);
                    return self.elements_of_set(iterator);
                }
                return SetId::UNKNOWN;
            }
            "builtins.iter" | "copy.copy" | "typing.cast" => {
                let at = usize::from(name.as_str() == "typing.cast");
                if name.as_str() == "builtins.iter"
                    && let Some(&first) = arguments.first()
                {
                    // Two calls of `iter` share what they walk, not the iterator.
                    let _ = self.value(frame, first);
                    return self.made(frame, |origin| {
                        Object::Foreign(
                            Name::new("builtins.iterator"),
                            origin(index | CALL_ORIGIN, many),
                        )
                    });
                }
                if name.as_str() == "typing.cast"
                    && let Some(&value) = arguments.get(at)
                {
                    return self.value(frame, value);
                }
                return SetId::UNKNOWN;
            }
            "functools.partial" | "functools.partialmethod" => {
                return self.arena.single(Object::Partial(frame, index));
            }
            "functools.wraps" | "functools.update_wrapper" => return SetId::UNKNOWN,
            "weakref.proxy" | "weakref.ref" | "contextlib.closing" => {
                if let Some(&first) = arguments.first() {
                    return self.value(frame, first);
                }
            }
            _ => {}
        }
        if let Some(model) = self.models.function(name.as_str()) {
            if let Some(class) = &model.returns {
                let class = Name::new(class);
                return self.foreign_or_container(frame, index, many, class);
            }
            if self.models.class(name.as_str()).is_none() {
                return SetId::UNKNOWN;
            }
        }
        let last = name.as_str().rsplit('.').next().unwrap_or_default();
        let looks_like_class = last.starts_with(|it: char| it.is_ascii_uppercase());
        if self.models.class(name.as_str()).is_some()
            || looks_like_class
            || matches!(
                name.as_str(),
                "dataclasses.field" | "attr.ib" | "attrs.field"
            )
        {
            return self.foreign_or_container(frame, index, many, name);
        }
        SetId::UNKNOWN
    }

    fn method_result(
        &mut self,
        frame: FrameId,
        index: u32,
        call: &Call,
        receiver: ObjectId,
        name: Name,
    ) -> SetId {
        let is_container = match self.arena.get(receiver) {
            Object::Container(..) | Object::Tuple(_) => true,
            Object::Foreign(class, _) => {
                let class = *class;
                self.class_models(class)
                    .iter()
                    .any(|model| model.container.is_some())
            }
            _ => false,
        };
        if is_container {
            return match name.as_str() {
                // Only one thread gets what it takes out: from there on it owns it.
                "pop" | "popleft" | "popitem" => {
                    let elements = self.elements(receiver);
                    let mut left = self.arena.members(elements).to_vec();
                    left.retain(|&it| {
                        !matches!(
                            self.arena.get(it),
                            Object::Instance(..) | Object::Container(..)
                        )
                    });
                    self.arena.set(left)
                }
                "get" => {
                    let elements = self.elements(receiver);
                    if elements == SetId::UNKNOWN {
                        return self.default_of(frame, call);
                    }
                    elements
                }
                "setdefault" => self.elements(receiver),
                "copy" | "values" | "items" | "keys" | "union" | "difference" => {
                    self.made(frame, |origin| {
                        Object::Container(Literal::List, origin(index | CALL_ORIGIN, call.many))
                    })
                }
                _ => SetId::UNKNOWN,
            };
        }
        if name.as_str() == "get"
            && call.arguments.len == 0
            && call.keywords.is_empty()
            && let Object::Foreign(class, _) = self.arena.get(receiver)
            && class.as_str() == "contextvars.ContextVar"
        {
            let module = self.arena.frame_of(frame).function.module;
            return self.context_default(receiver, module);
        }
        let models = self.models_of(receiver);
        let returns = models
            .iter()
            .find_map(|model| model.method.get(name.as_str()))
            .and_then(|model| model.returns.clone());
        match returns {
            Some(class) if class == "self" => self.arena.only(receiver),
            Some(class) => {
                let class = Name::new(&class);
                self.foreign_or_container(frame, index, call.many, class)
            }
            None => SetId::UNKNOWN,
        }
    }

    /// The one object that a context variable has for every context which sets none of its own. Where
    /// the module of the variable, or the one that asks, does set one, nothing is known.
    fn context_default(&mut self, variable: ObjectId, asking: ModuleIndex) -> SetId {
        let Some(Origin::Site { frame, value, .. }) = self.arena.origin(variable) else {
            return SetId::UNKNOWN;
        };
        let id = self.arena.frame_of(frame).function;
        let function = self.links.function(id);
        let Some(made) = function.calls.get((value & !CALL_ORIGIN) as usize) else {
            return SetId::UNKNOWN;
        };
        let mut keywords = made.keywords.iter();
        let Some(&(_, default)) = keywords.find(|(name, _)| name.as_str() == "default") else {
            return SetId::UNKNOWN;
        };
        let is_made_once = matches!(
            function.value(default),
            Value::Container { .. } | Value::Call(_)
        );
        let is_alone = |module: ModuleIndex| {
            let functions = self.links.module(module).functions.len();
            (0..functions).all(|index| {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let function = self.links.function(FunctionId { module, index });
                function.calls.iter().all(|call| {
                    // What `get` gave may be set again.
                    let is_set = matches!(function.value(call.callee),
                        Value::Attribute { name, .. } if name.as_str() == "set")
                        && call.arguments.len == 1;
                    !is_set || is_from_get(function, function.list(call.arguments)[0])
                })
            })
        };
        if !is_made_once || !is_alone(id.module) || !is_alone(asking) {
            return SetId::UNKNOWN;
        }
        self.value(frame, default)
    }

    fn foreign_or_container(
        &mut self,
        frame: FrameId,
        index: u32,
        many: bool,
        class: Name,
    ) -> SetId {
        if let Some(literal) = builtin_container(class.as_str()) {
            return self.made(frame, |origin| {
                Object::Container(literal, origin(index | CALL_ORIGIN, many))
            });
        }
        self.made(frame, |origin| {
            Object::Foreign(class, origin(index | CALL_ORIGIN, many))
        })
    }

    fn is_many(&self, frame: FrameId, index: u32) -> bool {
        let function = self.links.function(self.arena.frame_of(frame).function);
        function.calls[index as usize].many
    }
}

/// The literal that a call of a built-in constructor is as good as.
pub(super) fn builtin_container(name: &str) -> Option<Literal> {
    Some(match name {
        "builtins.list" | "builtins.sorted" => Literal::List,
        "builtins.dict" => Literal::Dict,
        "builtins.set" => Literal::Set,
        "builtins.tuple" | "builtins.frozenset" => Literal::Tuple,
        "builtins.reversed" | "builtins.enumerate" | "builtins.zip" | "builtins.map"
        | "builtins.filter" => Literal::Generator,
        _ => return None,
    })
}

/// Whether a value is what a call of a method `get` returned.
fn is_from_get(function: &Function, value: ValueId) -> bool {
    let Value::Call(call) = *function.value(value) else {
        return false;
    };
    let callee = function.value(function.calls[call as usize].callee);
    matches!(callee, Value::Attribute { name, .. } if name.as_str() == "get")
}
