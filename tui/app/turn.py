"""A turn of the agent in a thread, and the messages that it posts to the app.

Every message carries the number of its turn, so that the app can ignore those of a turn it no longer shows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message

from agent.errors import UmiError
from agent.events import AnswerDelta, Event, Reading

if TYPE_CHECKING:
    from agent.attachments import Attachment
    from agent.consent import Decision, Request
    from agent.loop import Agent, Conversation
    from agent.sessions import SessionWriter

MIN_INTERVAL_S = 0.18
"""Minimum time between two updates of the answer or the reading progress, in seconds.

Each update of the answer lays the transcript out anew, which is most of what streaming costs.
"""

_POLL_INTERVAL_S = 0.1
"""Time between checks for cancellation while waiting for an approval, in seconds."""

_log = logging.getLogger(__name__)


class Approval:
    """A question that waits for the user's answer: the thread of the turn waits, the app decides."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._decided = threading.Event()
        self._decision: Decision | None = None

    def decide(self, decision: Decision | None) -> None:
        """Record the decision, None where the turn was stopped; later ones are ignored."""
        if not self._decided.is_set():
            self._decision = decision
            self._decided.set()

    def wait(self, cancelled: Callable[[], bool]) -> Decision:
        """Return the decision, or a refusal if the turn is cancelled first."""
        from agent.consent import Deny

        while not self._decided.wait(_POLL_INTERVAL_S):
            if cancelled():
                break
        return self._decision or Deny("the turn was stopped")


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


class ContextUsed(Message):
    """The conversation takes `used` of the `total` tokens that the models hold."""

    def __init__(self, used: int, total: int) -> None:
        self.used = used
        self.total = total
        super().__init__()


class TurnEnded(Message):
    """Turn number `turn` has ended; `error` is the reason if it failed, else empty."""

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
    writer: SessionWriter | None = None,
    attachments: Sequence[Attachment] = (),
) -> None:
    """Run a turn and post its events, each after `writer` has written it; the last message is `TurnEnded`."""
    error = ""

    def approve(request: Request) -> Decision:
        approval = Approval(request)
        post(ApprovalAsked(turn, approval))
        return approval.wait(cancelled)

    try:
        throttle = _Throttle(lambda event: post(TurnEvent(turn, event)))
        run = partial(writer.run, agent) if writer else agent.run
        for event in run(conversation, text, attachments=attachments, approve=approve, cancelled=cancelled):
            throttle.pass_on(event)
        post(context_used(agent, conversation))
    except UmiError as failure:
        error = str(failure)
    except Exception as failure:
        _log.exception("a turn failed")
        error = f"umi itself failed: {type(failure).__name__}: {failure}"
    finally:
        post(TurnEnded(turn, error))


def context_used(agent: Agent, conversation: Conversation) -> ContextUsed:
    """Return how full the context is. Call it from the thread that uses the engine."""
    total = agent.engine.context_length
    return ContextUsed(total - agent.engine.room("planner", conversation.transcript), total)


class _Throttle:
    """Passes events on; joins pieces of the answer and skips reading progress within `MIN_INTERVAL_S`."""

    def __init__(self, show: Callable[[Event], object]) -> None:
        self._show = show
        self._text = ""
        self._shown_at = 0.0

    def pass_on(self, event: Event) -> None:
        now = time.monotonic()
        due = now - self._shown_at >= MIN_INTERVAL_S
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
