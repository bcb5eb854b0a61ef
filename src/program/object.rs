//! Abstract objects: what a value may be, told apart by where it was made.
//!
//! An object is named by its allocation site and the frame that allocates it, and a frame by its
//! function and the objects bound to its parameters, `self` among them. So the lock that
//! `__init__` makes belongs to the object under construction: object sensitivity in the sense of
//! Milanova, Rountev and Ryder, "Parameterized object sensitivity for points-to analysis"
//! (TOSEM 2005).

use rustc_hash::FxHashMap;

use crate::facts::{Constant, Literal};
use crate::source::name::Name;

/// A module of the program, by index.
pub type ModuleIndex = u32;

/// A function of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId {
    /// Its module.
    pub module: ModuleIndex,
    /// Index into the functions of the module.
    pub index: u32,
}

/// A class of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId {
    /// Its module.
    pub module: ModuleIndex,
    /// Index into the classes of the module.
    pub index: u32,
}

/// An interned [`Object`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

/// An interned [`Frame`]; 0 is "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub u32);

impl FrameId {
    /// No frame.
    pub const NONE: Self = Self(0);
}

/// An interned set of objects; 0 is the empty set, which stands for "not known".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetId(pub u32);

impl SetId {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self(0);
}

/// Where an object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Made by a frame at a call or literal of its function.
    Site {
        /// Who makes it.
        frame: FrameId,
        /// The value that stands for it: a call index with the top bit set, or a value id.
        value: u32,
        /// It stands for many objects.
        many: bool,
    },
    /// The object on which callers of a library call methods: one object, used by many threads
    /// (`shared`), or by the thread that made it.
    Assumed {
        /// Used by many threads.
        shared: bool,
    },
    /// Made while the module is imported, as a class attribute or by a library.
    Static,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// A literal.
    Constant(Constant),
    /// A module of the program.
    Module(ModuleIndex),
    /// A module, class or function of a library, by canonical dotted name.
    External(Name),
    /// A function with the frame whose variables it sees.
    Function(FunctionId, FrameId),
    /// A class.
    Class(ClassId),
    /// A function with its first argument.
    Bound(ObjectId, ObjectId),
    /// A method that a library defines, on an object.
    Method(ObjectId, Name),
    /// An object of a class of the program.
    Instance(ClassId, Origin),
    /// An object of a library class, by canonical name.
    Foreign(Name, Origin),
    /// A list, dict, set, tuple or generator made by a literal or comprehension.
    Container(Literal, Origin),
    /// A tuple of known elements: what `*args` is bound to.
    Tuple(Vec<SetId>),
    /// A callable with some arguments already given, by the frame and call that made it.
    Partial(FrameId, u32),
    /// The result of calling a generator function that is a context manager.
    Context(FrameId),
    /// The variables of a frame that nested functions share.
    Variables(FrameId),
    /// A lock known only by the attribute or name it is found under.
    NamedLock(Option<ObjectId>, Name),
    /// `super()`, seen from a class, with its object.
    Super(ClassId, ObjectId),
}

/// A function with what its parameters are bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// The frame whose variables it sees.
    pub environment: FrameId,
    /// One set a parameter.
    pub arguments: Vec<SetId>,
}

/// Sets with more objects than this say nothing.
const MAX_SET: usize = 12;

/// How many objects may own one another in a chain before identity is given up.
pub const MAX_DEPTH: u32 = 6;

/// Interned objects, frames and sets.
pub struct Arena {
    objects: Vec<(Object, u32)>,
    object_ids: FxHashMap<Object, ObjectId>,
    frames: Vec<(Frame, u32)>,
    frame_ids: FxHashMap<Frame, FrameId>,
    sets: Vec<Vec<ObjectId>>,
    /// By object, the set of it alone: most sets are such. Unknown where nobody has asked.
    only: Vec<SetId>,
    set_ids: FxHashMap<Vec<ObjectId>, SetId>,
}

impl Default for Arena {
    fn default() -> Self {
        let nowhere = Frame {
            function: FunctionId {
                module: u32::MAX,
                index: u32::MAX,
            },
            environment: FrameId::NONE,
            arguments: Vec::new(),
        };
        let mut arena = Self {
            objects: Vec::new(),
            object_ids: FxHashMap::default(),
            frames: vec![(nowhere, 0)],
            frame_ids: FxHashMap::default(),
            sets: Vec::new(),
            only: Vec::new(),
            set_ids: FxHashMap::default(),
        };
        arena.set(Vec::new());
        arena
    }
}

