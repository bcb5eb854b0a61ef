// A stand-in for the module `vscode`, which only the editor itself provides: enough of it for the
// extension and for vscode-languageclient, whose code runs unchanged, to start the real server.
// What is not needed answers any call with something disposable, so that the client can register
// its features.

const { EventEmitter: NodeEmitter } = require("node:events");
const { pathToFileURL, fileURLToPath } = require("node:url");

class Disposable {
  constructor(action = () => {}) {
    this.dispose = action;
  }
  static from(...all) {
    return new Disposable(() => all.forEach((it) => it.dispose()));
  }
}

class EventEmitter {
  constructor() {
    this.emitter = new NodeEmitter().setMaxListeners(0);
    this.event = (listener, self) => {
      const bound = self ? listener.bind(self) : listener;
      this.emitter.on("fire", bound);
      return new Disposable(() => this.emitter.off("fire", bound));
    };
  }
  fire(value) {
    this.emitter.emit("fire", value);
  }
  dispose() {
    this.emitter.removeAllListeners();
  }
}

class Uri {
  constructor(text) {
    const url = new URL(text);
    this.text = text;
    this.scheme = url.protocol.slice(0, -1);
    this.path = decodeURIComponent(url.pathname);
    this.fsPath = this.scheme === "file" ? fileURLToPath(url) : this.path;
  }
  static parse(text) {
    return new Uri(text);
  }
  static file(path) {
    return new Uri(pathToFileURL(path).toString());
  }
  toString() {
    return this.text;
  }
}

class Position {
  constructor(line, character) {
    Object.assign(this, { line, character });
  }
}

class Range {
  constructor(start, end, endLine, endCharacter) {
    this.start = endLine === undefined ? start : new Position(start, end);
    this.end = endLine === undefined ? end : new Position(endLine, endCharacter);
  }
}

class CodeActionKind {
  constructor(value) {
    this.value = value;
  }
  append(part) {
    return new CodeActionKind(this.value === "" ? part : `${this.value}.${part}`);
  }
  contains(other) {
    return this.value === "" || `${other.value}.`.startsWith(`${this.value}.`);
  }
}
for (const [name, value] of Object.entries({
  Empty: "",
  QuickFix: "quickfix",
  Refactor: "refactor",
  Source: "source",
})) {
  CodeActionKind[name] = new CodeActionKind(value);
}

class CancellationTokenSource {
  constructor() {
    const cancelled = new EventEmitter();
    this.token = { isCancellationRequested: false, onCancellationRequested: cancelled.event };
    this.cancel = () => {
      this.token.isCancellationRequested = true;
      cancelled.fire();
    };
  }
  dispose() {}
}

class Diagnostic {
  constructor(range, message, severity) {
    Object.assign(this, { range, message, severity });
  }
}

class TabInputText {
  constructor(uri) {
    this.uri = uri;
  }
}

// Anything else: can be called, constructed, extended and asked for members.
function anything(name) {
  class Anything {
    constructor(...values) {
      Object.assign(this, ...values.filter((it) => it !== null && typeof it === "object"));
    }
    dispose() {}
  }
  return new Proxy(Anything, {
    apply: () => new Disposable(),
    get: (target, key) => {
      if (key in target || typeof key === "symbol") {
        return target[key];
      }
      // Events and functions alike; enumerations compare by value.
      return (target[key] = /^[A-Z]/.test(key) ? `${name}.${key}` : anything(`${name}.${key}`));
    },
  });
}

function namespace(name, members) {
  return new Proxy(members, {
    get: (target, key) => {
      if (key in target || typeof key === "symbol") {
        return target[key];
      }
      return (target[key] = anything(`${name}.${String(key)}`));
    },
  });
}

/** The module, with the state that a test looks at. */
function create({ folder, settings = {}, trusted = true }) {
  const state = {
    commands: new Map(),
    diagnostics: new Map(),
    errors: [],
    output: [],
    shown: [],
    documents: [],
  };
  const opened = new EventEmitter();
  const tabs = [{ tabs: [] }];
  const configured = new EventEmitter();
  const channel = namespace("channel", {
    append: (text) => state.output.push(text),
    appendLine: (text) => state.output.push(text),
    show() {},
    dispose() {},
  });
  const configuration = (section) => ({
    get: (key, fallback) => {
      const value = settings[section ? `${section}.${key}` : key];
      return value === undefined ? fallback : value;
    },
    inspect: () => undefined,
    has: () => false,
  });
  const module = namespace("vscode", {
    CancellationTokenSource,
    CodeActionKind,
    Diagnostic,
    Disposable,
    EventEmitter,
    TabInputText,
    Uri,
    Position,
    Range,
    version: "1.85.0",
    env: namespace("env", { language: "en", appName: "stand-in" }),
    extensions: { getExtension: () => undefined, onDidChange: new EventEmitter().event, all: [] },
    window: namespace("window", {
      activeTextEditor: undefined,
      visibleTextEditors: [],
      createOutputChannel: () => channel,
      showErrorMessage: async (text) => void state.errors.push(text),
      showTextDocument: async (document) => void state.shown.push(document),
      tabGroups: namespace("tabGroups", {
        all: tabs,
        onDidChangeTabs: new EventEmitter().event,
        onDidChangeTabGroups: new EventEmitter().event,
      }),
    }),
    commands: namespace("commands", {
      registerCommand: (name, action) => {
        if (state.commands.has(name)) {
          throw new Error(`command '${name}' already exists`);
        }
        state.commands.set(name, action);
        return new Disposable(() => state.commands.delete(name));
      },
    }),
    workspace: namespace("workspace", {
      isTrusted: trusted,
      workspaceFolders: [{ uri: Uri.file(folder), name: "project", index: 0 }],
      textDocuments: state.documents,
      notebookDocuments: [],
      getConfiguration: configuration,
      getWorkspaceFolder: () => ({ uri: Uri.file(folder), name: "project", index: 0 }),
      onDidOpenTextDocument: opened.event,
      onDidChangeConfiguration: configured.event,
      onDidGrantWorkspaceTrust: new EventEmitter().event,
      openTextDocument: async (document) => document,
      createFileSystemWatcher: () =>
        namespace("watcher", {
          onDidCreate: new EventEmitter().event,
          onDidChange: new EventEmitter().event,
          onDidDelete: new EventEmitter().event,
          dispose() {},
        }),
    }),
    languages: namespace("languages", {
      match: (selector, document) =>
        selector.some((it) => it.language === document.languageId) ? 10 : 0,
      createDiagnosticCollection: () =>
        namespace("collection", {
          set: (uri, list) => state.diagnostics.set(uri.toString(), list ?? []),
          delete: (uri) => state.diagnostics.delete(uri.toString()),
          has: (uri) => state.diagnostics.has(uri.toString()),
          get: (uri) => state.diagnostics.get(uri.toString()),
          clear: () => state.diagnostics.clear(),
          dispose() {},
        }),
    }),
  });
  state.open = (path, text) => {
    const document = {
      uri: Uri.file(path),
      fileName: path,
      languageId: "python",
      version: 1,
      isClosed: false,
      getText: () => text,
    };
    state.documents.push(document);
    tabs[0].tabs.push({ input: new TabInputText(document.uri) });
    opened.fire(document);
    return document;
  };
  state.configure = (key, value) => {
    settings[key] = value;
    configured.fire({ affectsConfiguration: (section) => section === key });
  };
  return { module, state };
}

module.exports = { create };
