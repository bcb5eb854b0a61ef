//! Starts of threads: whether code starts any, and whether those run code of a class.

use super::Finder;
use crate::facts::{Call, Code, Function, Value};
use crate::models::CallModel;
use crate::program::effect::Summary;
use crate::program::evaluate::Target;
use crate::program::object::{ClassId, FrameId, FunctionId, ObjectId};
use crate::program::touching::called_name;

impl Finder<'_> {
    fn is_spawning_name(&self, function: &Code, call: &Call) -> bool {
        let name = called_name(function, call);
        name.is_some_and(|name| self.shared.spawning.contains(&name))
    }

    /// Whether methods of a class start threads that run code of its instances: `object` is one.
    ///
    /// Only the calls that may do so are looked at: those of a library under a name that starts
    /// threads, and those that are handed a method or a function of their own.
    pub(super) fn starts_threads_of_its_own(&mut self, class: ClassId, object: ObjectId) -> bool {
        let methods = &self.links.class(class).methods;
        methods.iter().any(|&index| {
            let id = FunctionId {
                module: class.module,
                index,
            };
            let hints = self.links.hints(id);
            if !hints.may_spawn && !hints.hands_over {
                return false;
            }
            let function = self.links.function(id);
            let code = function.glance();
            let own_code: Vec<bool> = code
                .calls
                .iter()
                .map(|call| self.hands_over_method(class, &code, call))
                .collect();
            if !hints.may_spawn && !own_code.contains(&true) {
                return false;
            }
            drop(code);
            let frame = self.summaries.eval.generic_frame(id, Some(object));
            (0..).zip(&function.calls).any(|(index, call)| {
                let named = self.is_spawning_name(function, call);
                let own = own_code[index as usize];
                if !named && !own {
                    return false;
                }
                let targets = self.summaries.eval.targets(frame, index);
                targets.iter().any(|target| match *target {
                    Target::Function(callee) => {
                        let called = self.summaries.eval.arena.frame_of(callee).function;
                        own && self.links.touches(called) && {
                            let summary = self.summaries.summary(callee);
                            self.runs_code_of(&summary, class, object)
                        }
                    }
                    Target::External(_) | Target::Method(..) => {
                        named && self.starts_thread(target) && {
                            let summary = self.summaries.summary(frame);
                            self.runs_code_of(&summary, class, object)
                        }
                    }
                    Target::Construct(..) => false,
                })
            })
        })
    }

    /// Whether a call is handed a method of the object whose method makes it, or a nested function.
    fn hands_over_method(&mut self, class: ClassId, function: &Code, call: &Call) -> bool {
        let mut given = function.given(call);
        given.any(|value| match *function.value(value) {
            Value::Function(_) => true,
            Value::Attribute { base, name, .. } => {
                matches!(function.value(base), Value::Parameter(0))
                    && self.summaries.eval.method_of(class, name).is_some()
            }
            _ => false,
        })
    }

    /// Whether a function itself calls what starts a thread, or what nobody knows by such a name.
    pub(super) fn starts_threads(&mut self, frame: FrameId, function: &Function) -> bool {
        (0..).zip(&function.calls).any(|(index, call)| {
            self.is_spawning_name(function, call) && {
                let targets = self.summaries.eval.targets(frame, index);
                targets.iter().any(|target| self.starts_thread(target))
            }
        })
    }

    /// Whether a call of a library starts a thread.
    pub(super) fn starts_thread(&mut self, target: &Target) -> bool {
        let eval = &mut self.summaries.eval;
        let starts = |model: &CallModel| {
            model.starts_assigned || model.spawns.iter().any(|spawn| !spawn.interrupt)
        };
        match *target {
            Target::External(name) => eval.models.function(name.as_str()).is_some_and(starts),
            Target::Method(receiver, name) => eval.models_of(receiver).iter().any(|model| {
                model.method.get(name.as_str()).is_some_and(starts)
                    || model
                        .thread
                        .as_ref()
                        .is_some_and(|thread| thread.start == name.as_str())
            }),
            Target::Function(_) | Target::Construct(..) => false,
        }
    }

    /// Whether a thread of a summary runs code of a class, or methods of what belongs to an object.
    fn runs_code_of(&self, summary: &Summary, class: ClassId, object: ObjectId) -> bool {
        let eval = &self.summaries.eval;
        let threads = summary.spawns.iter().filter(|spawn| !spawn.interrupt);
        let mut targets = threads.flat_map(|spawn| &spawn.targets);
        targets.any(|&target| {
            if self
                .links
                .enclosing_class(eval.arena.frame_of(target).function)
                == Some(class)
            {
                return true;
            }
            let mut current = eval.receiver(target);
            for _ in 0..6 {
                if current == Some(object) {
                    return true;
                }
                current = current.and_then(|it| eval.owner(it));
            }
            false
        })
    }
}
