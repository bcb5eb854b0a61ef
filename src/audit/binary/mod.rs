//! What an extension module's file says about its initialisation, read without running it.
//!
//! `image.rs` presents ELF (`elf.rs`), Mach-O (`macho.rs`) and PE (`pe.rs`) files alike: memory as
//! the loader would lay it out, with pointers resolved. `execute/` follows the initialisation
//! function of x86-64 and Arm modules up to the point where the module definition reaches the
//! interpreter; `definition.rs` reads definitions and slot tables, and finds them by their shape
//! where the code cannot be followed. `toolchain.rs` names what built the module, and `claim.rs` puts it together.

pub mod claim;
pub mod definition;
pub mod elf;
pub mod execute;
pub mod image;
pub mod macho;
pub mod mapped;
pub mod pe;
pub mod toolchain;
