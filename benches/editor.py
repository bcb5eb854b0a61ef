#!/usr/bin/env python3
"""Time from an edit to its diagnostics: `raceproof server` beside `ruff server` and `ty server`.

    python benches/editor.py --tree DJANGO [--edits 50] [--rounds 3]

`--tree` is an unpacked django (`pip download django --no-deps` and unzip). `ruff` and `ty` are
taken from PATH or from the environment this runs in (`pip install ruff ty`); what is not there is
left out. Every server gets a copy of the tree of its own and the same edits: characters typed
inside a function of a file of some 2,000 lines, each one awaited. The time is from writing
`didChange` to having read the `publishDiagnostics` of that version. Servers take turns within one
run. Memory is the resident set at the end (`VmHWM` where /proc has it).
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

FILE = "db/backends/base/schema.py"
FUNCTION = "    def quote_name(self, name):\n"
TYPED = "        value = compute(name, 1)\n"


class Server:
    def __init__(self, name, command, root):
        self.name = name
        self.root = root
        environment = dict(os.environ, RUST_LOG="error", RUST_BACKTRACE="0")
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=root,
            env=environment,
        )
        self.next = 0
        self.answer(
            self.request(
                "initialize",
                {
                    "processId": os.getpid(),
                    "rootUri": root.as_uri(),
                    "workspaceFolders": [{"uri": root.as_uri(), "name": "django"}],
                    "capabilities": {
                        "general": {"positionEncodings": ["utf-8"]},
                        "textDocument": {
                            "publishDiagnostics": {
                                "relatedInformation": True,
                                "versionSupport": True,
                            }
                        },
                    },
                },
            )
        )
        self.notify("initialized", {})

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def request(self, method, params):
        self.next += 1
        self.send({"id": self.next, "method": method, "params": params})
        return self.next

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def read(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if length == 0:
            sys.exit(f"{self.name} has ended")
        message = json.loads(self.process.stdout.read(length))
        if "method" in message and "id" in message:
            # The configuration that is asked for: none.
            items = (message.get("params") or {}).get("items", [])
            self.send({"id": message["id"], "result": [None for _ in items] or None})
        return message

    def answer(self, identifier):
        while True:
            message = self.read()
            if message.get("id") == identifier and "method" not in message:
                return message.get("result")

    def diagnostics(self, uri, version):
        while True:
            message = self.read()
            if message.get("method") != "textDocument/publishDiagnostics":
                continue
            params = message["params"]
            if params["uri"] == uri and params.get("version") == version:
                return params["diagnostics"]

    def memory(self):
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        lines = [it for it in status.splitlines() if it.startswith("VmHWM:")]
        return int(lines[0].split()[1]) / 1024

    def finish(self):
        self.answer(self.request("shutdown", None))
        self.notify("exit", None)
        self.process.wait(30)


def measure(name, command, tree, edits):
    """Milliseconds of opening and of each edit, and megabytes."""
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory).resolve() / "django"
        shutil.copytree(tree, root, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        path = root / FILE
        text = path.read_text()
        uri = path.as_uri()
        line = text[: text.index(FUNCTION)].count("\n") + 1
        server = Server(name, command, root)
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        server.notify("textDocument/didOpen", {"textDocument": document})
        server.diagnostics(uri, 1)
        opened = (time.perf_counter() - server.started) * 1000
        times = []
        # The line break first, so that what is typed has a line of its own.
        at = {"line": line, "character": 0}
        server.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": uri, "version": 2},
                "contentChanges": [{"range": {"start": at, "end": at}, "text": "\n"}],
            },
        )
        server.diagnostics(uri, 2)
        column = 0
        for edit in range(edits):
            version = 3 + edit
            typed = TYPED[edit % len(TYPED)]
            at = {"line": line, "character": column}
            change = {
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"range": {"start": at, "end": at}, "text": typed}],
            }
            before = time.perf_counter()
            server.notify("textDocument/didChange", change)
            server.diagnostics(uri, version)
            times.append((time.perf_counter() - before) * 1000)
            if typed == "\n":
                line, column = line + 1, 0
            else:
                column += 1
        memory = server.memory()
        server.finish()
        return opened, times, memory


def find(name):
    beside = pathlib.Path(sysconfig.get_path("scripts")) / name
    return str(beside) if beside.exists() else shutil.which(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tree", type=pathlib.Path, required=True, help="an unpacked django")
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default="target/release/raceproof")
    parser.add_argument("--only", help="measure this server alone")
    arguments = parser.parse_args()

    commands = {"raceproof": [str(pathlib.Path(arguments.binary).resolve()), "server"]}
    for other in ("ruff", "ty"):
        if program := find(other):
            commands[other] = [program, "server"]
        else:
            print(f"{other} is not here, left out", file=sys.stderr)
    if arguments.only:
        commands = {arguments.only: commands[arguments.only]}
    opened = {name: [] for name in commands}
    times = {name: [] for name in commands}
    memory = {name: [] for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            open_time, edit_times, megabytes = measure(
                name, command, arguments.tree, arguments.edits
            )
            opened[name].append(open_time)
            times[name] += edit_times
            memory[name].append(megabytes or 0)

    print(f"{arguments.rounds} rounds of {arguments.edits} edits of {FILE}, milliseconds")
    print("| server | open | edit, median | edit, p95 | edit, max | MB |")
    print("|---|---|---|---|---|---|")
    for name in commands:
        sample = sorted(times[name])
        p95 = sample[min(len(sample) - 1, int(len(sample) * 0.95))]
        print(
            f"| {name} | {statistics.median(opened[name]):.0f} "
            f"| {statistics.median(sample):.1f} | {p95:.1f} | {sample[-1]:.1f} "
            f"| {max(memory[name]):.0f} |"
        )


if __name__ == "__main__":
    main()
