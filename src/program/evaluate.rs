//! Symbolic values to abstract objects, on demand.
//!
//! There is no heap: what an attribute holds is found by evaluating, in the frame of its
//! constructor, every value that methods of the class store there. The answer is flow-insensitive
//! and may miss stores from outside the class; an empty set means "not known", and whoever gets
//! it stays silent. Cycles are cut by answering "not known" while a question is open.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::link::{Home, Stored, external};
use super::object::{
    Arena, ClassId, Frame, FrameId, FunctionId, MAX_DEPTH, ModuleIndex, Object, ObjectId, Origin,
    SetId,
};
use super::reading::Reading;
use crate::facts::{
    Call, Constant, Function, Literal, OpKind, ParameterKind, Value, ValueId, Variable,
};
use crate::models::{CallModel, ClassModel, Models};
use crate::source::name::Name;

/// What a class derives from, nearest first, itself left out of `bases` but first in `order`.
#[derive(Debug, Default)]
pub struct Lineage {
    /// Classes of the program.
    pub order: Vec<ClassId>,
    /// Canonical names of library classes.
    pub external: Vec<Name>,
}

/// What a call may run.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A function of the program, in a frame of its own.
    Function(FrameId),
    /// The constructor of a class of the program: the new object, the frame of its `__init__`.
    Construct(ClassId, ObjectId, Option<FrameId>),
    /// A function or constructor of a library.
    External(Name),
    /// A method that a library defines, on an object.
    Method(ObjectId, Name),
}

/// How a function is bound when it is found in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// To the object.
    Method,
    /// To the class.
    ClassMethod,
    /// To nothing.
    Static,
    /// Run when the attribute is loaded.
    Property,
    /// Run once when the attribute is first loaded, without a lock.
    CachedProperty,
}

const CALL_ORIGIN: u32 = 1 << 31;

/// Functions bound in more ways than this are bound by their receiver alone.
const MAX_BINDINGS: u32 = 24;

/// So many questions are answered for a module, and so many more for each call it makes itself: a
/// module that uses much of a large package pays for its own size, not for that of the package.
const ANSWERS_OF_A_MODULE: u32 = 8_000;
const ANSWERS_FOR_EACH_CALL: u32 = 20;

/// A call in a module: index of the function, index of the call.
type CallSite = (u32, u32);

/// So many callers of a method are asked what they pass.
const MAX_CALLERS: usize = 12;

/// Objects that are found in more places than this are taken to be in the first ones.
const MAX_HOLDERS: usize = 8;

/// Longer chains of questions are cut: the rest is "not known".
const MAX_QUESTIONS: u32 = 120;

/// Evaluates values; keeps every answer.
pub struct Evaluator<'p> {
    /// The program.
    pub links: Reading<'p>,
    /// What is known of libraries.
    pub models: &'p Models,
    /// Objects and frames.
    pub arena: Arena,
    values: FxHashMap<(FrameId, ValueId), SetId>,
    attributes: FxHashMap<(ObjectId, Name), SetId>,
    globals: FxHashMap<(ModuleIndex, Name), SetId>,
    /// What `import` and `from ... import` bind, by what they name.
    imports: FxHashMap<(ModuleIndex, Name, Option<Name>), SetId>,
    targets: FxHashMap<(FrameId, u32), Rc<[Target]>>,
    lineages: FxHashMap<ClassId, Rc<Lineage>>,
    decorated: FxHashMap<(FunctionId, FrameId), SetId>,
    class_models: FxHashMap<Name, Rc<[&'p ClassModel]>>,
    elements: FxHashMap<ObjectId, SetId>,
    method_calls: FxHashMap<(ModuleIndex, Name), Rc<[CallSite]>>,
    /// Where objects that a function makes and hands back were found: objects, classes and modules
    /// that keep one made there.
    holders: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// Of functions: the values that they make, return and keep nowhere.
    handed_back: RefCell<FxHashMap<FunctionId, Rc<[ValueId]>>>,
    /// Frames each function has been bound in.
    bindings: FxHashMap<FunctionId, u32>,
    /// How many questions are open.
    depth: u32,
    /// How many more will be answered.
    answers: u32,
}

