"""One turn of the agent: what a role generates, and the calls that are made and run.

Mistakes of the models (unusable arguments, a tool that failed, a repeated call) go back to the models as an
observation, and so does a refusal of the user.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from agent.consent.gate import Gate
from agent.consent.policy import call_key
from agent.engine import Delta, Engine, Generated
from agent.errors import ContextFullError, ToolError, UmiError
from agent.events import AnswerDelta, CallProposed, Event, Observation, Reading, Trimmed, Usage
from agent.prompting.trimming import dropped_questions, make_room
from agent.tools.toolbox import Toolbox
from agent.transcript import Call, CallerTurn, Role, ToolTurn, Transcript, parse_calls

Cancelled = Callable[[], bool]

WRITING_ROOM = 192
"""Tokens kept free for what a role generates; a transcript that leaves fewer is trimmed."""

TOO_LONG = "the call was too long to be written, so it was not made"
"""What the planner reads, and the person where it happens again."""

_log = logging.getLogger(__name__)


class TruncatedTwiceError(Exception):
    """Two turns of the caller in a row were cut at their length."""


@dataclass
class RunningTurn:
    """One run of the agent: what the models see, what it cost, and which calls were made."""

    engine: Engine
    toolbox: Toolbox
    gate: Gate
    cancelled: Cancelled
    transcript: Transcript
    untrusted: bool
    """Whether the models read text from outside, of files or of other programs."""
    stats: dict[Role, Usage] = field(default_factory=dict)
    outcomes: dict[str, bool] = field(default_factory=dict)
    """Whether a call succeeded, by `call_key`."""
    failing: bool = False
    """Whether a call of the last step that made calls did not succeed."""
    cut: bool = False
    """Whether the last calls were cut at their length."""

    def make_calls(self, step: int, thought: str, margin: float) -> Generator[Event, None, bool]:
        """Generate the step's calls and run them; return False where cancelled. `margin` is the thought's.

        Raise UnconfirmedCallError, and TruncatedTwiceError for a second turn in a row that was cut at its
        length.
        """
        generated = yield from self.generate("caller")
        if generated is None:
            return False
        calls = parse_calls(generated.text)
        if calls is None and generated.stop == "length":
            if self.cut:
                raise TruncatedTwiceError
            self.cut = True
            self.transcript = self.transcript.plus(ToolTurn("", TOO_LONG, error=True))
            return True
        if calls is None:
            raise UmiError(
                f"the caller wrote {generated.text[:60]!r}, which is not a call", "ask in other words"
            )
        self.cut = False
        before, made, results = self.transcript, list(calls), list[ToolTurn]()
        margin = min(margin, generated.margin)
        self.failing = False
        for index, call in enumerate(calls):
            yield CallProposed(step, index, call.name, call.arguments)
            if self.cancelled():
                return False
            self.transcript = before.plus(CallerTurn(tuple(made)), *results)
            ok, content, passed = self._run_call(call, thought, margin)
            if passed != call:
                yield CallProposed(step, index, passed.name, passed.arguments)
            yield Observation(step, index, passed.name, ok, content)
            made[index] = passed
            results.append(ToolTurn(passed.name, content, not ok))
            self.transcript = before.plus(CallerTurn(tuple(made)), *results)
            self.untrusted |= self.toolbox.is_untrusted(passed.name)
        return not self.cancelled()

    def _run_call(self, call: Call, thought: str, margin: float) -> tuple[bool, str, Call]:
        """Run a call; return whether it succeeded, what it returned, and the call as the user let it run."""
        if (succeeded := self.outcomes.get(call_key(call))) is not None:
            self.failing |= not succeeded
            return False, "this very call was made before; do something else", call
        asked = call
        try:
            call = self.gate.passed(call, thought, self.transcript, self.untrusted, margin)
        except ToolError as refused:
            ok, content = False, str(refused)
        else:
            ok, content = self._run_tool(call)
        self.outcomes[call_key(asked)] = self.outcomes[call_key(call)] = ok
        self.failing |= not ok
        return ok, content, call

    def _run_tool(self, call: Call) -> tuple[bool, str]:
        try:
            return True, self.toolbox.run(call, self.cancelled)
        except ToolError as error:
            return False, str(error)
        except Exception as error:
            _log.exception("the tool %s failed", call.name)
            return False, f"{call.name} failed: {type(error).__name__}: {error}"

    def generate(
        self, role: Role, show: Callable[[str], str] | None = None
    ) -> Generator[Event, None, Generated | None]:
        """Generate the turn of `role`; return it, or None where cancelled.

        `show` returns what may be shown now of an answer, for each piece of its text.
        """
        yield from self.make_room(role)
        for event in self.engine.generate(role, self.transcript, cancelled=self.cancelled):
            match event:
                case Reading():
                    yield event
                case Delta(text):
                    if show and (shown := show(text)):
                        yield AnswerDelta(shown)
                case Generated():
                    self.stats[role] = self.stats.get(role, Usage()) + event.usage
                    return None if event.stop == "cancelled" else event
        raise AssertionError("an engine's last event is Generated")

    def make_room(self, role: Role) -> Iterator[Event]:
        """Trim the transcript so that `role` can write; yield what was dropped or shortened.

        Raise ContextFullError where the tools, the question and the current step leave no room.
        """

        def room(transcript: Transcript) -> int:
            return self.engine.room(role, transcript)

        before = self.transcript
        self.transcript, changed = make_room(before, room, WRITING_ROOM)
        if (left := room(self.transcript)) < WRITING_ROOM:
            available = self.engine.context_length
            raise ContextFullError(available - left + WRITING_ROOM, available)
        if changed:
            questions, theirs = dropped_questions(before, self.transcript)
            yield Trimmed(changed, questions, changed - theirs)