impl Arena {
    /// The id of an object.
    pub fn object(&mut self, object: Object) -> ObjectId {
        if let Some(&id) = self.object_ids.get(&object) {
            return id;
        }
        let depth = self.depth_of(&object);
        let id = ObjectId(u32::try_from(self.objects.len()).unwrap_or(u32::MAX));
        self.objects.push((object.clone(), depth));
        self.only.push(SetId::UNKNOWN);
        self.object_ids.insert(object, id);
        id
    }

    fn depth_of(&self, object: &Object) -> u32 {
        match object {
            Object::Instance(_, origin)
            | Object::Foreign(_, origin)
            | Object::Container(_, origin) => match origin {
                Origin::Site { frame, .. } => self.frames[frame.0 as usize].1 + 1,
                _ => 0,
            },
            Object::Function(_, frame)
            | Object::Partial(frame, _)
            | Object::Context(frame)
            | Object::Variables(frame) => self.frames[frame.0 as usize].1 + 1,
            Object::Bound(receiver, function) => self.depth(*receiver).max(self.depth(*function)),
            Object::Method(receiver, _) | Object::Super(_, receiver) => self.depth(*receiver),
            Object::Tuple(sets) => sets
                .iter()
                .flat_map(|set| self.members(*set))
                .map(|&it| self.depth(it))
                .max()
                .unwrap_or(0),
            _ => 0,
        }
    }

    /// How many allocations stand behind an object's name.
    pub fn depth(&self, id: ObjectId) -> u32 {
        self.objects[id.0 as usize].1
    }

    /// The object with this id.
    pub fn get(&self, id: ObjectId) -> &Object {
        &self.objects[id.0 as usize].0
    }

    /// The id of a frame.
    pub fn frame(&mut self, frame: Frame) -> FrameId {
        if let Some(&id) = self.frame_ids.get(&frame) {
            return id;
        }
        let depth = frame
            .arguments
            .iter()
            .flat_map(|set| self.members(*set))
            .map(|&it| self.depth(it))
            .max()
            .unwrap_or(0)
            .max(self.frames[frame.environment.0 as usize].1);
        let id = FrameId(u32::try_from(self.frames.len()).unwrap_or(0));
        self.frames.push((frame.clone(), depth));
        self.frame_ids.insert(frame, id);
        id
    }

    /// Whether a frame has been met before.
    pub fn has_frame(&self, frame: &Frame) -> bool {
        self.frame_ids.contains_key(frame)
    }

    /// The frame with this id.
    pub fn frame_of(&self, id: FrameId) -> &Frame {
        &self.frames[id.0 as usize].0
    }

    /// The depth of what is bound in a frame.
    pub fn frame_depth(&self, id: FrameId) -> u32 {
        self.frames[id.0 as usize].1
    }

    /// The id of a set; too large a set says nothing.
    pub fn set(&mut self, mut objects: Vec<ObjectId>) -> SetId {
        objects.sort_unstable();
        objects.dedup();
        if objects.len() > MAX_SET {
            objects.clear();
        }
        if let [object] = *objects {
            return self.only(object);
        }
        if let Some(&id) = self.set_ids.get(&objects) {
            return id;
        }
        let id = SetId(u32::try_from(self.sets.len()).unwrap_or(0));
        self.sets.push(objects.clone());
        self.set_ids.insert(objects, id);
        id
    }

    /// The set of one object.
    pub fn only(&mut self, object: ObjectId) -> SetId {
        let known = self.only[object.0 as usize];
        if known != SetId::UNKNOWN {
            return known;
        }
        let id = SetId(u32::try_from(self.sets.len()).unwrap_or(0));
        self.sets.push(vec![object]);
        self.only[object.0 as usize] = id;
        id
    }

    /// The set of one object that may be new.
    pub fn single(&mut self, object: Object) -> SetId {
        let id = self.object(object);
        self.only(id)
    }

    /// The objects of a set, in the order of interning.
    pub fn members(&self, set: SetId) -> &[ObjectId] {
        &self.sets[set.0 as usize]
    }

    /// Both sets together.
    pub fn union(&mut self, a: SetId, b: SetId) -> SetId {
        if a == b || b == SetId::UNKNOWN {
            return a;
        }
        if a == SetId::UNKNOWN {
            return b;
        }
        let mut all = self.members(a).to_vec();
        all.extend_from_slice(self.members(b));
        self.set(all)
    }

    /// Where an object was made.
    pub fn origin(&self, id: ObjectId) -> Option<Origin> {
        match self.get(id) {
            Object::Instance(_, origin)
            | Object::Foreign(_, origin)
            | Object::Container(_, origin) => Some(*origin),
            _ => None,
        }
    }
}
