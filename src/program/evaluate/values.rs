//! Values: what a symbolic value of the facts may be in a frame.

use super::{Evaluator, MAX_QUESTIONS};
use crate::facts::{Constant, OpKind, Value, ValueId, Variable};
use crate::program::object::{ClassId, FrameId, FunctionId, MAX_DEPTH, Object, Origin, SetId};

impl Evaluator<'_> {
    /// Evaluates a value in a frame.
    pub fn value(&mut self, frame: FrameId, value: ValueId) -> SetId {
        if value == ValueId::UNKNOWN || frame == FrameId::NONE {
            return SetId::UNKNOWN;
        }
        if let Some(&known) = self.values.get(&(frame, value)) {
            return known;
        }
        if self.depth >= MAX_QUESTIONS || self.answers == 0 {
            return SetId::UNKNOWN;
        }
        self.answers -= 1;
        self.values.insert((frame, value), SetId::UNKNOWN);
        self.depth += 1;
        let result = self.compute(frame, value);
        self.depth -= 1;
        self.values.insert((frame, value), result);
        result
    }

    fn compute(&mut self, frame: FrameId, id: ValueId) -> SetId {
        let function_id = self.arena.frame_of(frame).function;
        let links = self.links;
        let function = links.function(function_id);
        match function.value(id) {
            Value::Unknown => SetId::UNKNOWN,
            // Which text it is, those ask who look at the code.
            Value::Constant(Constant::Text(_)) => {
                self.arena.single(Object::Constant(Constant::Text(None)))
            }
            Value::Constant(constant) => self.arena.single(Object::Constant(*constant)),
            Value::Parameter(position) => self.parameter(frame, *position),
            Value::Global(name) => self.global(function_id.module, *name),
            Value::Captured(name) => self.captured(frame, *name),
            Value::Attribute { base, name, .. } => {
                let base = self.value(frame, *base);
                self.attribute_of_set(base, *name)
            }
            Value::Item { base, .. } | Value::Element(base) => {
                let base = self.value(frame, *base);
                self.elements_of_set(base)
            }
            Value::Entered(context) => {
                let context = self.value(frame, *context);
                self.entered(context)
            }
            Value::Call(call) => self.call_result(frame, *call),
            Value::Container { literal, many, .. } => self.made(frame, |origin| {
                Object::Container(*literal, origin(id.0, *many))
            }),
            Value::Function(index) => {
                let target = FunctionId {
                    module: function_id.module,
                    index: *index,
                };
                self.decorated(target, frame)
            }
            Value::Class(index) => self.arena.single(Object::Class(ClassId {
                module: function_id.module,
                index: *index,
            })),
            Value::Join(list) => {
                let mut all = SetId::UNKNOWN;
                for &part in function.list(*list) {
                    let part = self.value(frame, part);
                    all = self.arena.union(all, part);
                }
                all
            }
            Value::Combined(list) => {
                // Only the sum of containers has parts that matter: a new container.
                let mut literal = None;
                for &part in function.list(*list) {
                    let part = self.value(frame, part);
                    for &object in self.arena.members(part) {
                        if let Object::Container(kind, _) = self.arena.get(object) {
                            literal = Some(*kind);
                        }
                    }
                }
                match literal {
                    Some(literal) => self.made(frame, |origin| {
                        Object::Container(literal, origin(id.0, false))
                    }),
                    None => SetId::UNKNOWN,
                }
            }
            Value::Module(name) => self.import(function_id.module, *name, None),
            Value::Imported { module, name } => {
                self.import(function_id.module, *module, Some(*name))
            }
            Value::Super => {
                let Some(class) = links.enclosing_class(function_id) else {
                    return SetId::UNKNOWN;
                };
                let receiver = self.parameter(frame, 0);
                let supers: Vec<_> = self
                    .arena
                    .members(receiver)
                    .to_vec()
                    .into_iter()
                    .map(|receiver| self.arena.object(Object::Super(class, receiver)))
                    .collect();
                self.arena.set(supers)
            }
            Value::Read(op) => match function.ops.get(*op as usize).map(|op| &op.kind) {
                Some(OpKind::ReadVariable { variable, .. }) => match *variable {
                    Variable::Global(name) => self.global(function_id.module, name),
                    Variable::Cell(name) => self.captured(frame, name),
                },
                _ => SetId::UNKNOWN,
            },
        }
    }

    /// A new object of a frame, unless names have become too long to be worth keeping apart.
    pub(super) fn made(
        &mut self,
        frame: FrameId,
        object: impl Fn(&dyn Fn(u32, bool) -> Origin) -> Object,
    ) -> SetId {
        if self.arena.frame_depth(frame) >= MAX_DEPTH {
            return self
                .arena
                .single(object(&|_, _| Origin::Assumed { shared: false }));
        }
        self.arena
            .single(object(&|value, many| Origin::Site { frame, value, many }))
    }

    fn parameter(&mut self, frame: FrameId, position: u16) -> SetId {
        let data = self.arena.frame_of(frame);
        let function_id = data.function;
        let bound = data
            .arguments
            .get(position as usize)
            .copied()
            .unwrap_or(SetId::UNKNOWN);
        if bound != SetId::UNKNOWN {
            return bound;
        }
        let links = self.links;
        let function = links.function(function_id);
        let Some(parameter) = function.parameters.get(position as usize) else {
            return SetId::UNKNOWN;
        };
        if parameter.annotation != ValueId::UNKNOWN {
            let outer = self.defining_frame(frame);
            let class = self.value(outer, parameter.annotation);
            let assumed = self.assumed_instances(class);
            if assumed != SetId::UNKNOWN {
                return assumed;
            }
        }
        // Not given, as far as anybody knows: what is made for the default, all calls share.
        match parameter.default {
            Some(default) => {
                let outer = self.defining_frame(frame);
                let value = self.value(outer, default);
                // A default that names something of a library is meant, whoever may pass another.
                let members = self.arena.members(value).iter().copied();
                let kept = members
                    .filter(|&it| {
                        !matches!(self.arena.get(it), Object::Constant(_))
                            && self.arena.depth(it) <= MAX_DEPTH
                    })
                    .collect();
                self.arena.set(kept)
            }
            None => SetId::UNKNOWN,
        }
    }

    /// Instances of the classes in a set, of unknown origin.
    pub(super) fn assumed_instances(&mut self, classes: SetId) -> SetId {
        let origin = Origin::Assumed { shared: false };
        let mut objects = Vec::new();
        for class in self.arena.members(classes).to_vec() {
            match self.arena.get(class) {
                Object::Class(class) => {
                    let object = Object::Instance(*class, origin);
                    objects.push(self.arena.object(object));
                }
                Object::External(name) if self.models.class(name.as_str()).is_some() => {
                    let object = Object::Foreign(*name, origin);
                    objects.push(self.arena.object(object));
                }
                _ => {}
            }
        }
        self.arena.set(objects)
    }
}
