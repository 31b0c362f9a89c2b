"""The loop: planner → caller → tools → planner → … → summarizer, as a generator of events.

The models' mistakes (a malformed call, a tool that failed, the same call again) go back to the models as an
observation; our own mistakes end the turn. This module knows nothing of llama.cpp or of any front end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace

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
from agent.tools.base import Tool
from agent.tools.toolbox import Toolbox
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
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
"""Tokens kept free for what a role writes; a prompt that leaves less is trimmed."""

_FREED = 3
"""What part of the conversation's room is free after something was dropped: one in so many."""

_CUT = "… (the rest was cut)"
_SHORTEST_CUT = 120  # characters: halving anything shorter frees no room worth having

_log = logging.getLogger(__name__)


@dataclass
class Conversation:
    """The turns that the models still see. Those that were dropped to make room are gone from it.

    A turn of the agent that was cancelled or failed leaves it as it was before.
    """

    transcript: Transcript


@dataclass
class _Turn:
    """One run of the agent: what the models see, what it cost, and where its question stands."""

    transcript: Transcript
    start: int
    stats: dict[Role, Usage] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)


class Agent:
    """Three roles and a toolbox. `max_steps` bounds the steps that call tools in one turn (at least 1)."""

    def __init__(self, engine: Engine, toolbox: Toolbox, max_steps: int = 8) -> None:
        if max_steps < 1:
            raise InputError(f"the step limit is {max_steps}", "give --max-steps a number of at least 1")
        self.engine = engine
        self.toolbox = toolbox
        self.max_steps = max_steps

    def begin(self) -> Conversation:
        """A new conversation over this agent's tools."""
        return Conversation(Transcript(self.toolbox.specs))

    def run(
        self,
        conversation: Conversation,
        text: str,
        *,
        approve: Approve | None = None,
        cancelled: Cancelled = lambda: False,
    ) -> Iterator[Event]:
        """Answer `text`; the last event is `Finished`.

        `approve(call, tool)` is asked before a tool that may write, execute or use the network runs; without
        it such calls are refused. Raises InputError for an empty question and ContextFull for one that does
        not fit, before anything is generated; the conversation then stays as it was.
        """
        if not text.strip():
            raise InputError("the question is empty", "write what you want to know")
        before = conversation.transcript
        turn = _Turn(before.plus(UserTurn(text.strip())), len(before.turns))
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
            written = yield from self._write(turn, "planner", cancelled)
            if written is None:
                return "cancelled", ""
            plan = parse_planner(written)
            if plan is None:
                raise UmiError(
                    f"the planner ended with {written[-60:]!r}, which hands over to nobody",
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
        written = yield from self._write(turn, "summarizer", cancelled, stream=True)
        if written is None:
            return "cancelled", ""
        turn.transcript = turn.transcript.plus(SummarizerTurn(written.strip()))
        return "answered", written.strip()

    def _call(
        self, turn: _Turn, step: int, approve: Approve | None, cancelled: Cancelled
    ) -> Generator[Event, None, bool]:
        """Let the caller write and the tools run; False where cancelled."""
        written = yield from self._write(turn, "caller", cancelled)
        if written is None:
            return False
        calls = parse_calls(written)
        if calls is None:
            raise UmiError(f"the caller wrote {written[:60]!r}, which is not a call", "ask in other words")
        turn.transcript = turn.transcript.plus(CallerTurn(calls))
        for index, call in enumerate(calls):
            yield CallProposed(step, index, call.name, call.arguments)
            if cancelled():
                return False
            ok, content = self._observe(turn, call, approve)
            yield Observation(step, index, call.name, ok, content)
            turn.transcript = turn.transcript.plus(ToolTurn(call.name, content, not ok))
        return not cancelled()

    def _observe(self, turn: _Turn, call: Call, approve: Approve | None) -> tuple[bool, str]:
        key = f"{call.name} {compact(dict(sorted(call.arguments.items())))}"
        if key in turn.made:
            return False, "this very call was made before; do something else"
        turn.made.add(key)
        tool = self.toolbox.get(call.name)
        try:
            if tool is not None and tool.may != "read":
                if approve is None:
                    raise ToolError(f"{call.name} needs the user's approval and nobody is there to give it")
                if not approve(call, tool):
                    raise ToolError("the user refused this call")
            return True, self.toolbox.run(call)
        except ToolError as error:
            return False, str(error)
        except Exception as error:
            _log.exception("the tool %s failed", call.name)
            return False, f"{call.name} failed: {type(error).__name__}: {error}"

    def _write(
        self, turn: _Turn, role: Role, cancelled: Cancelled, stream: bool = False
    ) -> Generator[Event, None, str | None]:
        """Let `role` write its turn: its text, or None where cancelled."""
        dropped = self._make_room(turn, role)
        if dropped:
            yield Trimmed(dropped)
        for piece in self.engine.generate(role, turn.transcript, cancelled=cancelled):
            match piece:
                case Reading():
                    yield piece
                case Delta(text):
                    if stream:
                        yield AnswerDelta(text)
                case Generated(text, stop, usage):
                    turn.stats[role] = turn.stats.get(role, Usage()) + usage
                    return None if stop == "cancelled" else text
        raise AssertionError("an engine's last piece is Generated")

    def _make_room(self, turn: _Turn, role: Role) -> int:
        """Make room for `role` to write; how many turns were dropped or shortened for it.

        Whole oldest exchanges go first, then the oldest steps of this turn, then the longest observations
        are halved; the tools, the question and the current step's thoughts and calls never go.
        """
        changed = self._drop(turn, role, _oldest_exchange) + self._drop(turn, role, _oldest_step)
        while (room := self.engine.room(role, turn.transcript)) < WRITING_ROOM:
            turns = turn.transcript.turns
            seen = [(i, turn) for i, turn in enumerate(turns) if isinstance(turn, ToolTurn)]
            index, longest = max(seen, key=lambda at: len(at[1].content), default=(0, ToolTurn("", "")))
            length = len(longest.content)
            if length < _SHORTEST_CUT:
                needed = self.engine.context_length - room + WRITING_ROOM
                raise ContextFull(needed, self.engine.context_length)
            shorter = replace(longest, content=f"{longest.content[: length // 2]}\n{_CUT}")
            turn.transcript = replace(turn.transcript, turns=(*turns[:index], shorter, *turns[index + 1 :]))
            changed += 1
        return changed

    def _drop(self, turn: _Turn, role: Role, oldest: Callable[[_Turn], range | None]) -> int:
        """Drop what `oldest` names, where room lacks; how many turns went.

        What stays moves to another place and must be read again, so once something goes, more goes until a
        third of the conversation's room is free: the next drop is then several turns away.
        """
        dropped, wanted = 0, WRITING_ROOM
        while self.engine.room(role, turn.transcript) < wanted and (gone := oldest(turn)):
            turns = turn.transcript.turns
            turn.transcript = replace(turn.transcript, turns=(*turns[: gone.start], *turns[gone.stop :]))
            turn.start = max(0, turn.start - len(gone))
            dropped += len(gone)
            bare = self.engine.room(role, replace(turn.transcript, turns=()))
            wanted = WRITING_ROOM + max(0, bare - WRITING_ROOM) // _FREED
        return dropped


def _oldest_exchange(turn: _Turn) -> range | None:
    """Where the first exchange before the question stands; None where there is none."""
    turns = turn.transcript.turns
    if turn.start == 0:
        return None
    return range(next(i for i in range(1, len(turns)) if isinstance(turns[i], UserTurn)))


def _oldest_step(turn: _Turn) -> range | None:
    """Where the first step of the only exchange stands; None where there is no later one."""
    turns = enumerate(turn.transcript.turns)
    steps = [i for i, each in turns if isinstance(each, PlannerTurn) and each.next == "caller"]
    return range(steps[0], steps[1]) if len(steps) > 1 else None
