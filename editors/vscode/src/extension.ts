// Starts `raceproof server` and leaves the rest to the protocol.

import * as vscode from "vscode";
import {
  ExecuteCommandRequest,
  LanguageClient,
  LanguageClientOptions,
  ServerOptions,
} from "vscode-languageclient/node";

import { findBinary } from "./binary";

let client: LanguageClient | undefined;
let output: vscode.OutputChannel;
// Starts and stops are queued: a change of settings during a start must not race with it.
let queue: Promise<void> = Promise.resolve();

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  output = vscode.window.createOutputChannel("raceproof");
  context.subscriptions.push(
    output,
    vscode.commands.registerCommand("raceproof.restart", restart),
    vscode.commands.registerCommand("raceproof.explain", explain),
    vscode.commands.registerCommand("raceproof.output", () => output.show()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      const decides = [
        "enable", "path", "server.arguments", "codeLens", "inlayHints", "fadeUnnecessary",
      ];
      if (decides.some((key) => event.affectsConfiguration(`raceproof.${key}`))) {
        void restart();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void restart()),
  );
  await restart();
}

export async function deactivate(): Promise<void> {
  await enqueue(stop);
}

function restart(): Promise<void> {
  return enqueue(async () => {
    await stop();
    await start();
  });
}

function enqueue(work: () => Promise<void>): Promise<void> {
  queue = queue.then(work).catch((error: unknown) => {
    output.appendLine(`error: ${error instanceof Error ? error.message : String(error)}`);
  });
  return queue;
}

async function start(): Promise<void> {
  const settings = vscode.workspace.getConfiguration("raceproof");
  if (!settings.get<boolean>("enable", true)) {
    return;
  }
  const folders = (vscode.workspace.workspaceFolders ?? []).map((it) => it.uri.fsPath);
  const found = findBinary({
    setting: settings.get<string>("path", ""),
    folders,
    interpreter: await selectedInterpreter(),
    trusted: vscode.workspace.isTrusted,
    searchPath: process.env.PATH ?? "",
  });
  if (typeof found === "string") {
    output.appendLine(found);
    void vscode.window.showErrorMessage(found);
    return;
  }
  output.appendLine(`running ${found.path} (from ${found.origin})`);
  const serverOptions: ServerOptions = {
    command: found.path,
    args: ["server", ...settings.get<string[]>("server.arguments", [])],
  };
  const clientOptions: LanguageClientOptions = {
    documentSelector: [{ scheme: "file", language: "python" }],
    outputChannel: output,
    initializationOptions: {
      codeLens: settings.get<boolean>("codeLens", false),
      inlayHints: settings.get<boolean>("inlayHints", false),
      fadeUnnecessary: settings.get<boolean>("fadeUnnecessary", true),
    },
  };
  const started = new LanguageClient("raceproof", "raceproof", serverOptions, clientOptions);
  // The server offers `raceproof.explain` and `raceproof.restart` too; here the commands above,
  // which show what it answers, have these names, and a name can be registered only once.
  started.getFeature(ExecuteCommandRequest.method).initialize = () => undefined;
  client = started;
  await started.start();
}

async function stop(): Promise<void> {
  const stopped = client;
  client = undefined;
  await stopped?.stop();
}

async function explain(rule?: string): Promise<void> {
  if (client === undefined) {
    return;
  }
  const name = rule ?? (await vscode.window.showInputBox({ prompt: "Rule, such as check-then-act" }));
  if (!name) {
    return;
  }
  const page: unknown = await client.sendRequest(ExecuteCommandRequest.type, {
    command: "raceproof.explain",
    arguments: [name],
  });
  const document = await vscode.workspace.openTextDocument({
    language: "markdown",
    content: String(page),
  });
  await vscode.window.showTextDocument(document, { preview: true });
}

interface PythonExtension {
  environments?: { getActiveEnvironmentPath?: (resource?: vscode.Uri) => { path: string } };
}

async function selectedInterpreter(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (extension === undefined) {
    return undefined;
  }
  const api = extension.isActive ? extension.exports : await extension.activate();
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  return api.environments?.getActiveEnvironmentPath?.(folder)?.path;
}
