//! The free-threaded build that is asked about, and the names its files bear.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A free-threaded CPython, such as 3.14t.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The 14 of 3.14t.
    pub minor: u8,
}

impl Default for Target {
    fn default() -> Self {
        Self { minor: 14 }
    }
}

impl Target {
    /// The first version whose free-threaded build has a stable ABI (abi3t, PEP 803).
    pub const FIRST_STABLE: u8 = 15;

    /// Its ABI tag, such as `cp314t`.
    pub fn abi_tag(self) -> String {
        format!("cp3{}t", self.minor)
    }

    /// Its `python_version` in markers, such as `3.14`.
    pub fn python_version(self) -> String {
        format!("3.{}", self.minor)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "3.13t" => Ok(Self { minor: 13 }),
            "3.14t" => Ok(Self { minor: 14 }),
            "3.15t" => Ok(Self { minor: 15 }),
            _ => Err("expected 3.13t, 3.14t or 3.15t".to_owned()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}t", self.minor)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The interpreter that an extension module's file name is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleAbi {
    /// One free-threaded CPython: the minor version.
    FreeThreaded(u8),
    /// One CPython with a GIL: the minor version.
    Gil(u8),
    /// The stable ABI of builds with a GIL.
    Abi3,
    /// The stable ABI of free-threaded builds.
    Abi3t,
    /// The name does not tell.
    Untagged,
    /// Another implementation, such as PyPy.
    Foreign(String),
}

/// Splits the name of an extension module's file into the module's own name and the ABI. `None`
/// when the name is not one that an interpreter would import.
pub fn module_file(name: &str) -> Option<(&str, ModuleAbi)> {
    let stem = name
        .strip_suffix(".so")
        .or_else(|| name.strip_suffix(".pyd"))?;
    let Some((module, tag)) = stem.split_once('.') else {
        return is_module_name(stem).then_some((stem, ModuleAbi::Untagged));
    };
    if !is_module_name(module) {
        return None;
    }
    let abi = match tag {
        "abi3" => ModuleAbi::Abi3,
        "abi3t" => ModuleAbi::Abi3t,
        _ => {
            let digits = tag
                .strip_prefix("cpython-3")
                .or_else(|| tag.strip_prefix("cp3"));
            match digits {
                Some(rest) => {
                    let end = rest
                        .find(|it: char| !it.is_ascii_digit())
                        .unwrap_or(rest.len());
                    let minor = rest[..end].parse().ok()?;
                    // Letters after the version: `t` free-threaded, `d` debug.
                    let flags = rest[end..].split(['-', '.']).next().unwrap_or("");
                    if flags.contains('t') {
                        ModuleAbi::FreeThreaded(minor)
                    } else {
                        ModuleAbi::Gil(minor)
                    }
                }
                None if tag.starts_with("pypy") || tag.starts_with("graalpy") => {
                    ModuleAbi::Foreign(tag.split('-').next().unwrap_or(tag).to_owned())
                }
                // `libfoo.so.1.so`, `x.y.so`: a library with a dot in its name.
                None => return None,
            }
        }
    };
    Some((module, abi))
}

fn is_module_name(text: &str) -> bool {
    // A digit may come first: mypyc names modules by hashes, and they are imported by such a name.
    !text.is_empty() && text.chars().all(|it| it.is_alphanumeric() || it == '_')
}
