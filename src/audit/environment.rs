//! What is installed: distributions and extension modules of site-packages folders.
//!
//! Only metadata is read (`METADATA`, `WHEEL`, `RECORD`, `direct_url.json`) and the bytes of
//! extension modules; no Python runs.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use walkdir::WalkDir;

use super::binary::mapped::Bytes;
use super::outcome::{Module, Problem, Verdict};
use super::tag::normal_name;
use super::target::{ModuleAbi, Target, module_file};
use super::text_file::{read_lines, read_text};
use super::verdict::{Inspected, Judgement, inspect};

/// Metadata larger than this is not metadata.
const MAX_METADATA: u64 = 8 << 20;

/// A distribution found in an environment or a wheel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Normal form of its name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The stage its `Free Threading` classifier names.
    pub classifier: Option<String>,
    /// `Tag:` lines of `WHEEL`.
    pub tags: Vec<String>,
    /// Installed in development mode, from this folder.
    pub editable: Option<PathBuf>,
    /// Extension modules and libraries that `RECORD` names, with `/` between parts.
    recorded: Vec<String>,
}

/// What one folder or wheel holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Distributions, by name.
    pub distributions: Vec<Installed>,
    /// Extension modules.
    pub modules: Vec<Module>,
    /// Shared libraries that are not extension modules.
    pub libraries: usize,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// An environment: the folders its interpreter imports installed packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its folder, for people.
    pub root: PathBuf,
    /// Site-packages folders.
    pub sites: Vec<PathBuf>,
    /// The interpreter it is for, such as `3.12`, when its files tell.
    pub version: Option<String>,
}

/// Takes `path` for a virtual environment, an installation prefix or a site-packages folder.
/// `None` when it is none of these.
pub fn recognise(path: &Path) -> Option<Environment> {
    let mut sites = Vec::new();
    let mut version = None;
    let windows = path.join("Lib").join("site-packages");
    if windows.is_dir() {
        sites.push(windows);
    }
    for lib in ["lib", "lib64"] {
        let Ok(entries) = fs::read_dir(path.join(lib)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            for packages in ["site-packages", "dist-packages"] {
                let site = entry.path().join(packages);
                if let Some(found) = name.strip_prefix("python")
                    && site.is_dir()
                    && !sites.iter().any(|known| same_folder(known, &site))
                {
                    version = Some(found.to_owned());
                    sites.push(site);
                }
            }
        }
    }
    let configured = read_text(&path.join("pyvenv.cfg"), MAX_METADATA).ok();
    if let Some(text) = &configured {
        version = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| matches!(key.trim(), "version" | "version_info"))
            .map(|(_, value)| {
                let value = value.trim();
                let mut parts = value.split('.');
                let (major, minor) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
                // On Windows no folder is named after the interpreter, but its path is told.
                let threaded = version.as_deref().is_some_and(|it| it.ends_with('t'))
                    || text.contains(&format!("python{major}.{minor}t"));
                format!("{major}.{minor}{}", if threaded { "t" } else { "" })
            })
            .or(version);
    }
    if sites.is_empty() && holds_distributions(path) {
        sites.push(path.to_owned());
        version = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("python"))
            .map(str::to_owned);
    }
    (!sites.is_empty()).then(|| Environment {
        root: path.to_owned(),
        sites,
        version,
    })
}

fn same_folder(left: &Path, right: &Path) -> bool {
    matches!((left.canonicalize(), right.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn holds_distributions(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "site-packages" || name == "dist-packages")
        || fs::read_dir(path).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().ends_with(".dist-info"))
        })
}

