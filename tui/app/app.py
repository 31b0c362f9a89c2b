"""The app: the conversation, and the models and tools that it runs on."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult, SystemCommand
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen

from agent.errors import InputError, UmiError
from agent.paths import config_path
from tui.app.agent_changes import offer_tools, offered_remark, session_toolbox, switched, with_new_tools
from tui.app.appearance.apply import Looks, apply_looks, read_looks
from tui.app.appearance.ascii_filter import AsciiFilter
from tui.app.appearance.keys import key_help, keymap
from tui.app.chat.chat_view import ChatView
from tui.app.commands import COMMANDS, find, parse
from tui.app.key_actions import KeyActions
from tui.app.palette import palette_commands
from tui.app.question_input import QuestionInput
from tui.app.sessions import AppSessions, SessionWarning
from tui.app.transcript.blocks import NoteBlock
from tui.ascii import wants_ascii
from tui.setup import LoadedAgent, Options, open_agent
from tui.text import one_line

if TYPE_CHECKING:
    from agent.tools import Tool
    from agent.tools.toolbox import Toolbox

_log = logging.getLogger(__name__)
TERMINAL_CHECK_S = 2.0
"""Seconds between two looks at whether the terminal is still there."""


class Loaded(Message):
    """The models are loaded, or `error` is the reason, in one line, why they are not."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        super().__init__()


