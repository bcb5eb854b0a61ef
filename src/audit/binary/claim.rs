//! What a module declares about the GIL, and how we know.

use super::definition::{Definition, GilSlot, Layout, definitions_named};
use super::execute::{Ending, execute};
use super::image::{Architecture, Hook, Image};

/// What a module tells the interpreter when it is imported. A claim of its authors, not a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It does not need the GIL.
    NotUsed(Initialisation),
    /// It needs the GIL, and says so.
    Used(Initialisation),
    /// It says nothing, which the interpreter takes for "needs the GIL".
    Silent(Initialisation),
    /// It was compiled for the build with a GIL.
    GilBuild,
    /// The file does not tell; why.
    Unknown(String),
}

/// How the module is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialisation {
    /// `PyInit_` returns a module (legacy).
    SinglePhase,
    /// `PyInit_` returns a definition (PEP 489).
    MultiPhase,
    /// `PyModExport_` returns slots (PEP 793).
    Export,
}

impl Initialisation {
    /// In words, such as "single-phase".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SinglePhase => "single-phase",
            Self::MultiPhase => "multi-phase",
            Self::Export => "slots export",
        }
    }
}

/// Reads what the module behind `hook` declares.
pub fn claim(image: &Image<'_>, hook: &Hook) -> Claim {
    match image.architecture {
        Architecture::X86_64 | Architecture::Aarch64 => claim_of_code(image, hook),
        Architecture::Other64 => claim_of_tables(image, hook),
        Architecture::Unsupported => {
            Claim::Unknown("32-bit and big-endian binaries are not read".into())
        }
    }
}

fn claim_of_code(image: &Image<'_>, hook: &Hook) -> Claim {
    let execution = execute(image, hook);
    if execution.gil_layout {
        return Claim::GilBuild;
    }
    let foreign = execution.endings.contains(&Ending::Foreign);
    let mut claims = claims_of(&execution.endings);
    if claims.is_empty() {
        claims = claims_of(&execution.inferred);
    }
    match &claims[..] {
        [claim] => claim.clone(),
        [] if !foreign && makes_silent_module(image) => Claim::Silent(Initialisation::SinglePhase),
        [] if foreign => Claim::Unknown("its module object is made by code in another file".into()),
        [] if execution.incomplete => {
            Claim::Unknown("its initialisation is too long to follow".into())
        }
        [] => Claim::Unknown("its initialisation could not be followed to an end".into()),
        _ => {
            Claim::Unknown("its initialisation declares different things on different paths".into())
        }
    }
}

/// A file that can create a module, but hand over no definition and say nothing about the GIL.
fn makes_silent_module(image: &Image<'_>) -> bool {
    const SAYING: [&str; 4] = [
        "PyModuleDef_Init",
        "PyUnstable_Module_SetGIL",
        "PyModule_FromDefAndSpec2",
        "PyModule_ExecDef",
    ];
    image.imports("PyModule_Create2") && !SAYING.iter().any(|name| image.imports(name))
}

fn claims_of(endings: &[Ending]) -> Vec<Claim> {
    let mut claims = Vec::new();
    for ending in endings {
        let claim = match ending {
            Ending::Foreign => continue,
            Ending::Definition(definition) => claim_of_definition(definition),
            Ending::Module(gil) => claim_of_slot(*gil, Initialisation::SinglePhase),
            Ending::Slots(gil) => claim_of_slot(*gil, Initialisation::Export),
        };
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    claims
}

/// Without following code: definitions that bear the module's name.
fn claim_of_tables(image: &Image<'_>, hook: &Hook) -> Claim {
    let mut claims: Vec<Claim> = Vec::new();
    for definition in definitions_named(image, &hook.module) {
        // A definition without slots belongs to a module that may still call
        // `PyUnstable_Module_SetGIL`, with an argument we cannot see.
        let claim = match definition.slots {
            None if image.imports("PyUnstable_Module_SetGIL") => Claim::Unknown(
                "it calls PyUnstable_Module_SetGIL, whose argument is not visible".into(),
            ),
            _ => claim_of_definition(&definition),
        };
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    match &claims[..] {
        [claim] => claim.clone(),
        [] => Claim::Unknown("its module definition is built at run time".into()),
        _ => Claim::Unknown("it holds several module definitions of this name".into()),
    }
}

fn claim_of_definition(definition: &Definition) -> Claim {
    if definition.layout == Some(Layout::Gil) {
        return Claim::GilBuild;
    }
    match definition.slots {
        None => Claim::Silent(Initialisation::SinglePhase),
        Some(slot) => claim_of_slot(slot, Initialisation::MultiPhase),
    }
}

fn claim_of_slot(slot: GilSlot, initialisation: Initialisation) -> Claim {
    match slot {
        GilSlot::NotUsed => Claim::NotUsed(initialisation),
        GilSlot::Used => Claim::Used(initialisation),
        GilSlot::Missing => Claim::Silent(initialisation),
        GilSlot::Unreadable => {
            Claim::Unknown("its slots are filled with values that are not visible".into())
        }
    }
}