impl<'p> Evaluator<'p> {
    /// An evaluator that knows nothing yet.
    pub fn new(links: Reading<'p>, models: &'p Models) -> Self {
        Self {
            links,
            models,
            arena: Arena::default(),
            values: FxHashMap::default(),
            attributes: FxHashMap::default(),
            globals: FxHashMap::default(),
            imports: FxHashMap::default(),
            targets: FxHashMap::default(),
            lineages: FxHashMap::default(),
            decorated: FxHashMap::default(),
            class_models: FxHashMap::default(),
            elements: FxHashMap::default(),
            method_calls: FxHashMap::default(),
            holders: FxHashMap::default(),
            handed_back: RefCell::default(),
            bindings: FxHashMap::default(),
            depth: 0,
            answers: ANSWERS_OF_A_MODULE,
        }
    }

    /// Answers more questions: for a module that makes so many calls itself.
    #[must_use]
    pub fn for_calls(mut self, calls: usize) -> Self {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.answers = self
            .answers
            .saturating_add(ANSWERS_FOR_EACH_CALL.saturating_mul(calls));
        self
    }

    /// The models of a library class and of those it extends, nearest first.
    pub fn class_models(&mut self, name: Name) -> Rc<[&'p ClassModel]> {
        let models = self.models;
        Rc::clone(
            self.class_models
                .entry(name)
                .or_insert_with(|| models.lineage(name.as_str()).collect()),
        )
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
            *first = self.arena.set(vec![receiver]);
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

    /// The frame of the body of a module.
    pub fn module_frame(&mut self, module: ModuleIndex) -> FrameId {
        self.arena.frame(Frame {
            function: FunctionId { module, index: 0 },
            environment: FrameId::NONE,
            arguments: Vec::new(),
        })
    }

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
        let frame = self.generic_frame(
            FunctionId {
                module: class.module,
                index: facts.owner,
            },
            None,
        );
        let mut order = vec![class];
        let mut external = Vec::new();
        for &base in &facts.bases {
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

    /// The models that apply to a class of the program through the library classes it extends.
    pub fn inherited_models(&mut self, class: ClassId) -> Vec<&'p ClassModel> {
        let lineage = self.lineage(class);
        let mut models = Vec::new();
        for &name in &lineage.external {
            models.extend(self.class_models(name).iter().copied());
        }
        models
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
    fn made(
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
                self.relevant(value)
            }
            None => SetId::UNKNOWN,
        }
    }

