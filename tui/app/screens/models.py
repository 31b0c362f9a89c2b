"""The models screen: what is here and what can be pulled, with size, licence, memory and expected speed."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.events import Key
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static
from textual.worker import Worker, get_current_worker

from agent.errors import InputError, UmiError
from tui.app.approval.approval_prompt import ARMING_S
from tui.models_table import HEADINGS, model_row
from tui.text import one_line, size_text

if TYPE_CHECKING:
    from agent.bundle.listing import ModelEntry
    from agent.bundle.removal import Removal
    from agent.llama.speed.estimate import Rates

_log = logging.getLogger(__name__)

HINT = "Enter uses a model, or pulls it first; Del removes it; Esc closes"


class PullCancelledError(Exception):
    """Raised out of the progress of a pull that the user stopped; what arrived is kept."""


class ModelsScreen(ModalScreen[str | None]):
    """Lists models; it is dismissed with the name of the one to use, or None.

    Nothing connects before Enter is pressed on a model that is not here. A removal is asked about: only
    Ctrl+G allows it, once the question has been on the screen for `ARMING_S`. `in_use`, the folder of the
    models that are loaded, stays.
    """

    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("escape", "close", "close, or stop pulling"),
        Binding("q", "close", "close", show=False),
        Binding("delete", "remove", "remove the model"),
    ]

    class Listed(Message):
        """The models were listed."""

        def __init__(self, entries: list[ModelEntry], rates: Mapping[int, Rates]) -> None:
            self.entries = entries
            self.rates = rates
            super().__init__()

    class Pulling(Message):
        """`text` says how far the pull is."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Pulled(Message):
        """The pull has ended; `error` is why it failed, `name` the model that is here now."""

        def __init__(self, name: str, error: str = "") -> None:
            self.name = name
            self.error = error
            super().__init__()

    def __init__(self, in_use: Path | None = None) -> None:
        super().__init__()
        self._in_use = in_use
        self._removal: Removal | None = None
        self._armed_at = math.inf
        self._entries: dict[str, ModelEntry] = {}
        self._pull: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """Yield the table and a line below it."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Models"
            dialog.border_subtitle = HINT
            yield DataTable(cursor_type="row", zebra_stripes=False)
            yield Static("reading…", classes="progress", markup=False)

    def on_mount(self) -> None:
        """List the models in a thread, and measure this machine where that was not done."""
        self.query_one(DataTable).add_columns("", *HEADINGS)
        self.run_worker(self._list, thread=True, group="list")

    def _list(self) -> None:
        from agent.bundle.listing import list_models, tensor_types
        from agent.config import engine_settings
        from agent.llama.speed.probe import known_rates, measured_rates
        from tui.cli.models.machine_speed import threads_of

        worker = get_current_worker()
        try:
            settings = engine_settings()
            entries, threads = list_models(settings), threads_of(settings)
            rates = known_rates(threads)
            self.post_message(self.Listed(entries, rates))
            if tensor_types(entries) - rates.keys() and not worker.is_cancelled:
                self.post_message(self.Pulling("measuring this machine, once…"))
                rates = measured_rates(tensor_types(entries), threads)
                self.post_message(self.Listed(entries, rates))
        except (OSError, UmiError) as error:
            self.post_message(self.Pulling(f"the speed was not measured: {error}"))
        except Exception:
            _log.exception("the models were not listed")
            self.post_message(self.Pulling("the models were not listed; see the log file"))

    def on_models_screen_listed(self, message: Listed) -> None:
        """Show the rows; the cursor stays where it is."""
        table = self.query_one(DataTable)
        at = table.cursor_row
        table.clear()
        self._entries = {f"{entry.state} {entry.name}": entry for entry in message.entries}
        self._removal = None
        for key, entry in self._entries.items():
            table.add_row("*" if entry.selected else " ", *model_row(entry, message.rates), key=key)
        table.move_cursor(row=at)
        self._say("tokens/s: expected, reading / writing" if message.rates else "")

    def on_models_screen_pulling(self, message: Pulling) -> None:
        """Show the progress, unless that would hide a question."""
        if self._removal is None:
            self._say(message.text)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Use the model of the row, or pull it."""
        entry = self._entries.get(event.row_key.value or "")
        if entry is None or self._pull is not None:
            return
        if not entry.usable:
            self._say(entry.about)
        elif entry.state == "catalogue":
            self._say(f"{entry.name}: asking for it…")
            self._pull = self.run_worker(partial(self._pull_base, entry.name), thread=True, group="pull")
        else:
            self.dismiss(entry.name)

    def on_models_screen_pulled(self, message: Pulled) -> None:
        """List the models anew after a pull."""
        self._pull = None
        if message.error:
            self._say(message.error)
        else:
            self.run_worker(self._list, thread=True, group="list", exclusive=True)

    def on_data_table_row_highlighted(self) -> None:
        """Take a question about another model back."""
        self._keep()

    def action_remove(self) -> None:
        """Ask whether the model of the row is to be removed."""
        from agent.bundle.removal import removal_of

        table = self.query_one(DataTable)
        entry = list(self._entries.values())[table.cursor_row] if self._entries else None
        if entry is None or self._pull is not None:
            return
        if entry.state == "catalogue":
            self._say(f"{entry.name} is not on this machine")
            return
        try:
            removal = removal_of(entry.name, base=entry.state == "base")
            folders = [folder.resolve() for folder in removal.folders]
            if entry.selected or (self._in_use and self._in_use.resolve() in folders):
                raise InputError(f"{entry.name} is in use", "use another model first")
        except UmiError as error:
            self._say(str(error))
            return
        self._removal, self._armed_at = removal, math.inf
        self._say(f"Remove {entry.name}, {size_text(removal.size)}, for good? Ctrl+G removes, Esc keeps it")
        self.call_after_refresh(self._arm)

    def _arm(self) -> None:
        self._armed_at = time.monotonic() + ARMING_S

    def _keep(self) -> None:
        if self._removal is not None:
            self._removal = None
            self._say("nothing was removed")

    def on_key(self, event: Key) -> None:
        """Remove what was asked about at Ctrl+G; a binding would not tell when the key was pressed."""
        if event.key == "ctrl+g" and self._removal is not None:
            event.stop()
            if event.time >= self._armed_at:
                removal, self._removal = self._removal, None
                try:
                    removal.run()
                except UmiError as error:
                    self._say(str(error))
                else:
                    self.run_worker(self._list, thread=True, group="list", exclusive=True)

    def action_close(self) -> None:
        """Keep the model that is asked about, stop the pull that is going on, or close the screen."""
        if self._removal is not None:
            self._keep()
        elif self._pull is not None:
            self._pull.cancel()
            self._say("stopping…")
        else:
            self.dismiss(None)

    def on_unmount(self) -> None:
        """Stop a pull, whose thread would keep the process alive."""
        if self._pull is not None:
            self._pull.cancel()

    def _pull_base(self, name: str) -> None:
        from agent.bundle.download.catalogue import find_in_catalogue
        from agent.bundle.download.pull_base import again, pull_base

        wanted = find_in_catalogue(name)
        worker = get_current_worker()
        shown = ""

        def progress(file: str, done: int, size: int) -> None:
            nonlocal shown
            if worker.is_cancelled:
                raise PullCancelledError
            text = f"{name}: {100 * done // size} % of {size_text(size)}; Esc stops"
            if text != shown:
                shown = text
                self.post_message(self.Pulling(text))

        error = ""
        try:
            pull_base(wanted, progress)
        except PullCancelledError:
            error = f"{name}: stopped; pulling it again {again(wanted)}"
        except UmiError as failure:
            error = str(failure)
        except Exception as failure:
            _log.exception("a pull failed")
            error = f"umi itself failed: {type(failure).__name__}: {failure}"
        self.post_message(self.Pulled(name, error))

    def _say(self, text: str) -> None:
        if self.is_attached:
            self.query_one(".progress", Static).update(one_line(text))
