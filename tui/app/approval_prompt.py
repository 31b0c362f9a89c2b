"""The prompt for approval of a call that may change something: its arguments, and y or n."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from agent.transcript import compact
from tui.app.turn import Approval
from tui.text import one_line, plain


class ApprovalPrompt(Vertical, can_focus=True):
    """Shown above the input until it is answered; Escape refuses."""

    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("y", "answer(True)", "allow"),
        Binding("n,escape", "answer(False)", "refuse"),
        Binding("up", "scroll_lines(-1)", show=False),
        Binding("down", "scroll_lines(1)", show=False),
    ]

    class Answered(Message):
        """The prompt was answered and is being removed."""

    def __init__(self, approval: Approval) -> None:
        super().__init__()
        self.approval = approval
        self.border_title = one_line(f"{approval.call.name} may {approval.tool.may}", 60)

    def compose(self) -> ComposeResult:
        """Yield the complete arguments in a scrolling container, and the question below it."""
        with VerticalScroll(can_focus=False):
            for name, value in self.approval.call.arguments.items():
                text = plain(value if isinstance(value, str) else compact(value))
                yield Static(one_line(name), markup=False, classes="name")
                yield Static(text, markup=False, classes="value")
        yield Static("Allow it?  [b]y[/b] yes   [b]n[/b] no", classes="ask")

    def action_answer(self, allowed: bool) -> None:
        """Pass the decision to the waiting turn and remove the prompt."""
        self.approval.decide(allowed)
        self.app.post_message(self.Answered())
        self.remove()

    def action_scroll_lines(self, lines: int) -> None:
        """Scroll the arguments."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
