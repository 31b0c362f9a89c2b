"""What an answer may be made of: the last question, what the tools said to it, the texts of a dialogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from agent.llama.grammar.grounding import atoms
from agent.transcript import Call, CallerTurn, SummarizerTurn, ToolTurn, Transcript, UserTurn

LONGEST_GIVEN = 80
"""Characters of a call's arguments that are told beside its result."""


@dataclass(frozen=True)
class Sources:
    """The sources of an answer that follows a transcript."""

    question: str
    observations: Sequence[ToolTurn]
    """What the tools said to the question, without errors."""
    said: Sequence[str]
    """All texts of the dialogue, the arguments of its calls among them, and the tools."""
    calls: Sequence[tuple[Call, ToolTurn]]

    @classmethod
    def of(cls, transcript: Transcript) -> Self:
        """Return the sources of an answer after `transcript`, which ends with what the tools said."""
        question, observations = _exchange(transcript)
        return cls(question, observations, list(_said(transcript)), list(_calls(transcript)))

    @property
    def texts(self) -> list[str]:
        """The question, and what the tools said to it."""
        return [self.question, *(turn.content for turn in self.observations)]

    def results_beside(self, answer: str) -> str:
        """Return what the tools said and `answer` does not say, under their names."""
        told = [turn for turn in self.observations if turn.content not in answer]
        return "\n".join(f"{self._asked_for(turn)}{turn.name} says:{_layout(turn.content)}" for turn in told)

    def _asked_for(self, turn: ToolTurn) -> str:
        """Return the arguments of the call that a result belongs to, where they are short and were said."""
        call = next((call for call, result in self.calls if result is turn), None)
        given = ", ".join(f"{name} {value}" for name, value in call.arguments.items()) if call else ""
        if not given or len(given) > LONGEST_GIVEN or "\n" in given:
            return ""
        found, known = atoms([given]), atoms(self.texts)
        is_said = found.numbers <= known.numbers and found.words <= known.words
        return f"For {given}, " if is_said else ""


def _layout(content: str) -> str:
    return f"\n{content}" if "\n" in content else f" {content}"


def _exchange(transcript: Transcript) -> tuple[str, list[ToolTurn]]:
    observations: list[ToolTurn] = []
    for turn in reversed(transcript.turns):
        if isinstance(turn, UserTurn):
            return turn.content, observations[::-1]
        if isinstance(turn, ToolTurn) and not turn.error:
            observations.append(turn)
    return "", []


def _calls(transcript: Transcript) -> Iterator[tuple[Call, ToolTurn]]:
    """Yield each call of a dialogue with what its tool said."""
    pending: list[Call] = []
    for turn in transcript.turns:
        if isinstance(turn, CallerTurn):
            pending = list(turn.calls)
        elif isinstance(turn, ToolTurn) and pending:
            yield pending.pop(0), turn


def _said(transcript: Transcript) -> Iterator[str]:
    yield from (tool.line() for tool in transcript.tools)
    for turn in transcript.turns:
        match turn:
            case UserTurn(content) | ToolTurn(_, content) | SummarizerTurn(content):
                yield content
            case CallerTurn(calls):
                yield from (str(value) for call in calls for value in call.arguments.values())
            case _:
                pass