class UmiApp(KeyActions):
    """Chat with the agent that `open_agent` returns. It is called in a thread and may raise UmiError.

    The caller closes `opened` after the app has ended.
    """

    CSS_PATH = Path(__file__).with_name("umi.tcss")  # a subclass in another folder finds it too
    TITLE = "umi"

    def __init__(
        self,
        open_agent: Callable[[], LoadedAgent],
        looks: Looks | None = None,
        open_models: Callable[[str], LoadedAgent] | None = None,
        sessions: AppSessions | None = None,
    ) -> None:
        super().__init__()
        self._open_agent = open_agent
        self._open_models = open_models
        self._toolbox: Toolbox | None = None
        self._tools_off: set[str] = set()
        self._ascii = [AsciiFilter()] if wants_ascii() else []
        self.looks = looks or Looks()
        self.sessions = sessions or AppSessions()
        self.opened: LoadedAgent | None = None
        self.chat = ChatView(self.sessions)
        apply_looks(self, self.looks)  # set later, the theme would have every style computed twice

    def compose(self) -> ComposeResult:
        """Yield the conversation."""
        yield self.chat

    def on_mount(self) -> None:
        """Load the models while the user may already type."""
        with suppress(AttributeError, NotImplementedError):  # Windows has no such signals
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        if sys.__stdin__ is not None and sys.__stdin__.isatty():
            self.set_interval(TERMINAL_CHECK_S, self._end_without_terminal)
        # What the thread imports would hold up the first paint.
        self.call_after_refresh(self.run_worker, self._load, thread=True, group="load")

    def _end_without_terminal(self) -> None:
        """End where the terminal has gone without a signal: reading its input would take a whole core."""
        if sys.__stdin__ is None or not os.isatty(sys.__stdin__.fileno()):
            self.exit()

    # Models and tools

    def _load(self) -> None:
        error = ""
        try:
            self.opened = self._open_agent()
            self.sessions.open(self.opened.info, self.post_message)
            for shown_later in ("approval.approval_prompt", "transcript.markdown_answer"):
                import_module(f"tui.app.{shown_later}")  # else the first question or answer waits for it
        except UmiError as failure:
            error = str(failure)
        except Exception as failure:
            _log.exception("loading failed")
            error = f"umi itself failed: {type(failure).__name__}: {failure}"
        self.post_message(Loaded(error))

    def _load_other(self, open_models: Callable[[str], LoadedAgent], name: str) -> None:
        """Load the models `name` in place of those in memory; where that fails, these are loaded again."""
        self.opened, error = switched(self.opened, open_models, name)
        self.post_message(Loaded(error))

    async def on_loaded(self, message: Loaded) -> None:
        """Show the loaded models, or the error."""
        if self.opened is None:
            self.chat.status.show("no models", "idle")
            await self.chat.transcript.add_error(message.error)
            return
        if message.error:
            await self.show_note(message.error, error=True)
        agent = self.opened.agent
        first = self._toolbox is None
        if first:
            self._tools_off = {tool.name for tool in self.opened.off}
        self._toolbox = session_toolbox(self.opened)
        on = [tool.name for tool in self.tools if tool.name not in self._tools_off]
        before = self.sessions.conversation(agent) if first else self.chat.conversation
        self.chat.conversation = offer_tools(agent, self._toolbox, on, before or agent.begin())
        self.show_mode()
        self.sessions.use_models(self.opened.info)
        if first:
            self.chat.opened = self.opened
            await self.chat.show_session()
            for problem in (self.sessions.problem, *self.opened.remarks):
                if problem:
                    await self.show_note(problem, error=True)
            if remark := offered_remark(self.opened.info.workspace):
                await self.show_note(remark)
        await self.chat.use(self.opened)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools that may be offered in this session."""
        return self._toolbox.tools if self._toolbox else ()

    @property
    def tools_on(self) -> list[str]:
        """The names of the tools that are offered."""
        return [tool.name for tool in self.opened.agent.toolbox.tools] if self.opened else []

    def offer_tools(self, names: Sequence[str]) -> None:
        """Offer only these of the session's tools from here on. Raise InputError while a turn runs."""
        self._require_idle()
        if self.opened is None or self._toolbox is None or self.chat.conversation is None:
            raise InputError("there are no models yet", "wait until they are loaded")
        self.chat.conversation = offer_tools(self.opened.agent, self._toolbox, names, self.chat.conversation)
        self._tools_off = {tool.name for tool in self.tools} - set(names)

    def offer_new_tools(self) -> None:
        """Offer the tools that were approved meanwhile beside those that are on. Raise InputError, too."""
        self._require_idle()
        if self.opened is None or self._toolbox is None:
            raise InputError("there are no models yet", "wait until they are loaded")
        known = {tool.name for tool in self.tools}
        self._toolbox = with_new_tools(self._toolbox)
        new = [tool.name for tool in self.tools if tool.name not in known]
        on = [tool.name for tool in self.tools if tool.name in {*self.tools_on, *new}]
        self.offer_tools(on)
        self.notify(f"offered from here on: {', '.join(new) or 'no new tool'}", markup=False)

    @property
    def workspace(self) -> Path:
        """The folder that tools may touch. Raises InputError before it is known."""
        if self.opened is None:
            raise InputError("there are no models yet", "wait until they are loaded")
        return self.opened.info.workspace

    def switch_models(self, name: str) -> None:
        """Load other models, which go on with the conversation. Raise InputError while a turn runs."""
        self._require_idle()
        if self._open_models is None:
            raise InputError("these models cannot be switched", "start umi with --models")
        self.chat.status.show(f"loading {one_line(name, 30)}…")
        self.run_worker(partial(self._load_other, self._open_models, name), thread=True, group="load")

    def _require_idle(self) -> None:
        if self.is_answering:
            raise InputError("a question is being answered", "wait, or stop it with Esc")
        if self.chat.status.busy:
            raise InputError("models are being loaded", "wait until that is done")

    # What commands and screens use

    async def on_question_input_sent(self, message: QuestionInput.Sent) -> None:
        """Run a command, or ask a question."""
        if command := parse(message.text):
            self.chat.question.remember(message.text)
            await self.run_command(*command)
        else:
            await self.chat.ask(message.text)

    async def run_command(self, name: str, rest: str = "") -> None:
        """Run a slash command; show the error where it cannot be run."""
        try:
            await find(COMMANDS, name).run(self, rest)
        except UmiError as error:
            await self.show_note(str(error), error=True)

    async def action_command(self, name: str) -> None:
        """Run a slash command."""
        await self.run_command(name)

    def run_soon(self, action: Callable[..., None], *arguments: object) -> None:
        """Run what may raise UmiError, which is shown."""
        try:
            action(*arguments)
        except UmiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)

    def put_question(self, text: str) -> None:
        """Put a text into the input, for the user to change, complete or send."""
        self.chat.put_question(text)

    @property
    def is_answering(self) -> bool:
        """Whether a turn is running."""
        return self.chat.is_answering

    async def show_note(self, text: str, *, error: bool = False) -> None:
        """Append a message of the app to the transcript."""
        await self.chat.transcript.add(NoteBlock(text, error=error))

    def show_help(self) -> None:
        """Show the keys and commands."""
        from tui.app.screens.help import HelpScreen

        keys = key_help(self.BINDINGS, self.looks.keys)
        self.push_screen(HelpScreen(COMMANDS, keys, str(config_path())))

    async def start_conversation(self) -> None:
        """Stop the running turn and begin a new conversation on a cleared transcript."""
        self.sessions.begin()
        self.chat.queue.clear_all()
        await self.chat.show_session()

    async def show_session(self) -> None:
        """Stop the running turn, show the session of `sessions` and go on from its end."""
        await self.chat.show_session()

    async def on_session_warning(self, message: SessionWarning) -> None:
        """Say that something of the session is not saved."""
        await self.show_note(message.line, error=True)

    # Textual's own hooks

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what is done to each line before it is drawn."""
        return [*super().get_line_filters(), *self._ascii]

    def get_system_commands(self, screen: Screen[Any]) -> Iterator[SystemCommand]:
        """Yield what the command palette offers."""
        yield from palette_commands(self)

    def on_approval_prompt_answered(self) -> None:
        """Return to the input."""
        self.chat.prompt_answered()


def chat(options: Options, sessions: AppSessions | None = None) -> int:
    """Run the app until the user leaves it; return the exit code."""
    looks = read_looks()
    keymap(UmiApp.BINDINGS, looks.keys)
    app = UmiApp(
        lambda: open_agent(options), looks, lambda name: open_agent(replace(options, models=name)), sessions
    )
    try:
        app.run()
    finally:
        if app.opened is not None:
            app.chat.save_state()
            app.opened.close()
        app.sessions.close()
    return app.return_code or 0
