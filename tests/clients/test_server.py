"""The server under pytest-lsp, whose client checks every message against the protocol's types."""

import os
import pathlib

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

ROOT = pathlib.Path(os.environ["RACEPROOF_ROOT"])
CACHE = ROOT / "cache.py"
OTHER = ROOT / "other.py"


@pytest_lsp.fixture(
    params=["visual-studio-code", "neovim", "emacs"],
    config=ClientServerConfig(server_command=[os.environ["RACEPROOF_BINARY"], "server"]),
)
async def client(request, lsp_client: LanguageClient):
    capabilities = client_capabilities(request.param)

    # What these editors do and pytest-lsp leaves to the test.
    lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)(lambda *_: None)

    lsp_client.announced = capabilities
    lsp_client.pulls = capabilities.text_document.diagnostic is not None
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            process_id=os.getpid(),
            workspace_folders=[types.WorkspaceFolder(uri=ROOT.as_uri(), name="project")],
        )
    )
    yield
    await lsp_client.shutdown_session()


def open_file(client: LanguageClient, path: pathlib.Path) -> str:
    text = path.read_text()
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(
            types.TextDocumentItem(
                uri=path.as_uri(), language_id="python", version=1, text=text
            )
        )
    )
    return text


async def diagnostics(client: LanguageClient, path: pathlib.Path):
    if client.pulls:
        report = await client.text_document_diagnostic_async(
            types.DocumentDiagnosticParams(types.TextDocumentIdentifier(path.as_uri()))
        )
        return report.items
    await client.wait_for_notification("textDocument/publishDiagnostics")
    return client.diagnostics.get(path.as_uri(), [])


def spot(path: pathlib.Path, text: str, needle: str, position_encoding: str = "utf-16"):
    before = text[: text.index(needle)]
    line = before.count("\n")
    return types.Position(line=line, character=len(before) - before.rfind("\n") - 1)


@pytest.mark.asyncio
async def test_diagnostics_hover_and_actions(client: LanguageClient):
    text = open_file(client, CACHE)
    found = await diagnostics(client, CACHE)
    assert [it.code for it in found] == ["check-then-act"]
    (race,) = found
    assert race.severity == types.DiagnosticSeverity.Error
    shows = client.announced.text_document.publish_diagnostics
    if shows is None or shows.code_description_support:
        assert race.code_description.href.endswith("/rules/check-then-act.md")
    if shows is None or shows.related_information is not False:
        assert race.related_information[0].location.uri == CACHE.as_uri()
    else:
        assert race.related_information is None

    hover = await client.text_document_hover_async(
        types.HoverParams(types.TextDocumentIdentifier(CACHE.as_uri()), race.range.start)
    )
    assert "`CACHE`" in hover.contents.value

    others = await client.text_document_declaration_async(
        types.DeclarationParams(types.TextDocumentIdentifier(CACHE.as_uri()), race.range.start)
    )
    assert any(it.range.start == spot(CACHE, text, "key not in") for it in others)

    actions = await client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(CACHE.as_uri()),
            race.range,
            types.CodeActionContext(diagnostics=[race]),
        )
    )
    fixes = [it for it in actions if isinstance(it, types.CodeAction) and it.is_preferred]
    assert ["setdefault" in it.title for it in fixes] == [True]
    assert list(fixes[0].diagnostics) == [race]

    page = await client.workspace_execute_command_async(
        types.ExecuteCommandParams("raceproof.explain", ["check-then-act"])
    )
    assert page.startswith("# `check-then-act`")


@pytest.mark.asyncio
async def test_an_edit_here_shows_a_race_there(client: LanguageClient):
    text = open_file(client, CACHE)
    await diagnostics(client, CACHE)
    end = types.Position(line=text.count("\n"), character=0)
    added = "for _ in range(2):\n    threading.Thread(target=other.bump).start()\n"
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(uri=CACHE.as_uri(), version=2),
            [types.TextDocumentContentChangePartial(types.Range(end, end), added)],
        )
    )
    if client.pulls:
        report = await client.workspace_diagnostic_async(
            types.WorkspaceDiagnosticParams(previous_result_ids=[])
        )
        found = {item.uri: [it.code for it in item.items] for item in report.items}
        assert "unlocked-counter" in found[OTHER.as_uri()]
        return
    for _ in range(20):
        found = client.diagnostics.get(OTHER.as_uri(), [])
        if "unlocked-counter" in [it.code for it in found]:
            return
        await client.wait_for_notification("textDocument/publishDiagnostics")
    pytest.fail("the race in the other file is not shown")


@pytest.mark.asyncio
async def test_the_whole_project_is_pulled_with_result_ids(client: LanguageClient):
    if not client.pulls:
        pytest.skip("this client is pushed to")
    first = await client.workspace_diagnostic_async(
        types.WorkspaceDiagnosticParams(previous_result_ids=[])
    )
    previous = [types.PreviousResultId(it.uri, it.result_id) for it in first.items]
    second = await client.workspace_diagnostic_async(
        types.WorkspaceDiagnosticParams(previous_result_ids=previous)
    )
    assert [it.kind for it in second.items] == ["unchanged"] * len(first.items)
