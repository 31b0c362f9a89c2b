"""The screen of tool servers: the user's, those that the workspace offers, and the approval of tools."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.events import Key
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from agent.errors import UmiError
from tui.app.approval.approval_prompt import ARMING_S
from tui.server_text import review_lines, server_lines
from tui.text import count_text, one_line

if TYPE_CHECKING:
    from agent.mcp.review import Review
    from agent.mcp.servers import ToolServer

_log = logging.getLogger(__name__)


class ServersScreen(ModalScreen[bool]):
    """Lists tool servers; it is dismissed with whether tools were approved.

    Enter asks a server for its tools and shows them. Only Ctrl+G approves, once that has been on the screen
    for `ARMING_S`; a server that the workspace lists is not started before that.
    """

    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("escape,q", "close", "close"),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
    ]

    class Reviewed(Message):
        """A server listed its tools, or `error` is the reason why it did not."""

        def __init__(self, review: Review | None, error: str = "") -> None:
            self.review = review
            self.error = error
            super().__init__()

    def __init__(self, workspace: Path) -> None:
        super().__init__()
        self._workspace = workspace
        self._servers: dict[str, tuple[ToolServer, bool]] = {}
        self._asked: Callable[[], None] | None = None
        self._armed_at = math.inf
        self._approved = False

    def compose(self) -> ComposeResult:
        """Yield the table, the text of a server, and a line below."""
        with Vertical(classes="dialog servers") as dialog:
            dialog.border_title = "Tool servers"
            dialog.border_subtitle = "Enter shows a server's tools; Esc closes"
            yield DataTable(cursor_type="row", zebra_stripes=False)
            with VerticalScroll(can_focus=False):
                yield Static(markup=False, classes="text")
            yield Static(classes="progress", markup=False)

    def on_mount(self) -> None:
        """List the servers."""
        self.query_one(DataTable).add_columns("server", "tools", "what it is")
        self._list()

    def _list(self) -> None:
        from agent.mcp.definitions import approved_server
        from agent.mcp.servers import offered_servers, user_servers

        table = self.query_one(DataTable)
        table.clear()
        mine, offered = user_servers(), offered_servers(self._workspace)
        self._servers = {server.name: (server, False) for server in mine.servers}
        self._servers |= {server.name: (server, True) for server in offered.servers}
        for name, (server, is_offered) in self._servers.items():
            approved = None if is_offered else approved_server(server)
            state = "offered by this folder" if is_offered else "not approved"
            if approved:
                state = f"{len(approved.specs)} approved"
            table.add_row(one_line(name), state, one_line(server.described(), 60), key=name)
        problems = [*mine.problems, *offered.problems]
        self._say(problems[0] if problems else "" if self._servers else "there are none; see docs/tools.md")

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show what a server is; ask it for its tools where it is the user's own."""
        found = self._servers.get(event.row_key.value or "")
        if found is None:
            return
        server, is_offered = found
        if is_offered:
            self._ask(
                server_lines(server), "copies it into your list and starts it", partial(self._take, server)
            )
        else:
            self._begin_review(server)

    def on_data_table_row_highlighted(self) -> None:
        """Take a question about another server back."""
        self._asked = None

    def _take(self, server: ToolServer) -> None:
        from agent.mcp.review import take_server

        take_server(server, self._workspace)
        self._list()
        self._begin_review(server)

    def _begin_review(self, server: ToolServer) -> None:
        self._asked = None
        self._show(server_lines(server))
        self._say(f"asking {one_line(server.name)} for its tools…")
        self.run_worker(partial(self._review, server), thread=True, group="review", exclusive=True)

    def _review(self, server: ToolServer) -> None:
        worker = get_current_worker()
        reviewed, error = None, ""
        try:
            from agent.mcp.review import review

            reviewed = review(server, self._workspace, lambda: worker.is_cancelled)
        except UmiError as failure:
            error = str(failure)
        except Exception as failure:
            _log.exception("a tool server was not reviewed")
            error = f"umi itself failed: {type(failure).__name__}: {failure}"
        if not worker.is_cancelled:
            self.post_message(self.Reviewed(reviewed, error))

    def on_servers_screen_reviewed(self, message: Reviewed) -> None:
        """Show the tools, and ask whether they are to be offered."""
        review = message.review
        if review is None:
            self._say(message.error)
            return
        lines = [*server_lines(review.server), "", *review_lines(review)]
        if review.changes:
            self._ask(lines, "offers these tools; each call asks first", partial(self._accept, review))
        else:
            self._show(lines)
            self._say("")

    def _accept(self, review: Review) -> None:
        from agent.mcp.review import accept

        problems = accept(review, self._workspace)
        self._approved = True
        self._list()
        self._show(problems)
        self._say(f"{count_text(len(review.listed) - len(problems), 'tool')} can be offered from here on")

    def _ask(self, lines: Sequence[str], what: str, action: Callable[[], None]) -> None:
        self._show(lines)
        self._say(f"Ctrl+G {what}; PgDn: more of the text")
        self._asked, self._armed_at = action, math.inf
        self.call_after_refresh(self._arm)

    def _arm(self) -> None:
        self._armed_at = time.monotonic() + ARMING_S

    def on_key(self, event: Key) -> None:
        """Do what was asked about at Ctrl+G; a binding would not tell when the key was pressed."""
        if event.key == "ctrl+g" and self._asked is not None:
            event.stop()
            if event.time >= self._armed_at:
                action, self._asked = self._asked, None
                try:
                    action()
                except UmiError as error:
                    self._say(str(error))

    def action_page(self, pages: int) -> None:
        """Scroll the text of a server by pages."""
        body = self.query_one(VerticalScroll)
        body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)

    def action_close(self) -> None:
        """Close the screen; a server that is being asked is not waited for."""
        self.workers.cancel_group(self, "review")
        self.dismiss(self._approved)

    def _show(self, lines: Sequence[str]) -> None:
        self.query_one(".text", Static).update("\n".join(lines))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def _say(self, text: str) -> None:
        self.query_one(".progress", Static).update(one_line(text))
