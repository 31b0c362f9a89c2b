"""What the config file says of the app's looks and keys, applied to the app."""

from __future__ import annotations

from textual.app import App

from agent.config import Config
from tui.app.appearance.keys import keymap
from tui.app.appearance.themes import THEMES


def apply_config(app: App[None], config: Config) -> None:
    """Set the theme and the keys. Raise InputError for keys that cannot be bound."""
    for theme in THEMES:
        app.register_theme(theme)
    app.theme = config.theme
    app.set_keymap(keymap(app.BINDINGS, config.keys))
