"""The agent loop: planner → caller → tools → planner → … → summarizer, as a generator of events.

Mistakes of the models (unusable arguments, a tool that failed, a repeated call) go back to the models as an
observation, and so does a refusal of the user; our own mistakes end the turn. This module knows neither
llama.cpp nor any front end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from agent.attachments import Attachment, attached_turns
from agent.checks.answers import AnswerCheck
from agent.checks.refusals import named_refusal
from agent.consent import Approve
from agent.consent.audit import AuditLog
from agent.consent.gate import Check, Gate, Unconfirmed
from agent.consent.policy import Policy, call_key
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
from agent.prompting.trimming import dropped_questions, make_room
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
    parse_calls,
    parse_planner,
)

Cancelled = Callable[[], bool]

WRITING_ROOM = 192
"""Tokens kept free for what a role generates; a transcript that leaves fewer is trimmed."""

TOO_LONG = "the call was too long to be written, so it was not made"
"""What the planner reads, and the person where it happens again."""

_log = logging.getLogger(__name__)
_content_log = logging.getLogger("umi.content")
"""Of what people wrote; kept out of the log file unless the user asks for it."""


@dataclass
class Conversation:
    """The turns that the models see. Those dropped to make room are gone from it.

    A run that ended without an answer leaves it unchanged. `untrusted` tells that the models read text from
    outside, of files or of other programs: set it where such text is put into a question.
    """

    transcript: Transcript
    untrusted: bool = False


@dataclass
class _Turn:
    """One run of the agent: what the models see, what it cost, and which calls were made.

    `outcomes` says by call whether it succeeded, `failing` whether a call of the last such step did not, and
    `cut` whether the last calls were cut at their length.
    """

    transcript: Transcript
    untrusted: bool
    stats: dict[Role, Usage] = field(default_factory=dict)
    outcomes: dict[str, bool] = field(default_factory=dict)
    failing: bool = False
    cut: bool = False


class CutTwice(Exception):
    """Two turns of the caller in a row were cut at their length."""


class Agent:
    """Three roles and a toolbox. At most `max_steps` steps (1 or more) call tools in one turn.

    `check` finds doubts about a call, `policy` holds what the user allowed or forbade in advance, and `audit`
    records every decision. `instruction` is a standing one, which the models read after the tools. Where the
    engine's answers are grounded, they show only what the question and the tools support
    (`agent.checks.answers`).
    """

    def __init__(
        self,
        engine: Engine,
        toolbox: Toolbox,
        max_steps: int = 8,
        *,
        check: Check | None = None,
        policy: Policy | None = None,
        audit: AuditLog | None = None,
        instruction: str = "",
    ) -> None:
        if max_steps < 1:
            raise InputError(f"the step limit is {max_steps}", "give --max-steps a number of at least 1")
        self.engine = engine
        self.toolbox = toolbox
        self.max_steps = max_steps
        self.check = check
        self.policy = policy
        self.audit = audit
        self.instruction = instruction

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the models. May be called twice."""
        self.engine.close()

    def begin(self) -> Conversation:
        """Return a new conversation with this agent's tools and standing instruction."""
        return Conversation(Transcript(self.toolbox.specs, instruction=self.instruction))

    def read_ahead(self, conversation: Conversation, text: str, cancelled: Cancelled) -> bool:
        """Let the models read a conversation and what was typed of the next question; see `Engine`."""
        transcript = conversation.transcript
        if text.strip():
            transcript = transcript.plus(UserTurn(text.strip()))
        return self.engine.read_ahead(transcript, cancelled=cancelled)

    def ask(
        self,
        conversation: Conversation,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        approve: Approve | None = None,
        cancelled: Cancelled = lambda: False,
    ) -> Finished:
        """Answer `text` as `run` does; return the last event."""
        *_, last = self.run(conversation, text, attachments=attachments, approve=approve, cancelled=cancelled)
        assert isinstance(last, Finished), "a turn ends with it"
        return last

    def run(
        self,
        conversation: Conversation,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        approve: Approve | None = None,
        cancelled: Cancelled = lambda: False,
    ) -> Iterator[Event]:
        """Answer `text`, yielding events; the last one is `Finished`.

        The files in `attachments` are shown to the models as read in a step of their own, which counts as
        step 0.

        `approve(request)` is asked before a tool runs that may write, execute or use the network, and about a
        call in doubt (see `agent.consent`). Where it is missing or returns None, nobody is there: the first
        are refused, and the second end the turn as `unsure`. Raise InputError for an empty question and
        ContextFull for one that does not fit, before anything is generated; the conversation is then
        unchanged.
        """
        if not text.strip():
            raise InputError("the question is empty", "write what you want to know")
        _content_log.info("question: %s", text)
        before = conversation.transcript
        observed = [made.name for made in before.turns if isinstance(made, ToolTurn)]
        untrusted = (
            conversation.untrusted
            or self.toolbox.is_described_from_outside
            or any(map(self.toolbox.is_untrusted, observed))
        )
        turn = _Turn(before.plus(UserTurn(text.strip())), untrusted)
        if attachments:
            turn.transcript = turn.transcript.plus(*attached_turns(attachments))
            turn.untrusted = True
            turn.outcomes |= {call_key(attached.call): True for attached in attachments}
        gate = Gate(self.toolbox, approve, self.check, self.policy, self.audit)
        yield from self._make_room(turn, "planner")
        yield from _shown(attachments)
        try:
            reason, answer = yield from self._steps(turn, text, gate, cancelled)
        except UmiError as error:
            yield Finished("error", str(error), turn.stats)
            return
        except Exception as error:
            _log.exception("the turn failed")
            yield Finished("error", f"umi itself failed: {type(error).__name__}: {error}", turn.stats)
            return
        if reason in ("answered", "gave_up", "failed"):
            conversation.transcript = turn.transcript
            conversation.untrusted = turn.untrusted
        _log.info("a turn ended: %s, %d calls", reason, len(turn.outcomes))
        yield Finished(reason, answer, turn.stats)

    def _steps(
        self, turn: _Turn, question: str, gate: Gate, cancelled: Cancelled
    ) -> Generator[Event, None, tuple[Reason, str]]:
        for step in range(1, self.max_steps + 2):
            generated = yield from self._generate(turn, "planner", cancelled)
            if generated is None:
                return "cancelled", ""
            plan = parse_planner(generated.text)
            if plan is None and generated.stop == "length":
                return "failed", _told_so_far(turn.transcript, "the planner's turn was cut at its length")
            if plan is None:
                raise UmiError(
                    f"the planner ended with {generated.text[-60:]!r}, which hands over to nobody",
                    "try other models with `umi models use`",
                )
            if plan.next == "give up" and not turn.outcomes and self.engine.grounded_answers:
                plan = replace(plan, content=named_refusal(plan.content, question))
            yield Thought(step, plan.content, plan.next)
            if plan.next == "caller" and step > self.max_steps:
                return "step_limit", ""
            turn.transcript = turn.transcript.plus(plan)
            if plan.next == "give up":
                return ("failed" if turn.failing else "gave_up"), plan.content
            if plan.next == "summarizer":
                return (yield from self._answer(turn, cancelled))
            try:
                if not (yield from self._call(turn, step, plan.content, generated.margin, gate, cancelled)):
                    return "cancelled", ""
            except Unconfirmed as unconfirmed:
                return "unsure", str(unconfirmed)
            except CutTwice:
                return "failed", _told_so_far(turn.transcript, TOO_LONG)
        raise AssertionError("the last step ends the turn")

    def _answer(self, turn: _Turn, cancelled: Cancelled) -> Generator[Event, None, tuple[Reason, str]]:
        check = AnswerCheck(turn.transcript) if self.engine.grounded_answers else None
        generated = yield from self._generate(
            turn, "summarizer", cancelled, show=check.feed if check else str
        )
        if generated is None:
            return "cancelled", ""
        answer = generated.text
        if check:
            if rest := check.finish(cut=generated.stop == "length"):
                yield AnswerDelta(rest)
            answer = check.text
            if check.doubt and not answer.strip():
                return "failed", f"There is no answer: {check.doubt}."
        turn.transcript = turn.transcript.plus(SummarizerTurn(answer.strip()))
        return ("failed" if turn.failing else "answered"), answer.strip()

    def _call(
        self, turn: _Turn, step: int, thought: str, margin: float, gate: Gate, cancelled: Cancelled
    ) -> Generator[Event, None, bool]:
        """Generate the step's calls and run them; return False where cancelled. `margin` is the thought's.

        Raise Unconfirmed, and CutTwice for a second turn in a row that was cut at its length.
        """
        generated = yield from self._generate(turn, "caller", cancelled)
        if generated is None:
            return False
        calls = parse_calls(generated.text)
        if calls is None and generated.stop == "length":
            if turn.cut:
                raise CutTwice
            turn.cut = True
            turn.transcript = turn.transcript.plus(ToolTurn("", TOO_LONG, error=True))
            return True
        if calls is None:
            raise UmiError(
                f"the caller wrote {generated.text[:60]!r}, which is not a call", "ask in other words"
            )
        turn.cut = False
        before, made, results = turn.transcript, list(calls), list[ToolTurn]()
        margin = min(margin, generated.margin)
        turn.failing = False
        for index, call in enumerate(calls):
            yield CallProposed(step, index, call.name, call.arguments)
            if cancelled():
                return False
            turn.transcript = before.plus(CallerTurn(tuple(made)), *results)
            ok, content, passed = self._run_call(turn, call, thought, margin, gate, cancelled)
            if passed != call:
                yield CallProposed(step, index, passed.name, passed.arguments)
            yield Observation(step, index, passed.name, ok, content)
            made[index] = passed
            results.append(ToolTurn(passed.name, content, not ok))
            turn.transcript = before.plus(CallerTurn(tuple(made)), *results)
            turn.untrusted |= self.toolbox.is_untrusted(passed.name)
        return not cancelled()

    def _run_call(
        self, turn: _Turn, call: Call, thought: str, margin: float, gate: Gate, cancelled: Cancelled
    ) -> tuple[bool, str, Call]:
        """Run a call; return whether it succeeded, what it returned, and the call as the user let it run."""
        if (succeeded := turn.outcomes.get(call_key(call))) is not None:
            turn.failing |= not succeeded
            return False, "this very call was made before; do something else", call
        asked = call
        try:
            call = gate.passed(call, thought, turn.transcript, turn.untrusted, margin)
        except ToolError as refused:
            ok, content = False, str(refused)
        else:
            ok, content = self._run_tool(call, cancelled)
        turn.outcomes[call_key(asked)] = turn.outcomes[call_key(call)] = ok
        turn.failing |= not ok
        return ok, content, call

    def _run_tool(self, call: Call, cancelled: Cancelled) -> tuple[bool, str]:
        try:
            return True, self.toolbox.run(call, cancelled)
        except ToolError as error:
            return False, str(error)
        except Exception as error:
            _log.exception("the tool %s failed", call.name)
            return False, f"{call.name} failed: {type(error).__name__}: {error}"

    def _generate(
        self, turn: _Turn, role: Role, cancelled: Cancelled, show: Callable[[str], str] | None = None
    ) -> Generator[Event, None, Generated | None]:
        """Generate the turn of `role`; return it, or None where cancelled.

        `show` returns what may be shown now of an answer, for each piece of its text.
        """
        yield from self._make_room(turn, role)
        for event in self.engine.generate(role, turn.transcript, cancelled=cancelled):
            match event:
                case Reading():
                    yield event
                case Delta(text):
                    if show and (shown := show(text)):
                        yield AnswerDelta(shown)
                case Generated():
                    turn.stats[role] = turn.stats.get(role, Usage()) + event.usage
                    return None if event.stop == "cancelled" else event
        raise AssertionError("an engine's last event is Generated")

    def _make_room(self, turn: _Turn, role: Role) -> Iterator[Event]:
        """Trim the transcript so that `role` can write; yield what was dropped or shortened.

        Raise ContextFull where the tools, the question and the current step leave no room.
        """

        def room(transcript: Transcript) -> int:
            return self.engine.room(role, transcript)

        before = turn.transcript
        turn.transcript, changed = make_room(before, room, WRITING_ROOM)
        if (left := room(turn.transcript)) < WRITING_ROOM:
            available = self.engine.context_length
            raise ContextFull(available - left + WRITING_ROOM, available)
        if changed:
            questions, theirs = dropped_questions(before, turn.transcript)
            yield Trimmed(changed, questions, changed - theirs)


def _shown(attachments: Sequence[Attachment]) -> Iterator[Event]:
    """Yield the events of the step in which attachments are read."""
    for turn in attached_turns(attachments)[:1] if attachments else ():
        assert isinstance(turn, PlannerTurn)
        yield Thought(0, turn.content, turn.next)
    for index, attached in enumerate(attachments):
        yield CallProposed(0, index, attached.call.name, attached.call.arguments)
        yield Observation(0, index, attached.call.name, True, attached.content)


def _told_so_far(transcript: Transcript, why: str) -> str:
    """Return why a turn ends early, and what the tools said until then."""
    said: list[str] = []
    for turn in reversed(transcript.turns):
        if isinstance(turn, UserTurn):
            break
        if isinstance(turn, ToolTurn) and not turn.error:
            said.insert(0, f"{turn.name} says:\n{turn.content}")
    return "\n".join([f"{why[0].upper()}{why[1:]}.", *said])
