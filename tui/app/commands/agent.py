"""The commands of what runs: the models, the tools, templates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui.app.commands.registry import SlashCommand
from tui.text import one_line

if TYPE_CHECKING:
    from tui.app.app import UmiApp


async def _model(app: UmiApp, rest: str) -> None:
    if rest:
        app.switch_models(rest)
        return
    from tui.app.screens.models import ModelsScreen

    app.push_screen(
        ModelsScreen(app.opened.info.folder if app.opened else None),
        lambda name: app.run_soon(app.switch_models, name) if name else None,
    )


async def _tools(app: UmiApp, rest: str) -> None:
    from tui.app.screens.tools import ToolsScreen

    on = app.tools_on
    off = [tool for tool in app.tools if tool.name not in on]
    # A trial of what confines code starts a process.
    problems = await asyncio.to_thread(lambda: {tool.name: tool.problem() for tool in off})
    app.push_screen(
        ToolsScreen(app.tools, on, problems),
        lambda names: app.run_soon(app.offer_tools, names) if names is not None else None,
    )


async def _servers(app: UmiApp, rest: str) -> None:
    from tui.app.screens.servers import ServersScreen

    app.push_screen(
        ServersScreen(app.workspace),
        lambda approved: app.run_soon(app.offer_new_tools) if approved else None,
    )


async def _template(app: UmiApp, rest: str) -> None:
    from agent.config import expand_template, read_config

    name, _, text = rest.partition(" ")
    if name:
        app.put_question(expand_template(name, text.strip()))
        return
    templates = read_config().templates
    lines = [f"{key}: {one_line(value, 70)}" for key, value in sorted(templates.items())]
    await app.show_note(
        "\n".join(["/template NAME TEXT puts one into the input:", *lines])
        if lines
        else 'There are no templates; add one: umi config set templates.sum "Sum up {input}"'
    )


COMMANDS = (
    SlashCommand("model", "the models: choose, pull, switch", _model, "[NAME]", aliases=("models",)),
    SlashCommand("tools", "what tools there are, on or off for this session", _tools),
    SlashCommand("servers", "tool servers (MCP): see and approve what they define", _servers),
    SlashCommand("template", "put a text of the config into the input", _template, "[NAME [TEXT]]"),
)
