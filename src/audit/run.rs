//! Imports extension modules, each in a process of its own, to see what they do to the GIL.
//!
//! This executes the code of the audited packages; nothing else in the audit does. The interpreter
//! says on standard error which modules turn the GIL on: a `RuntimeWarning` for the first, and with
//! `-v` a line for each later one (CPython, `_PyImport_CheckGILForModule`).

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::outcome::{Module, Observation, Verdict};
use super::target::Target;

/// What a module may print before we stop listening; `-v` alone prints some hundred kilobytes.
const MAX_OUTPUT: u64 = 64 << 20;

/// Imports the module named by the first argument, after putting the folders named by the others
/// on the path.
const IMPORT: &str = "import importlib, sys\nfor site in sys.argv[2:]:\n    sys.path.insert(0, site)\nimportlib.import_module(sys.argv[1])\n";

/// Says whether an interpreter is free-threaded, and which version it is.
const PROBE: &str = "import sys, sysconfig\nprint(int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), *sys.version_info[:2])";

/// An interpreter to import with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path or name.
    pub path: PathBuf,
}

/// Finds a free-threaded interpreter of version `target`: the one asked for, `$RACEPROOF_PYTHON`,
/// those of the audited environments, and `python3.14t` and the like on the path.
///
/// # Errors
/// When none of them is one; the message lists what was tried.
pub fn find_interpreter(
    asked: Option<&Path>,
    environments: &[PathBuf],
    target: Target,
) -> Result<Interpreter, String> {
    let mut candidates: Vec<PathBuf> = Vec::new();
    if let Some(asked) = asked {
        candidates.push(asked.to_owned());
    } else {
        candidates.extend(std::env::var_os("RACEPROOF_PYTHON").map(PathBuf::from));
        for root in environments {
            for name in ["bin/python", "Scripts/python.exe"] {
                let path = root.join(name);
                if path.exists() {
                    candidates.push(path);
                }
            }
        }
        candidates.push(PathBuf::from(format!("python{target}")));
        candidates.push(PathBuf::from("python3"));
        candidates.push(PathBuf::from("python"));
    }
    let mut tried = Vec::new();
    for candidate in candidates {
        match probe(&candidate) {
            Ok((true, 3, minor)) if minor == u32::from(target.minor) => {
                return Ok(Interpreter { path: candidate });
            }
            Ok((threaded, major, minor)) => tried.push(format!(
                "{} is {major}.{minor}{}",
                candidate.display(),
                if threaded { "t" } else { " with a GIL" }
            )),
            Err(error) => tried.push(format!("{}: {error}", candidate.display())),
        }
    }
    Err(format!(
        "no free-threaded CPython {target} to run with ({}); give one with --python",
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

/// Imports every module that lies in a folder (members of wheels do not), and notes what it does.
pub fn observe(modules: &mut [Module], interpreter: &Interpreter, timeout: Duration) {
    modules.par_iter_mut().for_each(|module| {
        // A file the interpreter never looks at cannot be imported from.
        if let Some(site) = module.site.clone().filter(|_| !module.ignored) {
            module.observed = Some(import(&module.module, &site, interpreter, timeout));
        }
    });
}

fn import(module: &str, site: &Path, interpreter: &Interpreter, timeout: Duration) -> Observation {
    let failed = |error: String| Observation::Failed { error };
    let arguments: [OsString; 5] = [
        "-v".into(),
        "-c".into(),
        IMPORT.into(),
        module.into(),
        site.into(),
    ];
    // The user's own switches must not hide what the module does. The folder it starts in is not
    // on the path: `-c` puts the current folder first, so we start in one that holds no modules.
    let child = Command::new(&interpreter.path)
        .args(arguments)
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
