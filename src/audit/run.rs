//! Imports extension modules, each in a process of its own, to see what they do to the GIL.
//!
//! This executes the code of the audited packages; nothing else in the audit does. Wheels are
//! unpacked into a private folder for it, and only for it. The interpreter
//! says on standard error which modules turn the GIL on: a `RuntimeWarning` for the first, and with
//! `-v` a line for each later one (CPython, `_PyImport_CheckGILForModule`).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use tempfile::TempDir;

use super::outcome::{Module, Observation, Problem, Verdict};
use super::target::Target;
use super::unpack::unpack;
use crate::config::python::{Named, candidates, of_environment};

/// What a module may print before we stop listening; `-v` alone prints some hundred kilobytes.
const MAX_OUTPUT: u64 = 64 << 20;

/// Imports the module named by the first argument. The folders named by the others come after the
/// standard library, which a backport must not shadow, and before the interpreter's own packages:
/// it starts with `-S` for that.
const IMPORT: &str = "import importlib, site, sys\nsys.path += sys.argv[2:]\nsite.main()\nimportlib.import_module(sys.argv[1])\n";

/// Says whether an interpreter is free-threaded, and which version it is.
const PROBE: &str = "import sys, sysconfig\nprint(int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), *sys.version_info[:2])";

/// An interpreter to import with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path or name.
    pub path: PathBuf,
}

/// Finds a free-threaded interpreter of version `target`: the one `asked` for; or else
/// `RACEPROOF_PYTHON`, those of the audited `environments`, and what [`candidates`] has besides.
///
/// # Errors
/// When none of them is one; the message lists what was tried.
pub fn find_interpreter(
    asked: Option<&Path>,
    environments: &[PathBuf],
    target: Target,
) -> Result<Interpreter, String> {
    let mut looked_at = candidates(asked, &format!("python{target}"));
    if asked.is_none() {
        let after = looked_at
            .iter()
            .take_while(|it| it.from == Named::Variable)
            .count();
        let audited = environments.iter().filter_map(|root| of_environment(root));
        looked_at.splice(after..after, audited);
    }
    let mut tried = Vec::new();
    for candidate in looked_at {
        match probe(&candidate.path) {
            Ok((true, 3, minor)) if minor == u32::from(target.minor) => {
                return Ok(Interpreter {
                    path: candidate.path,
                });
            }
            Ok((threaded, major, minor)) => tried.push(format!(
                "{candidate} is {major}.{minor}{}",
                if threaded { "t" } else { " with a GIL" }
            )),
            Err(error) => tried.push(format!("{candidate}: {error}")),
        }
    }
    tried.dedup();
    Err(format!(
        "no free-threaded CPython {target} to import with ({}); name one with --python or \
         RACEPROOF_PYTHON",
        tried.join("; ")
    ))
}

fn probe(path: &Path) -> Result<(bool, u32, u32), String> {
    let output = Command::new(path)
        .args(["-I", "-c", PROBE])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u32> = text
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    match numbers[..] {
        [threaded, major, minor] => Ok((threaded == 1, major, minor)),
        _ => Err("it does not answer like a Python interpreter".to_owned()),
    }
}

/// Imports every module and notes what it does. Found are also the packages in `sites` and in
/// `wheels`, which are unpacked into a private folder for that; it is removed again. Returns what
/// could not be unpacked or removed.
pub fn observe(
    modules: &mut [Module],
    wheels: &[PathBuf],
    sites: &[PathBuf],
    interpreter: &Interpreter,
    timeout: Duration,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let unpacked = match Unpacked::new(wheels, &mut problems) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            problems.push(problem(&std::env::temp_dir(), &error));
            return problems;
        }
    };
    for module in modules.iter_mut() {
        if module.site.is_none() {
            module.site = unpacked.site(&module.source).map(Path::to_owned);
        }
    }
    let unpacked_to = unpacked.sites.iter().map(|(_, site)| site);
    let sites: Vec<&PathBuf> = sites.iter().chain(unpacked_to).collect();
    modules.par_iter_mut().for_each(|module| {
        // A file the interpreter never looks at cannot be imported from.
        if let Some(site) = module.site.clone().filter(|_| !module.ignored) {
            // Packages require each other across folders: the module's own comes first.
            let others = sites.iter().filter(|it| ***it != site);
            let path: Vec<&Path> = [&*site]
                .into_iter()
                .chain(others.map(|it| it.as_path()))
                .collect();
            module.observed = Some(import(&module.module, &path, interpreter, timeout));
        }
    });
    problems.extend(unpacked.remove());
    problems
}

