//! What an extension module was built with, told by the texts its tool leaves in it.

use std::fmt;

use memchr::memmem;
use serde::Serialize;

use super::image::Image;

/// Constants larger than this are data, not texts of a tool.
const SEARCHED: usize = 16 << 20;

/// A binding generator, with its version where the module tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// Its name.
    pub name: &'static str,
    /// Its version, or the version of its internal interface.
    pub version: Option<String>,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

/// Names the tool that built a module, if it is one we know.
pub fn toolchain(image: &Image<'_>) -> Option<Toolchain> {
    let texts: Vec<&[u8]> = image
        .segments
        .iter()
        .map(|segment| &segment.bytes[..segment.bytes.len().min(SEARCHED)])
        .collect();
    let find = |needle: &str| -> Option<&[u8]> {
        let finder = memmem::Finder::new(needle.as_bytes());
        texts
            .iter()
            .find_map(|text| finder.find(text).map(|at| &text[at + needle.len()..]))
    };
    if let Some(rest) = find("/pyo3-0.").or_else(|| find("\\pyo3-0.")) {
        let version = leading(rest, |byte| byte.is_ascii_digit() || byte == b'.');
        return Some(Toolchain {
            name: "PyO3",
            version: version.map(|it| format!("0.{it}")),
        });
    }
    if let Some(rest) = find("__pybind11_internals_v") {
        let version = leading(rest, |byte| byte.is_ascii_digit());
        return Some(Toolchain {
            name: "pybind11",
            version: version.map(|it| format!("internals {it}")),
        });
    }
    if let Some(rest) = find("__nb_internals_v") {
        let version = leading(rest, |byte| byte.is_ascii_digit());
        return Some(Toolchain {
            name: "nanobind",
            version: version.map(|it| format!("internals {it}")),
        });
    }
    if let Some(rest) = find("_cython_") {
        let version = leading(rest, |byte| byte.is_ascii_digit() || byte == b'_')
            .map(|it| it.trim_matches('_').replace('_', "."))
            .filter(|it| !it.is_empty());
        return Some(Toolchain {
            name: "Cython",
            version,
        });
    }
    let named = |name| {
        Some(Toolchain {
            name,
            version: None,
        })
    };
    if find("nanobind::").is_some() {
        return named("nanobind");
    }
    if find("_cffi_backend").is_some() && find("_init_cffi_1_0_external_module").is_some() {
        return named("cffi");
    }
    if find("__mypyc.").is_some() || find("__mypyc\0").is_some() {
        return named("mypyc");
    }
    if image
        .bound
        .iter()
        .any(|(_, name)| name.contains("5boost6python"))
    {
        return named("Boost.Python");
    }
    if find("swig_runtime_data").is_some() {
        return named("SWIG");
    }
    if find("f2py").is_some() {
        return named("f2py");
    }
    None
}

fn leading(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> Option<String> {
    let end = bytes
        .iter()
        .take(24)
        .position(|&byte| !belongs(byte))
        .unwrap_or(0);
    (end > 0).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
}
