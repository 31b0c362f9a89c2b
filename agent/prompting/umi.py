"""The `umi` dialect: how a transcript becomes what umi's own models read.

Each turn is header + content + end, and the three pieces are tokenized separately, the content with special
tokens off. So no text that a person, a tool or a file supplied can open or close a turn, and the ids of a
prompt are a prefix of the ids of every longer one.
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
    """One turn as text: whose it is and what it says."""

    role: str
    content: str


def segment(turn: Turn) -> Segment:
    """A turn as the models see it."""
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
    """The transcript's turns as text, the tools first, sorted by name, one a line."""
    yield Segment("system", "\n".join(tool.line() for tool in sorted(transcript.tools, key=lambda t: t.name)))
    if transcript.instruction:
        yield Segment("system", transcript.instruction)
    for turn in transcript.turns:
        yield segment(turn)


def segment_ids(piece: Segment, tokenize: Tokenize, markers: Markers = CHATML) -> list[int]:
    """tok(header) + tok(content, special tokens off) + tok(end) of one turn.

    The content is read as NFC: many bases' tokenizers normalize to it, and llama.cpp normalizes nothing.
    """
    return (
        tokenize(markers.header(piece.role), True)
        + tokenize(unicodedata.normalize("NFC", piece.content), False)
        + tokenize(markers.end, True)
    )


def prompt_ids(
    transcript: Transcript, role: Role | None, tokenize: Tokenize, markers: Markers = CHATML
) -> list[int]:
    """The ids of the transcript so far, followed by `role`'s header (nothing where `role` is None)."""
    ids = [i for piece in segments(transcript) for i in segment_ids(piece, tokenize, markers)]
    return ids + tokenize(markers.header(role), True) if role else ids
