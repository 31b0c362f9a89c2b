"""`umi config …`: the settings of umi and the file that holds them."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli import completion
from tui.cli.tree.options import PLAIN

config = typer.Typer(help="Settings: models, engine, theme, keys, persona, templates.", **PLAIN)


@config.command("show", short_help="List the settings, their values and origins.")
def show_config() -> None:
    """Every setting with its value, where that comes from, and what it may be."""
    import json

    from agent.config import settings_in_force, variable
    from tui.text import json_without_controls

    for setting in settings_in_force():
        value = json_without_controls(json.dumps(setting.value, ensure_ascii=False)).strip('"')
        origin = variable(setting.name) if setting.origin == "environment" else setting.origin
        shown = value if len(value) <= 40 else f"{value[:39]}…"
        print(f"{setting.name:24} {shown:12} ({origin})  {setting.description}".rstrip())


@config.command("set")
def set_config(
    name: Annotated[
        str,
        typer.Argument(
            help="As `umi config show` lists it, or templates.NAME, keys.NAME.",
            autocompletion=completion.setting_names,
        ),
    ],
    value: Annotated[str, typer.Argument(help="The new value, or default.")],
) -> None:
    """Change a setting in the config file."""
    if name == "models" and value != "default":
        from agent.bundle.store import select_bundle

        select_bundle(value)
        return
    from agent.config import set_value

    set_value(name, value)


@config.command("path")
def show_path() -> None:
    """Where the config file is; it need not exist."""
    from agent.paths import config_path

    print(config_path())