/// Reads one site-packages folder.
pub fn read_site(site: &Path, target: Target) -> Contents {
    let mut contents = Contents::default();
    let mut found = Vec::new();
    walk(site, &[], &mut found, &mut contents.problems);

    let mut metadata = Vec::new();
    match fs::read_dir(site) {
        Ok(entries) => {
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().ends_with(".dist-info") {
                    metadata.push(entry.path());
                }
            }
        }
        Err(error) => contents.problems.push(unreadable(site, &error)),
    }
    metadata.sort();
    let read: Vec<(Installed, Vec<Problem>)> = metadata
        .par_iter()
        .map(|folder| read_dist_info(folder))
        .collect();
    let mut versions: FxHashMap<String, String> = FxHashMap::default();
    for (distribution, mut problems) in read {
        contents.problems.append(&mut problems);
        let Installed { name, version, .. } = &distribution;
        if let Some(twin) = versions.insert(name.clone(), version.clone()) {
            contents.problems.push(Problem {
                path: site.display().to_string(),
                message: format!(
                    "`{name}` is installed twice ({twin} and {version}); remove the stale \
                     .dist-info folder"
                ),
                fatal: false,
            });
        }
        contents.distributions.push(distribution);
    }

    let mut roots = vec![(site.to_owned(), found, None)];
    for distribution in &contents.distributions {
        let Some(folder) = &distribution.editable else {
            continue;
        };
        let mut files = Vec::new();
        walk(folder, &NOT_INSTALLED, &mut files, &mut contents.problems);
        roots.push((folder.clone(), files, Some(distribution.name.clone())));
    }
    let mut owners: FxHashMap<&str, usize> = FxHashMap::default();
    for (index, distribution) in contents.distributions.iter().enumerate() {
        for file in &distribution.recorded {
            owners.insert(file, index);
        }
    }
    for (root, files, editable) in &roots {
        let results: Vec<_> = files
            .par_iter()
            .map(|file| read_module_file(file, root, target))
            .collect();
        for (file, result) in files.iter().zip(results) {
            match result {
                Ok(None) => contents.libraries += 1,
                Ok(Some((module, judgement))) => {
                    let relative = slashed(file.strip_prefix(root).unwrap_or(file));
                    let owner = match editable {
                        Some(name) => contents.distributions.iter().find(|it| it.name == *name),
                        None => owners
                            .get(relative.as_str())
                            .and_then(|&index| contents.distributions.get(index)),
                    };
                    contents.modules.push(Module {
                        distribution: owner.map(|it| it.name.clone()).unwrap_or_default(),
                        version: owner.map(|it| it.version.clone()).unwrap_or_default(),
                        site: Some(root.clone()),
                        ..module_of(module, file.display().to_string(), judgement)
                    });
                }
                Err(problem) => contents.problems.push(problem),
            }
        }
    }
    settle_cffi(&mut contents.modules);
    pass_over(&mut contents, target);
    contents
}

/// Drops the objection to files that the target never looks at, in distributions that were built
/// for the target: wheels for any interpreter carry accelerators for some of them.
pub(super) fn pass_over(contents: &mut Contents, target: Target) {
    let fitting: FxHashSet<(&str, &str)> = contents
        .distributions
        .iter()
        .filter(|it| it.tags.iter().any(|tag| fits(tag, target)))
        .map(|it| (&*it.name, &*it.version))
        .collect();
    for module in &mut contents.modules {
        module.ignored &= fitting.contains(&(&*module.distribution, &*module.version));
    }
}

/// Whether a `Tag:` line names the target, on any platform.
fn fits(tag: &str, target: Target) -> bool {
    let parts: Vec<&str> = tag.split('-').collect();
    let [python, abi, _] = parts[..] else {
        return false;
    };
    abi == target.abi_tag()
        || abi == "abi3t" && target.minor >= Target::FIRST_STABLE
        || abi == "none" && (python.starts_with("py3") || *python == format!("cp3{}", target.minor))
}

/// A module of an audit's result, without its distribution.
pub(super) fn module_of(module: String, path: String, judgement: Judgement) -> Module {
    Module {
        distribution: String::new(),
        version: String::new(),
        module,
        path,
        verdict: judgement.verdict,
        reason: if judgement.made_by_cffi {
            MADE_BY_CFFI.to_owned()
        } else {
            judgement.reason
        },
        toolchain: judgement.toolchain,
        initialisation: judgement.initialisation.map(|it| it.as_str()),
        ignored: judgement.overlooked,
        observed: None,
        source: String::new(),
        site: None,
    }
}

const MADE_BY_CFFI: &str = "made by cffi: its module object comes from _cffi_backend";