/// Wheels laid out in a private folder, which is removed with this value.
struct Unpacked {
    folder: Option<TempDir>,
    /// A wheel's path, as it was given, and the folder it was unpacked to.
    sites: Vec<(String, PathBuf)>,
}

impl Unpacked {
    fn new(wheels: &[PathBuf], problems: &mut Vec<Problem>) -> io::Result<Self> {
        let mut unpacked = Self {
            folder: None,
            sites: Vec::new(),
        };
        if wheels.is_empty() {
            return Ok(unpacked);
        }
        let folder = TempDir::with_prefix("raceproof-audit-")?;
        for (index, wheel) in wheels.iter().enumerate() {
            let site = folder.path().join(index.to_string());
            std::fs::create_dir(&site)?;
            match unpack(wheel, &site) {
                Ok(()) => unpacked.sites.push((wheel.display().to_string(), site)),
                Err(error) => problems.push(Problem {
                    path: wheel.display().to_string(),
                    message: format!("not imported: {error}"),
                    fatal: true,
                }),
            }
        }
        unpacked.folder = Some(folder);
        Ok(unpacked)
    }

    fn site(&self, wheel: &str) -> Option<&Path> {
        let found = self.sites.iter().find(|(source, _)| source == wheel)?;
        Some(&found.1)
    }

    fn remove(self) -> Option<Problem> {
        let folder = self.folder?;
        let path = folder.path().to_owned();
        let error = folder.close().err()?;
        Some(problem(&path, &error))
    }
}

fn problem(path: &Path, error: &io::Error) -> Problem {
    Problem {
        path: path.display().to_string(),
        message: error.to_string(),
        fatal: true,
    }
}

/// Imports `module` in a process of its own, from `path` and what the interpreter has besides.
fn import(
    module: &str,
    path: &[&Path],
    interpreter: &Interpreter,
    timeout: Duration,
) -> Observation {
    let failed = |error: String| Observation::Failed { error };
    // The user's own switches must not hide what the module does. The folder it starts in is not
    // on the path: `-c` puts the current folder first, so we start in one that holds no modules.
    let child = Command::new(&interpreter.path)
        .args(["-S", "-v", "-c", IMPORT, module])
        .args(path)
        .env_remove("PYTHON_GIL")
        .env_remove("PYTHONWARNINGS")
        .env("PYTHONSAFEPATH", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return failed(error.to_string()),
    };
    let Some(stderr) = child.stderr.take() else {
        return failed("standard error is gone".to_owned());
    };
    let listener = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stderr = stderr;
        let _ = stderr.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
        // Keep the pipe from filling up while the child still runs.
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let deadline = Instant::now() + timeout;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() >= deadline => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return failed(error.to_string()),
        }
    };
    let Some(status) = status else {
        // A grandchild may hold the pipe open: do not wait for the listener.
        return Observation::TimedOut;
    };
    let said = listener.join().unwrap_or_default();
    conclude(module, status, &said)
}

/// Reads the interpreter's messages.
fn conclude(module: &str, status: ExitStatus, said: &str) -> Observation {
    let first = format!("has been enabled to load module '{module}'");
    let later = format!("# loading module '{module}', which requires the GIL");
    if said.contains(&first) || said.contains(&later) {
        return Observation::ReEnablesGil;
    }
    if status.success() {
        return Observation::KeepsGilOff;
    }
    // `-v` goes on printing while the interpreter cleans up; the traceback is before that.
    let error = said
        .lines()
        .rev()
        .find(|line| {
            let name = line.split([':', ' ']).next().unwrap_or("");
            !line.starts_with([' ', '#'])
                && (name.ends_with("Error") || name.ends_with("Exception"))
        })
        .map(str::to_owned);
    match (status.code(), error) {
        (Some(1), Some(error)) => Observation::Failed { error },
        (Some(code), _) => Observation::Crashed {
            how: format!("exit code {code}"),
        },
        (None, _) => Observation::Crashed {
            how: signal(status),
        },
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(11) => "signal 11 (segmentation fault)".to_owned(),
        Some(6) => "signal 6 (abort)".to_owned(),
        Some(number) => format!("signal {number}"),
        None => "it was stopped".to_owned(),
    }
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> String {
    "it was stopped".to_owned()
}

/// Whether what was observed contradicts the static verdict.
pub fn contradicts(module: &Module) -> bool {
    matches!(
        (module.verdict, &module.observed),
        (Verdict::KeepsGilOff, Some(Observation::ReEnablesGil))
            | (
                Verdict::ReEnablesGil | Verdict::CannotLoad,
                Some(Observation::KeepsGilOff)
            )
    )
}
