"""The commands of sessions: the list, the title, going back, marks of answers, exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import InputError, cannot_write
from agent.paths import write_private
from tui.app.chat.marks import correct, mark, next_mark
from tui.app.commands.registry import SlashCommand

if TYPE_CHECKING:
    from agent.sessions import Record
    from agent.sessions.export import Format
    from tui.app.app import UmiApp

_SUFFIXES: dict[Format, str] = {"md": "md", "json": "json", "train": "jsonl"}


async def _sessions(app: UmiApp, rest: str) -> None:
    from tui.app.screens.sessions import SessionsScreen

    async def resume(session: str | None) -> None:
        if session:
            app.sessions.resume(session)
            await app.show_session()

    await app.push_screen(SessionsScreen(app.sessions.require_store(), rest), resume)


async def _rename(app: UmiApp, rest: str) -> None:
    writer = app.sessions.require_writer()
    renamed = app.sessions.require_store().rename(writer.session_id or "", rest)
    writer.title = renamed.title
    await app.show_note(f"This session is called: {renamed.title}")


async def _rewind(app: UmiApp, rest: str) -> None:
    if rest and not (rest.isascii() and rest.isdecimal() and int(rest)):
        raise InputError(f"{rest!r} is not a number of questions", "/rewind 2 goes back two questions")
    if app.is_answering:
        raise InputError("the answer is still being written", "Esc stops it")
    writer = app.sessions.require_writer()
    branch = writer.record().branch
    count = int(rest or 1)
    if count > len(branch):
        raise InputError(f"there are {len(branch)} questions to go back", "give a smaller number")
    first = branch[-count]
    writer.fork(first.id)
    await app.show_session()
    app.put_question(first.question)


async def _mark(app: UmiApp, rest: str) -> None:
    await next_mark(app.chat)


async def _good(app: UmiApp, rest: str) -> None:
    await mark(app.chat, "good")


async def _wrong(app: UmiApp, rest: str) -> None:
    await mark(app.chat, "wrong")


async def _correct(app: UmiApp, rest: str) -> None:
    if rest:
        await mark(app.chat, "corrected", rest)
    else:
        correct(app.chat)


async def _unmark(app: UmiApp, rest: str) -> None:
    await mark(app.chat, None)


async def _export(app: UmiApp, rest: str) -> None:
    from agent.sessions.export import export

    record = app.sessions.require_writer().record()
    first, _, name = rest.partition(" ")
    forms: dict[str, Format] = {form: form for form in _SUFFIXES}
    form = forms.get(first.lower())
    if form is None:
        form, name = "md", rest
    path = _export_path(app, record, form, name.strip())
    text = export([record], form)
    if not text:
        raise InputError("there is no answer to learn from in this session", "export it as md or json")
    if path.exists():
        raise InputError(f"{path} exists", "name another file behind /export")
    try:
        write_private(path, text)
    except OSError as error:
        raise cannot_write(path, error) from None
    await app.show_note(f"Written: {path}")


def _export_path(app: UmiApp, record: Record, form: Format, name: str) -> Path:
    folder = app.opened.info.workspace if app.opened else Path()
    return folder / Path(name or f"umi-{record.session.id}.{_SUFFIXES[form]}").expanduser()


COMMANDS = (
    SlashCommand("sessions", "find, resume, rename, remove, export", _sessions, "[WORDS]", ("resume",)),
    SlashCommand("rename", "give this session another title", _rename, "TITLE"),
    SlashCommand("rewind", "go back before the last question, or the last N", _rewind, "[N]"),
    SlashCommand("mark", "mark the last answer: good, then wrong, then not at all", _mark),
    SlashCommand("good", "mark the last answer as good", _good),
    SlashCommand("wrong", "mark the last answer as wrong", _wrong),
    SlashCommand("correct", "say what is right in place of the last answer", _correct, "[TEXT]"),
    SlashCommand("unmark", "take the mark of the last answer away", _unmark),
    SlashCommand("export", "write this session to a file", _export, "[md|json|train] [FILE]"),
)
