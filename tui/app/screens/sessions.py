"""The sessions screen: a list that is searched as one types, a preview, resuming, renaming, removing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from agent.errors import UmiError, cannot_write
from agent.paths import write_private
from agent.sessions import Record, Session, SessionStore
from agent.sessions.export import export
from tui.cli.sessions import local_time
from tui.text import one_line, plain

LISTED = 100
"""Sessions that are listed at most; the search goes through all."""
PREVIEWED = 12
"""Questions in the preview, the last ones."""
PREVIEW_WIDTH = 80
"""Columns of the terminal from which on the preview is shown."""
_HINT = "Enter resumes  F2 renames  Del removes  Ctrl+Z takes back  Ctrl+E exports  Esc closes"


class SessionsScreen(ModalScreen[str | None]):
    """Lists the sessions of `store` in which `words` occur; returns the id of the one to resume, or None."""

    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("escape", "close", "close", priority=True),
        Binding("up", "move(-1)", "up", priority=True, show=False),
        Binding("down", "move(1)", "down", priority=True, show=False),
        Binding("pageup", "scroll(-1)", "scroll the preview", priority=True, show=False),
        Binding("pagedown", "scroll(1)", "scroll the preview", priority=True, show=False),
        Binding("f2", "rename", "rename", priority=True),
        Binding("delete", "remove", "remove", priority=True),
        Binding("ctrl+z", "undo_remove", "take back", priority=True),
        Binding("ctrl+e", "export", "export", priority=True),
    ]

    def __init__(self, store: SessionStore, words: str = "") -> None:
        super().__init__()
        self._store = store
        self._words = words
        self._found: list[tuple[Session, str]] = []
        self._renamed: Session | None = None
        self._removed: list[Session] = []

    def compose(self) -> ComposeResult:
        """Yield the search, the list, the preview and the line of hints."""
        with Vertical(classes="dialog sessions") as dialog:
            dialog.border_title = "Sessions"
            yield Input(self._words, placeholder="type to search all sessions", id="search")
            with Horizontal():
                found = OptionList(id="found")
                found.can_focus = False
                yield found
                with VerticalScroll(id="preview", can_focus=False):
                    yield Static(id="text", markup=False)
            yield Static(_HINT, id="hint", markup=False)

    def on_mount(self) -> None:
        """Show the newest sessions, or those that were searched for."""
        self._search()

    def on_resize(self, event: Resize) -> None:
        """Leave the preview out where both would be too narrow."""
        self.query_one("#preview").display = event.size.width >= PREVIEW_WIDTH

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search as one types."""
        if self._renamed is None:
            self._search()

    def on_input_submitted(self) -> None:
        """Resume the session that is highlighted, or finish renaming."""
        if self._renamed is not None:
            self._finish_renaming(self.query_one(Input).value)
        elif session := self._highlighted():
            self.dismiss(session.id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Resume the session that was clicked."""
        self.dismiss(self._found[event.option_index][0].id)

    def on_option_list_option_highlighted(self) -> None:
        """Show the session in the preview."""
        self._preview()

    def action_close(self) -> None:
        """Close the screen, or end renaming."""
        if self._renamed is not None:
            self._finish_renaming("")
        else:
            self.dismiss(None)

    def action_move(self, lines: int) -> None:
        """Move the highlight."""
        found = self.query_one(OptionList)
        if lines < 0:
            found.action_cursor_up()
        else:
            found.action_cursor_down()

    def action_scroll(self, pages: int) -> None:
        """Scroll the preview by pages."""
        preview = self.query_one("#preview", VerticalScroll)
        preview.scroll_relative(y=pages * preview.size.height, animate=False)

    def action_rename(self) -> None:
        """Let the input hold the title until Enter."""
        if self._renamed is None and (session := self._highlighted()):
            self._renamed, self._words = session, self.query_one(Input).value
            self._fill_input(session.title)
            self._say("Enter gives the session this title  Esc leaves it as it is")

    def action_remove(self) -> None:
        """Remove the session; where a search is typed, the key deletes in it first."""
        search = self.query_one(Input)
        if self._renamed is not None or search.cursor_position < len(search.value):
            search.action_delete_right()
        elif session := self._highlighted():
            self._try(lambda: self._removed.append(self._store.remove(session.id)))
            self._search()
            self._say(f"Removed: {one_line(session.title, 40)}  Ctrl+Z takes it back")

    def action_undo_remove(self) -> None:
        """Take back the last removal on this screen."""
        if self._removed:
            session = self._removed.pop()
            self._try(lambda: self._store.undo_remove(session.id))
            self._search()
            self._say(f"Taken back: {one_line(session.title, 60)}")

    def action_export(self) -> None:
        """Write the session as Markdown into the current folder."""
        if session := self._highlighted():
            path = Path.cwd() / f"umi-{session.id}.md"

            def write() -> None:
                try:
                    write_private(path, export([self._store.read(session.id)], "md"))
                except OSError as error:
                    raise cannot_write(path, error) from None
                self._say(f"Written: {path}  (/export writes JSON and training rows)")

            self._try(write)

    def _search(self) -> None:
        words = self.query_one(Input).value.strip()
        found: list[tuple[Session, str]] = []
        try:
            if words:
                found = [(hit.session, hit.snippet) for hit in self._store.search(words, LISTED)]
            else:
                found = [(session, "") for session in self._store.list(LISTED)]
            self._say(_HINT)
        except UmiError as error:
            self._say(str(error))
        self._found = found
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(_row(session, snippet)) for session, snippet in found])
        if found:
            options.highlighted = 0
        self._preview()

    def _preview(self) -> None:
        nothing = "Nothing is found." if self.query_one(Input).value else "There are no sessions so far."
        text = Content(nothing)
        if session := self._highlighted():
            try:
                text = _preview_of(self._store.read(session.id))
            except UmiError as error:
                text = Content(str(error))
        self.query_one("#text", Static).update(text)

    def _highlighted(self) -> Session | None:
        at = self.query_one(OptionList).highlighted
        return self._found[at][0] if at is not None and at < len(self._found) else None

    def _finish_renaming(self, title: str) -> None:
        session, self._renamed = self._renamed, None
        if session and title.strip():
            self._try(lambda: self._store.rename(session.id, title))
        self._fill_input(self._words)
        self._search()

    def _fill_input(self, text: str) -> None:
        search = self.query_one(Input)
        with search.prevent(Input.Changed):
            search.value = text
        search.cursor_position = len(text)

    def _try(self, change: Callable[[], object]) -> None:
        """Make a change; show the error where it cannot be made."""
        try:
            change()
        except UmiError as error:
            self._say(one_line(str(error)))

    def _say(self, line: str) -> None:
        self.query_one("#hint", Static).update(line)


def _preview_of(record: Record) -> Content:
    session = record.session
    parts: list[str | tuple[str, str]] = [
        (f"{plain(session.title)}\n", "bold"),
        (f"{session.id}  {one_line(session.workspace)}\n", "$text-muted"),
    ]
    for exchange in record.branch[-PREVIEWED:]:
        parts += [(f"\n{plain(exchange.question)}\n", "bold"), f"{plain(exchange.answer)}\n"]
        if exchange.state != "answered":
            parts.append((f"{exchange.state.replace('_', ' ')}\n", "$text-muted"))
        if exchange.mark:
            parts.append((f"marked {exchange.mark}\n", "$text-muted"))
    return Content.assemble(*parts)


def _row(session: Session, snippet: str) -> Content:
    row = Content.assemble((f"{local_time(session.updated)}  ", "$text-muted"), one_line(session.title, 80))
    if snippet and snippet != session.title:
        row = row.append_text(f"\n  {one_line(snippet, 120)}", "$text-muted")
    return row
