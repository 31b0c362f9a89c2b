"""The chat app: a transcript, an input, a status line, and at most one running turn, in a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen

from agent.config import Config, read_config
from agent.consent.policy import MODES
from agent.errors import InputError, UmiError
from agent.events import CallProposed, Finished, Reading
from agent.loop import Conversation
from agent.paths import config_path
from agent.tools import Tool
from agent.tools.toolbox import Toolbox
from tui.app.agent_changes import continued, offer_tools, switched
from tui.app.appearance import apply_config
from tui.app.approval_prompt import ApprovalPrompt
from tui.app.ascii_filter import AsciiFilter
from tui.app.blocks import NoteBlock
from tui.app.commands import COMMANDS, find, parse
from tui.app.keys import key_help, keymap
from tui.app.palette import palette_commands
from tui.app.question_input import QuestionInput
from tui.app.screens.help import HelpScreen
from tui.app.sessions import AppSessions, SessionWarning
from tui.app.status_line import StatusLine
from tui.app.transcript_view import TranscriptView
from tui.app.turn import STOPPED, ApprovalAsked, TurnEnded, TurnEvent, run_turn
from tui.ascii import wants_ascii
from tui.cli.steps import percent, tokens_per_second
from tui.setup import LoadedAgent, Options, open_agent
from tui.text import one_line

_QUIT_WINDOW_S = 2.0
"""Time after Ctrl+C within which a second one quits, in seconds."""
_CHAT_ACTIONS = ("cancel", "copy", "fold", "help", "mode", "page", "sessions")

_log = logging.getLogger(__name__)


class Loaded(Message):
    """The models are loaded, or `error` is the reason, in one line, why they are not."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        super().__init__()


