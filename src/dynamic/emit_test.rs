//! A failing interleaving as a Python file of its own: a test for pytest, which needs neither
//! raceproof nor the network, and the script behind `raceproof replay --pdb`.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::json;

use super::agent_process::modules;
use super::witness::Witness;

/// The text of the file. `to_root` leads from its directory to the project's root.
///
/// # Errors
/// The failure needs the search to be recognised: in words.
pub fn text(witness: &Witness, to_root: &Path) -> Result<String, String> {
    if !matches!(
        witness.failure.kind.as_str(),
        "exception" | "assertion" | "exit" | "deadlock"
    ) || witness.program.kind == "pytest"
    {
        return Err(format!(
            "a failure of kind {} in a program of kind {} cannot be told without raceproof; use \
             `raceproof replay`",
            witness.failure.kind, witness.program.kind
        ));
    }
    let agent = packed(&json!(modules()).to_string());
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
        "all_accesses": witness.program.all_accesses,
        "schedule": schedule,
    })
    .to_string();
    Ok(TEMPLATE
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@TARGET@", &witness.program.target.replace('\\', "/"))
        .replace("@FAILURE@", &one_line(&witness.failure.message))
        .replace(
            "@ROOT@",
            &json!(to_root.to_string_lossy().replace('\\', "/")).to_string(),
        )
        .replace("@PROGRAM@", &json!(program).to_string())
        .replace("@AGENT@", &agent))
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

const TEMPLATE: &str = r#""""Written by raceproof @VERSION@: one interleaving of @TARGET@, which failed with

    @FAILURE@

The test fails as long as it does, and passes once it is fixed. It needs nothing but Python.
"""

import json
import os
import subprocess
import sys
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), @ROOT@)
PROGRAM = json.loads(@PROGRAM@)
# The scheduler, as compressed Python source by module.
AGENT = bytes.fromhex(
    """
@AGENT@"""
)


def test_interleaving():
    environment = dict(os.environ, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
    run = subprocess.run(
        [sys.executable, os.path.abspath(__file__)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout.decode("utf-8", "replace")


class Finder:
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


if __name__ == "__main__":
    import importlib.machinery

    Finder.modules = json.loads(zlib.decompress(AGENT).decode())
    sys.meta_path.insert(0, Finder)
    from raceproof_agent import direct

    options = dict(PROGRAM, root=ROOT, directory=os.getcwd(), pdb="--pdb" in sys.argv)
    if options["kind"] != "module":
        options["target"] = os.path.realpath(os.path.join(ROOT, options["target"]))
    direct.main(options)
"#;
