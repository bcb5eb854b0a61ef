//! Symbolic values to abstract objects, on demand.
//!
//! There is no heap: what an attribute holds is found by evaluating, in the frame of its
//! constructor, every value that methods of the class store there. The answer is flow-insensitive
//! and may miss stores from outside the class; an empty set means "not known", and whoever gets
//! it stays silent. Cycles are cut by answering "not known" while a question is open.

mod attributes;
mod classes;
mod decorators;
mod elements;
mod frames;
mod names;
mod owners;
mod results;
mod targets;
mod values;

pub use owners::{is_kept_beside, made_value};

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::object::{Arena, ClassId, FrameId, FunctionId, ModuleIndex, ObjectId, SetId};
use super::reading::Reading;
use crate::facts::ValueId;
use crate::models::{ClassModel, Models};
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

/// So many questions are answered for a module, and so many more for each call it makes itself: a
/// module that uses much of a large package pays for its own size, not for that of the package.
const ANSWERS_OF_A_MODULE: u32 = 8_000;
const ANSWERS_FOR_EACH_CALL: u32 = 20;

/// A call in a module: index of the function, index of the call.
type CallSite = (u32, u32);

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
}
