//! The VS Code extension: built, activated against the real server, and packed.

use std::path::Path;
use std::process::Command;

use crate::externals::{command, succeed};
use crate::run;

#[test]
fn the_extension_activates_and_packs() {
    let Some(mut npm) = command("npm", &["--version"]) else {
        return;
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("editors/vscode");
    // `.ci/run` has fetched what the extension is built with.
    if !directory.join("node_modules").is_dir() {
        command("editors/vscode/node_modules (npm ci)", &[]);
        return;
    }
    let output = npm
        .args(["test", "--silent"])
        .current_dir(&directory)
        .env("RACEPROOF_BINARY", env!("CARGO_BIN_EXE_raceproof"))
        .output()
        .unwrap();
    succeed(&output);
    run(Command::new("npm")
        .args(["run", "--silent", "package"])
        .current_dir(&directory));
    let packed = std::fs::metadata(directory.join("raceproof.vsix")).unwrap();
    assert!(packed.len() > 10_000);
}
