//! Interned identifiers.
//!
//! A name is compared and hashed as one integer. The table lives as long as the process: names
//! come from source files, and an editor session sees few new ones.

use std::cell::RefCell;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{LazyLock, Mutex, PoisonError};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An interned string. Its order is the order of interning, which differs between runs: sort by
/// [`Name::as_str`] whatever people get to see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

const SHARDS: usize = 64;

static STRINGS: LazyLock<boxcar::Vec<&'static str>> = LazyLock::new(boxcar::Vec::new);

/// The names of one range of hashes, each with its hash.
type Shard = Mutex<HashTable<(u32, Name)>>;

/// All names by hash, whose upper bits choose the shard.
static TABLES: LazyLock<[Shard; SHARDS]> =
    LazyLock::new(|| std::array::from_fn(|_| Mutex::new(HashTable::new())));

fn hash(text: &str) -> u32 {
    (FxBuildHasher.hash_one(text) >> 32) as u32
}

/// A hash for tables, which look at its uppermost bits, of which the shard leaves the same ones
/// everywhere.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const RECENT: usize = 4096;

thread_local! {
    /// Names that this thread has asked for, by the lower bits of their hash. Most modules use the
    /// same few names, and the tables of a large project do not fit into the processor's caches.
    static KNOWN: RefCell<[(&'static str, u32); RECENT]> = const { RefCell::new([("", u32::MAX); RECENT]) };
}

impl Name {
    /// The name for `text`, the same for equal texts.
    pub fn new(text: &str) -> Self {
        let hashed = hash(text);
        KNOWN.with_borrow_mut(|known| {
            let known = &mut known[hashed as usize % RECENT];
            if known.1 == u32::MAX || known.0 != text {
                let name = Self::shared(text, hashed);
                *known = (name.as_str(), name.0);
            }
            Self(known.1)
        })
    }

    fn shared(text: &str, hashed: u32) -> Self {
        let shard = &TABLES[(hashed >> 26) as usize % SHARDS];
        let mut table = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |&(of, name): &(u32, Self)| of == hashed && name.as_str() == text;
        if let Some(&(_, name)) = table.find(spread(hashed), is_it) {
            return name;
        }
        let text: &'static str = Box::leak(text.into());
        let name = Self(u32::try_from(STRINGS.push(text)).unwrap_or(u32::MAX));
        table.insert_unique(spread(hashed), (hashed, name), |&(of, _)| spread(of));
        name
    }

    /// The name with this number, as [`Name::number`] gave it.
    pub fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// A number that stands for the text in this process.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        STRINGS.get(self.0 as usize).copied().unwrap_or("")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer).map(Name::new)
    }
}
