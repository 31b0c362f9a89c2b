"""The blocks of the transcript: one kind of widget for each kind of event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.content import Content
from textual.widgets import Static

from tui.text import call_line, count_text, one_line, plain, truncate_lines

if TYPE_CHECKING:
    from agent.sessions import Mark

OBSERVATION_LINES = 5
"""Number of lines of an observation that are shown while it is folded."""

OBSERVATION_CHARACTERS = 600
"""Number of characters of an observation that are shown while it is folded."""


class Block(Static):
    """Text that is not interpreted as markup."""

    is_answer: ClassVar[bool] = False

    def __init__(self, text: str | Content, classes: str = "") -> None:
        super().__init__(text, markup=False, classes=classes)
        self._shown = text
        self.text = str(text)

    def again(self) -> Block:
        """Return a new block that shows the same, for one that was taken off the screen."""
        return Block(self._shown)


class UserBlock(Block):
    """A message of the user: the question of `exchange`, its id in the session once it is written.

    `versions` are the ids of all versions of the question, itself among them.
    """

    def __init__(self, text: str, exchange: int | None = None, versions: Sequence[int] = ()) -> None:
        super().__init__(plain(text))
        self.show_version(exchange, versions)

    def again(self) -> UserBlock:
        """Return a new block that shows the same."""
        return UserBlock(self.text, self.exchange, self.versions)

    def show_version(self, exchange: int | None, versions: Sequence[int]) -> None:
        """Show which of the versions of the question this is, where there are several."""
        self.exchange, self.versions = exchange, tuple(versions)
        if exchange in self.versions and len(self.versions) > 1:
            which = f"  version {self.versions.index(exchange) + 1} of {len(self.versions)}"
            self.update(Content.assemble(self.text, (which, "$text-muted")))


class ThoughtBlock(Block):
    """A thought of the planner."""

    def __init__(self, text: str) -> None:
        super().__init__(f"· {one_line(text)}")

    def again(self) -> ThoughtBlock:
        """Return a new block that shows the same."""
        return ThoughtBlock(self.text.removeprefix("· "))


class CallBlock(Block):
    """A proposed call."""

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._call = name, arguments
        line = Content(f"▸ {call_line(name, arguments, 240)}")
        super().__init__(line.stylize("bold", 2, 2 + len(one_line(name))))

    def again(self) -> CallBlock:
        """Return a new block that shows the same."""
        return CallBlock(*self._call)


class ObservationBlock(Block):
    """The observation of a call; a long one is folded until it is clicked or unfolded."""

    def __init__(self, content: str, ok: bool, *, repeated: bool = False) -> None:
        super().__init__("", classes="ok" if ok else "failed")
        self.content_text = plain(content).rstrip() or "(nothing)"
        self._ok = ok
        self._repeated = repeated
        self._folded = True
        self._show()

    def again(self) -> ObservationBlock:
        """Return a new block that shows the same, folded."""
        return ObservationBlock(self.content_text, self._ok, repeated=self._repeated)

    @property
    def foldable(self) -> bool:
        """Whether folding hides a part of it."""
        return self._head() is not None

    @property
    def unfolded(self) -> bool:
        """Whether all of it is shown."""
        return not (self._folded and self.foldable)

    def fold(self, folded: bool) -> None:
        """Show only the beginning of a long observation, or all of it."""
        self._folded = folded
        self._show()

    def mark_repeated(self) -> None:
        """Fold it to a line: the answer says all of it."""
        self._repeated = True
        self._show()

    def is_repeated_by(self, answer: str) -> bool:
        """Return whether an answer is this observation, or quotes all of its several lines."""
        own, said = self.content_text.split(), plain(answer).split()
        several = "\n" in self.content_text and len(own) > 1
        return self._ok and (own == said or (several and " ".join(own) in " ".join(said)))

    def on_click(self) -> None:
        """Toggle between folded and unfolded."""
        self.fold(self.unfolded)

    def _head(self) -> str | None:
        """Return the text that stands for it while it is folded; None where that is all of it."""
        if self._repeated:
            lines = count_text(self.content_text.count("\n") + 1, "line")
            return f"{lines}, in the answer below; Ctrl+O shows all"
        head, more = truncate_lines(self.content_text, OBSERVATION_LINES)
        if len(head) > OBSERVATION_CHARACTERS:
            head, more = head[:OBSERVATION_CHARACTERS], max(more, 1)
        return f"{head}\n… {count_text(more, 'more line')}, Ctrl+O shows all" if more else None

    def _show(self) -> None:
        head = self._head() if self._folded else None
        self.text = self._shown = self.content_text if head is None else head
        self.update(self.text)


class NoteBlock(Block):
    """A message of the app: a hint, or (class `error`) an error."""

    def __init__(self, text: str, error: bool = False) -> None:
        super().__init__(plain(text), classes="error" if error else "")

    def again(self) -> NoteBlock:
        """Return a new block that shows the same."""
        return NoteBlock(self.text, self.has_class("error"))


class MarkBlock(NoteBlock):
    """The mark of the answer of an exchange, below it."""

    def __init__(self, exchange: int, mark: Mark, correction: str = "") -> None:
        self.exchange = exchange
        self._mark = mark, correction
        right = f". The right answer: {correction}" if correction else "."
        exported = " `umi sessions export --format train --marked` takes it along." if mark == "good" else ""
        super().__init__(f"Marked {mark}{right}{exported}")

    def again(self) -> MarkBlock:
        """Return a new block that shows the same."""
        return MarkBlock(self.exchange, *self._mark)


class PlainAnswerBlock(Block):
    """The answer as it was written, streamed: lines stay lines, and a file's heading is not the chat's."""

    is_answer = True

    def __init__(self, text: str = "", classes: str = "") -> None:
        super().__init__(plain(text), classes)

    def again(self) -> PlainAnswerBlock:
        """Return a new block that shows the same."""
        return PlainAnswerBlock(self.text, kept_classes(self.classes))

    async def write(self, text: str) -> None:
        """Append a piece of the answer."""
        self._show(self.text + plain(text if self.text else text.lstrip()))

    async def finish(self, text: str | None = None) -> None:
        """Show `text`, or what was streamed so far if None."""
        if text is not None:
            self._show(plain(text))

    def _show(self, text: str) -> None:
        self.text = text
        self.update(text)


def kept_classes(classes: Iterable[str]) -> str:
    """Return the classes of an answer that stay when it is shown anew."""
    return " ".join(name for name in classes if name in ("gave-up", "failed"))
