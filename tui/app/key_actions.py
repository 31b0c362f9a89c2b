"""The actions of the keys that work everywhere in the app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import events
from textual.app import App

from agent.errors import UmiError
from tui.app.appearance.keys import APP_BINDINGS
from tui.app.chat.chat_view import ChatView
from tui.text import one_line

if TYPE_CHECKING:
    from tui.setup import LoadedAgent

_QUIT_WINDOW_S = 2.0
"""Time after Ctrl+C within which a second one quits, in seconds."""
_CHAT_ACTIONS = ("cancel", "command", "copy", "fold", "mode", "page", "select")


class KeyActions(App[None]):
    """An app whose keys act on the conversation `chat`."""

    BINDINGS = APP_BINDINGS
    chat: ChatView
    opened: LoadedAgent | None = None
    """The models in use and their agent, once they are loaded."""
    _interrupted_at = 0.0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether an action is available: those of the chat are not while a screen is over it."""
        return len(self.screen_stack) == 1 or action not in _CHAT_ACTIONS

    def on_key(self, event: events.Key) -> None:
        """Allow the call that is asked about at Ctrl+G; a binding would not tell when the key was pressed."""
        if event.key == "ctrl+g":
            for prompt in self.chat.prompts:
                prompt.allow(event.time)

    def action_cancel(self) -> None:
        """Refuse the call that is asked about, or stop the running turn and give its question back."""
        self.chat.cancel()

    def action_mode(self) -> None:
        """Switch to the next mode. Only a key does: no typed or pasted text widens what may happen."""
        policy = self.opened.agent.policy if self.opened else None
        if policy is not None:
            from agent.consent.policy import MODES  # loaded with the models, after the first paint

            try:
                policy.mode = MODES[(MODES.index(policy.mode) + 1) % len(MODES)]
            except UmiError as error:
                self.notify(one_line(str(error)), severity="error", markup=False)
            self.show_mode()

    def action_interrupt(self) -> None:
        """Copy the selection, or cancel the turn; a second time within `_QUIT_WINDOW_S`, quit."""
        selected = self.screen.get_selected_text() or self.chat.question.selected_text
        now = time.monotonic()
        if selected:
            self.chat.copy(selected)
            self.screen.clear_selection()
        elif now - self._interrupted_at < _QUIT_WINDOW_S:
            self.exit()
        else:
            self._interrupted_at = now
            self.chat.stop()
            self.notify("Press Ctrl+C again to quit.", timeout=_QUIT_WINDOW_S, markup=False)

    def action_copy(self) -> None:
        """Copy the selected block, else the last answer."""
        transcript = self.chat.transcript
        if text := transcript.selected.text if transcript.selected else transcript.last_answer:
            self.chat.copy(text)
        else:
            self.notify("There is no answer to copy.", markup=False)

    async def action_select(self) -> None:
        """Select the last block, or the one above the selected one."""
        await self.chat.select_block(-1)

    def action_fold(self) -> None:
        """Show every long result in full, or fold them all if none is folded."""
        self.chat.transcript.toggle_folds()

    def action_page(self, pages: int) -> None:
        """Scroll the question about a call, else the transcript, by one page, up if `pages` is negative."""
        for prompt in self.chat.prompts:
            prompt.scroll_page(pages)
            return
        if pages < 0:
            self.chat.transcript.scroll_page_up()
        else:
            self.chat.transcript.scroll_page_down()

    def show_mode(self) -> None:
        """Show the mode that is in force in the status line."""
        if self.opened and self.opened.agent.policy:
            self.chat.status.mode = self.opened.agent.policy.mode
