"""The contrast of what an app draws, by the formula of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

from __future__ import annotations

from collections.abc import Iterator

from rich.color import ColorType
from rich.style import Style
from textual.app import App

LEAST_CONTRAST = 4.5
"""Level AA of WCAG, for text of an ordinary size."""


def contrast(style: Style) -> float:
    """Return the ratio of the luminances of text and background, from 1 to 21."""
    lighter, darker = sorted(map(_luminance, _colours(style)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def faint_words(app: App[None]) -> list[str]:
    """Return the words on the screen whose contrast is below `LEAST_CONTRAST`, with both colours."""
    return [
        f"{text!r} {style.color} on {style.bgcolor}: {contrast(style):.1f}"
        for text, style in _drawn(app)
        if contrast(style) < LEAST_CONTRAST
    ]


def colours_of(app: App[None]) -> list[str]:
    """Return the pairs of colours of the texts on the screen, each with the text that has them first.

    Single characters are left out: one may be the cursor, which blinks.
    """
    first: dict[str, str] = {}
    for text, style in _drawn(app):
        (red, green, blue), (back_red, back_green, back_blue) = _colours(style)
        pair = f"#{red:02x}{green:02x}{blue:02x} on #{back_red:02x}{back_green:02x}{back_blue:02x}"
        if len(text) > 1:
            first.setdefault(pair, text)
    return [f"{pair}  {text}" for pair, text in first.items()]


def _drawn(app: App[None]) -> Iterator[tuple[str, Style]]:
    """Yield the texts on the screen that hold a letter or digit, as they reach the terminal."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            if segment.style and any(map(str.isalnum, segment.text)):
                yield segment.text.strip(), segment.style


def _colours(style: Style) -> list[tuple[int, int, int]]:
    colours = []
    for colour in (style.color, style.bgcolor):
        assert colour is not None, "a colour of the terminal"
        assert colour.type is ColorType.TRUECOLOR, f"{colour} is a colour of the terminal"
        assert colour.triplet is not None
        colours.append(tuple(colour.triplet))
    return colours


def _luminance(colour: tuple[int, int, int]) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
