"""The `umi` dialect: a transcript as the token ids that umi's own models read.

Each turn is header + content + end, tokenized separately, the content with special tokens off. So no text of
a user, a tool or a file can open or close a turn, and the ids of a transcript begin those of a longer one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from agent.prompting.markers import CHATML, Markers, Tokenize
from agent.transcript import (
    CallerTurn,
    PlannerTurn,
    Role,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
    planner_text,
)


@dataclass(frozen=True)
class Segment:
    """One turn as text: its role's header name and its content."""

    role: str
    content: str


def segment(turn: Turn) -> Segment:
    """Return a turn as text, as the models read it."""
    match turn:
        case UserTurn(content):
            return Segment("user", content)
        case PlannerTurn(content, next_):
            return Segment("planner", planner_text(content, next_))
        case CallerTurn(calls):
            return Segment("caller", "\n".join(call.line() for call in calls))
        case ToolTurn(_, content, error):
            return Segment("tool", f"error: {content}" if error else content)
        case SummarizerTurn(content):
            return Segment("summarizer", content)


def segments(transcript: Transcript) -> Iterator[Segment]:
    """Yield the turns as text, after a system turn with the tools, one a line."""
    yield Segment("system", "\n".join(tool.line() for tool in transcript.listed_tools))
    if transcript.instruction:
        yield Segment("system", transcript.instruction)
    for turn in transcript.turns:
        yield segment(turn)


def segment_ids(piece: Segment, tokenize: Tokenize, markers: Markers = CHATML) -> list[int]:
    """Return tok(header) + tok(content, special tokens off) + tok(end) of one turn.

    The content is normalized to NFC, as many bases' tokenizers do and llama.cpp does not.
    """
    return (
        tokenize(markers.header(piece.role), True)
        + tokenize(unicodedata.normalize("NFC", piece.content), False)
        + tokenize(markers.end, True)
    )


def prompt_ids(
    transcript: Transcript, role: Role | None, tokenize: Tokenize, markers: Markers = CHATML
) -> list[int]:
    """Return the ids of the transcript, followed by the header of `role` unless that is None."""
    ids = [i for piece in segments(transcript) for i in segment_ids(piece, tokenize, markers)]
    return ids + tokenize(markers.header(role), True) if role else ids
