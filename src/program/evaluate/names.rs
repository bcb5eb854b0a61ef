//! Names: what variables of modules and of functions around, and imports, stand for.

use super::Evaluator;
use crate::program::link::external;
use crate::program::object::{FrameId, FunctionId, ModuleIndex, Object, Origin, SetId};
use crate::source::name::Name;

impl Evaluator<'_> {
    /// What a module-level name stands for.
    pub fn global(&mut self, module: ModuleIndex, name: Name) -> SetId {
        if let Some(&known) = self.globals.get(&(module, name)) {
            return known;
        }
        self.globals.insert((module, name), SetId::UNKNOWN);
        let links = self.links;
        let result = match links.global(module, name) {
            Some(values) => {
                let mut all = SetId::UNKNOWN;
                for &(index, value) in values {
                    let frame = if index == 0 {
                        self.module_frame(module)
                    } else {
                        self.generic_frame(FunctionId { module, index }, None)
                    };
                    let value = self.value(frame, value);
                    all = self.arena.union(all, value);
                }
                all
            }
            None => self.star_or_builtin(module, name),
        };
        self.globals.insert((module, name), result);
        if links.global(module, name).is_some() {
            let holder = self.arena.object(Object::Module(module));
            self.hold(holder, result);
        }
        result
    }

    fn star_or_builtin(&mut self, module: ModuleIndex, name: Name) -> SetId {
        let links = self.links;
        for star in &links.module(module).stars {
            if let Some(found) = links.resolve(module, star.as_str()) {
                if links.global(found, name).is_some() {
                    return self.global(found, name);
                }
            } else {
                let known = external(self.models, star.as_str(), name.as_str());
                if self.models.class(known.as_str()).is_some()
                    || self.models.function(known.as_str()).is_some()
                {
                    return self.arena.single(Object::External(known));
                }
            }
        }
        let builtin = external(self.models, "builtins", name.as_str());
        self.arena.single(Object::External(builtin))
    }

    pub(super) fn import(&mut self, from: ModuleIndex, module: Name, name: Option<Name>) -> SetId {
        if let Some(&known) = self.imports.get(&(from, module, name)) {
            return known;
        }
        let result = match name {
            Some(name) => self.imported(from, module, name),
            None => self.module(from, module.as_str()),
        };
        // A question that is still open, or was cut, may be answered later.
        if result != SetId::UNKNOWN {
            self.imports.insert((from, module, name), result);
        }
        result
    }

    fn module(&mut self, from: ModuleIndex, dotted: &str) -> SetId {
        match self.links.resolve(from, dotted) {
            Some(module) => self.arena.single(Object::Module(module)),
            None => {
                let name = Name::new(&self.models.canonical(dotted));
                self.arena.single(Object::External(name))
            }
        }
    }

    fn imported(&mut self, from: ModuleIndex, module: Name, name: Name) -> SetId {
        let dotted = module.as_str();
        if let Some(found) = self.links.resolve(from, dotted) {
            if self.links.global(found, name).is_some() {
                return self.global(found, name);
            }
            let joint = if dotted.ends_with('.') { "" } else { "." };
            if let Some(submodule) = self.links.resolve(from, &format!("{dotted}{joint}{name}")) {
                return self.arena.single(Object::Module(submodule));
            }
            return self.global(found, name);
        }
        if dotted.starts_with('.') {
            let joint = if dotted.ends_with('.') { "" } else { "." };
            return match self.links.resolve(from, &format!("{dotted}{joint}{name}")) {
                Some(submodule) => self.arena.single(Object::Module(submodule)),
                None => SetId::UNKNOWN,
            };
        }
        let known = external(self.models, dotted, name.as_str());
        self.external_value(known)
    }

    pub(super) fn external_value(&mut self, name: Name) -> SetId {
        if let Some(class) = self.models.object(name.as_str()) {
            let class = Name::new(class);
            return self.arena.single(Object::Foreign(class, Origin::Static));
        }
        self.arena.single(Object::External(name))
    }

    pub(super) fn captured(&mut self, frame: FrameId, name: Name) -> SetId {
        let mut current = frame;
        for _ in 0..16 {
            let function_id = self.arena.frame_of(current).function;
            let function = self.links.function(function_id);
            if let Ok(at) = function
                .cells
                .binary_search_by(|(known, _)| known.as_str().cmp(name.as_str()))
            {
                let mut all = SetId::UNKNOWN;
                for &value in &function.cells[at].1 {
                    let value = self.value(current, value);
                    all = self.arena.union(all, value);
                }
                return all;
            }
            if function.parent == 0 && function_id.index != 0 && function.class.is_none() {
                break;
            }
            current = self.arena.frame_of(current).environment;
            if current == FrameId::NONE {
                break;
            }
        }
        SetId::UNKNOWN
    }

    /// The frame that owns a captured variable, seen from a function nested in it.
    pub fn cell_owner(&self, frame: FrameId, name: Name) -> Option<FrameId> {
        let mut current = frame;
        for _ in 0..16 {
            let data = self.arena.frame_of(current);
            let function = self.links.function(data.function);
            if function
                .cells
                .binary_search_by(|(known, _)| known.as_str().cmp(name.as_str()))
                .is_ok()
            {
                return Some(current);
            }
            if data.environment == FrameId::NONE {
                return None;
            }
            current = data.environment;
        }
        None
    }
}
