"""`umi sessions …`: the conversations on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.cli.tree.options import PLAIN

sessions = typer.Typer(help="The conversations on this machine.", **PLAIN)

SessionId = Annotated[
    str, typer.Argument(metavar="ID", help="A session's id, or as much of its beginning as no other has.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@sessions.command("list")
def list_sessions(
    json: AsJson = False,
    removed: Annotated[
        bool, typer.Option("--removed", help="Those that were removed and can be taken back.")
    ] = False,
) -> None:
    """All sessions, newest first."""
    from tui.cli.sessions import print_sessions

    print_sessions(as_json=json, removed=removed)


@sessions.command("show")
def show_session(session: SessionId) -> None:
    """Show a session: questions, steps and answers."""
    from tui.cli.sessions import print_session

    print_session(session)


@sessions.command("search", short_help="Find the sessions in which words occur.")
def search_sessions(
    text: Annotated[list[str], typer.Argument(help="Words, or beginnings of words; all must occur.")],
    json: AsJson = False,
) -> None:
    """Sessions in which words occur: titles, questions, results of tools, answers."""
    from tui.cli.sessions import print_hits

    print_hits(" ".join(text), as_json=json)


@sessions.command("export")
def export_session(
    session: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: all sessions.")] = None,
    form: Annotated[
        Literal["md", "json", "train"],
        typer.Option("--format", help="Markdown, JSON with everything, or rows for `train data mix`."),
    ] = "md",
    marked: Annotated[
        bool,
        typer.Option(
            "--marked", help="With train: only conversations with an answer marked good or corrected."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write this file (default: standard output).")
    ] = None,
) -> None:
    """Write sessions as Markdown, JSON or training rows."""
    from tui.cli.sessions import export_sessions

    export_sessions(session, form, marked=marked, out=out)


@sessions.command("mark", short_help="Mark the last answer good, wrong or corrected.")
def mark_session(
    session: SessionId,
    mark: Annotated[Literal["good", "wrong", "corrected", "none"], typer.Argument(metavar="MARK")],
    correction: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The right answer, with corrected.")
    ] = None,
) -> None:
    """Mark the last answer of a session as good, wrong or corrected; none takes the mark away."""
    from tui.cli.sessions import mark_answer

    mark_answer(session, None if mark == "none" else mark, correction or "")


@sessions.command("rename")
def rename_session(session: SessionId, title: Annotated[list[str], typer.Argument(metavar="TITLE")]) -> None:
    """Give a session another title."""
    from tui.cli.sessions import rename

    rename(session, " ".join(title))


@sessions.command("remove")
def remove_session(session: SessionId) -> None:
    """Remove a session; undo-remove restores it for 30 days."""
    from tui.cli.sessions import remove

    remove(session)


@sessions.command("undo-remove")
def undo_remove_session(
    session: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: removed last.")] = None,
) -> None:
    """Take back the removal of a session."""
    from tui.cli.sessions import undo_remove

    undo_remove(session)


@sessions.command("purge")
def purge_sessions() -> None:
    """Delete for good what was removed."""
    from tui.cli.sessions import purge

    purge()
