//! Decorators: how they bind a method, what they put in the place of a function, and what models
//! say of them.

use super::{Binding, Evaluator};
use crate::facts::Value;
use crate::models::CallModel;
use crate::program::object::{FrameId, FunctionId, Object, SetId};

impl<'p> Evaluator<'p> {
    /// How a method is bound, by its decorators.
    pub fn binding(&self, id: FunctionId) -> Binding {
        let function = self.links.function(id);
        if function.class.is_none() {
            return Binding::Static;
        }
        if matches!(
            function.name.as_str(),
            "__new__" | "__init_subclass__" | "__class_getitem__"
        ) {
            return Binding::ClassMethod;
        }
        if function.decorators.is_empty() {
            return Binding::Method;
        }
        let owner = self.links.function(FunctionId {
            module: id.module,
            index: function.parent,
        });
        for &decorator in &function.decorators {
            let name = match owner.value(decorator) {
                Value::Global(name) => *name,
                Value::Attribute { name, .. } | Value::Imported { name, .. } => *name,
                _ => continue,
            };
            match name.as_str() {
                "staticmethod" => return Binding::Static,
                "classmethod" => return Binding::ClassMethod,
                "cached_property" => return Binding::CachedProperty,
                "property" | "abstractproperty" | "getter" | "setter" | "deleter" => {
                    return Binding::Property;
                }
                _ => {}
            }
        }
        // `from functools import cached_property` makes the decorator a module-level name.
        Binding::Method
    }

    /// Whether a decorator of the function has this name, however it was imported.
    pub fn is_decorated_with(&self, id: FunctionId, names: &[&str]) -> bool {
        let function = self.links.function(id);
        let owner = self.links.function(FunctionId {
            module: id.module,
            index: function.parent,
        });
        function.decorators.iter().any(|&decorator| {
            let mut value = decorator;
            if let Value::Call(call) = owner.value(value) {
                value = owner.calls[*call as usize].callee;
            }
            match owner.value(value) {
                Value::Global(name)
                | Value::Attribute { name, .. }
                | Value::Imported { name, .. } => names.contains(&name.as_str()),
                _ => false,
            }
        })
    }

    /// What models say of the decorators of a function, outermost first.
    pub fn decorator_models(&mut self, id: FunctionId) -> Vec<&'p CallModel> {
        let links = self.links;
        let function = links.function(id);
        if function.decorators.is_empty() {
            return Vec::new();
        }
        let owner = FunctionId {
            module: id.module,
            index: function.parent,
        };
        let frame = if owner.index == 0 {
            self.module_frame(owner.module)
        } else {
            self.generic_frame(owner, None)
        };
        let owner = links.function(owner);
        let mut found = Vec::new();
        for &decorator in &function.decorators {
            let callee = match owner.value(decorator) {
                Value::Call(call) => owner.calls[*call as usize].callee,
                _ => decorator,
            };
            let set = self.value(frame, callee);
            for object in self.arena.members(set).to_vec() {
                found.extend(match *self.arena.get(object) {
                    Object::External(name) => self.models.function(name.as_str()),
                    Object::Method(receiver, name) => self
                        .models_of(receiver)
                        .iter()
                        .find_map(|model| model.method.get(name.as_str())),
                    _ => None,
                });
            }
        }
        found
    }

    /// A function object with its decorators applied.
    pub fn decorated(&mut self, id: FunctionId, definer: FrameId) -> SetId {
        let function = self.links.function(id);
        let environment = if function.parent == 0 {
            FrameId::NONE
        } else {
            definer
        };
        if let Some(&known) = self.decorated.get(&(id, environment)) {
            return known;
        }
        let plain = self.arena.single(Object::Function(id, environment));
        self.decorated.insert((id, environment), plain);
        let mut current = plain;
        let decorators = function.decorators.clone();
        for decorator in decorators.into_iter().rev() {
            let callables = self.value(definer, decorator);
            let mut result = SetId::UNKNOWN;
            for callable in self.arena.members(callables).to_vec() {
                let Object::Function(wrapper, wrapper_environment) = *self.arena.get(callable)
                else {
                    continue;
                };
                let frame = self.bind(wrapper, wrapper_environment, &[current], &[], false);
                let returned = self.returned(frame);
                result = self.arena.union(result, returned);
            }
            let callable = self
                .arena
                .members(result)
                .iter()
                .any(|&it| matches!(self.arena.get(it), Object::Function(..)));
            if callable {
                current = result;
            }
        }
        self.decorated.insert((id, environment), current);
        current
    }
}
