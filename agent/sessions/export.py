"""Sessions in other forms: Markdown to read, JSON with everything, schema-1 rows to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Literal

from agent.events import CallProposed, Observation, Thought, event_to_json
from agent.sessions.records import Exchange, Record
from agent.transcript import (
    PlannerTurn,
    Row,
    SummarizerTurn,
    Transcript,
    Turn,
    compact,
    row_to_json,
    transcript_to_json,
)

Format = Literal["md", "json", "train"]


def export(records: Iterable[Record], form: Format, *, marked: bool = False) -> str:
    """Return sessions as text in a format, which ends with a line break unless it is empty.

    With `marked`, rows are of the conversations in which an answer is marked as good or corrected.
    """
    match form:
        case "md":
            return "\n".join(map(as_markdown, records))
        case "json":
            return "".join(f"{compact(as_json(record))}\n" for record in records)
        case "train":
            rows = (row for record in records for row in rows_of(record, marked=marked))
            return "".join(f"{compact(row_to_json(row))}\n" for row in rows)


def as_markdown(record: Record) -> str:
    """Return the current branch as Markdown: questions as headings, steps as lists, results as code."""
    session = record.session
    lines = [f"# {session.title}", "", f"{session.created[:16]}Z, {session.models}, {session.workspace}"]
    for exchange in record.branch:
        title, _, rest = exchange.question.partition("\n")
        lines += ["", f"## {title}", *([rest] if rest else []), ""]
        for event in exchange.events:
            match event:
                case Thought(_, text, _) if text:
                    lines.append(f"- {text}")
                case CallProposed(_, _, name, arguments):
                    lines.append(f"- `{name} {compact(arguments)}`")
                case Observation(_, _, _, ok, content):
                    lines += ["", *_code("" if ok else "error: ", content), ""]
        if exchange.events:
            lines.append("")
        if exchange.answer:
            lines.append(exchange.answer)
        if exchange.unsupported:
            note, _, results = exchange.unsupported.partition("\n")
            lines += ["", f"*{note}*", *(["", *_code("", results)] if results else [])]
        if exchange.state != "answered":
            lines.append(f"*{exchange.state.replace('_', ' ')}*")
        if exchange.mark:
            lines += [
                "",
                f"*marked {exchange.mark}*",
                *([exchange.correction] if exchange.correction else []),
            ]
    return "\n".join(lines) + "\n"


def _code(before: str, content: str) -> list[str]:
    """Return a block of code, fenced by more backticks than occur in it."""
    fence = "```"
    while fence in content:
        fence += "`"
    return [fence, before + content, fence]


def as_json(record: Record) -> dict[str, Any]:
    """Return a session with all its branches: exchanges with their events, and the current transcript."""
    transcript = record.branch[-1].transcript if record.branch else Transcript()
    turns = tuple(turn for exchange in record.branch for turn in exchange.turns)
    return {
        **asdict(record.session),
        "head": record.head,
        "exchanges": [
            {
                "id": exchange.id,
                "parent": exchange.parent,
                "question": exchange.question,
                "started": exchange.started,
                "state": exchange.state,
                "mark": exchange.mark,
                "correction": exchange.correction,
                "events": [event_to_json(event) for event in exchange.events],
            }
            for exchange in record.exchanges
        ],
        "transcript": transcript_to_json(replace(transcript, turns=turns)),
    }


def rows_of(record: Record, *, marked: bool) -> list[Row]:
    """Return the conversations of a session as rows to learn from.

    Without `marked` there is one row, of the current branch. With it there is one for each branch in which an
    answer is marked as good or corrected, up to the last of these; branches that others continue are left
    out. What was not concluded, is marked wrong, or has an answer that nothing supports and no mark, is left
    out, and a correction takes the answer's place.
    """
    ends = [record.head] if not marked else _marked_ends(record)
    rows: list[Row] = []
    for end in ends:
        path = [exchange for exchange in record.path(end) if _is_taught(exchange)]
        if path:
            turns = tuple(turn for exchange in path for turn in taught_turns(exchange))
            transcript = replace(path[-1].transcript, turns=turns)
            rows.append(Row(f"session-{record.session.id}-{path[-1].id}", "session", "train", transcript))
    return rows


def _is_taught(exchange: Exchange) -> bool:
    is_right = exchange.mark != "wrong" if exchange.mark else not exchange.unsupported
    return is_right and bool(exchange.turns)


def _marked_ends(record: Record) -> list[int]:
    marked = [exchange.id for exchange in record.exchanges if exchange.mark in ("good", "corrected")]
    covered = {exchange.id for end in marked for exchange in record.path(end)[:-1]}
    return [end for end in marked if end not in covered]


def taught_turns(exchange: Exchange) -> tuple[Turn, ...]:
    """Return the turns of an exchange to learn from: with the correction in place of the answer."""
    turns = exchange.turns
    if exchange.mark != "corrected":
        return turns
    match turns:
        case (*before, SummarizerTurn()):
            return (*before, SummarizerTurn(exchange.correction))
        case (*before, PlannerTurn(thought, "give up")):
            return (*before, PlannerTurn(thought, "summarizer"), SummarizerTurn(exchange.correction))
    return turns


def recorded_row(transcript: Transcript) -> Row:
    """Return a conversation that was just had as a row, whose id holds the time and a digest."""
    row = Row("", "recorded", "train", transcript)
    digest = hashlib.blake2b(compact(row_to_json(row)).encode("utf-8", "replace"), digest_size=4).hexdigest()
    return replace(row, id=f"recorded-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{digest}")
