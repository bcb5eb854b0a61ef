//! Single wheels, read in memory: nothing is extracted to disk.

use std::io::{Cursor, Read};
use std::path::Path;

use rayon::prelude::*;
use zip::ZipArchive;

use super::binary::mapped::Bytes;
use super::environment::{
    Contents, Installed, dotted_name, judge, module_of, pass_over, unreadable,
};
use super::outcome::{Module, Problem};
use super::tag::{WheelName, normal_name};
use super::target::{Target, module_file};

/// No extension module is larger, and no honest one compresses better.
const MAX_MEMBER: u64 = 1 << 30;
const MAX_RATIO: u64 = 200;
/// Members below this size may compress as well as they like.
const SMALL: u64 = 16 << 20;
/// Entries of the archive's directory.
pub(super) const MAX_MEMBERS: usize = 200_000;

/// Reads the wheel at `path`.
pub fn read_wheel(path: &Path, target: Target) -> Contents {
    let mut contents = Contents::default();
    let shown = path.display().to_string();
    let problem = |message: String| Problem {
        path: shown.clone(),
        message,
        fatal: true,
    };
    let mut distribution = Installed::default();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    match file.parse::<WheelName>() {
        Ok(name) => {
            distribution.name = normal_name(&name.distribution);
            distribution.version.clone_from(&name.version);
        }
        Err(message) => contents.problems.push(Problem {
            path: shown.clone(),
            message,
            fatal: false,
        }),
    }
    let bytes = match Bytes::open(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            contents.problems.push(unreadable(path, &error));
            return contents;
        }
    };
    let mut archive = match ZipArchive::new(Cursor::new(&bytes[..])) {
        Ok(archive) => archive,
        Err(error) => {
            contents
                .problems
                .push(problem(format!("not a wheel that can be read: {error}")));
            return contents;
        }
    };
    if archive.len() > MAX_MEMBERS {
        contents
            .problems
            .push(problem(format!("{} members; not read", archive.len())));
        return contents;
    }

    let mut modules = Vec::new();
    for index in 0..archive.len() {
        let member = match archive.by_index_raw(index) {
            Ok(member) => member,
            Err(error) => {
                contents
                    .problems
                    .push(problem(format!("member {index}: {error}")));
                continue;
            }
        };
        let name = match member.name() {
            Ok(name) => name.into_owned(),
            Err(error) => {
                contents
                    .problems
                    .push(problem(format!("member {index}: {error}")));
                continue;
            }
        };
        if member.enclosed_name().is_none() {
            contents.problems.push(problem(format!(
                "member `{}` leads out of the folder it is installed to; do not install this wheel",
                name.escape_debug()
            )));
            continue;
        }
        let base = name.rsplit('/').next().unwrap_or("");
        let folder = name.split('/').next().unwrap_or("");
        let wanted = folder.ends_with(".dist-info") && matches!(base, "METADATA" | "WHEEL");
        let is_module = (base.ends_with(".so") || base.ends_with(".pyd")) && member.is_file();
        if !wanted && !is_module {
            continue;
        }
        let (size, packed) = (member.size(), member.compressed_size());
        if is_suspicious(size, packed) {
            contents.problems.push(problem(format!(
                "member `{}` claims {size} bytes from {packed}; not read, it may be a zip bomb",
                name.escape_debug()
            )));
            continue;
        }
        if is_module {
            modules.push((index, name));
        } else {
            drop(member);
            match read_member(&mut archive, index) {
                Ok(text) => {
                    let text = String::from_utf8_lossy(&text);
                    let _ = text.lines().try_for_each(|line| match base {
                        "METADATA" => distribution.read_metadata(line),
                        _ => distribution.read_wheel(line),
                    });
                }
                Err(error) => contents.problems.push(problem(format!(
                    "member `{}`: {error}",
                    name.escape_debug()
                ))),
            }
        }
    }

    let results: Vec<_> = modules
        .par_iter()
        .map_init(
            || archive.clone(),
            |archive, (index, name)| {
                let base = name.rsplit('/').next().unwrap_or(name);
                let Some((stem, abi)) = module_file(base) else {
                    return Ok(None);
                };
                let bytes = read_member(archive, *index).map_err(|error| error.to_string())?;
                let folder = root_folder(name)
                    .and_then(|inner| inner.rsplit_once('/'))
                    .map_or("", |(folder, _)| folder);
                judge(&bytes, dotted_name(folder, stem), stem, &abi, target)
            },
        )
        .collect();
    for ((_, name), result) in modules.iter().zip(results) {
        match result {
            Ok(None) => contents.libraries += 1,
            Ok(Some((module, judgement))) => contents.modules.push(Module {
                distribution: distribution.name.clone(),
                version: distribution.version.clone(),
                ..module_of(module, format!("{shown}/{name}"), judgement)
            }),
            Err(message) => contents.problems.push(problem(format!(
                "member `{}`: {message}",
                name.escape_debug()
            ))),
        }
    }
    contents.distributions.push(distribution);
    pass_over(&mut contents, target);
    contents
}

/// Whether a member of `size` bytes, kept in `packed`, is larger than an honest one.
pub(super) fn is_suspicious(size: u64, packed: u64) -> bool {
    size > MAX_MEMBER || (size > SMALL && size / MAX_RATIO > packed)
}

/// Where a member lies below site-packages once installed. `None` for files that an installer
/// puts elsewhere: scripts, headers, data (PEP 427).
pub(super) fn root_folder(member: &str) -> Option<&str> {
    let (first, rest) = member.split_once('/').unwrap_or(("", member));
    if !first.ends_with(".data") {
        return Some(member);
    }
    rest.strip_prefix("platlib/")
        .or_else(|| rest.strip_prefix("purelib/"))
}

fn read_member(archive: &mut ZipArchive<Cursor<&[u8]>>, index: usize) -> std::io::Result<Vec<u8>> {
    let member = archive.by_index(index).map_err(std::io::Error::other)?;
    let size = member.size();
    let mut bytes = Vec::new();
    // A member may unpack to more than it claims.
    member
        .take(size.min(MAX_MEMBER) + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > size {
        return Err(std::io::Error::other("it unpacks to more than it claims"));
    }
    Ok(bytes)
}
