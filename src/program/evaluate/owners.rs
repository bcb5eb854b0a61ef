//! Owners: which object, class or module keeps what a function makes.

use std::rc::Rc;

use super::{CALL_ORIGIN, Evaluator};
use crate::facts::{Call, Function, Literal, Op, OpKind, Value, ValueId, Variable};
use crate::program::link::Home;
use crate::program::object::{FrameId, FunctionId, ModuleIndex, Object, ObjectId, Origin, SetId};
use crate::source::name::Name;

/// What a table may be asked, by whoever does not fill it.
const QUESTIONS: [&str; 7] = ["get", "keys", "values", "items", "copy", "pop", "clear"];

/// Objects that are found in more places than this are taken to be in the first ones.
const MAX_HOLDERS: usize = 8;

impl Evaluator<'_> {
    /// Notes who keeps those objects that their makers hand back.
    pub(super) fn hold(&mut self, holder: ObjectId, set: SetId) {
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

    /// The call `table.get(key, value)` of a frame to which a value is the default, where nothing
    /// is ever in the table: each call of the function gets a value of its own.
    pub fn asked_for(&mut self, frame: FrameId, value: ValueId) -> Option<u32> {
        let function = self.links.function(self.arena.frame_of(frame).function);
        (0..).zip(&function.calls).find_map(|(index, call)| {
            let (table, default) = lookup(function, call)?;
            (default == value && self.are_never_filled(frame, table)).then_some(index)
        })
    }

    /// What `table.get(key, default)` gives, when nothing is ever in the table.
    pub(super) fn default_of(&mut self, frame: FrameId, call: &Call) -> SetId {
        let function = self.links.function(self.arena.frame_of(frame).function);
        let Some((table, default)) = lookup(function, call) else {
            return SetId::UNKNOWN;
        };
        let made = self.value(frame, default);
        let mut members = self.arena.members(made).iter();
        let is_of_library = members.all(|&it| matches!(self.arena.get(it), Object::Foreign(..)));
        if is_of_library && self.are_never_filled(frame, table) {
            made
        } else {
            SetId::UNKNOWN
        }
    }

    /// Whether a value is a dict that is made empty under a private name, and every use of that
    /// name in its module only asks what is in it.
    fn are_never_filled(&mut self, frame: FrameId, table: ValueId) -> bool {
        let tables = self.value(frame, table);
        let [table] = *self.arena.members(tables) else {
            return false;
        };
        let Object::Container(Literal::Dict, Origin::Site { frame, value, .. }) =
            *self.arena.get(table)
        else {
            return false;
        };
        let id = self.arena.frame_of(frame).function;
        let function = self.links.function(id);
        let made = made_value(function, value);
        let is_empty = match function.value(made) {
            Value::Container { elements, .. } => elements.len == 0,
            Value::Call(call) => {
                let call = &function.calls[*call as usize];
                call.arguments.len == 0 && call.keywords.is_empty()
            }
            _ => false,
        };
        let name = match self.links.home(id, made) {
            Some(Home::Attribute(_, name) | Home::Class(_, name) | Home::Global(_, name)) => name,
            _ => return false,
        };
        is_empty && name.as_str().starts_with('_') && self.is_only_asked(id.module, name)
    }

    /// Whether a module does nothing to what goes under a name but ask it.
    fn is_only_asked(&self, module: ModuleIndex, name: Name) -> bool {
        let functions = self.links.module(module).functions.len();
        (0..functions).all(|index| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let function = self.links.function(FunctionId { module, index });
            let is_it = |value: ValueId| match *function.value(value) {
                Value::Attribute { name: it, .. } | Value::Global(it) => it == name,
                Value::Read(op) => matches!(function.ops.get(op as usize).map(|op| &op.kind),
                    Some(OpKind::ReadVariable { variable: Variable::Global(it), .. }) if *it == name),
                _ => false,
            };
            let changes = |op: &Op| match op.kind {
                OpKind::ItemWrite { base, .. } | OpKind::Extend { base, .. } => is_it(base),
                OpKind::Write { value, .. }
                | OpKind::WriteVariable { value, .. }
                | OpKind::Return { value }
                | OpKind::Yield { value } => is_it(value),
                OpKind::Call(call) => matches!(
                    *function.value(function.calls[call as usize].callee),
                    Value::Attribute { base, name: method, .. }
                        if is_it(base) && !QUESTIONS.contains(&method.as_str())
                ),
                _ => false,
            };
            // Handed on, put into another container, or one of several.
            !function.lists.iter().any(|&it| is_it(it)) && !function.ops.iter().any(changes)
        })
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
}

/// The table and the default of `table.get(key, default)`.
fn lookup(function: &Function, call: &Call) -> Option<(ValueId, ValueId)> {
    let Value::Attribute { base, name, .. } = *function.value(call.callee) else {
        return None;
    };
    let &[_, default] = function.list(call.arguments) else {
        return None;
    };
    (name.as_str() == "get").then_some((base, default))
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
    is_kept_beside(function, value, None)
}

/// The same, of what it does beside one of its calls.
pub fn is_kept_beside(function: &Function, value: ValueId, beside: Option<u32>) -> bool {
    let holds = |list: &[ValueId]| list.contains(&value);
    // One of several: `lock if threads else None`.
    let is_it = |stored: ValueId| {
        stored == value
            || matches!(function.value(stored), Value::Join(list) if holds(function.list(*list)))
    };
    function
        .cells
        .iter()
        .any(|(_, values)| values.contains(&value))
        || function.ops.iter().any(|op| match &op.kind {
            OpKind::Write { value: stored, .. }
            | OpKind::WriteVariable { value: stored, .. }
            | OpKind::ItemWrite { value: stored, .. } => is_it(*stored),
            OpKind::Call(call) => {
                let asked = beside == Some(*call);
                let call = &function.calls[*call as usize];
                !asked && holds(function.list(call.arguments))
                    || call.keywords.iter().any(|(_, argument)| *argument == value)
            }
            _ => false,
        })
        || function.values.iter().any(|it| match it {
            Value::Container { elements, .. } => holds(function.list(*elements)),
            _ => false,
        })
}
