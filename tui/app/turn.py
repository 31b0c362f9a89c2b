"""One turn of the agent in a thread, and the messages through which it reaches the app.

Every message carries the turn's number, so that the app can leave out what a turn that it no longer shows
still says.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from textual.message import Message

from agent.errors import UmiError
from agent.events import AnswerDelta, Event, Reading
from agent.loop import Agent, Conversation
from agent.tools.base import Tool
from agent.transcript import Call

GROUP_S = 0.03
"""Seconds for which pieces of the answer are gathered before they are shown together."""

_POLL_S = 0.1
"""Seconds between looks at `cancelled` while the person thinks about an approval."""

_log = logging.getLogger(__name__)


class Approval:
    """A call that waits for the person's yes or no. The turn's thread waits, the app answers."""

    def __init__(self, call: Call, tool: Tool) -> None:
        self.call = call
        self.tool = tool
        self._given = threading.Event()
        self._allowed = False

    def give(self, allowed: bool) -> None:
        """Answer; the first answer counts."""
        if not self._given.is_set():
            self._allowed = allowed
            self._given.set()

    def wait(self, cancelled: Callable[[], bool]) -> bool:
        """The person's answer; no where the turn is cancelled first."""
        while not self._given.wait(_POLL_S):
            if cancelled():
                return False
        return self._allowed


class TurnEvent(Message):
    """An event of turn number `turn`."""

    def __init__(self, turn: int, event: Event) -> None:
        self.turn = turn
        self.event = event
        super().__init__()


class ApprovalAsked(Message):
    """Turn number `turn` waits for an approval."""

    def __init__(self, turn: int, approval: Approval) -> None:
        self.turn = turn
        self.approval = approval
        super().__init__()


class TurnEnded(Message):
    """The thread of turn number `turn` is done with the agent; `error` says why it failed, if it did."""

    def __init__(self, turn: int, error: str) -> None:
        self.turn = turn
        self.error = error
        super().__init__()


def run_turn(
    agent: Agent,
    conversation: Conversation,
    text: str,
    *,
    turn: int,
    cancelled: Callable[[], bool],
    post: Callable[[Message], object],
) -> None:
    """Run a turn and post what happens; the last message is `TurnEnded`, whatever happens."""
    error = ""

    def approve(call: Call, tool: Tool) -> bool:
        approval = Approval(call, tool)
        post(ApprovalAsked(turn, approval))
        return approval.wait(cancelled)

    try:
        grouped = _Grouped(lambda event: post(TurnEvent(turn, event)))
        for event in agent.run(conversation, text, approve=approve, cancelled=cancelled):
            grouped.take(event)
    except UmiError as failure:
        error = str(failure)
    except Exception as failure:
        _log.exception("a turn failed")
        error = f"umi itself failed: {type(failure).__name__}: {failure}"
    finally:
        post(TurnEnded(turn, error))


class _Grouped:
    """Passes events on, pieces of the answer and reading progress at most once in `GROUP_S`."""

    def __init__(self, show: Callable[[Event], object]) -> None:
        self._show = show
        self._text = ""
        self._shown_at = 0.0

    def take(self, event: Event) -> None:
        now = time.monotonic()
        due = now - self._shown_at >= GROUP_S
        if isinstance(event, AnswerDelta):
            self._text += event.text
            if not due:
                return
            event = AnswerDelta(self._text)
            self._text = ""
        elif isinstance(event, Reading):
            if not due and event.done < event.total:
                return
        elif self._text:
            self._show(AnswerDelta(self._text))
            self._text = ""
        self._shown_at = now
        self._show(event)
