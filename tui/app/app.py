"""The chat: a transcript, an input, a status line, and one turn of the agent at a time in a thread."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from functools import partial

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.message import Message

from agent.errors import UmiError
from agent.events import (
    AnswerDelta,
    CallProposed,
    Finished,
    Observation,
    Reading,
    Thought,
    Trimmed,
)
from agent.loop import Conversation
from tui.app.approval_prompt import ApprovalPrompt
from tui.app.blocks import AnswerBlock, Block, CallBlock, NoteBlock, ObservationBlock, ThoughtBlock, UserBlock
from tui.app.question_input import QuestionInput
from tui.app.status_line import StatusLine
from tui.app.turn import ApprovalAsked, TurnEnded, TurnEvent, run_turn
from tui.cli.steps import percent, tokens_per_second
from tui.setup import LoadedAgent, Options, open_agent
from tui.text import one_line

HELP = """\
Enter sends, Shift+Enter or Ctrl+J makes a new line, Up and Down bring back what you sent.
Esc stops the answer. Page Up and Page Down scroll. Ctrl+O shows or folds long results.
Ctrl+Y or /copy copies the last answer. Ctrl+Q, /quit, or Ctrl+C twice leaves.
/new starts a new conversation. /help shows this."""

WELCOME = "umi: three small models on this machine, nothing leaves it. /help lists keys and commands."

_AGAIN_S = 2.0
"""Seconds within which a second Ctrl+C quits."""

_COMMAND = re.compile(r"/[a-z]*( .*)?")
"""What is read as a command; a path such as /etc/hosts is not."""

_log = logging.getLogger(__name__)


class Loaded(Message):
    """The models are ready, or `error` says in a line why not."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        super().__init__()


