//! From what state a value comes, by the names under which it is loaded.
//!
//! For rules that ask what somebody tests or calls: names are followed through local variables,
//! copies, calls with them as arguments, and one step into methods of the same class. What cannot
//! be followed adds no name.

use rustc_hash::FxHashSet;

use super::link::Links;
use super::object::FunctionId;
use crate::facts::{Function, OpKind, Value, ValueId, Variable};
use crate::source::name::Name;

/// How many steps a value is followed.
const DEPTH: u32 = 6;

/// The names that values of one function are loaded from: attributes and variables of the module.
pub struct LoadedFrom<'p> {
    links: &'p Links,
    id: FunctionId,
    function: &'p Function,
    /// The names so far.
    pub names: FxHashSet<Name>,
}

impl<'p> LoadedFrom<'p> {
    /// Nothing yet, for values of this function.
    pub fn new(links: &'p Links, id: FunctionId) -> Self {
        Self {
            links,
            id,
            function: links.function(id),
            names: FxHashSet::default(),
        }
    }

    /// Adds what an op of the function loads or looks at.
    pub fn add_op(&mut self, op: u32) {
        match self.function.ops[op as usize].kind {
            OpKind::Read { name, .. }
            | OpKind::ReadVariable {
                variable: Variable::Global(name),
                ..
            } => {
                self.names.insert(name);
            }
            OpKind::Recall { load, .. } if load < op => self.add_op(load),
            OpKind::Truth { base }
            | OpKind::Contains { base, .. }
            | OpKind::ItemRead { base, .. } => self.add_value(base),
            OpKind::Call(call) => self.add_value(self.function.calls[call as usize].result),
            _ => {}
        }
    }

    /// Adds what a value of the function is loaded or computed from.
    pub fn add_value(&mut self, value: ValueId) {
        self.follow(value, 0);
    }

    fn follow(&mut self, value: ValueId, depth: u32) {
        if depth > DEPTH {
            return;
        }
        match *self.function.value(value) {
            Value::Attribute { name, .. } | Value::Global(name) => {
                self.names.insert(name);
            }
            Value::Read(load) => {
                if let Some(OpKind::ReadVariable {
                    variable: Variable::Global(name),
                    ..
                }) = self.function.ops.get(load as usize).map(|op| &op.kind)
                {
                    self.names.insert(*name);
                }
            }
            Value::Item { base, .. } | Value::Element(base) => self.follow(base, depth + 1),
            Value::Combined(parts) | Value::Join(parts) => {
                for &part in self.function.list(parts) {
                    self.follow(part, depth + 1);
                }
            }
            Value::Call(call) => {
                let call = &self.function.calls[call as usize];
                for value in self.function.given(call) {
                    self.follow(value, depth + 1);
                }
                match *self.function.value(call.callee) {
                    Value::Attribute { base, name, .. }
                        if *self.function.value(base) == Value::Parameter(0) =>
                    {
                        self.add_method(name);
                    }
                    Value::Attribute { base, .. } => self.follow(base, depth + 1),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Adds what a method of the same class loads from its object.
    fn add_method(&mut self, name: Name) {
        let functions = &self.links.module(self.id.module).functions;
        let class = self.function.class;
        let mut methods = functions
            .iter()
            .filter(|it| it.name == name && it.class.is_some() && it.class == class);
        let Some(method) = methods.next() else {
            return;
        };
        self.names
            .extend(method.ops.iter().filter_map(|op| match op.kind {
                OpKind::Read { base, name, .. } if *method.value(base) == Value::Parameter(0) => {
                    Some(name)
                }
                _ => None,
            }));
    }
}
