"""The app's models and tools screens: listing, pulling, stopping a pull, switching without a restart."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from app_pilot import ready, send, state, texts, until
from fakes import plan, scripted
from textual.pilot import Pilot
from textual.widgets import DataTable, SelectionList, Static

import agent.bundle.download.catalogue
import agent.bundle.download.pull_base
import agent.bundle.listing
import agent.llama.speed.probe
import tui.app.screens.models
from agent.bundle import Bundle
from agent.bundle.download.bases import InstalledBase, base_folder, partial_base_folder, write_record
from agent.bundle.download.catalogue import CataloguedBase, HubSource
from agent.bundle.store import selected_bundle
from agent.config import read_config
from agent.engine import ScriptedEngine
from agent.errors import EngineError
from agent.llama.speed.estimate import Rates
from agent.tools import BUILTIN_NAMES, optional_tools
from agent.transcript import UserTurn
from tui.app.app import UmiApp
from tui.app.screens.models import ModelsScreen
from tui.app.screens.tools import ToolsScreen
from tui.app.transcript.blocks import NoteBlock, UserBlock
from tui.app.transcript.markdown_answer import AnswerBlock
from tui.setup import LoadedAgent

DATA = b"GGUF" + bytes(1000)
BASE = CataloguedBase(
    "far", "A base", "MIT", "Q8_0", 1000, "far.gguf", 1004, tried=False, hub=HubSource("a/b")
)


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """One base to pull, and a machine that was measured."""
    rates = Rates(0.0, 1e-9, 0.0, 1e-9)
    monkeypatch.setattr(agent.bundle.listing, "read_catalogue", lambda: (BASE,))
    monkeypatch.setattr(agent.bundle.download.catalogue, "find_in_catalogue", {"far": BASE}.__getitem__)
    monkeypatch.setattr(agent.llama.speed.probe, "_measure", lambda *_: rates)


def rows(pilot: Pilot[None]) -> dict[str, list[str]]:
    """The rows of the models screen by name."""
    table = pilot.app.screen.query_one(DataTable)
    cells = [list(map(str, table.get_row_at(at))) for at in range(table.row_count)]
    return {row[1]: row for row in cells}


def said(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(".progress", Static).render())


async def opened_screen(pilot: Pilot[None]) -> None:
    await ready(pilot)
    await send(pilot, "/model")
    await until(pilot, lambda: isinstance(pilot.app.screen, ModelsScreen) and bool(rows(pilot)))


async def test_models_are_listed_and_pulled(
    tmp_path: Path, catalogue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    calls: list[str] = []

    def pull_base(entry: CataloguedBase, on_progress: Callable[[str, int, int], object]) -> None:
        calls.append(entry.name)
        on_progress("far.gguf", 500, 1000)
        if len(calls) == 1:  # the first pull is stopped, in a transfer that resumes
            partial_base_folder("far").mkdir(parents=True)
            assert go_on.wait(10)
            on_progress("far.gguf", 600, 1000)
            raise AssertionError("the pull was not stopped")
        folder = base_folder("far")
        folder.mkdir(parents=True)
        (folder / "far.gguf").write_bytes(DATA)
        sha256 = hashlib.sha256(DATA).hexdigest()
        write_record(folder, InstalledBase("far", "far.gguf", len(DATA), sha256, "MIT", "a test"))

    monkeypatch.setattr(agent.bundle.download.pull_base, "pull_base", pull_base)
    opened = scripted([], tmp_path)
    app = UmiApp(lambda: opened, open_models=lambda name: opened)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened_screen(pilot)
        assert rows(pilot)["umi-mini"][0] == "*"
        assert "Apache-2.0" in rows(pilot)["umi-mini"]
        assert rows(pilot)["far"][2:] == [
            *("~1.0 kB", "MIT", ">201.3 MB", "1000000 / 1000000", "to pull: A base")
        ]
        assert not calls
        await pilot.press("ctrl+end", "enter")
        await until(pilot, lambda: "far: 50 % of 1.0 kB" in said(pilot))
        await pilot.press("escape")
        go_on.set()
        await until(pilot, lambda: "far: stopped; pulling it again goes on" in said(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "damaged" in rows(pilot)["far"][6] or "base" in rows(pilot)["far"][6])
        assert calls == ["far", "far"]
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ModelsScreen))


async def test_models_are_switched_without_a_restart(
    tmp_path: Path, catalogue: None, tiny_bundle: Bundle, models: Path
) -> None:
    own = Path(shutil.copytree(tiny_bundle.folder, models / "mine"))
    first = scripted([plan("", "summarizer"), "One."], tmp_path)
    second = scripted([plan("", "summarizer"), "Two."], tmp_path)
    loaded: list[str] = []

    def open_models(name: str) -> LoadedAgent:
        loaded.append(name)
        return second

    app = UmiApp(lambda: first, open_models=open_models)
    async with app.run_test(size=(100, 30)) as pilot:
        await ready(pilot)
        await send(pilot, "first")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["One."])
        await ready(pilot)
        await send(pilot, "/tools")
        await until(pilot, lambda: isinstance(app.screen, ToolsScreen))
        tools = app.screen.query_one(SelectionList)
        assert set(tools.selected) == set(app.tools_on) == {tool.name for tool in app.tools}
        assert "pinned" in str(tools.get_option_at_index(0).prompt)
        await pilot.press("space", "p")
        assert "pinned" not in str(tools.get_option_at_index(0).prompt)
        assert set(read_config().pinned) == {*BUILTIN_NAMES} - {"add_days"}
        await pilot.press("p")
        assert read_config().pinned_tools == "builtin"
        await pilot.press("escape")
        await until(pilot, lambda: "add_days" not in app.tools_on)

        await opened_screen(pilot)
        table = app.screen.query_one(DataTable)
        table.move_cursor(row=list(rows(pilot)).index("mine"))
        await pilot.press("enter")
        await until(pilot, lambda: loaded == [str(own)])
        await ready(pilot)
        assert isinstance(first.agent.engine, ScriptedEngine)
        assert isinstance(second.agent.engine, ScriptedEngine)
        assert first.agent.engine.closed
        assert selected_bundle() == own
        await send(pilot, "second")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["One.", "Two."])
        await ready(pilot)
        seen = second.agent.engine.seen[0][1]
        assert [turn.content for turn in seen.turns if isinstance(turn, UserTurn)] == ["first", "second"]
        assert "add_days" not in {tool.name for tool in seen.tools}
        assert len(texts(pilot, UserBlock)) == 2

        await send(pilot, "/model nothing")
        await until(pilot, lambda: "there are no models named nothing" in texts(pilot, NoteBlock)[-1])
        assert app.opened is second
        assert not second.agent.engine.closed


async def test_tools_that_are_off_are_listed_and_switched_on(tmp_path: Path, tiny_bundle: Bundle) -> None:
    unusable = replace(optional_tools(["run_python"])[0], problem=lambda: "no sandbox")
    todos = optional_tools(["list_todos"])
    opened = replace(scripted([plan("", "summarizer"), "One."], tmp_path), off=(*todos, unusable))
    app = UmiApp(lambda: opened)
    async with app.run_test(size=(120, 30)) as pilot:
        await ready(pilot)
        assert "list_todos" not in app.tools_on
        await send(pilot, "/tools")
        await until(pilot, lambda: isinstance(app.screen, ToolsScreen))
        tools = app.screen.query_one(SelectionList)
        shown = {tools.get_option_at_index(at).value: tools.get_option_at_index(at) for at in range(16)}
        assert shown["run_python"].disabled
        assert "cannot be offered: no sandbox" in str(shown["run_python"].prompt)
        tools.highlighted = list(shown).index("list_todos")
        await pilot.press("space", "escape")
        await until(pilot, lambda: "list_todos" in app.tools_on)
        await send(pilot, "first")
        await until(pilot, lambda: texts(pilot, AnswerBlock) == ["One."])
        assert isinstance(opened.agent.engine, ScriptedEngine)
        assert "list_todos" in {tool.name for tool in opened.agent.engine.seen[0][1].tools}


async def test_a_model_is_removed_by_ctrl_g_alone(
    tmp_path: Path, catalogue: None, tiny_bundle: Bundle, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tui.app.screens.models, "ARMING_S", 0.02)
    for name in ("loaded", "other"):
        shutil.copytree(tiny_bundle.folder, models / name)
    opened = scripted([], tmp_path)
    opened = replace(opened, info=replace(opened.info, folder=models / "loaded"))
    app = UmiApp(lambda: opened)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened_screen(pilot)

        async def delete(name: str) -> None:
            app.screen.query_one(DataTable).move_cursor(row=list(rows(pilot)).index(name))
            await pilot.pause(0.05)
            await pilot.press("delete")
            await pilot.pause(0.1)

        for name, why in (
            ("umi-mini", "is part of umi"),
            ("loaded", "in use"),
            ("far", "not on this machine"),
        ):
            await delete(name)
            assert why in said(pilot)
        await delete("other")
        assert "Remove other" in said(pilot)
        await pilot.press(*"yes")
        assert "Remove other" in said(pilot)
        await pilot.press("up", "ctrl+g")  # the question was about another row
        assert said(pilot) == "nothing was removed"
        await delete("other")
        await pilot.press("escape")
        await until(pilot, lambda: said(pilot) == "nothing was removed")
        assert (models / "other").exists()
        monkeypatch.setattr(tui.app.screens.models, "ARMING_S", 60)
        await delete("other")
        await pilot.press("ctrl+g")  # too soon after the question
        assert (models / "other").exists()
        monkeypatch.setattr(tui.app.screens.models, "ARMING_S", 0.02)
        await delete("other")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "other" not in rows(pilot))
        assert not (models / "other").exists()


async def test_models_that_do_not_load_leave_those_in_use(
    tmp_path: Path, tiny_bundle: Bundle, models: Path
) -> None:
    shutil.copytree(tiny_bundle.folder, models / "mine")
    opened = scripted([], tmp_path)
    again: list[str] = []

    def open_models(name: str) -> LoadedAgent:
        again.append(name)
        if len(again) == 1:
            raise EngineError("mine needs 90 GB of memory", "pick smaller models")
        return opened

    app = UmiApp(lambda: opened, open_models=open_models)
    async with app.run_test() as pilot:
        await ready(pilot)
        await send(pilot, "/model mine")
        await until(pilot, lambda: "mine needs 90 GB" in texts(pilot, NoteBlock)[-1])
        await until(pilot, lambda: state(pilot) == "ready")
        assert len(again) == 2
