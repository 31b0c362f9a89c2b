"""Questions that were sent while the agent works: they are asked one after the other."""

from __future__ import annotations

from textual.widgets import Static

from tui.text import one_line


class QueuedQuestions(Static):
    """The questions that wait, oldest first. After a stop they wait until the user goes on."""

    def __init__(self) -> None:
        super().__init__(markup=False, id="queue")
        self.questions: list[str] = []
        self.paused = False
        """Whether nothing is asked before the user says so."""
        self.display = False

    def add(self, text: str) -> None:
        """Let a question wait."""
        self.questions.append(text)
        self._show()

    def next(self) -> str | None:
        """Take the oldest question; None where there is none."""
        text = self.questions.pop(0) if self.questions else None
        self.paused = False
        self._show()
        return text

    def take_back(self) -> str | None:
        """Take the newest question; None where there is none."""
        text = self.questions.pop() if self.questions else None
        self._show()
        return text

    def pause(self) -> None:
        """Ask nothing more before the user says so."""
        self.paused = bool(self.questions)
        self._show()

    def clear_all(self) -> None:
        """Forget all questions."""
        self.questions.clear()
        self.paused = False
        self._show()

    def _show(self) -> None:
        self.display = bool(self.questions)
        self.set_class(self.paused, "paused")
        go_on = "Enter asks it; " if self.paused else ""
        mark = "waits" if self.paused else "queued"
        lines = [f"{mark}  {one_line(text, 100)}" for text in self.questions[:3]]
        if more := len(self.questions) - 3:
            lines += [f"and {more} more"] if more > 0 else []
        self.update("\n".join([*lines, f"{go_on}Up takes the last one back"]))
