"""One turn of the agent: what a role generates, and the calls that are made and run.

Mistakes of the models (unusable arguments, a tool that failed, a repeated call) go back to the models as an
observation, and so does a refusal of the user.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from agent.checks.calls.call_check import is_settled
from agent.checks.calls.looping import CallWatch
from agent.consent.gate import Gate
from agent.consent.policy import call_key
from agent.engine import Choice, Delta, Engine, Generated
from agent.errors import ContextFullError, ToolError, UmiError
from agent.events import AnswerDelta, CallProposed, Event, Observation, Reading, Thought, Trimmed, Usage
from agent.prompting.trimming import dropped_questions, make_room
from agent.second_choice import Proposal, second_choice
from agent.tools.toolbox import Toolbox
from agent.transcript import Call, CallerTurn, PlannerTurn, Role, ToolTurn, Transcript, parse_calls

Cancelled = Callable[[], bool]

WRITING_ROOM = 192
"""Tokens kept free for what a role generates; a transcript that leaves fewer is trimmed."""

TOO_LONG = "the call was too long to be written, so it was not made"
"""What the planner reads, and the person where it happens again."""
REPEATED = "the same calls were proposed again and again"
"""Why a turn ends whose models go round in circles."""

_log = logging.getLogger(__name__)


class StuckError(Exception):
    """The models go round in circles; the text says how."""


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
    repeated: bool = False
    """Whether all calls of a step were made before."""
    unsupported: str = ""
    """As in `agent.events.Finished`."""

    def make_calls(self, step: int, plan: PlannerTurn, planned: Generated) -> Generator[Event, None, bool]:
        """Generate the calls of a thought and run them; return False where cancelled.

        Raise UnconfirmedCallError, and StuckError for a second turn in a row that was cut at its length or a
        second step whose calls were all made before.
        """
        self.transcript = self.transcript.plus(plan)
        watch = CallWatch(self.transcript, self._only_reads)
        generated = yield from self.generate("caller", watch.feed, ended=lambda: watch.loops)
        if generated is None:
            return False
        calls = parse_calls(generated.text)
        if calls is None and generated.stop == "length":
            if self.cut:
                raise StuckError(TOO_LONG)
            self.cut = self.failing = True
            self.transcript = self.transcript.plus(ToolTurn("", TOO_LONG, error=True))
            return True
        if calls is None:
            raise UmiError(
                f"the caller wrote {generated.text[:60]!r}, which is not a call", "ask in other words"
            )
        self.cut = False
        proposal = Proposal(planned, generated, plan, calls)
        called = self.transcript.plus(CallerTurn(calls))
        settled = all(is_settled(called, call) for call in calls)
        doubtful = settled and self._is_doubtful(called, calls)
        if doubtful or self._repeats(calls):
            proposal = yield from self._reconsidered(step, proposal)
        calls, thought, margin = proposal.calls, proposal.plan.content, proposal.margin
        if self._repeats(calls):
            if self.repeated:
                raise StuckError(REPEATED)
            self.repeated = True
        before, made, results = self.transcript, list(calls), list[ToolTurn]()
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

    def _reconsidered(self, step: int, proposal: Proposal) -> Generator[Event, None, Proposal]:
        """Return the models' second choice where no rule doubts it, else `proposal`."""
        before = replace(self.transcript, turns=self.transcript.turns[:-1])
        tools = {call.name for call in proposal.calls}

        def is_doubtful(transcript: Transcript, calls: Sequence[Call]) -> bool:
            is_other = {call.name for call in calls} != tools and not self._repeats(proposal.calls)
            return is_other or self._repeats(calls) or self._is_doubtful(transcript, calls)

        other = yield from second_choice(proposal, before, self.generate_after, is_doubtful)
        if other is None:
            return proposal
        if other.plan != proposal.plan:
            yield Thought(step, other.plan.content, other.plan.next)
            self.transcript = before.plus(other.plan)
        return other

    def _is_doubtful(self, transcript: Transcript, calls: Sequence[Call]) -> bool:
        """Return whether a rule doubts one of the calls that end `transcript`."""
        check = self.gate.check
        return check is not None and any(check(transcript, call, math.inf) for call in calls)

    def _repeats(self, calls: Sequence[Call]) -> bool:
        """Return whether all of `calls` were made before."""
        return all(call_key(call) in self.outcomes for call in calls)

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

    def generate_after(
        self, role: Role, transcript: Transcript, instead_of: Choice | None = None
    ) -> Generator[Event, None, Generated | None]:
        """Generate the turn of `role` after another transcript than that of this turn."""
        return replace(self, transcript=transcript).generate(role, instead_of=instead_of)

    def _only_reads(self, name: str) -> bool:
        tool = self.toolbox.get(name)
        return tool is not None and tool.may == "read"

    def generate(
        self,
        role: Role,
        show: Callable[[str], str] | None = None,
        *,
        ended: Callable[[], bool] = lambda: False,
        instead_of: Choice | None = None,
        brief: bool = False,
    ) -> Generator[Event, None, Generated | None]:
        """Generate the turn of `role`; return it, or None where cancelled.

        `show` returns what may be shown now of an answer, for each piece of its text. Where `ended` becomes
        true, the rest is not generated, as if the turn was cut at its length. `instead_of` and `brief` are as
        in `Engine`.
        """
        yield from self.make_room(role)
        for event in self.engine.generate(
            role,
            self.transcript,
            cancelled=lambda: self.cancelled() or ended(),
            instead_of=instead_of,
            brief=brief,
        ):
            match event:
                case Reading():
                    yield event
                case Delta(text):
                    if show and (shown := show(text)):
                        yield AnswerDelta(shown)
                case Generated():
                    self.stats[role] = self.stats.get(role, Usage()) + event.usage
                    if event.stop != "cancelled":
                        return event
                    return replace(event, stop="length") if ended() and not self.cancelled() else None
        raise AssertionError("an engine's last event is Generated")

    def make_room(self, role: Role) -> Iterator[Event]:
        """Trim the transcript so that `role` can write; yield what was dropped or shortened.

        Raise ContextFullError where the tools, the question and the current step leave no room.
        """
        self.transcript, trimmed = fit_transcript(self.engine, role, self.transcript)
        if trimmed:
            yield trimmed


def fit_transcript(engine: Engine, role: Role, transcript: Transcript) -> tuple[Transcript, Trimmed | None]:
    """Return `transcript` trimmed so that `role` can write after it, and what was left out, if anything was.

    Raise ContextFullError where the tools, the question and the current step leave no room.
    """

    def room(shorter: Transcript) -> int:
        return engine.room(role, shorter)

    fitting, changed = make_room(transcript, room, WRITING_ROOM)
    if (left := room(fitting)) < WRITING_ROOM:
        available = engine.context_length
        raise ContextFullError(available - left + WRITING_ROOM, available)
    if not changed:
        return fitting, None
    questions, theirs = dropped_questions(transcript, fitting)
    return fitting, Trimmed(changed, questions, changed - theirs)
