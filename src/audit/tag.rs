//! Wheel file names and what they fit.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::target::Target;

/// The parts of a wheel's file name (PEP 427): `name-version(-build)?-python-abi-platform.whl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Distribution, as written.
    pub distribution: String,
    /// Version, as written.
    pub version: String,
    /// Python tags, such as `cp314`.
    pub pythons: Vec<String>,
    /// ABI tags, such as `cp314t`, `abi3`, `none`.
    pub abis: Vec<String>,
    /// Platform tags, such as `manylinux_2_28_x86_64`, `any`.
    pub platforms: Vec<String>,
}

impl FromStr for WheelName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let parts: Vec<&str> = name
            .strip_suffix(".whl")
            .ok_or_else(|| format!("`{name}` does not end with .whl"))?
            .split('-')
            .collect();
        let (head, tags) = match parts.len() {
            5 | 6 => parts.split_at(parts.len() - 3),
            _ => {
                return Err(format!(
                    "`{name}` is not name-version-python-abi-platform.whl"
                ));
            }
        };
        let set = |tag: &str| tag.split('.').map(str::to_owned).collect();
        Ok(Self {
            distribution: head[0].to_owned(),
            version: head[1].to_owned(),
            pythons: set(tags[0]),
            abis: set(tags[1]),
            platforms: set(tags[2]),
        })
    }
}

/// How well a wheel fits a free-threaded interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Not for this platform at all.
    OtherPlatform,
    /// For another interpreter version.
    OtherPython,
    /// For builds with a GIL: one version's, or abi3.
    Gil,
    /// Nothing compiled against an interpreter's ABI, but platform-dependent.
    Native,
    /// Nothing compiled.
    Pure,
    /// For the stable free-threaded ABI.
    StableFreeThreaded,
    /// For exactly this interpreter.
    FreeThreaded,
}

impl WheelName {
    /// Whether an installer for `target` on `platform` takes this wheel, and as what. The order
    /// of tags is that of `packaging`: exact, abi3t of this and lower versions, none, py3;
    /// never abi3.
    pub fn fit(&self, target: Target, platform: &Platform) -> Fit {
        let any = self.platforms.iter().any(|tag| tag == "any");
        if !any && !self.platforms.iter().any(|tag| platform.takes(tag)) {
            return Fit::OtherPlatform;
        }
        let exact = format!("cp3{}", target.minor);
        let mut best = Fit::OtherPython;
        for python in &self.pythons {
            for abi in &self.abis {
                let minor = python
                    .strip_prefix("cp3")
                    .and_then(|rest| rest.parse::<u8>().ok());
                let fit = match abi.as_str() {
                    "none" => {
                        let generic = python == "py3"
                            || python == &format!("py3{}", target.minor)
                            || minor == Some(target.minor)
                            || python
                                .strip_prefix("py3")
                                .and_then(|rest| rest.parse::<u8>().ok())
                                .is_some_and(|it| it <= target.minor);
                        match (generic, any) {
                            (true, true) => Fit::Pure,
                            (true, false) => Fit::Native,
                            (false, _) => Fit::OtherPython,
                        }
                    }
                    "abi3t" if target.minor >= Target::FIRST_STABLE => {
                        if minor.is_some_and(|it| it <= target.minor) {
                            Fit::StableFreeThreaded
                        } else {
                            Fit::OtherPython
                        }
                    }
                    "abi3" if minor.is_some_and(|it| it <= target.minor) => Fit::Gil,
                    abi if *python == exact && abi == target.abi_tag() => Fit::FreeThreaded,
                    abi if *python == exact && abi == exact => Fit::Gil,
                    _ => Fit::OtherPython,
                };
                best = best.max(fit);
            }
        }
        best
    }

    /// Whether it was built for some interpreter's ABI (rather than `none`).
    pub fn is_native(&self) -> bool {
        self.abis.iter().any(|abi| abi != "none")
            || !self.platforms.iter().any(|platform| platform == "any")
    }
}

/// A family of systems whose wheels are considered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    system: System,
    machine: Machine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Manylinux,
    Musllinux,
    Macos,
    Windows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    X86_64,
    Aarch64,
}

impl Platform {
    /// Every platform we know, by name.
    pub const NAMES: [&'static str; 8] = [
        "manylinux_x86_64",
        "manylinux_aarch64",
        "musllinux_x86_64",
        "musllinux_aarch64",
        "macosx_x86_64",
        "macosx_arm64",
        "win_amd64",
        "win_arm64",
    ];