class UmiApp(App[None]):
    """Chat with the agent that `open_agent` returns. It is called in a thread and may raise UmiError.

    The caller closes `opened` after the app has ended.
    """

    CSS_PATH = "umi.tcss"
    TITLE = "umi"
    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("ctrl+p", "command_palette", "find a command", priority=True, id="palette"),
        Binding("f1", "help", "keys and commands", priority=True, id="help"),
        Binding("f3", "sessions", "find and resume sessions", priority=True, id="sessions"),
        Binding("escape", "cancel", "stop", id="stop"),
        Binding("ctrl+c", "interrupt", "quit", priority=True, id="interrupt"),
        Binding("ctrl+q", "quit", "quit", priority=True, id="quit"),
        Binding("ctrl+y", "copy", "copy the answer", priority=True, id="copy"),
        Binding("shift+tab", "mode", "next mode", priority=True, id="mode"),
        Binding("ctrl+o", "fold", "show or fold long results", priority=True, id="fold"),
        Binding("pageup", "page(-1)", "scroll", priority=True, id="page_up"),
        Binding("pagedown", "page(1)", "scroll", priority=True, id="page_down"),
    ]

    def __init__(
        self,
        open_agent: Callable[[], LoadedAgent],
        config: Config | None = None,
        open_models: Callable[[str], LoadedAgent] | None = None,
        sessions: AppSessions | None = None,
    ) -> None:
        super().__init__()
        self._open_agent = open_agent
        self._open_models = open_models
        self._ascii = [AsciiFilter()] if wants_ascii() else []
        self._toolbox: Toolbox | None = None
        self._tools_off: set[str] = set()
        self.config = config or Config()
        self.sessions = sessions or AppSessions()
        self.opened: LoadedAgent | None = None
        self._conversation: Conversation | None = None
        self._turns = 0
        self._shown_turn = 0
        self._running_turn = 0
        self._cancelled = threading.Event()
        self._interrupted_at = 0.0
        # Kept rather than queried: a turn may end after the screen has dropped its widgets.
        self._transcript = TranscriptView()
        self._question = QuestionInput()
        self._status = StatusLine()

    def compose(self) -> ComposeResult:
        """Yield the transcript, the input and the status line."""
        yield self._transcript
        yield self._question
        yield self._status

    def on_mount(self) -> None:
        """Load the models while the user may already type."""
        apply_config(self, self.config)
        self._transcript.anchor()
        self._question.focus()
        self.run_worker(self._load, thread=True, group="load")

    def on_unmount(self) -> None:
        """Cancel a running turn, whose thread would keep the process alive."""
        self._cancelled.set()

    def _load(self) -> None:
        error = ""
        try:
            self.opened = self._open_agent()
            self.sessions.open(self.opened.info, self.post_message)
        except UmiError as failure:
            error = str(failure)
        except Exception as failure:
            _log.exception("loading failed")
            error = f"umi itself failed: {type(failure).__name__}: {failure}"
        self.post_message(Loaded(error))

    def _load_other(self, open_models: Callable[[str], LoadedAgent], name: str) -> None:
        """Load the models `name` in place of those in memory; where that fails, these are loaded again."""
        opened, error = switched(self.opened, open_models, name)
        self.opened = opened
        self.post_message(Loaded(error))

    async def on_loaded(self, message: Loaded) -> None:
        """Show the loaded models, or the error."""
        if self.opened is None:
            self._show_state("no models", busy=False)
            await self._transcript.add_error(message.error)
            return
        if message.error:
            await self.show_note(message.error, error=True)
        agent = self.opened.agent
        first = self._conversation is None
        self._toolbox = agent.toolbox
        on = [tool.name for tool in self.tools if tool.name not in self._tools_off]
        self._conversation = offer_tools(agent, agent.toolbox, on, continued(agent, self._conversation))
        self._transcript.plain_answers = self.opened.agent.engine.grounded_answers
        self._status.info = self.opened.info
        self.show_mode()
        self.sessions.switched(self.opened.info)
        if first:
            await self.show_session()
            if self.sessions.problem:
                await self.show_note(self.sessions.problem, error=True)
        self._show_state("ready", busy=False)

    async def on_session_warning(self, message: SessionWarning) -> None:
        """Say that something of the session is not saved."""
        await self.show_note(message.line, error=True)

    async def on_question_input_sent(self, message: QuestionInput.Sent) -> None:
        """Run a command, or start a turn if none is running."""
        if command := parse(message.text):
            self._question.remember(message.text)
            await self.run_command(*command)
        elif self._conversation is None or self.opened is None:
            loading = self._status.busy
            self.notify(
                "The models are still loading." if loading else "There are no models to ask.", markup=False
            )
        elif self._running_turn:
            asked = bool(self._open_prompts())
            hint = "Ctrl+G allows the call, Esc refuses it." if asked else "Esc stops the answer."
            self.notify(f"One question at a time: {hint}", markup=False)
        else:
            self._question.remember(message.text)
            await self._start_turn(self.opened, self._conversation, message.text)

    async def run_command(self, name: str, rest: str = "") -> None:
        """Run a slash command; show the error where it cannot be run."""
        try:
            await find(COMMANDS, name).run(self, rest)
        except UmiError as error:
            await self.show_note(str(error), error=True)

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
        if self.opened is None or self._toolbox is None or self._conversation is None:
            raise InputError("there are no models yet", "wait until they are loaded")
        self._conversation = offer_tools(self.opened.agent, self._toolbox, names, self._conversation)
        self._tools_off = {tool.name for tool in self.tools} - set(names)

    def switch_models(self, name: str) -> None:
        """Load other models, which go on with the conversation. Raise InputError while a turn runs."""
        self._require_idle()
        if self._open_models is None:
            raise InputError("these models cannot be switched", "start umi with --models")
        self._show_state(f"loading {one_line(name, 30)}…")
        self.run_worker(partial(self._load_other, self._open_models, name), thread=True, group="load")

    def _require_idle(self) -> None:
        if self._running_turn:
            raise InputError("a question is being answered", "wait, or stop it with Esc")
        if self._status.busy:
            raise InputError("models are being loaded", "wait until that is done")

    def run_soon(self, action: Callable[..., None], *arguments: object) -> None:
        """Run what may raise UmiError, which is shown."""
        try:
            action(*arguments)
        except UmiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)

    def type_text(self, text: str) -> None:
        """Put a text into the input, for the user to complete."""
        self._question.text = text
        self._question.move_cursor(self._question.document.end)
        self._question.focus()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what is done to each line before it is drawn."""
        return [*super().get_line_filters(), *self._ascii]

    def get_system_commands(self, screen: Screen[Any]) -> Iterator[SystemCommand]:
        """Yield what the command palette offers."""
        yield from palette_commands(self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether an action is available: those of the chat are not while a screen is over it."""
        return len(self.screen_stack) == 1 or action not in _CHAT_ACTIONS

    def action_help(self) -> None:
        """Show the keys and commands."""
        keys = key_help(self.BINDINGS, self.config.keys)
        self.push_screen(HelpScreen(COMMANDS, keys, str(config_path())))

    async def action_sessions(self) -> None:
        """Open the list of sessions."""
        await self.run_command("sessions")

    async def show_note(self, text: str, *, error: bool = False) -> None:
        """Append a message of the app to the transcript."""
        await self._transcript.add(NoteBlock(text, error=error))

    async def start_conversation(self) -> None:
        """Stop the running turn and begin a new conversation on a cleared transcript."""
        self.sessions.begin()
        await self.show_session()

    async def show_session(self) -> None:
        """Stop the running turn, show the session of `sessions` and go on from its end."""
        self._stop()
        self._shown_turn = 0
        if self.opened is not None:
            self._conversation = self.sessions.conversation(self.opened.agent)
        await self._transcript.restart()
        if again := await self.sessions.show(self._transcript):
            self.type_text(again)

    @property
    def is_answering(self) -> bool:
        """Whether a turn is running."""
        return bool(self._running_turn)

    async def _start_turn(self, opened: LoadedAgent, conversation: Conversation, text: str) -> None:
        self._turns += 1
        self._running_turn = self._shown_turn = self._turns
        self._cancelled = threading.Event()
        await self._transcript.start_turn(text)
        self._show_state("thinking…")
        run = partial(
            run_turn,
            opened.agent,
            conversation,
            text,
            turn=self._running_turn,
            cancelled=self._cancelled.is_set,
            post=self.post_message,
            writer=self.sessions.writer,
        )
        self.run_worker(run, thread=True, group="turn")

    async def on_turn_event(self, message: TurnEvent) -> None:
        """Show an event of the turn in the transcript and the status line."""
        if not self._is_shown(message.turn):
            return
        match message.event:
            case Reading(role, done, total):
                reading = done < total
                self._show_state(
                    f"{role} reading {percent(done, total)} %" if reading else f"{role} writing…"
                )
            case CallProposed(_, _, name, _):
                self._show_state(f"running {one_line(name, 30)}…")
            case Finished(stats=stats):
                self._status.rate = tokens_per_second(stats)
        await self._transcript.show(message.event, self.opened.agent.max_steps if self.opened else 0)

    async def on_turn_ended(self, message: TurnEnded) -> None:
        """Allow the next question, and show the error if the turn failed."""
        if message.turn == self._running_turn:
            self._running_turn = 0
            self._show_state("ready", busy=False)
        if self._is_shown(message.turn) and message.error:
            await self._transcript.fail_turn(message.error)

    async def on_approval_asked(self, message: ApprovalAsked) -> None:
        """Show the question above the input, which keeps the focus."""
        if not self._is_shown(message.turn) or self._cancelled.is_set() or self.opened is None:
            message.approval.decide(STOPPED)
            return
        prompt = ApprovalPrompt(message.approval, self.opened.agent.policy)
        await self.screen_stack[0].mount(prompt, before=self._question)
        self._show_state("waiting for your answer", busy=False)

    def on_approval_prompt_answered(self) -> None:
        """Return to the input."""
        self._question.focus()
        if self._running_turn and not self._cancelled.is_set():
            self._show_state("going on…")

    def on_key(self, event: events.Key) -> None:
        """Allow the call that is asked about at Ctrl+G; a binding would not tell when the key was pressed."""
        if event.key == "ctrl+g":
            for prompt in self._open_prompts():
                prompt.allow(event.time)

    def action_cancel(self) -> None:
        """Refuse the call that is asked about, or cancel the running turn."""
        prompts = self._open_prompts()
        for prompt in prompts:
            prompt.refuse()
        if not prompts:
            self._stop()

    def action_mode(self) -> None:
        """Switch to the next mode. Only a key does: no typed or pasted text widens what may happen."""
        policy = self.opened.agent.policy if self.opened else None
        if policy is not None:
            try:
                policy.mode = MODES[(MODES.index(policy.mode) + 1) % len(MODES)]
            except UmiError as error:
                self.notify(one_line(str(error)), severity="error", markup=False)
            self.show_mode()

    def show_mode(self) -> None:
        """Show the mode that is in force in the status line."""
        if self.opened and self.opened.agent.policy:
            self._status.mode = self.opened.agent.policy.mode

    def _stop(self) -> None:
        """Cancel the running turn, with the question that it waits for."""
        if self._running_turn and not self._cancelled.is_set():
            self._cancelled.set()
            self._show_state("stopping…")
            for prompt in self._open_prompts():
                prompt.refuse()

    def action_interrupt(self) -> None:
        """Copy the selection, or cancel the turn; a second time within `_QUIT_WINDOW_S`, quit."""
        selected = self.screen.get_selected_text() or self._question.selected_text
        now = time.monotonic()
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
            self.notify("Copied.", markup=False)
        elif now - self._interrupted_at < _QUIT_WINDOW_S:
            self.exit()
        else:
            self._interrupted_at = now
            self._stop()
            self.notify("Press Ctrl+C again to quit.", timeout=_QUIT_WINDOW_S, markup=False)

    def action_copy(self) -> None:
        """Copy the last answer."""
        answer = self._transcript.last_answer
        if answer:
            self.copy_to_clipboard(answer)
        self.notify("The answer is copied." if answer else "There is no answer to copy.", markup=False)

    def action_fold(self) -> None:
        """Show every long result in full, or fold them all if none is folded."""
        self._transcript.toggle_folds()

    def action_page(self, pages: int) -> None:
        """Scroll the question about a call, else the transcript, by one page, up if `pages` is negative."""
        for prompt in self._open_prompts():
            prompt.scroll_page(pages)
            return
        if pages < 0:
            self._transcript.scroll_page_up()
        else:
            self._transcript.scroll_page_down()

    def _open_prompts(self) -> list[ApprovalPrompt]:
        """Return the question that waits for an answer, if there is one."""
        return [prompt for prompt in self.screen_stack[0].query(ApprovalPrompt) if prompt.display]

    def _show_state(self, state: str, busy: bool = True) -> None:
        self._status.state, self._status.busy = state, busy

    def _is_shown(self, turn: int) -> bool:
        """Return whether the transcript shows turn number `turn`, and is on the screen."""
        return turn == self._shown_turn and self._transcript.is_attached


def chat(options: Options, sessions: AppSessions | None = None) -> int:
    """Run the app until the user leaves it; return the exit code."""
    config = read_config()
    keymap(UmiApp.BINDINGS, config.keys)
    app = UmiApp(
        lambda: open_agent(options), config, lambda name: open_agent(replace(options, models=name)), sessions
    )
    try:
        app.run()
    finally:
        if app.opened is not None:
            app.opened.close()
        app.sessions.close()
    return app.return_code or 0
