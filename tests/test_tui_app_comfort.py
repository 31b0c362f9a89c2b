"""The app's commands, help, palette, themes and keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_pilot import app_of, ready, send, texts, until
from fakes import scripted
from textual.command import CommandPalette
from textual.widgets import OptionList, Static

from agent.config import read_config, set_value
from agent.errors import InputError
from tui.app.app import UmiApp
from tui.app.appearance.apply import read_looks
from tui.app.appearance.keys import keymap
from tui.app.commands import COMMANDS, find, parse
from tui.app.question_input import QuestionInput
from tui.app.screens.help import HelpScreen
from tui.app.transcript.blocks import NoteBlock


def test_names_of_commands_are_clear() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(names) == len(set(names))
    for command in COMMANDS:
        assert command.name == command.name.lower()
        assert command.help
        assert not command.help.endswith(".")
        assert len(command.help) <= 60
    assert {"help", "quit", "undo", "mode", "model", "tools", "theme"} <= set(names)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/help", ("help", "")),
        ("/", ("", "")),
        ("/Mode  read-only ", ("mode", "read-only")),
        ("/etc/hosts", None),
        ("/etc/hosts is what?", None),
        ("hello /help", None),
        ("/undo 1\nand more", None),
        ("/17", None),
    ],
)
def test_what_counts_as_a_command(text: str, parsed: tuple[str, str] | None) -> None:
    assert parse(text) == parsed


def test_an_unknown_command_names_the_nearest() -> None:
    assert find(COMMANDS, "EXIT").name == "quit"
    with pytest.raises(InputError, match="there is no command /udno; did you mean /undo"):
        find(COMMANDS, "udno")
    with pytest.raises(InputError, match="/help lists them"):
        find(COMMANDS, "zzzz")


async def test_help_palette_and_themes(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test(size=(100, 60)) as pilot:
        await ready(pilot)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        shown = str(app.screen.query_one(Static).render())
        for command in COMMANDS:
            assert command.usage in shown
        assert "Shift+Tab" in shown
        await pilot.press("shift+tab", "escape")  # no mode is switched behind the help
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))
        assert app.opened
        assert app.opened.agent.policy
        assert app.opened.agent.policy.mode == "ask"
        await send(pilot, "/help")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("q")

        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"contrast")
        found = app.screen.query_one(OptionList)
        await until(pilot, lambda: found.option_count == 1 and found.highlighted == 0)
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "high-contrast")
        assert read_config().theme == "high-contrast"
        await send(pilot, "/theme pink")
        await until(pilot, lambda: "give one of dark, light, high-contrast" in texts(pilot, NoteBlock)[-1])
        assert app.theme == "high-contrast"
        await send(pilot, "/mode auto")
        await until(pilot, lambda: "press Shift+Tab" in texts(pilot, NoteBlock)[-1])
        await send(pilot, "/mode READ-ONLY")
        assert app.opened.agent.policy.mode == "read-only"


async def test_keys_and_theme_of_the_config(tmp_path: Path) -> None:
    set_value("theme", "light")
    set_value("keys.help", "f2,ctrl+h")
    opened = scripted([], tmp_path)
    app = UmiApp(lambda: opened, read_looks())
    async with app.run_test() as pilot:
        await ready(pilot)
        assert app.theme == "light"
        await pilot.press("f1")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "F2, Ctrl+H" in str(app.screen.query_one(Static).render())


def test_wrong_keys_are_named() -> None:
    assert keymap(UmiApp.BINDINGS, {"copy": "f5"}) == {"copy": "f5"}
    with pytest.raises(InputError, match="there is no key binding copi; did you mean copy"):
        keymap(UmiApp.BINDINGS, {"copi": "f5"})
    with pytest.raises(InputError, match=r"the key ctrl\+q is bound to (quit and copy|copy and quit)"):
        keymap(UmiApp.BINDINGS, {"copy": "ctrl+q"})


async def test_an_argument_is_typed_after_the_palette(tmp_path: Path) -> None:
    app = app_of(scripted([], tmp_path))
    async with app.run_test() as pilot:
        await ready(pilot)
        command = next(item for item in app.get_system_commands(app.screen) if item.title == "/revoke")
        command.callback()
        assert app.query_one(QuestionInput).text == "/revoke "