    /// Instances of the classes in a set, of unknown origin.
    fn assumed_instances(&mut self, classes: SetId) -> SetId {
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

    /// The frame in which a function's decorators, defaults and annotations are evaluated.
    fn defining_frame(&mut self, frame: FrameId) -> FrameId {
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

    fn captured(&mut self, frame: FrameId, name: Name) -> SetId {
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

    fn import(&mut self, from: ModuleIndex, module: Name, name: Option<Name>) -> SetId {
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

    fn external_value(&mut self, name: Name) -> SetId {
        if let Some(class) = self.models.object(name.as_str()) {
            let class = Name::new(class);
            return self.arena.single(Object::Foreign(class, Origin::Static));
        }
        self.arena.single(Object::External(name))
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

    /// What an attribute of any of some objects may be.
    pub fn attribute_of_set(&mut self, base: SetId, name: Name) -> SetId {
        let mut all = SetId::UNKNOWN;
        for object in self.arena.members(base).to_vec() {
            let value = self.attribute(object, name);
            all = self.arena.union(all, value);
        }
        all
    }

    /// What an attribute of an object may be.
    pub fn attribute(&mut self, object: ObjectId, name: Name) -> SetId {
        if let Some(&known) = self.attributes.get(&(object, name)) {
            return known;
        }
        self.attributes.insert((object, name), SetId::UNKNOWN);
        let result = self.find_attribute(object, name);
        self.attributes.insert((object, name), result);
        if matches!(
            self.arena.get(object),
            Object::Instance(..) | Object::Class(_)
        ) {
            self.hold(object, result);
        }
        result
    }

    /// Notes who keeps those objects that their makers hand back.
    fn hold(&mut self, holder: ObjectId, set: SetId) {
        for object in self.arena.members(set).to_vec() {
            if let Some(Origin::Site { frame, value, .. }) = self.arena.origin(object)
                && self.is_handed_back(frame, value)
            {
                let holders = self.holders.entry(object).or_default();
                if !holders.contains(&holder) && holders.len() < MAX_HOLDERS {
                    holders.push(holder);
                }
            }
        }
    }

    /// Whether the function that makes an object returns it and does not keep it.
    fn is_handed_back(&self, frame: FrameId, site: u32) -> bool {
        let id = self.arena.frame_of(frame).function;
        if id.module == u32::MAX || id.index == 0 {
            return false;
        }
        let made = made_value(self.links.function(id), site);
        self.handed_back(id).contains(&made)
    }

    /// The values that a function may make, return and keep nowhere.
    fn handed_back(&self, id: FunctionId) -> Rc<[ValueId]> {
        if let Some(known) = self.handed_back.borrow().get(&id) {
            return Rc::clone(known);
        }
        let function = self.links.function(id);
        let returned = function
            .returns
            .iter()
            .flat_map(|it| match function.value(*it) {
                Value::Join(list) => function.list(*list),
                _ => std::slice::from_ref(it),
            });
        let found: Rc<[ValueId]> = returned
            .copied()
            .filter(|&it| {
                matches!(
                    function.value(it),
                    Value::Call(_) | Value::Container { .. } | Value::Combined(_)
                ) && !is_kept(function, it)
            })
            .collect();
        self.handed_back.borrow_mut().insert(id, Rc::clone(&found));
        found
    }

    /// The objects that a call in a frame makes, returns and keeps nowhere.
    pub fn made_for_caller(&mut self, callee: FrameId) -> Vec<ObjectId> {
        let id = self.arena.frame_of(callee).function;
        let values = self.handed_back(id);
        let mut found = Vec::new();
        for &value in values.iter() {
            let set = self.value(callee, value);
            let members = self.arena.members(set).iter();
            found.extend(members.copied().filter(|&it| {
                matches!(self.arena.origin(it), Some(Origin::Site { frame, .. }) if frame == callee)
            }));
        }
        found
    }

    fn find_attribute(&mut self, object: ObjectId, name: Name) -> SetId {
        match self.arena.get(object).clone() {
            Object::Module(module) => {
                if self.links.global(module, name).is_some() {
                    return self.global(module, name);
                }
                let path = &self.links.module(module).path;
                if path.ends_with("__init__.py")
                    && let Some(submodule) = self.links.resolve(module, &format!(".{name}"))
                {
                    return self.arena.single(Object::Module(submodule));
                }
                SetId::UNKNOWN
            }
            Object::External(base) => {
                let dotted = format!("{base}.{name}");
                let known = Name::new(&self.models.canonical(&dotted));
                self.external_value(known)
            }
            Object::Class(class) => self.class_attribute(class, name, Some(object)),
            Object::Instance(class, _) => self.instance_attribute(object, class, name),
            Object::Super(class, receiver) => self.super_attribute(class, receiver, name),
            Object::Foreign(..)
            | Object::Container(..)
            | Object::Tuple(_)
            | Object::Constant(Constant::Text(_)) => {
                self.arena.single(Object::Method(object, name))
            }
            _ => SetId::UNKNOWN,
        }
    }

    /// An attribute found in the body of a class or of one it derives from; `on_class` when it
    /// is looked up on the class itself.
    fn class_attribute(&mut self, class: ClassId, name: Name, on_class: Option<ObjectId>) -> SetId {
        let lineage = self.lineage(class);
        for &owner in &lineage.order {
            let values = self.own_class_attribute(owner, name);
            if values != SetId::UNKNOWN {
                let Some(class_object) = on_class else {
                    return values;
                };
                return self.bind_found(values, class_object, class_object);
            }
        }
        // Assigned through the class: `cls.x = ...` in a class method.
        for &owner in &lineage.order {
            let found = self.stored(owner, name, class, None);
            if found != SetId::UNKNOWN {
                return found;
            }
        }
        SetId::UNKNOWN
    }

    fn own_class_attribute(&mut self, class: ClassId, name: Name) -> SetId {
        let links = self.links;
        let facts = links.class(class);
        let owner = FunctionId {
            module: class.module,
            index: facts.owner,
        };
        let mut all = SetId::UNKNOWN;
        let mut frame = None;
        for &(attribute, value) in &facts.attributes {
            if attribute != name {
                continue;
            }
            let frame = *frame.get_or_insert_with(|| {
                if owner.index == 0 {
                    self.module_frame(owner.module)
                } else {
                    self.generic_frame(owner, None)
                }
            });
            let value = self.value(frame, value);
            all = self.arena.union(all, value);
        }
        all
    }

    /// Binds functions found on a class to an object, as attribute access does.
    fn bind_found(&mut self, values: SetId, receiver: ObjectId, class_object: ObjectId) -> SetId {
        let on_class = receiver == class_object;
        let mut bound = Vec::new();
        for value in self.arena.members(values).to_vec() {
            let Object::Function(id, _) = *self.arena.get(value) else {
                bound.push(value);
                continue;
            };
            let binding = if self.links.function(id).class.is_some() {
                self.binding(id)
            } else {
                // A wrapper that a decorator put in the method's place.
                Binding::Method
            };
            match binding {
                Binding::Static => bound.push(value),
                Binding::ClassMethod => {
                    bound.push(self.arena.object(Object::Bound(class_object, value)));
                }
                Binding::Method | Binding::Property | Binding::CachedProperty if on_class => {
                    bound.push(value);
                }
                Binding::Method => bound.push(self.arena.object(Object::Bound(receiver, value))),
                Binding::Property | Binding::CachedProperty => {
                    let frame = self.generic_frame(id, Some(receiver));
                    let result = self.returned(frame);
                    bound.extend_from_slice(self.arena.members(result));
                }
            }
        }
        self.arena.set(bound)
    }

    fn instance_attribute(&mut self, object: ObjectId, class: ClassId, name: Name) -> SetId {
        let class_object = self.arena.object(Object::Class(class));
        let lineage = self.lineage(class);
        let mut found = SetId::UNKNOWN;
        for &owner in &lineage.order {
            let values = self.own_class_attribute(owner, name);
            if values != SetId::UNKNOWN {
                found = self.bind_found(values, object, class_object);
                found = self.field_defaults(found, object);
                break;
            }
        }
        for &owner in &lineage.order {
            let stored = self.stored(owner, name, class, Some(object));
            found = self.arena.union(found, stored);
        }
        if found == SetId::UNKNOWN && !lineage.external.is_empty() {
            return self.arena.single(Object::Method(object, name));
        }
        found
    }

    /// `field(default_factory=C)` in the body of a dataclass makes a `C` for each instance.
    fn field_defaults(&mut self, values: SetId, object: ObjectId) -> SetId {
        let mut result = Vec::new();
        for value in self.arena.members(values).to_vec() {
            match *self.arena.get(value) {
                Object::Foreign(
                    name,
                    Origin::Site {
                        frame, value: site, ..
                    },
                ) if matches!(
                    name.as_str(),
                    "dataclasses.field" | "attr.ib" | "attrs.field" | "attr.Factory"
                ) =>
                {
                    let call = site & !CALL_ORIGIN;
                    let made = self.made_by_factory(frame, call, object);
                    result.extend_from_slice(self.arena.members(made));
                }
                _ => result.push(value),
            }
        }
        self.arena.set(result)
    }

    fn made_by_factory(&mut self, frame: FrameId, call: u32, object: ObjectId) -> SetId {
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let facts = &function.calls[call as usize];
        let factory = facts
            .keywords
            .iter()
            .find(|(name, _)| matches!(name.as_str(), "default_factory" | "factory" | "default"))
            .map(|(_, value)| *value);
        let Some(factory) = factory else {
            return SetId::UNKNOWN;
        };
        let factories = self.value(frame, factory);
        // The object is named as if a method of its own had made it.
        let owner = self.arena.set(vec![object]);
        let own = self.arena.frame(Frame {
            function: self.arena.frame_of(frame).function,
            environment: FrameId::NONE,
            arguments: vec![owner],
        });
        let origin = Origin::Site {
            frame: own,
            value: call | CALL_ORIGIN,
            many: false,
        };
        let mut made = Vec::new();
        for factory in self.arena.members(factories).to_vec() {
            match self.arena.get(factory) {
                Object::External(name) => {
                    let object = match builtin_container(name.as_str()) {
                        Some(literal) => Object::Container(literal, origin),
                        None => Object::Foreign(*name, origin),
                    };
                    made.push(self.arena.object(object));
                }
                Object::Class(class) => {
                    let object = Object::Instance(*class, origin);
                    made.push(self.arena.object(object));
                }
                _ => {}
            }
        }
        self.arena.set(made)
    }

    fn stored(
        &mut self,
        owner: ClassId,
        name: Name,
        class: ClassId,
        object: Option<ObjectId>,
    ) -> SetId {
        let links = self.links;
        let Some(stores) = links.attribute_stores(owner, name) else {
            return SetId::UNKNOWN;
        };
        let mut all = SetId::UNKNOWN;
        for &Stored { function, value } in stores {
            let is_class_method = self.binding(function) == Binding::ClassMethod;
            let receiver = match object {
                Some(object) if !is_class_method => object,
                None if !is_class_method => continue,
                _ => self.arena.object(Object::Class(class)),
            };
            let frame = self.storing_frame(function, receiver);
            let value = self.value(frame, value);
            all = self.arena.union(all, value);
        }
        all
    }

    /// The frame in which a method stores into an object: the constructor's real one.
    fn storing_frame(&mut self, function: FunctionId, receiver: ObjectId) -> FrameId {
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
        let receiver = self.arena.set(vec![object]);
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
            let receiver = self.arena.set(vec![object]);
            if through_super {
                return Some(self.bind_call(init, FrameId::NONE, &[receiver], below, call));
            }
            return Some(self.bind_call(init, FrameId::NONE, &[], below, call));
        }
        None
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

    fn super_attribute(&mut self, class: ClassId, receiver: ObjectId, name: Name) -> SetId {
        let (dynamic, is_class) = match self.arena.get(receiver) {
            Object::Instance(dynamic, _) => (*dynamic, false),
            Object::Class(dynamic) => (*dynamic, true),
            _ => return SetId::UNKNOWN,
        };
        let lineage = self.lineage(dynamic);
        let position = lineage.order.iter().position(|&it| it == class);
        let after = position.map_or(0, |at| at + 1);
        for &owner in lineage.order.iter().skip(after) {
            let values = self.own_class_attribute(owner, name);
            if values != SetId::UNKNOWN {
                let class_object = if is_class {
                    receiver
                } else {
                    self.arena.object(Object::Class(dynamic))
                };
                if is_class {
                    // `super().__new__(cls)`: the class is passed on.
                    let mut bound = Vec::new();
                    for value in self.arena.members(values).to_vec() {
                        bound.push(self.arena.object(Object::Bound(receiver, value)));
                    }
                    return self.arena.set(bound);
                }
                return self.bind_found(values, receiver, class_object);
            }
        }
        self.arena.single(Object::Method(receiver, name))
    }

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
    fn elements(&mut self, object: ObjectId) -> SetId {
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

    /// What `with ... as x` binds.
    fn entered(&mut self, contexts: SetId) -> SetId {
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

    fn call_result(&mut self, frame: FrameId, index: u32) -> SetId {
        let targets = self.targets(frame, index);
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let call = &function.calls[index as usize];
        let mut all = SetId::UNKNOWN;
        for target in targets.iter() {
            let result = match target {
                Target::Function(callee) => self.function_result(*callee, frame, index),
                Target::Construct(_, object, _) => self.arena.set(vec![*object]),
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

    fn is_many(&self, frame: FrameId, index: u32) -> bool {
        let function = self.links.function(self.arena.frame_of(frame).function);
        function.calls[index as usize].many
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
                "get" | "setdefault" => self.elements(receiver),
                "copy" | "values" | "items" | "keys" | "union" | "difference" => {
                    self.made(frame, |origin| {
                        Object::Container(Literal::List, origin(index | CALL_ORIGIN, call.many))
                    })
                }
                _ => SetId::UNKNOWN,
            };
        }
        let models = self.models_of(receiver);
        let returns = models
            .iter()
            .find_map(|model| model.method.get(name.as_str()))
            .and_then(|model| model.returns.clone());
        match returns {
            Some(class) if class == "self" => self.arena.set(vec![receiver]),
            Some(class) => {
                let class = Name::new(&class);
                self.foreign_or_container(frame, index, call.many, class)
            }
            None => SetId::UNKNOWN,
        }
    }

    /// What a call may run, in the frame that calls.
    pub fn targets(&mut self, frame: FrameId, index: u32) -> Rc<[Target]> {
        if let Some(known) = self.targets.get(&(frame, index)) {
            return Rc::clone(known);
        }
        self.targets.insert((frame, index), Rc::from([]));
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let call = &function.calls[index as usize];
        let callees = self.value(frame, call.callee);
        let mut targets = Vec::new();
        for callee in self.arena.members(callees).to_vec() {
            self.targets_of(callee, &[], frame, index, call, &mut targets, 0);
        }
        let targets: Rc<[Target]> = targets.into();
        self.targets.insert((frame, index), Rc::clone(&targets));
        targets
    }

    #[allow(clippy::too_many_arguments)]
    fn targets_of(
        &mut self,
        callee: ObjectId,
        before: &[SetId],
        frame: FrameId,
        index: u32,
        call: &Call,
        targets: &mut Vec<Target>,
        depth: u32,
    ) {
        if depth > 4 {
            return;
        }
        match self.arena.get(callee).clone() {
            Object::Function(id, environment) => {
                let callee = self.bind_call(id, environment, before, frame, call);
                targets.push(Target::Function(callee));
            }
            Object::Bound(receiver, function) => {
                let mut with_receiver = vec![self.arena.set(vec![receiver])];
                with_receiver.extend_from_slice(before);
                self.targets_of(
                    function,
                    &with_receiver,
                    frame,
                    index,
                    call,
                    targets,
                    depth + 1,
                );
            }
            Object::Class(class) => {
                let object = self.constructed(class, frame, index, call.many);
                let init = self.method_of(class, Name::new("__init__"));
                let init = init.map(|init| {
                    let receiver = self.arena.set(vec![object]);
                    self.bind_call(init, FrameId::NONE, &[receiver], frame, call)
                });
                targets.push(Target::Construct(class, object, init));
            }
            Object::External(name) => targets.push(Target::External(name)),
            Object::Method(receiver, name) => targets.push(Target::Method(receiver, name)),
            Object::Instance(class, _) => {
                if let Some(method) = self.method_of(class, Name::new("__call__")) {
                    let receiver = self.arena.set(vec![callee]);
                    let callee = self.bind_call(method, FrameId::NONE, &[receiver], frame, call);
                    targets.push(Target::Function(callee));
                }
            }
            Object::Partial(maker, made_by) => {
                let links = self.links;
                let function = links.function(self.arena.frame_of(maker).function);
                let partial = &function.calls[made_by as usize];
                let Some((&wrapped, given)) = function.list(partial.arguments).split_first() else {
                    return;
                };
                let mut all: Vec<SetId> = Vec::new();
                for &argument in given {
                    all.push(self.value(maker, argument));
                }
                all.extend_from_slice(before);
                let wrapped = self.value(maker, wrapped);
                for wrapped in self.arena.members(wrapped).to_vec() {
                    self.targets_of(wrapped, &all, frame, index, call, targets, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn constructed(&mut self, class: ClassId, frame: FrameId, index: u32, many: bool) -> ObjectId {
        let origin = if self.arena.frame_depth(frame) >= MAX_DEPTH {
            Origin::Assumed { shared: false }
        } else {
            Origin::Site {
                frame,
                value: index | CALL_ORIGIN,
                many,
            }
        };
        self.arena.object(Object::Instance(class, origin))
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
    fn relevant(&mut self, set: SetId) -> SetId {
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

    /// Whether a module or class holds what is made at a site in a name.
    pub fn is_held_by_module(&self, made_in: FunctionId, site: u32) -> bool {
        let made = if site & (1 << 31) != 0 {
            let function = self.links.function(made_in);
            function.calls[(site & !(1 << 31)) as usize].result
        } else {
            ValueId(site)
        };
        matches!(
            self.links.home(made_in, made),
            Some(Home::Global(..) | Home::Class(..))
        )
    }

    /// The object that holds another one: the one in whose method or constructor it was made, when
    /// that keeps it. What a method makes and only returns belongs to whoever called it; of that,
    /// the object in whose attribute it was found.
    pub fn owner(&self, object: ObjectId) -> Option<ObjectId> {
        let Origin::Site { frame, value, .. } = self.arena.origin(object)? else {
            return None;
        };
        if let Some(&[holder, ..]) = self.holders.get(&object).map(Vec::as_slice) {
            return Some(holder);
        }
        let receiver = self.receiver(frame)?;
        (!self.is_handed_back(frame, value)).then_some(receiver)
    }

    /// The same, for code that runs on `viewer`: of several objects that hold one made at the same
    /// place, it knows its own.
    pub fn owner_for(&self, viewer: Option<ObjectId>, object: ObjectId) -> Option<ObjectId> {
        match (viewer, self.holders.get(&object)) {
            (Some(viewer), Some(holders)) if holders.contains(&viewer) => Some(viewer),
            _ => self.owner(object),
        }
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

/// The literal that a call of a built-in constructor is as good as.
fn builtin_container(name: &str) -> Option<Literal> {
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

/// The value that stands for an object at its allocation site.
pub fn made_value(function: &Function, site: u32) -> ValueId {
    if site & CALL_ORIGIN == 0 {
        ValueId(site)
    } else {
        function.calls[(site & !CALL_ORIGIN) as usize].result
    }
}

/// Whether a function keeps a value: stores it, hands it on, or lets a nested function see it.
pub fn is_kept(function: &Function, value: ValueId) -> bool {
    let holds = |list: &[ValueId]| list.contains(&value);
    function
        .cells
        .iter()
        .any(|(_, values)| values.contains(&value))
        || function.ops.iter().any(|op| match &op.kind {
            OpKind::Write { value: stored, .. }
            | OpKind::WriteVariable { value: stored, .. }
            | OpKind::ItemWrite { value: stored, .. } => *stored == value,
            OpKind::Call(call) => {
                let call = &function.calls[*call as usize];
                holds(function.list(call.arguments))
                    || call.keywords.iter().any(|(_, argument)| *argument == value)
            }
            _ => false,
        })
        || function.values.iter().any(|it| match it {
            Value::Container { elements, .. } => holds(function.list(*elements)),
            _ => false,
        })
}