/// The object of a module generated by cffi is created by `_cffi_backend`, which marks it as it
/// marks itself: with `_cffi_backend` in the same folder, that module's verdict is known.
fn settle_cffi(modules: &mut [Module]) {
    let Some(backend) = modules
        .iter()
        .find(|it| it.module == "_cffi_backend")
        .map(|it| it.verdict)
    else {
        return;
    };
    for module in modules {
        if module.verdict == Verdict::Undecidable && module.reason == MADE_BY_CFFI {
            module.verdict = backend;
            module.reason = format!("{MADE_BY_CFFI}, whose verdict here is {}", backend.as_str());
        }
    }
}

/// Reads a file with the name of an extension module. `None` for a plain shared library.
fn read_module_file(
    file: &Path,
    root: &Path,
    target: Target,
) -> Result<Option<(String, Judgement)>, Problem> {
    let relative = file.strip_prefix(root).unwrap_or(file);
    let name = relative.file_name().unwrap_or_default().to_string_lossy();
    let Some((stem, abi)) = module_file(&name) else {
        return Ok(None);
    };
    let bytes = Bytes::open(file).map_err(|error| unreadable(file, &error))?;
    let dotted = dotted_name(&slashed(relative.parent().unwrap_or(Path::new(""))), stem);
    judge(&bytes, dotted, stem, &abi, target).map_err(|message| Problem {
        path: file.display().to_string(),
        message,
        fatal: true,
    })
}

/// Judges the bytes of an extension module; a plain shared library gives `None`.
pub(super) fn judge(
    bytes: &[u8],
    dotted: String,
    stem: &str,
    abi: &ModuleAbi,
    target: Target,
) -> Result<Option<(String, Judgement)>, String> {
    match inspect(bytes, stem, abi, target) {
        Ok(Inspected::Module(judgement)) => Ok(Some((dotted, judgement))),
        Ok(Inspected::Library) => Ok(None),
        Err(error) => Err(format!("{error}; reinstall the package it belongs to")),
    }
}

/// The name to import a module by: its folders and its stem.
pub(super) fn dotted_name(folder: &str, stem: &str) -> String {
    let mut dotted: String = folder
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| format!("{part}."))
        .collect();
    dotted.push_str(stem);
    dotted
}

fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy()),
            _ => None,
        })
        .collect();
    parts.join("/")
}

/// Folders of a source tree that a development install does not import from.
const NOT_INSTALLED: [&str; 7] = [
    ".git",
    ".nox",
    ".tox",
    ".venv",
    "node_modules",
    "target",
    "venv",
];

/// Collects the files below `folder` that have the suffix of an extension module, but for folders
/// of the names `without`.
fn walk(folder: &Path, without: &[&str], found: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let entries = WalkDir::new(folder).follow_links(true).into_iter();
    let entries = entries.filter_entry(|entry| {
        let name = entry.file_name().to_str().unwrap_or_default();
        let passed_over = name == "__pycache__" || without.contains(&name);
        entry.depth() == 0 || !entry.file_type().is_dir() || !passed_over
    });
    for entry in entries {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_string_lossy();
                if (name.ends_with(".so") || name.ends_with(".pyd")) && !entry.file_type().is_dir()
                {
                    found.push(entry.into_path());
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(folder).display().to_string();
                let message = if error.loop_ancestor().is_some() {
                    "a symbolic link leads back to a folder above it; not followed".to_owned()
                } else {
                    error
                        .io_error()
                        .map_or_else(|| error.to_string(), ToString::to_string)
                };
                let fatal = error.loop_ancestor().is_none();
                problems.push(Problem {
                    path,
                    message,
                    fatal,
                });
            }
        }
    }
    found.sort();
}

