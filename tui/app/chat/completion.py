"""What completes the text before the cursor: slash commands at its beginning, files behind `@`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widgets import Static

from tui.app.chat.attached_files import mentioned
from tui.app.commands.registry import SlashCommand
from tui.text import one_line

SHOWN = 6
"""The most completions that are shown at a time."""

_FILE = re.compile(r'(?:^|(?<=\s))@"?([^\s"]*)$')


@dataclass(frozen=True)
class Completion:
    """A text that takes the place of the word before the cursor, and what is told of it."""

    text: str
    help: str = ""
    aliases: tuple[str, ...] = ()
    """Words that mean the same, which may stay as they were typed."""


def completions(
    before: str, commands: Sequence[SlashCommand], files: Callable[[], Sequence[str]]
) -> tuple[int, list[Completion]]:
    """Return where the word before the cursor begins, and what completes it, best first."""
    if re.fullmatch(r"/[A-Za-z-]*", before):
        typed = before[1:].lower()
        found = [command for command in commands if command.name.startswith(typed)]
        found += [
            command
            for command in commands
            if command not in found and any(alias.startswith(typed) for alias in command.aliases)
        ]
        return 0, [
            Completion(f"/{command.name}", command.help, tuple(f"/{alias}" for alias in command.aliases))
            for command in found
        ]
    if match := _FILE.search(before):
        typed = match[1].lower()
        ranked = sorted((rank, path) for path in files() if (rank := _rank(path, typed)) is not None)
        return match.start(), [Completion(mentioned(path)) for _, path in ranked]
    return 0, []


def _rank(path: str, typed: str) -> int | None:
    """Return how well a path fits, 0 best; None where it does not."""
    lower = path.lower()
    name = lower.rpartition("/")[2]
    if lower.startswith(typed) or name.startswith(typed):
        return lower.count("/")
    return 100 if typed in lower else None


class CompletionList(Static):
    """The completions above the input: Up and Down choose, Tab and Enter take one, Esc closes."""

    def __init__(self, find: Callable[[str], tuple[int, list[Completion]]]) -> None:
        super().__init__(markup=False, id="completions")
        self._find = find
        self.before = ""
        """The text before the cursor that the list is for."""
        self._start = 0
        self._found: list[Completion] = []
        self._chosen = 0
        self.display = False

    @property
    def is_open(self) -> bool:
        """Whether there is something to choose."""
        return bool(self._found)

    def update_for(self, before: str) -> None:
        """Show what completes the text before the cursor."""
        self.before = before
        self._start, self._found = self._find(before)
        self._chosen = 0
        if len(self._found) == 1 and self._found[0].text.lower() == before[self._start :].lower():
            self._found = []
        self._show()

    def close(self) -> None:
        """Show nothing."""
        self._found = []
        self._show()

    def move(self, step: int) -> None:
        """Choose the next completion, the one before where `step` is negative."""
        self._chosen = (self._chosen + step) % len(self._found)
        self._show()

    def chosen(self) -> tuple[int, str]:
        """Return where the word begins that the chosen completion replaces, and the completion."""
        return self._start, self._found[self._chosen].text

    def is_whole(self, before: str) -> bool:
        """Return whether the word before the cursor is one of the completions already."""
        word = before[self._start :].lower()
        return any(word in (one.text.lower(), *one.aliases) for one in self._found)

    def _show(self) -> None:
        self.display = bool(self._found)
        first = max(0, min(self._chosen - SHOWN + 1, len(self._found) - SHOWN))
        first = max(first, 0)
        shown = self._found[first : first + SHOWN]
        width = min(28, max((len(completion.text) for completion in shown), default=0))
        lines = (
            Content.assemble(
                (f" {one_line(completion.text):{width}} ", "reverse" if number == self._chosen else ""),
                f"  {completion.help}",
            )
            for number, completion in enumerate(shown, start=first)
        )
        self.update(Content("\n").join(lines))
