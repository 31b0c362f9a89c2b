"""What the config file says of the app's looks and keys, applied to the app."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from textual.app import App

from agent.paths import config_path
from tui.app.appearance.keys import keymap
from tui.app.appearance.themes import THEMES


@dataclass(frozen=True)
class Looks:
    """The settings that the first paint needs."""

    theme: str = "dark"
    keys: Mapping[str, str] = field(default_factory=dict)


def read_looks() -> Looks:
    """Return what is set; raise InputError where any setting is wrong.

    Where nothing is set, what checks settings is not loaded: that would double the time to the first paint.
    """
    variables = any(name.startswith("UMI_") and name != "UMI_HOME" for name in os.environ)
    if not variables and not config_path().exists():
        return Looks()
    from agent.config import read_config

    config = read_config()
    return Looks(config.theme, config.keys)


def apply_looks(app: App[None], looks: Looks) -> None:
    """Set the theme and the keys. Raise InputError for keys that cannot be bound."""
    for theme in THEMES:
        app.register_theme(theme)
    app.theme = looks.theme
    app.set_keymap(keymap(app.BINDINGS, looks.keys))
