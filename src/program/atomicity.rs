//! The atomicity model of the built-in types: what one operation does to its container, and
//! which pairs of operations go wrong on a free-threaded build.
//!
//! Source: the thread-safety pages of the Python documentation ("Thread safety guarantees",
//! "Built-in types") for list, dict, set and deque. A single operation listed as atomic there is
//! never reported by itself; iteration and everything made of two operations is not atomic.

use crate::models::ContainerKind;

/// What one operation does to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Loads it, in one step.
    Read,
    /// Reads all of a container in one step (`list(d)`, `d.copy()`).
    Snapshot,
    /// Asks a container for one element or for its size, in one step.
    Lookup,
    /// Walks a container step by step.
    Iterate,
    /// Stores it, in one step.
    Write,
    /// Replaces an element, in one step; may add a key to a dict.
    SetItem,
    /// Adds an element, in one step.
    Add,
    /// Removes one element, in one step.
    Remove,
    /// Removes all elements or a run of them, whichever they are by then, in one step.
    Clear,
    /// Changes order or several elements; other threads see states in between.
    Rearrange,
    /// Reads, computes and stores: two steps.
    Update,
    /// Tests and then acts on what the test said: two steps.
    CheckThenAct,
    /// Deletes an attribute or variable.
    Delete,
    /// Advances an iterator that others advance too.
    Advance,
}

impl Access {
    /// Whether it changes the place.
    pub fn writes(self) -> bool {
        !matches!(
            self,
            Self::Read | Self::Snapshot | Self::Lookup | Self::Iterate
        )
    }

    /// Whether it may put elements into a container.
    pub fn fills(self) -> bool {
        !matches!(
            self,
            Self::Read
                | Self::Snapshot
                | Self::Lookup
                | Self::Iterate
                | Self::Remove
                | Self::Clear
                | Self::CheckThenAct
                | Self::Delete
        )
    }

    /// Whether it is made of steps between which others can come.
    pub fn is_compound(self) -> bool {
        matches!(
            self,
            Self::Update | Self::CheckThenAct | Self::Iterate | Self::Advance
        )
    }

    /// Whether it changes which elements a container has.
    pub fn changes_size(self, kind: ContainerKind) -> bool {
        match self {
            Self::Add
            | Self::Remove
            | Self::Clear
            | Self::Rearrange
            | Self::CheckThenAct
            | Self::Delete => true,
            // A store into a list replaces an element; into a mapping it may add one.
            Self::SetItem | Self::Update => !matches!(
                kind,
                ContainerKind::List | ContainerKind::Bytearray | ContainerKind::Deque
            ),
            _ => false,
        }
    }
}

/// What a method does to the container it is called on; `None` when it does not touch it.
pub fn method(kind: ContainerKind, name: &str) -> Option<Access> {
    Some(match name {
        "append" | "appendleft" | "add" | "setdefault" => Access::Add,
        "extend" | "extendleft" | "update" | "insert" | "subtract" => match kind {
            ContainerKind::Counter => Access::Update,
            _ => Access::Add,
        },
        "pop" | "popleft" | "popitem" | "discard" | "remove" => Access::Remove,
        "clear" => Access::Clear,
        "sort" => Access::Rearrange,
        // One step under the container's lock, as storing one element is.
        "reverse" | "rotate" => Access::SetItem,
        "move_to_end" => Access::Rearrange,
        "copy" if kind == ContainerKind::Deque => Access::Iterate,
        "copy" | "union" | "difference" | "intersection" => Access::Snapshot,
        "get" | "count" | "index" | "__contains__" | "__getitem__" | "__len__" => Access::Lookup,
        "keys" | "values" | "items" | "most_common" | "elements" => return None,
        "difference_update" | "intersection_update" | "symmetric_difference_update" => {
            Access::Remove
        }
        _ => return None,
    })
}

/// What calling `callable` (`list`, `dict`, ...) with a container, or with a view of one, does to the
/// container.
///
/// Constructors lock arguments of exactly the built-in types. A subclass, `defaultdict` and
/// `Counter` among them, goes through its iterator; its views are those of a dict, and `dict` knows
/// it. An `OrderedDict` has an iterator and views of its own. Seen on 3.14.7t: of 20,000 copies
/// under change `list(defaultdict)` raised 76 times, `list(defaultdict.keys())` never.
pub fn copy(callable: &str, kind: ContainerKind, view: bool) -> Access {
    let in_steps = match kind {
        ContainerKind::Deque => true,
        ContainerKind::OrderedDict => callable != "copy.copy",
        ContainerKind::Dict | ContainerKind::Set => callable == "builtins.tuple",
        ContainerKind::DefaultDict | ContainerKind::Counter if view => callable == "builtins.tuple",
        ContainerKind::DefaultDict | ContainerKind::Counter => {
            !matches!(callable, "builtins.dict" | "copy.copy")
        }
        ContainerKind::List | ContainerKind::Bytearray => false,
    };
    if in_steps {
        Access::Iterate
    } else {
        Access::Snapshot
    }
}
