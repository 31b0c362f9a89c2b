"""`umi sessions`: the sessions listed, shown, searched, exported, marked, renamed, removed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from agent.errors import InputError, cannot_write
from agent.events import CallProposed, Observation, Thought
from agent.paths import write_private
from agent.sessions import Exchange, Mark, Session, SessionStore
from agent.sessions.export import Format, export
from agent.transcript import compact
from tui.cli.terminal.progress import say
from tui.text import (
    call_line,
    json_for,
    json_without_controls,
    one_line,
    plain,
    truncate_lines,
    without_controls,
)

RESULT_LINES = 12
"""Lines of a tool's result that `show` prints; exports hold all."""


def print_sessions(*, as_json: bool, removed: bool) -> None:
    """Print the sessions, newest first, or those removed."""
    with SessionStore.open() as store:
        found = store.list(removed=removed)
    if as_json:
        _print_json([asdict(session) for session in found])
        return
    for session in found:
        print(_line(session))


def print_hits(text: str, *, as_json: bool) -> None:
    """Print the sessions in which all words of `text` occur, newest first, each with text around a match.

    Raise InputError where `text` has no word.
    """
    if not re.search(r"\w", text):
        raise InputError(
            "there is no word to search for", "give words, or their beginnings: umi sessions search bicycle"
        )
    with SessionStore.open() as store:
        hits = store.search(text)
    if as_json:
        _print_json([{**asdict(hit.session), "snippet": hit.snippet} for hit in hits])
        return
    for hit in hits:
        print(_line(hit.session))
        if hit.exchange is not None:
            print(f"    {one_line(hit.snippet, 160)}")


def _print_json(value: object) -> None:
    print(json_for(sys.stdout.encoding, json_without_controls(compact(value))))


def _line(session: Session) -> str:
    count = session.exchanges
    questions = f"{count} question{'' if count == 1 else 's'}"
    return f"{session.id}  {local_time(session.updated)}  {questions:12}  {one_line(session.title, 80)}"


def local_time(iso: str) -> str:
    """Return a time of a session as date and minute in the local time zone."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")


def print_session(session: str) -> None:
    """Print the current branch of a session."""
    with SessionStore.open() as store:
        record = store.read(session)
    about = record.session
    print(f"{plain(about.title)}\n{about.id}  {local_time(about.updated)}  {one_line(about.workspace)}")
    for exchange in record.branch:
        print("\n" + "\n".join(_lines(exchange)))
        others = len(record.siblings(exchange.id)) - 1
        if others:
            print(f"({others} other version{'' if others == 1 else 's'} of this question: --format json)")


def _lines(exchange: Exchange) -> Iterable[str]:
    yield f"> {plain(exchange.question)}"
    for event in exchange.events:
        match event:
            case Thought(_, text, next_) if text and next_ != "give up":
                yield f"  · {one_line(text)}"
            case CallProposed(_, _, name, arguments):
                yield f"  ▸ {call_line(name, arguments)}"
            case Observation(_, _, _, ok, content):
                head, more = truncate_lines(("" if ok else "error: ") + plain(content).rstrip(), RESULT_LINES)
                yield "\n".join(f"    {line}" for line in head.split("\n"))
                if more:
                    yield f"    … {more} more line{'' if more == 1 else 's'}"
    if exchange.answer:
        yield plain(exchange.answer)
    if exchange.unsupported:
        yield from ("", plain(exchange.unsupported))
    if exchange.state != "answered":
        yield f"({exchange.state.replace('_', ' ')})"
    if exchange.mark:
        yield f"(marked {exchange.mark})" + (f" {plain(exchange.correction)}" if exchange.correction else "")


def export_sessions(session: str | None, form: Format, *, marked: bool, out: Path | None) -> None:
    """Write one session or all of them, oldest first, to a file or standard output."""
    if marked and form != "train":
        raise InputError("--marked is about training rows", "add --format train")
    with SessionStore.open() as store:
        ids = [session] if session else [each.id for each in reversed(store.list())]
        text = export((store.read(each) for each in ids), form, marked=marked)
    if out:
        try:
            write_private(out, text)
        except OSError as error:
            raise cannot_write(out, error) from None
        return
    if form != "md":
        text = json_for(sys.stdout.encoding, json_without_controls(text))
    else:
        text = plain(text) if sys.stdout.isatty() else without_controls(text)
    sys.stdout.write(text)
    if not text:
        say("umi: there is nothing to export")


def mark_answer(session: str, mark: Mark | None, correction: str) -> None:
    """Mark the last answer of a session's current branch."""
    with SessionStore.open() as store:
        record = store.read(session)
        if record.head is None:
            raise InputError(f"session {record.session.id} has no answer", "ask something in it")
        store.mark(record.head, mark, correction)


def rename(session: str, title: str) -> None:
    """Give a session another title."""
    with SessionStore.open() as store:
        print(_line(store.rename(session, title)))


def remove(session: str) -> None:
    """Remove a session, and say how to take that back."""
    with SessionStore.open() as store:
        removed = store.remove(session)
    say(f"removed {one_line(removed.title, 80)}; take it back with: umi sessions undo-remove {removed.id}")


def undo_remove(session: str | None) -> None:
    """Take back the removal of a session, by default of the one removed last."""
    with SessionStore.open() as store:
        print(_line(store.undo_remove(session)))


def purge() -> None:
    """Delete for good what was removed, and say how much that was."""
    with SessionStore.open() as store:
        count = store.purge()
    say(f"deleted {count} session{'' if count == 1 else 's'} for good")
