"""`umi settings …`: how models are computed."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.tree.options import PLAIN

settings = typer.Typer(help="How models are computed: threads, GPU, cache.", **PLAIN)


@settings.command("show")
def show_settings() -> None:
    """Every engine setting, and what it may be."""
    import json

    from agent.settings import EngineSettings, engine_settings, setting_descriptions

    current, default = engine_settings(), EngineSettings()
    for name, description in setting_descriptions().items():
        value = getattr(current, name)
        changed = "*" if value != getattr(default, name) else " "
        print(f"{changed} {name:16}{json.dumps(value).strip(chr(34)):8}{description}")


@settings.command("set")
def set_setting(
    name: Annotated[str, typer.Argument()],
    value: Annotated[str, typer.Argument(help="The new value, or default.")],
) -> None:
    """Change an engine setting for every later run."""
    from agent.settings import set_engine

    set_engine(name, value)
    show_settings()
