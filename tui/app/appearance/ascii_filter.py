"""What the app draws, in ASCII, for terminals that show nothing else."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.ascii import to_ascii


class AsciiFilter(LineFilter):
    """Replaces characters by ASCII of the same width, borders included."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments of a line with their text replaced."""
        return [Segment(to_ascii(text, same_width=True), style, control) for text, style, control in segments]
