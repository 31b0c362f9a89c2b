"""A session as read from the database: a tree of exchanges, each a question and the events that followed.

Everything else is derived from it: the turns that the next question sees, the branches, the answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from agent.events import AnswerDelta, CallProposed, Event, Finished, Mentioned, Observation, Reason, Thought
from agent.mentions import with_mentions
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
)

Mark = Literal["good", "wrong", "corrected"]
State = Reason | Literal["running", "interrupted"]
"""How an exchange ended; `running` while a process answers it, `interrupted` if that process was killed."""

CONCLUDED: tuple[State, ...] = ("answered", "gave_up", "failed")
"""The states of the exchanges that the next question sees."""
_TITLE_LENGTH = 80


@dataclass(frozen=True)
class Session:
    """A session in a list. `created` and `updated` are ISO 8601, in UTC; `exchanges` counts all branches."""

    id: str
    title: str
    workspace: str
    models: str
    created: str
    updated: str
    exchanges: int


@dataclass(frozen=True)
class Exchange:
    """A question and the events of its turn, pieces of the answer joined; `parent` came before it."""

    id: int
    parent: int | None
    transcript: Transcript
    """The tools on offer and the standing instruction, without turns."""
    question: str
    untrusted: bool
    """Whether the question contained untrusted text, such as piped input."""
    started: str
    state: State
    events: tuple[Event, ...]
    mark: Mark | None = None
    correction: str = ""

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that the next question sees; none of an exchange that was not concluded."""
        turns = turns_of(self.question, self.events) if self.state in CONCLUDED else ()
        match turns:
            case (*_, SummarizerTurn() | PlannerTurn(_, "give up")):
                return turns
        return ()

    @property
    def answer(self) -> str:
        """The answer, the reason for none, or what was written of it before it ended."""
        for event in reversed(self.events):
            if isinstance(event, Finished) and event.answer:
                return event.answer
            if isinstance(event, AnswerDelta):
                return event.text.strip()
        return ""

    @property
    def unsupported(self) -> str:
        """What of the answer nothing supports, as in `Finished`."""
        return next((event.unsupported for event in self.events if isinstance(event, Finished)), "")


@dataclass(frozen=True)
class Record:
    """A session with all its exchanges, oldest first; `head` is the last one of the current branch."""

    session: Session
    exchanges: tuple[Exchange, ...]
    head: int | None
    _by_id: dict[int, Exchange] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {exchange.id: exchange for exchange in self.exchanges})

    @property
    def branch(self) -> tuple[Exchange, ...]:
        """The exchanges of the current branch, from the first question to the head."""
        return self.path(self.head)

    def path(self, last: int | None) -> tuple[Exchange, ...]:
        """Return the exchanges from the first question to the one with the id `last`."""
        path: list[Exchange] = []
        while last is not None and (exchange := self._by_id.get(last)):
            path.append(exchange)
            # A parent is older: a damaged tree cannot hold this up.
            last = exchange.parent if exchange.parent is not None and exchange.parent < exchange.id else None
        return tuple(reversed(path))

    def siblings(self, exchange: int) -> tuple[Exchange, ...]:
        """Return the versions of a question, oldest first: the exchanges with its parent, itself included."""
        parent = self._by_id[exchange].parent
        return tuple(other for other in self.exchanges if other.parent == parent)

    def leaf(self, exchange: int) -> int:
        """Return the newest end of the branches that go on from an exchange, itself where none does."""
        below = {exchange}
        for other in self.exchanges:
            if other.parent in below:
                below.add(other.id)
        return max(below)


def turns_of(question: str, events: Iterable[Event]) -> tuple[Turn, ...]:
    """Return the turns of an exchange that was answered, given up or failed.

    They are whole, where the agent's own conversation may lack steps that were dropped to make room. A step
    whose calls were too long to be written is left out: nobody followed its planner's turn.
    """
    turns: list[Turn] = [UserTurn(question.strip())]
    calls: list[Call] = []
    results: list[ToolTurn] = []
    next_ = None
    for event in events:
        match event:
            case Mentioned(paths):
                turns[0] = UserTurn(with_mentions(question.strip(), paths))
            case Thought(_, text, next_):
                if calls:
                    turns += [CallerTurn(tuple(calls)), *results]
                elif isinstance(turns[-1], PlannerTurn):
                    turns.pop()
                calls, results = [], []
                turns.append(PlannerTurn(text, next_))
            case CallProposed(_, index, name, arguments):
                calls[index:] = [Call(name, arguments)]
            case Observation(_, _, name, ok, content):
                results.append(ToolTurn(name, content, not ok))
            case Finished("answered" | "failed", answer) if next_ == "summarizer":
                turns.append(SummarizerTurn(answer))
    return tuple(turns)


def title_of(question: str) -> str:
    """Return the title of a session that begins with `question`: its first line, cut to 80 characters."""
    line = " ".join(question.strip().partition("\n")[0].split())
    return line if len(line) <= _TITLE_LENGTH else f"{line[: _TITLE_LENGTH - 1]}…"
