//! Classes: what they derive from, which methods they have, and what models say of the libraries'.

use std::rc::Rc;

use super::{Evaluator, Lineage};
use crate::facts::{Function, Value, ValueId};
use crate::models::ClassModel;
use crate::program::object::{ClassId, FunctionId, Object, ObjectId};
use crate::program::touching::called_name;
use crate::source::name::Name;

/// The classes that an expression among the bases of a class stands for: itself, or all but the
/// first argument of `with_metaclass(Meta, Base)`, as six and many copies of it have it.
fn bases(function: &Function, base: ValueId) -> Vec<ValueId> {
    if let Value::Call(call) = *function.value(base) {
        let call = &function.calls[call as usize];
        if called_name(function, call).is_some_and(|it| it.as_str() == "with_metaclass") {
            return function
                .list(call.arguments)
                .iter()
                .skip(1)
                .copied()
                .collect();
        }
    }
    vec![base]
}

impl<'p> Evaluator<'p> {
    /// The classes a class derives from.
    pub fn lineage(&mut self, class: ClassId) -> Rc<Lineage> {
        if let Some(known) = self.lineages.get(&class) {
            return Rc::clone(known);
        }
        self.lineages.insert(
            class,
            Rc::new(Lineage {
                order: vec![class],
                external: Vec::new(),
            }),
        );
        let facts = self.links.class(class);
        let owner = FunctionId {
            module: class.module,
            index: facts.owner,
        };
        let frame = self.generic_frame(owner, None);
        let function = self.links.function(owner);
        let mut order = vec![class];
        let mut external = Vec::new();
        for base in facts.bases.iter().flat_map(|&it| bases(function, it)) {
            let set = self.value(frame, base);
            for object in self.arena.members(set).to_vec() {
                match self.arena.get(object) {
                    Object::Class(base) => {
                        let base = *base;
                        let inherited = self.lineage(base);
                        // A class comes after everything that derives from it: the later
                        // occurrence wins, as in the C3 order of simple hierarchies.
                        for &it in &inherited.order {
                            order.retain(|&known| known != it || it == class);
                            if it != class {
                                order.push(it);
                            }
                        }
                        external.extend(inherited.external.iter().copied());
                    }
                    Object::External(name) => external.push(*name),
                    _ => {}
                }
            }
        }
        let lineage = Rc::new(Lineage { order, external });
        self.lineages.insert(class, Rc::clone(&lineage));
        lineage
    }

    /// The method that an instance of a class finds under a name.
    pub fn method_of(&mut self, class: ClassId, name: Name) -> Option<FunctionId> {
        let lineage = self.lineage(class);
        lineage
            .order
            .iter()
            .find_map(|&owner| self.own_method(owner, name))
    }

    /// The method defined under a name in the body of a class.
    pub fn own_method(&self, class: ClassId, name: Name) -> Option<FunctionId> {
        let facts = self.links.module(class.module);
        let methods = &self.links.class(class).methods;
        methods
            .iter()
            .rev()
            .find(|&&index| facts.functions[index as usize].name == name)
            .map(|&index| FunctionId {
                module: class.module,
                index,
            })
    }

    /// The models of a library class and of those it extends, nearest first.
    pub fn class_models(&mut self, name: Name) -> Rc<[&'p ClassModel]> {
        let models = self.models;
        Rc::clone(self.class_models.entry(name).or_insert_with(|| {
            let name = name.as_str();
            let known = models.class(name).map(|_| name);
            let name = known.or_else(|| models.standing_for(name)).unwrap_or(name);
            models.lineage(name).collect()
        }))
    }

    /// The models that apply to a class of the program through the library classes it extends.
    pub fn inherited_models(&mut self, class: ClassId) -> Vec<&'p ClassModel> {
        let lineage = self.lineage(class);
        let mut models = Vec::new();
        for &name in &lineage.external {
            models.extend(self.class_models(name).iter().copied());
        }
        models
    }

    /// Names of the public methods of a class and its bases.
    pub fn public_methods(&mut self, class: ClassId) -> Vec<Name> {
        let lineage = self.lineage(class);
        let mut names = Vec::new();
        for &owner in &lineage.order {
            let facts = self.links.module(owner.module);
            let methods = self.links.class(owner).methods.iter();
            names.extend(
                methods
                    .map(|&index| facts.functions[index as usize].name)
                    .filter(|name| !name.as_str().starts_with('_')),
            );
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The models of whatever class an object is of.
    pub fn models_of(&mut self, object: ObjectId) -> Vec<&'p ClassModel> {
        match self.arena.get(object) {
            Object::Foreign(name, _) => {
                let name = *name;
                self.class_models(name).to_vec()
            }
            Object::Instance(class, _) => {
                let class = *class;
                self.inherited_models(class)
            }
            _ => Vec::new(),
        }
    }
}
