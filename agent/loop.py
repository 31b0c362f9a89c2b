"""The agent loop: planner → caller → tools → planner → … → summarizer, as a generator of events.

Mistakes of the models (unusable arguments, a tool that failed, a repeated call) go back to the models as an
observation; our own mistakes end the turn. This module knows neither llama.cpp nor any front end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Self

from agent.engine import Delta, Engine, Generated
from agent.errors import ContextFull, InputError, ToolError, UmiError
from agent.events import (
    AnswerDelta,
    CallProposed,
    Event,
    Finished,
    Observation,
    Reading,
    Reason,
    Thought,
    Trimmed,
    Usage,
)
from agent.prompting.trimming import make_room
from agent.tools.base import Tool
from agent.tools.toolbox import Toolbox
from agent.transcript import (
    Call,
    CallerTurn,
    Role,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
    compact,
    parse_calls,
    parse_planner,
)

Approve = Callable[[Call, Tool], bool]
Cancelled = Callable[[], bool]

WRITING_ROOM = 192
"""Tokens kept free for what a role generates; a transcript that leaves fewer is trimmed."""

_log = logging.getLogger(__name__)


@dataclass
class Conversation:
    """The turns that the models see. Those dropped to make room are gone from it.

    A run that was cancelled or failed leaves it unchanged.
    """

    transcript: Transcript


@dataclass
class _Turn:
    """One run of the agent: what the models see, what it cost, and which calls were made."""

    transcript: Transcript
    stats: dict[Role, Usage] = field(default_factory=dict)
    calls_made: set[str] = field(default_factory=set)
    untrusted: bool = False
    """Whether the models read text from outside: of files, or of other programs."""


class Agent:
    """Three roles and a toolbox. At most `max_steps` steps (1 or more) call tools in one turn."""

    def __init__(self, engine: Engine, toolbox: Toolbox, max_steps: int = 8) -> None:
        if max_steps < 1:
            raise InputError(f"the step limit is {max_steps}", "give --max-steps a number of at least 1")
        self.engine = engine
        self.toolbox = toolbox
        self.max_steps = max_steps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the models. May be called twice."""
        self.engine.close()

    def begin(self) -> Conversation:
        """Return a new conversation with this agent's tools."""
        return Conversation(Transcript(self.toolbox.specs))

    def run(
        self,
        conversation: Conversation,
        text: str,
        *,
        approve: Approve | None = None,
        cancelled: Cancelled = lambda: False,
    ) -> Iterator[Event]:
        """Answer `text`, yielding events; the last one is `Finished`.

        `approve(call, tool)` is asked before a tool that may write, execute or use the network runs; without
        it such calls are refused. Raise InputError for an empty question and ContextFull for one that does
        not fit, before anything is generated; the conversation is then unchanged.
        """
        if not text.strip():
            raise InputError("the question is empty", "write what you want to know")
        before = conversation.transcript
        turn = _Turn(before.plus(UserTurn(text.strip())), untrusted=self._has_untrusted(before))
        dropped = self._make_room(turn, "planner")
        if dropped:
            yield Trimmed(dropped)
        try:
            reason, answer = yield from self._steps(turn, approve, cancelled)
        except UmiError as error:
            yield Finished("error", str(error), turn.stats)
            return
        except Exception as error:
            _log.exception("the turn failed")
            yield Finished("error", f"umi itself failed: {type(error).__name__}: {error}", turn.stats)
            return
        if reason in ("answered", "gave_up"):
            conversation.transcript = turn.transcript
        yield Finished(reason, answer, turn.stats)

    def _steps(
        self, turn: _Turn, approve: Approve | None, cancelled: Cancelled
    ) -> Generator[Event, None, tuple[Reason, str]]:
        for step in range(1, self.max_steps + 2):
            generated = yield from self._generate(turn, "planner", cancelled)
            if generated is None:
                return "cancelled", ""
            plan = parse_planner(generated)
            if plan is None:
                raise UmiError(
                    f"the planner ended with {generated[-60:]!r}, which hands over to nobody",
                    "try other models with `umi models use`",
                )
            yield Thought(step, plan.content, plan.next)
            if plan.next == "caller" and step > self.max_steps:
                return "step_limit", ""
            turn.transcript = turn.transcript.plus(plan)
            if plan.next == "give up":
                return "gave_up", plan.content
            if plan.next == "summarizer":
                return (yield from self._answer(turn, cancelled))
            if not (yield from self._call(turn, step, approve, cancelled)):
                return "cancelled", ""
        raise AssertionError("the last step ends the turn")

    def _answer(self, turn: _Turn, cancelled: Cancelled) -> Generator[Event, None, tuple[Reason, str]]:
        generated = yield from self._generate(turn, "summarizer", cancelled, stream=True)
        if generated is None:
            return "cancelled", ""
        turn.transcript = turn.transcript.plus(SummarizerTurn(generated.strip()))
        return "answered", generated.strip()

    def _call(
        self, turn: _Turn, step: int, approve: Approve | None, cancelled: Cancelled
    ) -> Generator[Event, None, bool]:
        """Generate the step's calls and run them; return False where cancelled."""
        generated = yield from self._generate(turn, "caller", cancelled)
        if generated is None:
            return False
        calls = parse_calls(generated)
        if calls is None:
            raise UmiError(f"the caller wrote {generated[:60]!r}, which is not a call", "ask in other words")
        turn.transcript = turn.transcript.plus(CallerTurn(calls))
        for index, call in enumerate(calls):
            yield CallProposed(step, index, call.name, call.arguments)
            if cancelled():
                return False
            ok, content = self._run_call(turn, call, approve, cancelled)
            turn.untrusted |= self.toolbox.is_untrusted(call.name)
            yield Observation(step, index, call.name, ok, content)
            turn.transcript = turn.transcript.plus(ToolTurn(call.name, content, not ok))
        return not cancelled()

    def _has_untrusted(self, transcript: Transcript) -> bool:
        return any(isinstance(t, ToolTurn) and self.toolbox.is_untrusted(t.name) for t in transcript.turns)

    def _run_call(
        self, turn: _Turn, call: Call, approve: Approve | None, cancelled: Cancelled
    ) -> tuple[bool, str]:
        key = f"{call.name} {compact(dict(sorted(call.arguments.items())))}"
        if key in turn.calls_made:
            return False, "this very call was made before; do something else"
        turn.calls_made.add(key)
        tool = self.toolbox.get(call.name)
        try:
            if tool is not None and tool.asks(turn.untrusted):
                if approve is None:
                    raise ToolError(f"{call.name} needs the user's approval and nobody is there to give it")
                if not approve(call, tool):
                    raise ToolError("the user refused this call")
            return True, self.toolbox.run(call, cancelled)
        except ToolError as error:
            return False, str(error)
        except Exception as error:
            _log.exception("the tool %s failed", call.name)
            return False, f"{call.name} failed: {type(error).__name__}: {error}"

    def _generate(
        self, turn: _Turn, role: Role, cancelled: Cancelled, stream: bool = False
    ) -> Generator[Event, None, str | None]:
        """Generate the turn of `role`; return its text, or None where cancelled."""
        dropped = self._make_room(turn, role)
        if dropped:
            yield Trimmed(dropped)
        for event in self.engine.generate(role, turn.transcript, cancelled=cancelled):
            match event:
                case Reading():
                    yield event
                case Delta(text):
                    if stream:
                        yield AnswerDelta(text)
                case Generated(text, stop, usage):
                    turn.stats[role] = turn.stats.get(role, Usage()) + usage
                    return None if stop == "cancelled" else text
        raise AssertionError("an engine's last event is Generated")

    def _make_room(self, turn: _Turn, role: Role) -> int:
        """Trim the transcript so that `role` can write; return how many turns were dropped or shortened.

        Raise ContextFull where the tools, the question and the current step leave no room.
        """

        def room(transcript: Transcript) -> int:
            return self.engine.room(role, transcript)

        turn.transcript, changed = make_room(turn.transcript, room, WRITING_ROOM)
        if (left := room(turn.transcript)) < WRITING_ROOM:
            available = self.engine.context_length
            raise ContextFull(available - left + WRITING_ROOM, available)
        return changed