fn read_dist_info(folder: &Path) -> (Installed, Vec<Problem>) {
    let mut problems = Vec::new();
    let stem = folder
        .file_stem()
        .map(|it| it.to_string_lossy().into_owned())
        .unwrap_or_default();
    let (name, version) = stem.split_once('-').unwrap_or((&stem, ""));
    let mut installed = Installed {
        name: normal_name(name),
        version: version.to_owned(),
        ..Installed::default()
    };
    let path = folder.join("METADATA");
    if let Err(error) = read_lines(&path, MAX_METADATA, |line| installed.read_metadata(line)) {
        problems.push(unreadable(&path, &error));
    }
    let path = folder.join("WHEEL");
    match read_lines(&path, MAX_METADATA, |line| installed.read_wheel(line)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            problems.push(unreadable(&path, &error));
        }
        _ => {}
    }
    let record = |line: &str| {
        installed.recorded.extend(recorded_module(line));
        ControlFlow::Continue(())
    };
    match read_lines(&folder.join("RECORD"), MAX_METADATA, record) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => problems.push(Problem {
            path: folder.display().to_string(),
            message: "no RECORD: which files belong to it is not known".to_owned(),
            fatal: false,
        }),
        Err(error) => problems.push(unreadable(&folder.join("RECORD"), &error)),
    }
    if let Ok(text) = read_text(&folder.join("direct_url.json"), MAX_METADATA) {
        installed.editable = editable_folder(&text);
        if installed.editable.as_ref().is_some_and(|it| !it.is_dir()) {
            problems.push(Problem {
                path: folder.display().to_string(),
                message: "installed in development mode from a folder that is gone; reinstall it"
                    .to_owned(),
                fatal: true,
            });
            installed.editable = None;
        }
    }
    (installed, problems)
}

impl Installed {
    /// Takes name, version and classifier from a line of core metadata; breaks off where the
    /// description begins.
    pub(super) fn read_metadata(&mut self, line: &str) -> ControlFlow<()> {
        if line.is_empty() {
            return ControlFlow::Break(());
        }
        if let Some((key, value)) = line.split_once(':') {
            let value = value.trim();
            match key {
                "Name" => self.name = normal_name(value),
                "Version" => value.clone_into(&mut self.version),
                "Classifier" => {
                    if let Some(stage) = free_threading_stage(value) {
                        self.classifier = Some(stage.to_owned());
                    }
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes a tag from a line of `WHEEL`.
    pub(super) fn read_wheel(&mut self, line: &str) -> ControlFlow<()> {
        if let Some(tag) = line.strip_prefix("Tag:") {
            self.tags.push(tag.trim().to_owned());
        }
        ControlFlow::Continue(())
    }
}

/// The stage of a `Free Threading` classifier, such as `3 - Stable`.
pub fn free_threading_stage(classifier: &str) -> Option<&str> {
    let rest = classifier.strip_prefix("Programming Language :: Python :: Free Threading")?;
    let stage = rest.trim_start_matches([' ', ':']);
    Some(if stage.is_empty() {
        "unspecified"
    } else {
        stage
    })
}

/// The path in a line of `RECORD` (comma-separated, quoted if needed), if it is an extension
/// module's or a library's.
fn recorded_module(line: &str) -> Option<String> {
    let path = match line.strip_prefix('"') {
        Some(rest) => &rest[..rest.find('"')?],
        None => line.split(',').next()?,
    };
    (path.ends_with(".so") || path.ends_with(".pyd")).then(|| path.replace('\\', "/"))
}

/// The folder of an editable install (PEP 610).
fn editable_folder(text: &str) -> Option<PathBuf> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    if value.get("dir_info")?.get("editable")?.as_bool()? {
        let url = value.get("url")?.as_str()?;
        let path = url.strip_prefix("file://")?;
        return Some(PathBuf::from(percent_decoded(path)));
    }
    None
}

/// Undoes percent-encoding in a URL's path.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem {
        path: path.display().to_string(),
        message: error.to_string(),
        fatal: true,
    }
}

/// Reads a single extension module given by its path.
pub fn read_single(path: &Path, target: Target) -> Contents {
    let mut contents = Contents::default();
    let root = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if module_file(&name).is_none() {
        contents.problems.push(Problem {
            path: path.display().to_string(),
            message: "not the name of an extension module".to_owned(),
            fatal: true,
        });
        return contents;
    }
    match read_module_file(path, root, target) {
        Ok(Some((module, judgement))) => contents.modules.push(Module {
            site: Some(root.to_owned()),
            ignored: false,
            ..module_of(module, path.display().to_string(), judgement)
        }),
        Ok(None) => contents.problems.push(Problem {
            path: path.display().to_string(),
            message:
                "a shared library, but not an extension module: no PyInit function of its name"
                    .to_owned(),
            fatal: true,
        }),
        Err(problem) => contents.problems.push(problem),
    }
    contents
}
