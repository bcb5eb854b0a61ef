//! The command: arguments in, exit code out.

use std::process::ExitCode;

/// Where most people run this: of the fast allocators the one that needs least memory here. It is
/// built for one size of pages, which other processors leave to the system, and not for Windows.
#[cfg(any(target_os = "macos", all(target_os = "linux", target_arch = "x86_64")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(not(any(target_os = "macos", all(target_os = "linux", target_arch = "x86_64"))))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    raceproof::cli::main()
}
