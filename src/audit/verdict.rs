//! From what a module's file says to what it does to the GIL.

use super::binary::claim::{Claim, Initialisation, claim};
use super::binary::image::{Image, ImageError};
use super::binary::toolchain::{Toolchain, toolchain};
use super::outcome::Verdict;
use super::target::{ModuleAbi, Target};

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the module does.
    pub verdict: Verdict,
    /// Why, in a clause.
    pub reason: String,
    /// What it was built with.
    pub toolchain: Option<Toolchain>,
    /// How it is initialised.
    pub initialisation: Option<Initialisation>,
    /// The target's import system does not look for a file of this name.
    pub overlooked: bool,
    /// Its module object is made by `_cffi_backend`, so that module's verdict is its own.
    pub made_by_cffi: bool,
}

/// What a file with the name of an extension module turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspected {
    /// A module that can be imported under its name.
    Module(Judgement),
    /// A shared library without an entry for the interpreter.
    Library,
}

/// Judges the bytes of a file whose name says `module` and `abi`.
///
/// # Errors
/// When the bytes are no binary, or a broken one.
pub fn inspect(
    bytes: &[u8],
    module: &str,
    abi: &ModuleAbi,
    target: Target,
) -> Result<Inspected, ImageError> {
    let image = Image::parse(bytes)?;
    // The entry of a module with a name beyond ASCII is `PyInitU_` and punycode: not looked for.
    let hook = image
        .hooks
        .iter()
        .filter(|hook| hook.module == module)
        .max_by_key(|hook| hook.export && target.minor >= Target::FIRST_STABLE);
    let Some(hook) = hook else {
        return Ok(Inspected::Library);
    };
    let toolchain = toolchain(&image);
    let judged = |verdict, reason: String, initialisation| {
        Ok(Inspected::Module(Judgement {
            verdict,
            reason,
            toolchain: toolchain.clone(),
            initialisation,
            overlooked: overlooked(abi, target),
            made_by_cffi: false,
        }))
    };
    if let Some(reason) = cannot_load(abi, target) {
        return judged(Verdict::CannotLoad, reason, None);
    }
    if hook.export && target.minor < Target::FIRST_STABLE {
        return judged(
            Verdict::CannotLoad,
            format!("it has no PyInit_{module}, and {target} does not know PyModExport_"),
            Some(Initialisation::Export),
        );
    }
    match claim(&image, hook) {
        Claim::NotUsed(how) => judged(
            Verdict::KeepsGilOff,
            match how {
                Initialisation::SinglePhase => {
                    "declares Py_MOD_GIL_NOT_USED with PyUnstable_Module_SetGIL".to_owned()
                }
                _ => "declares Py_MOD_GIL_NOT_USED in its Py_mod_gil slot".to_owned(),
            },
            Some(how),
        ),
        Claim::Used(how) => judged(
            Verdict::ReEnablesGil,
            "declares Py_MOD_GIL_USED".to_owned(),
            Some(how),
        ),
        Claim::Silent(how) => judged(
            Verdict::ReEnablesGil,
            match how {
                Initialisation::SinglePhase => {
                    "single-phase initialisation that declares nothing about the GIL".to_owned()
                }
                _ => "has no Py_mod_gil slot".to_owned(),
            },
            Some(how),
        ),
        Claim::GilBuild => judged(
            Verdict::CannotLoad,
            "its module definition has the layout of the build with a GIL".to_owned(),
            None,
        ),
        Claim::Unknown(why) => {
            let made_by_cffi =
                toolchain.as_ref().is_some_and(|it| it.name == "cffi") && module != "_cffi_backend";
            Ok(Inspected::Module(Judgement {
                verdict: Verdict::Undecidable,
                reason: why,
                toolchain,
                initialisation: None,
                overlooked: false,
                made_by_cffi,
            }))
        }
    }
}

/// Whether the target's import system passes over a file with this suffix (`EXTENSION_SUFFIXES`).
fn overlooked(abi: &ModuleAbi, target: Target) -> bool {
    match abi {
        ModuleAbi::FreeThreaded(minor) => *minor != target.minor,
        ModuleAbi::Gil(_) | ModuleAbi::Foreign(_) => true,
        ModuleAbi::Abi3 => target.minor >= Target::FIRST_STABLE,
        ModuleAbi::Abi3t => target.minor < Target::FIRST_STABLE,
        ModuleAbi::Untagged => false,
    }
}

/// Why the name alone rules a module out.
fn cannot_load(abi: &ModuleAbi, target: Target) -> Option<String> {
    match abi {
        ModuleAbi::FreeThreaded(minor) if *minor == target.minor => None,
        ModuleAbi::FreeThreaded(minor) => Some(format!("built for 3.{minor}t, not for {target}")),
        ModuleAbi::Gil(minor) => Some(format!("built for CPython 3.{minor} with a GIL")),
        ModuleAbi::Abi3 if target.minor >= Target::FIRST_STABLE => Some(format!(
            "abi3, the stable ABI of builds with a GIL; {target} does not look for it"
        )),
        ModuleAbi::Abi3 => Some(format!(
            "abi3, the stable ABI of builds with a GIL; {target} finds it and crashes or raises SystemError"
        )),
        ModuleAbi::Abi3t if target.minor >= Target::FIRST_STABLE => None,
        ModuleAbi::Abi3t => Some(format!("abi3t needs 3.15t or newer, not {target}")),
        ModuleAbi::Foreign(name) => Some(format!("built for {name}")),
        ModuleAbi::Untagged => None,
    }
}
