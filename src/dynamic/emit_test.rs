//! A failing interleaving as a Python file of its own: a test, which needs neither raceproof nor the
//! network, and the script behind `raceproof replay --pdb`.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::json;

use super::agent_process::modules;
use super::witness::Witness;

/// The text of a test. `to_root` leads from its directory to the project's root.
pub fn text(witness: &Witness, to_root: &Path) -> String {
    let root = to_root.to_string_lossy().replace('\\', "/");
    filled(TEST, witness, &root)
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@TARGET@", &witness.program.target.replace('\\', "/"))
        .replace("@EXPECTED@", expected(&witness.failure.kind))
        .replace("@FAILURE@", &one_line(&witness.failure.message))
}

/// The text of a script that runs the schedule in the debugger, and removes itself.
pub fn debugger(witness: &Witness, root: &Path) -> String {
    filled(DEBUGGER, witness, &root.to_string_lossy())
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "crash" => "that the interpreter does not die of it",
        "hang" => "that it ends",
        "deadlock" => "that no thread waits for ever",
        "not-serial" => {
            "that some order of running the threads one after the other gives its result"
        }
        _ => "that nothing is raised and the exit status is 0",
    }
}

fn filled(template: &str, witness: &Witness, root: &str) -> String {
    let schedule: Vec<_> = witness
        .schedule
        .iter()
        .map(|it| (it.thread, it.own, it.library))
        .collect();
    let program = json!({
        "kind": witness.program.kind,
        "target": witness.program.target,
        "function": witness.program.function,
        "argv": witness.program.argv,
        "directory": witness.program.directory,
        "all_accesses": witness.program.all_accesses,
        "failure": witness.failure.kind,
        "serial": witness.failure.serial,
        "stop": witness.decisive(),
        "schedule": schedule,
    });
    template
        .replace("@START@", START)
        .replace("@ROOT@", &json!(root).to_string())
        .replace("@PROGRAM@", &json!(program.to_string()).to_string())
        .replace("@AGENT@", &packed(&json!(modules()).to_string()))
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|it| {
            if it.is_control() || it == '\\' {
                ' '
            } else {
                it
            }
        })
        .collect::<String>()
        .replace("\"\"\"", "'''")
}

/// Text in zlib and hexadecimal digits, in lines.
fn packed(text: &str) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let _ = encoder.write_all(text.as_bytes());
    let bytes = encoder.finish().unwrap_or_default();
    let mut lines = String::with_capacity(bytes.len() * 2 + bytes.len() / 48);
    for chunk in bytes.chunks(48) {
        for byte in chunk {
            lines.push_str(&format!("{byte:02x}"));
        }
        lines.push('\n');
    }
    lines
}

/// Runs the schedule; `ROOT`, `PROGRAM` and `AGENT` are above it.
const START: &str = r#"class Finder:
    """Makes the scheduler's modules importable."""

    modules = None

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        package, _, short = name.partition(".")
        if package != "raceproof_agent" or (short or "__init__") not in cls.modules:
            return None
        return importlib.machinery.ModuleSpec(name, cls, is_package=not short)

    @staticmethod
    def create_module(spec):
        return None

    @classmethod
    def exec_module(cls, module):
        short = module.__name__.partition(".")[2] or "__init__"
        file = "<raceproof_agent>/" + short + ".py"
        exec(compile(cls.modules[short], file, "exec"), module.__dict__)


def run(**more):
    # The program finds its modules as it does without this file.
    del sys.path[0]
    Finder.modules = json.loads(zlib.decompress(AGENT).decode())
    sys.meta_path.insert(0, Finder)
    from raceproof_agent import direct

    options = dict(PROGRAM, root=ROOT, **more)
    options["directory"] = os.path.join(ROOT, options["directory"])
    if options["kind"] != "module":
        options["target"] = os.path.join(os.path.realpath(ROOT), options["target"])
    direct.main(options)
"#;

const TEST: &str = r#""""Written by raceproof @VERSION@: one interleaving of @TARGET@, which failed with

    @FAILURE@

The test runs that interleaving in an interpreter of its own and asserts
@EXPECTED@.
It fails as long as that does not hold, and passes once it is fixed. It needs neither raceproof nor
a network.
"""

import importlib.machinery
import json
import os
import subprocess
import sys
import zlib

# A run that takes longer hangs.
SECONDS = 10
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), @ROOT@)
PROGRAM = json.loads(@PROGRAM@)
# The scheduler, as compressed Python source by module.
AGENT = bytes.fromhex(
    """
@AGENT@"""
)


def test_interleaving():
    environment = dict(os.environ, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        [sys.executable, os.path.abspath(__file__)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")


@START@

if __name__ == "__main__":
    run(seconds=SECONDS, pdb=False)
"#;

const DEBUGGER: &str = r#"import importlib.machinery
import json
import os
import sys
import zlib

# Nobody needs the file any more, nor the directory made for it.
os.unlink(__file__)
os.rmdir(os.path.dirname(__file__))
ROOT = @ROOT@
PROGRAM = json.loads(@PROGRAM@)
AGENT = bytes.fromhex(
    """
@AGENT@"""
)


@START@

run(seconds=0, pdb=True)
"#;
