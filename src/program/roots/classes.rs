//! Classes whose instances several threads use: which of their methods callers may call, and which
//! are there for the class alone.

use rustc_hash::{FxHashMap, FxHashSet};

use super::entries::is_public;
use super::{Entry, Finder};
use crate::facts::{Function, OpKind, Value, ValueId};
use crate::program::effect::Mode;
use crate::program::evaluate::{Binding, Lineage};
use crate::program::object::{ClassId, FunctionId, ModuleIndex, Object, ObjectId, Origin};
use crate::program::sharing::{self, Sharing};
use crate::program::{Callers, phases};
use crate::source::name::Name;

/// Bases in other modules with more methods than this report for themselves.
const MAX_INHERITED: usize = 25;
/// Classes with more methods are not walked whole.
const MAX_METHODS: usize = 250;

/// A call of a method on the object of the calling one.
struct OwnCall {
    from: Name,
    /// The caller holds a lock that the method could not take again.
    under_mutex: bool,
}

impl Finder<'_> {
    /// The public methods of a class whose instances are used by many threads, or that starts
    /// threads of its own.
    pub(super) fn class_entries(
        &mut self,
        class: ClassId,
        callers: Callers,
        entries: &mut Vec<Entry>,
        in_groups: &mut FxHashSet<FunctionId>,
    ) {
        let eval = &mut self.summaries.eval;
        let sharing = sharing::of_class(eval, class, &self.shared.module_objects);
        if sharing == Sharing::Confined {
            return;
        }
        let internal = sharing == Sharing::Shared
            && self.links.is_internal(class)
            && !self.shared.module_objects.contains(&class);
        let lineage = eval.lineage(class);
        let shared_by_many =
            sharing == Sharing::Declared || callers == Callers::Many && sharing != Sharing::Unknown;
        let object = self
            .summaries
            .eval
            .arena
            .object(Object::Instance(class, Origin::Assumed { shared: true }));
        if internal && !self.starts_threads_of_its_own(class, object) {
            return;
        }
        if !shared_by_many && !self.starts_threads_of_its_own(class, object) {
            return;
        }
        let mut names: Vec<Name> = Vec::new();
        let mut methods: Vec<FunctionId> = Vec::new();
        for &owner in &lineage.order {
            let facts = self.links.module(owner.module);
            for &index in &self.links.class(owner).methods {
                let name = facts.functions[index as usize].name;
                let id = FunctionId {
                    module: owner.module,
                    index,
                };
                // Inherited methods count where they are few or stand beside the class: what a
                // large base does to its own fields is the base's to report.
                let inherits = owner.module == class.module
                    || self.links.class(owner).methods.len() <= MAX_INHERITED;
                if owner == class || (inherits && !names.contains(&name)) {
                    methods.push(id);
                }
            }
            for &index in &self.links.class(owner).methods {
                names.push(facts.functions[index as usize].name);
            }
        }
        if methods.len() > MAX_METHODS {
            return;
        }
        let mut class_entries = Vec::new();
        let helpers = self.helpers(class, object, &methods, &lineage);
        for id in methods {
            let name = self.links.function(id).name;
            let is_entry = is_public(name.as_str())
                || shared_by_many && self.is_called_from_elsewhere(id, name, &lineage);
            if !is_entry {
                continue;
            }
            if helpers.contains(&name) || self.links.function(id).left_to_callers {
                continue;
            }
            let receiver = match self.summaries.eval.binding(id) {
                Binding::Static => None,
                Binding::ClassMethod => {
                    Some(self.summaries.eval.arena.object(Object::Class(class)))
                }
                _ => Some(object),
            };
            let frame = self.called_frame(id, receiver);
            class_entries.push((id, frame));
        }
        let callers_of_class = if shared_by_many {
            Callers::Many
        } else {
            Callers::Single
        };
        let group = self.key(object);
        for (id, frame) in class_entries {
            in_groups.insert(id);
            let is_async = self.links.function(id).is_async;
            entries.push(Entry {
                group: Some(group),
                entered: sharing == Sharing::Entered,
                ..Entry::of_callers(id, frame, callers_of_class, is_async)
            });
        }
    }

    /// Methods that may have a public name and yet are there for the class alone: a base calls them
    /// under its lock; or it calls them itself, each time on a thread of its own, under a lock that
    /// they could not take again, or from another such method; from its constructor besides.
    fn helpers(
        &mut self,
        class: ClassId,
        object: ObjectId,
        methods: &[FunctionId],
        lineage: &Lineage,
    ) -> FxHashSet<Name> {
        let links = self.links;
        let mut sites: FxHashMap<Name, Vec<OwnCall>> = FxHashMap::default();
        // Methods of which others than callers decide when they run.
        let mut settled: FxHashSet<Name> = FxHashSet::default();
        settled.insert(Name::new("__init__"));
        let models = self.summaries.eval.inherited_models(class);
        let threads = models.iter().filter_map(|model| model.thread.as_ref());
        settled.extend(threads.map(|thread| Name::new(&thread.run)));
        let mut helpers: FxHashSet<Name> = FxHashSet::default();
        for &id in methods {
            let function = links.function(id);
            if self.is_called_under_lock(id, function.name, lineage) {
                helpers.insert(function.name);
            }
            for op in &function.ops {
                let OpKind::Call(index) = op.kind else {
                    continue;
                };
                let call = &function.calls[index as usize];
                if let Some(name) = own_method(function, call.callee) {
                    let under_mutex = op.held != 0 && self.holds_mutex(id, object, op.held);
                    sites.entry(name).or_default().push(OwnCall {
                        from: function.name,
                        under_mutex,
                    });
                }
                let target = call.keywords.iter().find(|it| it.0.as_str() == "target");
                settled.extend(target.and_then(|it| own_method(function, it.1)));
            }
        }
        loop {
            let known = helpers.len();
            for (&name, calls) in &sites {
                let covered = |it: &OwnCall| {
                    it.under_mutex || settled.contains(&it.from) || helpers.contains(&it.from)
                };
                let later = |it: &OwnCall| it.from.as_str() != "__init__";
                if calls.iter().all(covered) && calls.iter().any(later) {
                    helpers.insert(name);
                }
            }
            if helpers.len() == known {
                return helpers;
            }
        }
    }

    /// Whether one of the locks that a method of an object holds cannot be taken twice.
    fn holds_mutex(&mut self, id: FunctionId, object: ObjectId, held: u32) -> bool {
        let function = self.links.function(id);
        let frame = self.summaries.eval.generic_frame(id, Some(object));
        function.held[held as usize].iter().any(|held| {
            let locks = self.summaries.locks_of(frame, held.lock, held.region);
            locks
                .iter()
                .any(|it| it.mode == Mode::Exclusive && !self.summaries.is_reentrant(it.lock))
        })
    }

    /// Whether a method overrides one that the base which defines it calls under a lock: it is there
    /// for the base, and so for one thread at a time.
    fn is_called_under_lock(&mut self, id: FunctionId, name: Name, lineage: &Lineage) -> bool {
        let own = self.links.enclosing_class(id);
        let by_base = lineage.order.iter().any(|&base| {
            Some(base) != own && self.summaries.eval.own_method(base, name).is_some() && {
                let facts = self.links.module(base.module);
                let mut methods = self.links.class(base).methods.iter();
                methods.any(|&index| calls_under_lock(&facts.functions[index as usize], name))
            }
        });
        by_base
            || lineage.external.clone().iter().any(|&base| {
                let models = self.summaries.eval.class_models(base);
                let mut overrides = models
                    .iter()
                    .filter_map(|it| it.overrides.get(name.as_str()));
                overrides.any(|how| how.serialized)
            })
    }

    /// Whether a private method is there for other modules of its package: neither its own module
    /// nor that of a base ever mentions it, and no base is unknown.
    fn is_called_from_elsewhere(&mut self, id: FunctionId, name: Name, lineage: &Lineage) -> bool {
        let is_object = |base: &Name| base.as_str() == "builtins.object";
        if id.module != self.module
            || phases::sets_up(name.as_str())
            || name.as_str().starts_with("__")
            || !lineage.external.iter().all(is_object)
        {
            return false;
        }
        let links = self.links;
        let mut modules: Vec<ModuleIndex> = lineage.order.iter().map(|it| it.module).collect();
        modules.dedup();
        !modules.into_iter().any(|module| {
            let mentioned =
                self.mentioned.entry(module).or_insert_with(|| {
                    let mut names = FxHashSet::default();
                    for function in &links.module(module).functions {
                        names.extend(function.glance().values.iter().filter_map(
                            |value| match value {
                                Value::Attribute { name, .. } | Value::Global(name) => Some(*name),
                                _ => None,
                            },
                        ));
                    }
                    names
                });
            mentioned.contains(&name)
        })
    }
}

/// The method of its own object that a value of a method is.
fn own_method(function: &Function, value: ValueId) -> Option<Name> {
    match *function.value(value) {
        Value::Attribute { base, name, .. } if *function.value(base) == Value::Parameter(0) => {
            Some(name)
        }
        _ => None,
    }
}

/// Whether a method calls a method of its own object while it holds something.
fn calls_under_lock(function: &Function, name: Name) -> bool {
    function.ops.iter().any(|op| match op.kind {
        OpKind::Call(call) if op.held != 0 => {
            own_method(function, function.calls[call as usize].callee) == Some(name)
        }
        _ => false,
    })
}
