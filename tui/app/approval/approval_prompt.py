"""The question about a call, shown above the input, which keeps the focus: typed text never answers it.

Ctrl+G allows; or Tab brings the focus here, the arrow keys choose an answer and Enter gives it. Nothing
counts that was typed before the question was drawn, nor within `ARMING_S` after that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from agent.consent import Deny, Request
from agent.consent.policy import Policy
from agent.consent.request import PERSON
from agent.errors import UmiError
from tui.app.approval.argument_editor import ArgumentEditor
from tui.app.turn import Approval
from tui.approval_text import Part, parts_of, title_of
from tui.text import one_line

ARMING_S = 0.4
"""Seconds that a question is on the screen before an answer counts: time to see it, and to stop typing."""

_Answer = tuple[str, Callable[[], None]]


class ApprovalPrompt(Vertical, can_focus=True):
    """Shows `approval`'s request until it is answered; answers that reach further are kept in `policy`."""

    class Answered(Message):
        """The prompt was answered and is being removed."""

    def __init__(self, approval: Approval, policy: Policy | None) -> None:
        super().__init__()
        self._approval = approval
        self._policy = policy
        self._request = approval.request
        self._armed_at = math.inf
        self._chosen = 0

    def compose(self) -> ComposeResult:
        """Yield the scrolling text of the question, and the answers below it."""
        yield VerticalScroll(can_focus=False)
        yield Static(classes="answers")

    async def on_mount(self) -> None:
        """Show the question."""
        await self._show(self._request)

    @property
    def armed(self) -> bool:
        """Whether an answer that is given now counts."""
        return time.monotonic() >= self._armed_at

    def allow(self, pressed_at: float) -> None:
        """Allow the call once, unless the key was pressed at a time at which that does not count."""
        if pressed_at >= self._armed_at and not self._is_writing:
            self._decide_allowed(PERSON)

    def refuse(self, reason: str = "") -> None:
        """Refuse the call; `reason` goes to the planner. Counts at any time."""
        self._approval.decide(Deny(reason))
        self._close()

    async def on_key(self, event: events.Key) -> None:
        """Choose an answer with the arrow keys, give it with Enter, refuse with Escape."""
        if event.key == "escape":
            event.stop()
            if self._is_writing:
                await self._show(self._request)
                self.focus()
            else:
                self.refuse()
        elif self._is_writing:
            return
        elif event.key in ("left", "right"):
            event.stop()
            step = 1 if event.key == "right" else -1
            self._choose((self._chosen + step) % len(self._answers()))
        elif event.key in ("up", "down"):
            event.stop()
            self.query_one(VerticalScroll).scroll_relative(y=1 if event.key == "down" else -1, animate=False)
        elif event.key == "enter":
            event.stop()
            if event.time >= self._armed_at:
                self._answers()[self._chosen][1]()

    def scroll_page(self, pages: int) -> None:
        """Scroll the text of the question by one page, up if `pages` is negative."""
        body = self.query_one(VerticalScroll)
        body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)

    async def on_input_submitted(self, message: Input.Submitted) -> None:
        """Refuse with the reason that was written."""
        message.stop()
        self.refuse(message.value.strip())

    async def on_argument_editor_changed(self, message: ArgumentEditor.Changed) -> None:
        """Ask about the call with the arguments that the person wrote."""
        message.stop()
        await self._show(message.request)
        self.focus()

    def on_focus(self) -> None:
        """Show which answer Enter would give."""
        self._choose(self._chosen)

    def on_blur(self) -> None:
        """Show no chosen answer: Enter gives none."""
        self._choose(self._chosen)

    @property
    def _is_writing(self) -> bool:
        return any(widget.display for widget in self.query("Input, ArgumentEditor"))

    def _answers(self) -> list[_Answer]:
        """Return the answers; refusing is the first, so that Enter alone changes nothing."""
        yes = "Yes" if self._request.kind == "doubt" else "Allow once"
        answers: list[_Answer] = [
            ("Refuse (Esc)", self.refuse),
            (f"{yes} (Ctrl+G)", lambda: self._decide_allowed(PERSON)),
        ]
        if (policy := self._policy) is not None and self._request.kind == "permission":
            name = one_line(self._request.call.name, 30)
            answers += [
                ("This call, until umi ends", lambda: self._allow_call(policy)),
                (f"{name}, always in this folder", lambda: self._allow_tool(policy)),
            ]
        return [*answers, ("Change it…", self._edit), ("Refuse, because…", self._ask_reason)]

    def _allow_call(self, policy: Policy) -> None:
        self._allow_in_advance(lambda: policy.remember_call(self._request), "for this session")

    def _allow_tool(self, policy: Policy) -> None:
        self._allow_in_advance(
            lambda: policy.remember_tool(self._request.call.name), "for this tool in this folder"
        )

    def _allow_in_advance(self, remember: Callable[[], None], extent: str) -> None:
        try:
            remember()
        except UmiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
        else:
            self._decide_allowed(f"{PERSON}, {extent}")

    def _decide_allowed(self, by: str) -> None:
        self._approval.decide(self._request.allow(by))
        self._close()

    def _close(self) -> None:
        if self.display:
            self.app.post_message(self.Answered())
            self._take_away(self)

    def _take_away(self, widget: Widget) -> None:
        """Remove a widget once it is off the screen: textual fails where it paints what it is removing."""
        widget.display = False
        self.call_after_refresh(widget.remove)

    def _edit(self) -> None:
        self._write(ArgumentEditor(self._request))

    def _ask_reason(self) -> None:
        self._write(Input(placeholder="what it should do instead; Enter refuses, Esc goes back"))

    def _write(self, widget: Input | ArgumentEditor) -> None:
        self._armed_at = math.inf
        self.query_one(VerticalScroll).display = isinstance(widget, Input)
        self.query_one(".answers").display = False
        self.mount(widget)
        widget.focus()

    async def _show(self, request: Request) -> None:
        """Show a question; an answer counts once it has been on the screen for `ARMING_S`."""
        self._armed_at, self._request = math.inf, request
        for widget in self.query("Input, ArgumentEditor"):
            self._take_away(widget)
        self.border_title = title_of(request)
        body = self.query_one(VerticalScroll)
        await body.remove_children()
        await body.mount_all(_widgets(request))
        body.display = self.query_one(".answers").display = True
        self._choose(0)
        self.call_after_refresh(self._arm)

    def _arm(self) -> None:
        self._armed_at = time.monotonic() + ARMING_S

    def _choose(self, number: int) -> None:
        self._chosen = number
        line = Content()
        for index, (label, _) in enumerate(self._answers()):
            chosen = index == number and self.has_focus
            line = line.append_text(f" {label} ", "reverse" if chosen else "").append("  ")
        hint = "" if self.has_focus else "Tab: other answers; PgDn: more of the text"
        try:
            self.query_one(".answers", Static).update(line.append_text(hint, "$text-muted"))
        except NoMatches:
            return  # the prompt is being removed


def _widgets(request: Request) -> Iterator[Static]:
    for part in parts_of(request):
        if "\n" in part.text.removesuffix("\n"):
            yield Static(part.label, markup=False, classes="name")
            yield Static(_coloured(part), markup=False, classes=part.kind)
        else:
            line = Content.assemble((f"{part.label}  ", "$text-muted"), part.text.removesuffix("\n"))
            yield Static(line, markup=False, classes=f"{part.kind} line")


def _coloured(part: Part) -> Content:
    text = Content(part.text)
    if part.kind == "diff":
        colours = {"-": "$text-error", "+": "$text-success", "@": "$text-muted"}
        start = 0
        for line in part.text.split("\n"):
            text = text.stylize(colours.get(line[:1], ""), start, start + len(line))
            start += len(line) + 1
    return text