class UmiApp(App[None]):
    """Chats with the agent that `open_agent` makes; that is called in a thread, and may raise UmiError.

    Whoever runs the app closes `opened` after it.
    """

    CSS_PATH = "umi.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "umi"
    BINDINGS = [  # noqa: RUF012 - textual declares it without ClassVar
        Binding("escape", "cancel", "stop"),
        Binding("ctrl+c", "interrupt", "quit", priority=True),
        Binding("ctrl+q", "quit", "quit", priority=True),
        Binding("ctrl+y", "copy", "copy the answer", priority=True),
        Binding("ctrl+o", "fold", "show or fold long results", priority=True),
        Binding("pageup", "page(-1)", "scroll", priority=True),
        Binding("pagedown", "page(1)", "scroll", priority=True),
    ]

    def __init__(self, open_agent: Callable[[], LoadedAgent]) -> None:
        super().__init__()
        self._open_agent = open_agent
        self.opened: LoadedAgent | None = None
        self._conversation: Conversation | None = None
        self._turns = 0
        self._shown_turn = 0
        self._running_turn = 0
        self._cancelled = threading.Event()
        self._answer: AnswerBlock | None = None
        self._answer_text = ""
        self._asked_to_quit = 0.0

    def compose(self) -> ComposeResult:
        """Transcript, input, status line."""
        yield VerticalScroll(NoteBlock(WELCOME), id="transcript", can_focus=False)
        yield QuestionInput()
        yield StatusLine()

    def on_mount(self) -> None:
        """Load the models while the person may already type."""
        self.query_one("#transcript").anchor()
        self.query_one(QuestionInput).focus()
        self.run_worker(self._load, thread=True, group="load")

    def on_unmount(self) -> None:
        """Let a running turn end, so that its thread does not keep the program open."""
        self._cancelled.set()

    def _load(self) -> None:
        error = ""
        try:
            self.opened = self._open_agent()
        except UmiError as failure:
            error = str(failure)
        except Exception as failure:
            _log.exception("loading failed")
            error = f"umi itself failed: {type(failure).__name__}: {failure}"
        self.post_message(Loaded(error))

    async def on_loaded(self, message: Loaded) -> None:
        """Show what was loaded, or why not."""
        if self.opened is None:
            self._show_state("no models", busy=False)
            await self._add(NoteBlock(f"umi: {one_line(message.error)}", error=True))
            return
        self._conversation = self.opened.agent.begin()
        self.query_one(StatusLine).info = self.opened.info
        self._show_state("ready", busy=False)

    async def on_question_input_sent(self, message: QuestionInput.Sent) -> None:
        """Run a command, or start a turn if none runs."""
        question = self.query_one(QuestionInput)
        if _COMMAND.fullmatch(message.text):
            question.remember(message.text)
            await self._command(message.text)
        elif self._conversation is None or self.opened is None:
            loading = self.query_one(StatusLine).busy
            self.notify(
                "The models are still loading." if loading else "There are no models to ask.", markup=False
            )
        elif self._running_turn:
            self.notify("One question at a time: Esc stops the answer.", markup=False)
        else:
            question.remember(message.text)
            await self._start(self.opened, self._conversation, message.text)

    async def _command(self, text: str) -> None:
        match text.split():
            case ["/quit" | "/exit"]:
                self.exit()
            case ["/help"]:
                await self._add(NoteBlock(HELP))
            case ["/copy"]:
                self.action_copy()
            case ["/new"]:
                await self._new()
            case [name, *_]:
                await self._add(NoteBlock(f"There is no command {name}; /help lists them.", error=True))

    async def _new(self) -> None:
        self.action_cancel()
        self._shown_turn = 0
        self._answer, self._answer_text = None, ""
        if self.opened is not None:
            self._conversation = self.opened.agent.begin()
        transcript = self.query_one("#transcript")
        await transcript.remove_children()
        await self._add(NoteBlock(WELCOME))

    async def _start(self, opened: LoadedAgent, conversation: Conversation, text: str) -> None:
        self._turns += 1
        self._running_turn = self._shown_turn = self._turns
        self._cancelled = threading.Event()
        self._answer = None
        await self._add(UserBlock(text))
        self._show_state("thinking…")
        work = partial(
            run_turn,
            opened.agent,
            conversation,
            text,
            turn=self._running_turn,
            cancelled=self._cancelled.is_set,
            post=self.post_message,
        )
        self.run_worker(work, thread=True, group="turn")

    async def on_turn_event(self, message: TurnEvent) -> None:
        """Show an event of the turn on the screen."""
        if message.turn != self._shown_turn:
            return
        match message.event:
            case Reading(role, done, total):
                reading = done < total
                self._show_state(
                    f"{role} reading {percent(done, total)} %" if reading else f"{role} writing…"
                )
            case Thought(_, text, next_):
                if text and next_ != "give up":
                    await self._add(ThoughtBlock(text))
            case CallProposed(_, _, name, arguments):
                await self._add(CallBlock(name, arguments))
                self._show_state(f"running {one_line(name, 30)}…")
            case Observation(_, _, _, ok, content):
                await self._add(ObservationBlock(content, ok))
            case Trimmed(dropped):
                await self._add(
                    NoteBlock(f"To make room, {dropped} old turns or results were left out or cut.")
                )
            case AnswerDelta(text):
                if self._answer is None:
                    self._answer = AnswerBlock()
                    await self._add(self._answer)
                await self._answer.write(text)
            case Finished():
                await self._finish(message.event)

    async def _finish(self, event: Finished) -> None:
        self.query_one(StatusLine).rate = tokens_per_second(event.stats)
        match event.reason:
            case "answered" | "gave_up":
                if self._answer is None:
                    self._answer = AnswerBlock()
                    await self._add(self._answer)
                self._answer.set_class(event.reason == "gave_up", "gave-up")
                await self._answer.finish(event.answer)
                self._answer_text = event.answer
            case "step_limit":
                steps = self.opened.agent.max_steps if self.opened else 0
                await self._add(
                    NoteBlock(f"No answer after {steps} steps; ask for less at once.", error=True)
                )
            case "cancelled":
                await self._end_answer()
                await self._add(NoteBlock("Stopped; this question is not part of the conversation."))
            case "error":
                await self._end_answer()
                await self._add(NoteBlock(f"umi: {one_line(event.answer)}", error=True))

    async def _end_answer(self) -> None:
        if self._answer is not None:
            await self._answer.finish()

    async def on_turn_ended(self, message: TurnEnded) -> None:
        """The thread is done: the next question may come."""
        if message.turn == self._running_turn:
            self._running_turn = 0
            self._show_state("ready", busy=False)
        if message.turn == self._shown_turn and message.error:
            await self._end_answer()
            await self._add(NoteBlock(f"umi: {one_line(message.error)}", error=True))

    async def on_approval_asked(self, message: ApprovalAsked) -> None:
        """Ask the person above the input."""
        if message.turn != self._shown_turn or self._cancelled.is_set():
            message.approval.give(False)
            return
        question = self.query_one(QuestionInput)
        question.disabled = True
        prompt = ApprovalPrompt(message.approval)
        await self.mount(prompt, before=question)
        prompt.focus()
        self._show_state("waiting for your answer", busy=False)

    def on_approval_prompt_answered(self) -> None:
        """Give the input back."""
        question = self.query_one(QuestionInput)
        question.disabled = False
        question.focus()
        if self._running_turn and not self._cancelled.is_set():
            self._show_state("going on…")

    def action_cancel(self) -> None:
        """Stop the running turn; a question that it waits with is withdrawn."""
        if self._running_turn and not self._cancelled.is_set():
            self._cancelled.set()
            self._show_state("stopping…")
            for prompt in self.query(ApprovalPrompt):
                prompt.action_answer(False)

    def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected, or stop the turn; the second within two seconds quits."""
        selected = self.screen.get_selected_text() or self.query_one(QuestionInput).selected_text
        now = time.monotonic()
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
            self.notify("Copied.", markup=False)
        elif now - self._asked_to_quit < _AGAIN_S:
            self.exit()
        else:
            self._asked_to_quit = now
            self.action_cancel()
            self.notify("Press Ctrl+C again to quit.", timeout=_AGAIN_S, markup=False)

    def action_copy(self) -> None:
        """Copy the last answer."""
        if self._answer_text:
            self.copy_to_clipboard(self._answer_text)
        self.notify(
            "The answer is copied." if self._answer_text else "There is no answer to copy.", markup=False
        )

    def action_fold(self) -> None:
        """Show all of every long result, or fold them all if none is folded."""
        blocks = [block for block in self.query(ObservationBlock) if block.foldable]
        all_shown = all(block.unfolded for block in blocks)
        for block in blocks:
            block.fold(all_shown)

    def action_page(self, pages: int) -> None:
        """Scroll the transcript."""
        transcript = self.query_one("#transcript")
        if pages < 0:
            transcript.scroll_page_up()
        else:
            transcript.scroll_page_down()

    def _show_state(self, state: str, busy: bool = True) -> None:
        # A turn may end while the app closes, after its widgets are gone.
        for status in self.query(StatusLine):
            status.state, status.busy = state, busy

    async def _add(self, block: Block | AnswerBlock) -> None:
        await self.query_one("#transcript").mount(block)


def chat(options: Options) -> int:
    """Open the app and stay until the person leaves; returns the exit code."""
    app = UmiApp(lambda: open_agent(options))
    try:
        app.run()
    finally:
        if app.opened is not None:
            app.opened.close()
    return app.return_code or 0