    /// The platform this program was built for.
    pub fn host() -> Self {
        let system = if cfg!(windows) {
            System::Windows
        } else if cfg!(target_os = "macos") {
            System::Macos
        } else if cfg!(target_env = "musl")
            && std::path::Path::new("/lib/ld-musl-x86_64.so.1").exists()
        {
            System::Musllinux
        } else {
            System::Manylinux
        };
        let machine = if cfg!(target_arch = "aarch64") {
            Machine::Aarch64
        } else {
            Machine::X86_64
        };
        Self { system, machine }
    }

    fn takes(self, tag: &str) -> bool {
        let system = match self.system {
            System::Manylinux => tag.starts_with("manylinux") || tag.starts_with("linux_"),
            System::Musllinux => tag.starts_with("musllinux") || tag.starts_with("linux_"),
            System::Macos => tag.starts_with("macosx"),
            System::Windows => tag.starts_with("win"),
        };
        let machine = match (self.system, self.machine) {
            (System::Macos, Machine::Aarch64) => {
                tag.ends_with("arm64") || tag.ends_with("universal2")
            }
            (System::Macos, Machine::X86_64) => {
                tag.ends_with("x86_64") || tag.ends_with("universal2") || tag.ends_with("intel")
            }
            (System::Windows, Machine::Aarch64) => tag.ends_with("arm64"),
            (System::Windows, Machine::X86_64) => tag.ends_with("amd64"),
            (_, Machine::Aarch64) => tag.ends_with("aarch64"),
            (_, Machine::X86_64) => tag.ends_with("x86_64"),
        };
        system && machine
    }

    /// The value of an environment marker variable on this platform; `None` for one that does not
    /// depend on it.
    pub fn marker(self, variable: &str) -> Option<&'static str> {
        Some(match (variable, self.system) {
            ("sys_platform", System::Manylinux | System::Musllinux) => "linux",
            ("sys_platform", System::Macos) => "darwin",
            ("sys_platform", System::Windows) => "win32",
            ("platform_system", System::Manylinux | System::Musllinux) => "Linux",
            ("platform_system", System::Macos) => "Darwin",
            ("platform_system", System::Windows) => "Windows",
            ("os_name", System::Windows) => "nt",
            ("os_name", _) => "posix",
            ("platform_machine", System::Windows) => match self.machine {
                Machine::X86_64 => "AMD64",
                Machine::Aarch64 => "ARM64",
            },
            ("platform_machine", System::Macos) if self.machine == Machine::Aarch64 => "arm64",
            ("platform_machine", _) => match self.machine {
                Machine::X86_64 => "x86_64",
                Machine::Aarch64 => "aarch64",
            },
            _ => return None,
        })
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("expected one of {}", Self::NAMES.join(", "));
        let (system, machine) = text.split_once('_').ok_or_else(unknown)?;
        Ok(Self {
            system: match system {
                "manylinux" | "linux" => System::Manylinux,
                "musllinux" => System::Musllinux,
                "macosx" | "macos" => System::Macos,
                "win" => System::Windows,
                _ => return Err(unknown()),
            },
            machine: match machine {
                "x86_64" | "amd64" => Machine::X86_64,
                "aarch64" | "arm64" => Machine::Aarch64,
                _ => return Err(unknown()),
            },
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.system, self.machine) {
            (System::Manylinux, Machine::X86_64) => "manylinux_x86_64",
            (System::Manylinux, Machine::Aarch64) => "manylinux_aarch64",
            (System::Musllinux, Machine::X86_64) => "musllinux_x86_64",
            (System::Musllinux, Machine::Aarch64) => "musllinux_aarch64",
            (System::Macos, Machine::X86_64) => "macosx_x86_64",
            (System::Macos, Machine::Aarch64) => "macosx_arm64",
            (System::Windows, Machine::X86_64) => "win_amd64",
            (System::Windows, Machine::Aarch64) => "win_arm64",
        })
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The normal form of a distribution's name (PEP 503).
pub fn normal_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let mut gap = false;
    for character in name.trim().chars() {
        if matches!(character, '-' | '_' | '.') {
            gap = true;
        } else {
            if gap && !normal.is_empty() {
                normal.push('-');
            }
            gap = false;
            normal.extend(character.to_lowercase());
        }
    }
    normal
}
