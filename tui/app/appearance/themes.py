"""The themes of the app: light, dark, high contrast."""

from __future__ import annotations

from textual.theme import Theme

THEMES = (
    Theme(
        name="dark",
        primary="#4a9eda",
        secondary="#5f87a8",
        accent="#d6a25c",
        foreground="#dcdcdc",
        background="#121212",
        surface="#1e1e1e",
        panel="#242f38",
        success="#5cb08a",
        warning="#e0a34a",
        error="#d9607a",
        variables={"text-muted": "#b0b0b0"},
    ),
    Theme(
        name="light",
        primary="#0b5f9e",
        secondary="#34658a",
        accent="#8a4b00",
        foreground="#1f1f1f",
        background="#fbfbf9",
        surface="#eeeeea",
        panel="#e2e2dc",
        success="#1d6b45",
        warning="#8a5a00",
        error="#a8203f",
        dark=False,
        text_alpha=1.0,
        variables={"text-muted": "#4c4c4c", "surface-lighten-2": "#a3a39c"},
    ),
    Theme(
        name="high-contrast",
        primary="#00b7ff",
        secondary="#ffffff",
        accent="#ffd700",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1a1a1a",
        success="#00ff5f",
        warning="#ffd700",
        error="#ff6b6b",
        text_alpha=1.0,
        variables={"text-muted": "#ffffff", "surface-lighten-2": "#ffffff"},
    ),
)
"""One for each name that the setting `theme` may have."""
