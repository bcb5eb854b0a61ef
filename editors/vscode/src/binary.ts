// Which raceproof binary to run: settings first, then the workspace's environment, then PATH.

import * as fs from "fs";
import * as os from "os";
import * as path from "path";

/** Where a binary may be, gathered from the editor. */
export interface Candidates {
  /** The setting `raceproof.path`; empty when unset. */
  setting: string;
  /** Folders of the workspace, outermost first. */
  folders: string[];
  /** The interpreter selected in the Python extension, when there is one. */
  interpreter?: string;
  /** Binaries that the workspace brings along may be run. */
  trusted: boolean;
  /** The value of PATH. */
  searchPath: string;
}

/** A binary and how it was found, for the log. */
export interface Found {
  path: string;
  origin: "setting" | "environment" | "PATH";
}

const NAME = process.platform === "win32" ? "raceproof.exe" : "raceproof";
const SCRIPTS = process.platform === "win32" ? "Scripts" : "bin";

/** The binary to run, or the sentence that tells the user why there is none. */
export function findBinary(candidates: Candidates): Found | string {
  if (candidates.setting !== "" && candidates.trusted) {
    const expanded = expand(candidates.setting, candidates.folders);
    if (isExecutable(expanded)) {
      return { path: expanded, origin: "setting" };
    }
    return `raceproof.path is \`${expanded}\`, which is not an executable file.`;
  }
  for (const directory of candidates.trusted ? environments(candidates) : []) {
    const file = path.join(directory, NAME);
    if (isExecutable(file)) {
      return { path: file, origin: "environment" };
    }
  }
  for (const directory of candidates.searchPath.split(path.delimiter)) {
    // A relative entry would let the workspace decide what runs.
    const file = path.join(directory, NAME);
    if (path.isAbsolute(directory) && isExecutable(file)) {
      return { path: file, origin: "PATH" };
    }
  }
  return "raceproof is neither in the workspace's environment nor on PATH. Install it with `pip install raceproof`, or set raceproof.path.";
}

function* environments(candidates: Candidates): Generator<string> {
  if (candidates.interpreter !== undefined) {
    yield path.dirname(candidates.interpreter);
  }
  for (const folder of candidates.folders) {
    for (const environment of [".venv", "venv"]) {
      yield path.join(folder, environment, SCRIPTS);
    }
  }
}

function expand(setting: string, folders: string[]): string {
  const home = setting.replace(/^~(?=$|[\\/])/, () => os.homedir());
  return home.replace(/\$\{workspaceFolder\}/g, () => folders[0] ?? "");
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
