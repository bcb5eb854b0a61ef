// The built extension is activated outside the editor, with a stand-in for the module `vscode`,
// against the real server. RACEPROOF_BINARY names the binary; the default is the debug build.

const assert = require("node:assert");
const fs = require("node:fs");
const Module = require("node:module");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");

const { create } = require("./vscode.js");

const EXTENSION = path.join(__dirname, "..", "dist", "extension.js");
const BINARY =
  process.env.RACEPROOF_BINARY ??
  path.join(__dirname, "..", "..", "..", "target", "debug", "raceproof");

const RACE = `import threading

total = 0


def work():
    global total
    total += 1


for _ in range(4):
    threading.Thread(target=work).start()
`;

function project() {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "raceproof-")));
  fs.writeFileSync(path.join(folder, "raceproof.toml"), "");
  fs.writeFileSync(path.join(folder, "race.py"), RACE);
  return folder;
}

/** Loads the extension anew over this stand-in. */
function load(vscode) {
  const original = Module._load;
  Module._load = (request, ...rest) =>
    request === "vscode" ? vscode : original(request, ...rest);
  try {
    delete require.cache[EXTENSION];
    return require(EXTENSION);
  } finally {
    Module._load = original;
  }
}

async function until(what, condition, said = () => "") {
  for (let waited = 0; waited < 60_000; waited += 20) {
    const value = condition();
    if (value) {
      return value;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`no ${what}; output: ${said()}`);
}

async function activated(options, work) {
  const { module, state } = create(options);
  const extension = load(module);
  const context = { subscriptions: [] };
  await extension.activate(context);
  try {
    await work(state);
  } finally {
    await extension.deactivate();
    context.subscriptions.forEach((it) => it.dispose());
    // The server may still write its cache while it is stopped.
    fs.rmSync(options.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

test("a document that is opened gets its diagnostics", async () => {
  const folder = project();
  await activated({ folder, settings: { "raceproof.path": BINARY } }, async (state) => {
    const document = state.open(path.join(folder, "race.py"), RACE);
    const found = await until("diagnostics", () => {
      const list = state.diagnostics.get(document.uri.toString());
      return list?.length > 0 && list;
    }, () => state.output.join("\n"));
    assert.deepEqual(state.errors, []);
    assert.match(found[0].message, /`total`/);
    assert.match(state.output.join("\n"), /\(from setting\)/);

    await state.commands.get("raceproof.explain")("unlocked-counter");
    assert.match(state.shown[0].content, /^# `unlocked-counter`/);
  });
});

test("the binary of the workspace's environment is found", async () => {
  const folder = project();
  const scripts = path.join(folder, ".venv", "bin");
  fs.mkdirSync(scripts, { recursive: true });
  fs.symlinkSync(BINARY, path.join(scripts, "raceproof"));
  await activated({ folder }, async (state) => {
    assert.match(state.output.join("\n"), /\.venv.*\(from environment\)/);
  });
});

test("a workspace that is not trusted runs nothing it brought along", async () => {
  const folder = project();
  const scripts = path.join(folder, ".venv", "bin");
  fs.mkdirSync(scripts, { recursive: true });
  fs.symlinkSync(BINARY, path.join(scripts, "raceproof"));
  const before = process.env.PATH;
  process.env.PATH = scripts.slice(1);
  try {
    await activated({ folder, trusted: false }, async (state) => {
      assert.equal(state.errors.length, 1);
      assert.match(state.errors[0], /pip install raceproof/);
    });
  } finally {
    process.env.PATH = before;
  }
});

test("another binary in the settings takes over", async () => {
  const folder = project();
  const settings = { "raceproof.path": path.join(folder, "nothing") };
  await activated({ folder, settings }, async (state) => {
    assert.match(state.errors[0], /not an executable file/);
    state.configure("raceproof.path", BINARY);
    await until("start", () => state.output.join("\n").includes(`running ${BINARY}`));
  });
});
