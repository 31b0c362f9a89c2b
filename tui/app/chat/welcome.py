"""What the screen shows before the first question: what umi is, what it works on, and examples."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tui.app.transcript.blocks import NoteBlock
from tui.text import folder_text, one_line, size_text

if TYPE_CHECKING:
    from tui.setup import AgentInfo

ABOUT = """umi answers with three small models on this machine:
one plans, one calls tools, one writes. It works
offline, and asks before it changes anything."""

EXAMPLES = (
    ("calculate", "numbers", "what is 17.5% of 240?"),
    ("convert_units", "units", "convert 5 miles to km"),
    ("add_days", "dates", "what date is 45 days after 2026-03-01?"),
    ("list_files", "files", "what files are in this folder?"),
    ("add_note", "notes", "note: call the bank on Monday"),
    ("system_info", "machine", "how much memory does this machine have?"),
)
"""A tool, the group that it stands for, and a question that it answers."""


class WelcomeBlock(NoteBlock):
    """The start screen, in lines of at most 54 columns."""

    def __init__(self, info: AgentInfo | None, tools: Collection[str]) -> None:
        lines = [*ABOUT.split("\n"), ""]
        if info:
            size = size_text(sum(size for _, size in info.files))
            lines += [f"workspace  {one_line(folder_text(info.workspace), 43)}"]
            lines += [f"models     {one_line(info.bundle, 40)}, {size}"]
        shown = [(group, question) for tool, group, question in EXAMPLES if tool in tools]
        self.examples = tuple(question for _, question in shown)
        if shown:
            lines += ["", *(f"{group:9}  {question}" for group, question in shown)]
            lines += ["Tab: an example into the input. F1: keys and commands."]
        super().__init__("\n".join(lines))
