"""The agent loop: planner → caller → tools → planner → … → summarizer, as a generator of events.

Mistakes of the models and of tools go back to the models as observations (`agent.turn`); our own mistakes end
the turn. This module knows neither llama.cpp nor any front end.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from agent.attachments import Attachment, attached_turns
from agent.checks.answers.answer_check import AnswerCheck
from agent.checks.answers.free_answers import LoopWatch, unsupported_note
from agent.checks.answers.loops import looped
from agent.checks.refusals import named_failure, named_refusal
from agent.checks.thoughts import is_wrong
from agent.consent import Approve
from agent.consent.audit import AuditLog
from agent.consent.gate import Check, Gate, UnconfirmedCallError
from agent.consent.policy import Policy, call_key
from agent.engine import Engine, Generated
from agent.errors import InputError, ToolError, UmiError
from agent.events import (
    AnswerDelta,
    CallProposed,
    Event,
    Finished,
    Mentioned,
    Observation,
    Reason,
    Thought,
)
from agent.mentions import READ_FILE, mentioned_files, with_mentions
from agent.second_choice import second_thought
from agent.tools.toolbox import Toolbox
from agent.transcript import (
    PlannerTurn,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
    parse_planner,
)
from agent.turn import Cancelled, RunningTurn, StuckError

if TYPE_CHECKING:
    from agent.tools.selection.selection import ToolSelection

LOOPED = "the planner wrote the same over and over"
CUT = "the planner's turn was cut at its length"

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


class Agent:
    """Three roles and a toolbox. At most `max_steps` steps (1 or more) call tools in one turn.

    `check` finds doubts about a call, `policy` holds what the user allowed or forbade in advance, and `audit`
    records every decision. `instruction` is a standing one, which the models read after the tools. Where the
    engine's answers are grounded, they show only what the question and the tools support
    (`agent.checks.answers`); under others a note tells what is not.
    `selection` picks which tools a turn offers; without it, all are.
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
        selection: ToolSelection | None = None,
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
        self.selection = selection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the models. May be called twice."""
        self.engine.close()

    def begin(self) -> Conversation:
        """Return a new conversation with this agent's tools and standing instruction."""
        specs = self.selection.pinned if self.selection else self.toolbox.specs
        return Conversation(Transcript(specs, instruction=self.instruction))

    def read_ahead(self, conversation: Conversation, text: str, cancelled: Cancelled) -> bool:
        """Let the models read a conversation and what was typed of the next question; see `Engine`."""
        transcript = conversation.transcript
        if text.strip():
            transcript = transcript.plus(UserTurn(text.strip()))
        return self.engine.read_ahead(transcript, cancelled=cancelled)

    def save_state(self, conversation: Conversation) -> None:
        """Keep on disk what the models read of a conversation; who goes on with it later need not wait.

        Where that fails, it is read again.
        """
        if conversation.transcript.turns:
            with suppress(UmiError):
                self.engine.save_state(conversation.transcript)

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
        step 0. Without any, the paths of files that the question names are shown behind it (`Mentioned`).

        `approve(request)` is asked before a tool runs that may write, execute or use the network, and about a
        call in doubt (see `agent.consent`). Where it is missing or returns None, nobody is there: the first
        are refused, and the second end the turn as `unsure`. Raise InputError for an empty question and
        ContextFullError for one that does not fit, before anything is generated; the conversation is then
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
        gate = Gate(self.toolbox, approve, self.check, self.policy, self.audit)
        mentioned = () if attachments else self._mentioned_files(text)
        asked = before.plus(UserTurn(with_mentions(text.strip(), mentioned)))
        # Who named the folders of a file is not known.
        turn = RunningTurn(self.engine, self.toolbox, gate, cancelled, asked, untrusted or bool(mentioned))
        if attachments:
            turn.transcript = turn.transcript.plus(*attached_turns(attachments))
            turn.untrusted = True
            turn.outcomes |= {call_key(attached.call): True for attached in attachments}
        yield from turn.make_room("planner")
        if mentioned:
            yield Mentioned(mentioned)
        yield from _shown(attachments)
        try:
            reason, answer = yield from self._steps(turn, text)
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
        yield Finished(reason, answer, turn.stats, turn.unsupported)

    def _mentioned_files(self, question: str) -> tuple[str, ...]:
        """Return the files that a question names without a path, where the models can read files."""
        if self.toolbox.get(READ_FILE) is None:
            return ()
        try:
            return mentioned_files(question, self.toolbox.context.workspace, self.toolbox.specs)
        except (ToolError, OSError) as error:  # a workspace that is gone or cannot be listed
            _log.info("no file names were looked up: %s", error)
            return ()

    def _steps(self, turn: RunningTurn, question: str) -> Generator[Event, None, tuple[Reason, str]]:
        for step in range(1, self.max_steps + 2):
            if self.selection:
                turn.transcript = self.selection.offer(turn.transcript, self.engine)
            generated = yield from turn.generate("planner")
            if generated and _went_astray(generated):
                generated = yield from turn.generate("planner", brief=True)
            if generated is None:
                return "cancelled", ""
            if astray := _went_astray(generated):
                return "failed", _told_so_far(turn.transcript, astray)
            plan = parse_planner(generated.text)
            if plan is None:
                raise UmiError(
                    f"the planner ended with {generated.text[-60:]!r}, which hands over to nobody",
                    "try other models with `umi models use`",
                )
            if self.engine.grounded_answers and is_wrong(plan.content, turn.transcript):
                other = yield from second_thought(generated, turn.transcript, turn.generate_after)
                plan, generated = other or (plan, generated)
            if plan.next == "give up" and self.engine.grounded_answers:
                plan = replace(plan, content=_reason_to_give_up(plan.content, question, turn))
            yield Thought(step, plan.content, plan.next)
            if plan.next == "caller" and step > self.max_steps:
                return "step_limit", ""
            if plan.next != "caller":
                turn.transcript = turn.transcript.plus(plan)
            if plan.next == "give up":
                return ("failed" if turn.failing else "gave_up"), plan.content
            if plan.next == "summarizer":
                return (yield from self._answer(turn))
            try:
                if not (yield from turn.make_calls(step, plan, generated)):
                    return "cancelled", ""
            except UnconfirmedCallError as unconfirmed:
                return "unsure", str(unconfirmed)
            except StuckError as stuck:
                return "failed", _told_so_far(turn.transcript, str(stuck))
        raise AssertionError("the last step ends the turn")

    def _answer(self, turn: RunningTurn) -> Generator[Event, None, tuple[Reason, str]]:
        check = AnswerCheck(turn.transcript) if self.engine.grounded_answers else None
        watch = LoopWatch(turn.transcript)
        generated = yield from turn.generate(
            "summarizer",
            show=check.feed if check else watch.feed,
            ended=lambda: bool(check.doubt) if check else watch.loops,
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
        else:
            answer = watch.text
            turn.unsupported = unsupported_note(answer, turn.transcript, cut=generated.stop == "length")
        turn.transcript = turn.transcript.plus(SummarizerTurn(answer.strip()))
        return ("failed" if turn.failing else "answered"), answer.strip()


def _shown(attachments: Sequence[Attachment]) -> Iterator[Event]:
    """Yield the events of the step in which attachments are read."""
    for turn in attached_turns(attachments)[:1] if attachments else ():
        assert isinstance(turn, PlannerTurn)
        yield Thought(0, turn.content, turn.next)
    for index, attached in enumerate(attachments):
        yield CallProposed(0, index, attached.call.name, attached.call.arguments)
        yield Observation(0, index, attached.call.name, True, attached.content)


def _reason_to_give_up(thought: str, question: str, turn: RunningTurn) -> str:
    """Return the planner's reason, or where that speaks of something else one that does not."""
    if not turn.outcomes:
        return named_refusal(thought, question)
    last = turn.transcript.turns[-1]
    error = last.content if isinstance(last, ToolTurn) and last.error else ""
    return named_failure(thought, question, error)


def _went_astray(generated: Generated) -> str:
    """Return why a planner's turn is not to be followed, as a clause; empty if nothing is wrong with it."""
    plan = parse_planner(generated.text)
    if plan and plan.next == "give up" and looped(plan.content):
        return LOOPED
    return CUT if plan is None and generated.stop == "length" else ""


def _told_so_far(transcript: Transcript, why: str) -> str:
    """Return why a turn ends early, and what the tools said until then."""
    said: list[str] = []
    for turn in reversed(transcript.turns):
        if isinstance(turn, UserTurn):
            break
        if isinstance(turn, ToolTurn) and not turn.error:
            said.insert(0, f"{turn.name} says:\n{turn.content}")
    return "\n".join([f"{why[0].upper()}{why[1:]}.", *said])
