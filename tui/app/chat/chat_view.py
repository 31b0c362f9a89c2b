"""The conversation on the screen: transcript, waiting questions, input, status line, one running turn.

The turn runs in a thread (`tui.app.turn_runner`) and posts its events here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import TextArea

from agent.errors import UmiError
from agent.events import Event, Finished
from tui.app.chat.attached_files import Question, question_of
from tui.app.chat.block_actions import HINT, act_on_block
from tui.app.chat.composer import Composer
from tui.app.chat.context import ContextMeter
from tui.app.chat.earlier_questions import number_last
from tui.app.chat.marks import keep_correction
from tui.app.chat.progress import TurnProgress
from tui.app.chat.read_ahead import ReadAhead
from tui.app.chat.welcome import WelcomeBlock
from tui.app.sessions import AppSessions
from tui.app.status_line import StatusLine
from tui.app.transcript.blocks import NoteBlock
from tui.app.transcript.transcript_view import TranscriptView
from tui.app.turn import ApprovalAsked, ContextUsed, TurnEnded, TurnEvent, context_used
from tui.app.turn_runner import TurnRunner
from tui.text import one_line

if TYPE_CHECKING:
    from agent.loop import Conversation
    from tui.app.approval.approval_prompt import ApprovalPrompt
    from tui.setup import LoadedAgent


class ChatView(Vertical):
    """Asks the questions that are sent, one after the other, in the session of `sessions`."""

    def __init__(self, sessions: AppSessions) -> None:
        super().__init__(id="chat")
        self.sessions = sessions
        self.opened: LoadedAgent | None = None
        self.conversation: Conversation | None = None
        # Kept rather than queried: a turn may end after the screen has dropped its widgets.
        self.transcript = TranscriptView()
        self.meter = ContextMeter()
        self.composer = Composer(self.meter)
        self.queue = self.composer.queue
        self.question = self.composer.question
        self.status = StatusLine()
        self.progress = TurnProgress(self.status)
        self._read_ahead = ReadAhead(self)
        self._prompts: list[ApprovalPrompt] = []
        self._turns = TurnRunner(self)

    def compose(self) -> ComposeResult:
        """Yield the transcript, the input and the status line."""
        yield self.transcript
        yield self.composer
        yield self.status

    async def on_mount(self) -> None:
        """Show the start screen; the user may type while the models load."""
        await self._show_welcome()
        self.question.focus()

    def on_unmount(self) -> None:
        """Cancel a running turn, whose thread would keep the process alive."""
        self._turns.cancel()

    # What the app asks for

    @property
    def is_answering(self) -> bool:
        """Whether a turn is running."""
        return self._turns.is_running

    async def use(self, opened: LoadedAgent) -> None:
        """Go on with these models; a question that was sent while they were loaded is asked."""
        self.opened = opened
        self.transcript.plain_answers = opened.agent.engine.grounded_answers
        self.status.info = opened.info
        self.composer.use(opened)
        self.status.show("ready", "idle")
        await self._ask_next()

    def save_state(self) -> None:
        """Keep on disk what the models read of the conversation, if that is stored."""
        if self.opened is not None and self.conversation is not None and self.sessions.writer is not None:
            self.opened.agent.save_state(self.conversation)

    async def show_session(self) -> None:
        """Stop the running turn, show the session of `sessions` and go on from its end."""
        self.stop()
        self._turns.hide()
        self.composer.edited = None
        self.meter.begin()
        if self.opened is not None:
            left, self.conversation = self.conversation, self.sessions.conversation(self.opened.agent)
            if self.sessions.writer and left:
                self._read_ahead.leave(left, self.conversation)
        await self.transcript.open(())
        self._read_ahead.begin()
        again = await self.sessions.show(self.transcript)
        if not self.transcript.children:
            await self._show_welcome()
        if again:
            self.put_question(again)
        self.measure_context()

    def put_question(self, text: str) -> None:
        """Put a text into the input, for the user to change or send."""
        self.composer.put(text)

    async def ask(self, text: str) -> None:
        """Ask a question, or let it wait while another is answered or the models are loaded.

        Where the right answer to one is being written, `text` is that.
        """
        edited = self.composer.edited
        try:
            if edited and edited.part == "answer":
                await keep_correction(self, edited.exchange, text)
            elif self.opened is None and not self.status.busy:
                self.notify("There are no models to ask.", markup=False)
            elif not text:
                if self.queue.paused and not self.is_answering:
                    await self._ask_next()
            elif self.prompts:  # it may be meant as an answer, which typed text never is
                self.notify("Ctrl+G allows the call, Esc refuses it.", markup=False)
            elif self.is_answering or self.opened is None or self.status.busy:
                self.composer.wait(text)
            else:
                question = question_of(text, self.opened.agent.toolbox)
                if edited:
                    self.sessions.require_writer().fork(edited.exchange)
                    await self.show_session()
                self.question.remember(text)
                await self._start_turn(question, text)
        except UmiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)

    def cancel(self) -> None:
        """Refuse the call that is asked about, stop the running turn, or leave what is edited."""
        if prompts := self.prompts:
            for prompt in prompts:
                prompt.refuse()
        elif self.is_answering:
            if not self._turns.is_cancelled and not self.question.text:
                self.put_question(self._turns.typed)
            self.stop()
        elif self.composer.edited is not None:
            self.composer.leave_edited()

    def stop(self) -> None:
        """Cancel the running turn, with the question that it waits for; what is queued waits for the user."""
        if self.is_answering and not self._turns.is_cancelled:
            self._turns.cancel()
            self.status.show("stopping…")
            for prompt in self.prompts:
                prompt.refuse()

    @property
    def prompts(self) -> list[ApprovalPrompt]:
        """The question about a call that waits for an answer, if there is one."""
        return [prompt for prompt in self._prompts if prompt.is_attached and prompt.display]

    # Turns

    async def _start_turn(self, question: Question, typed: str) -> None:
        assert self.opened is not None
        assert self.conversation is not None
        self.question.examples = ()
        for welcome in self.query(WelcomeBlock):
            await welcome.remove()
        await self.transcript.start_turn(typed)
        self.status.show("planner reading…")
        self._turns.start(self.opened.agent, self.conversation, question, typed, self.sessions.writer)

    async def on_turn_event(self, message: TurnEvent) -> None:
        """Show an event of the turn in the transcript and the status line."""
        if not self._shows(message.turn):
            return
        event: Event = message.event
        self.meter.take(event)
        if not self._turns.is_cancelled or isinstance(event, Finished):
            self.progress.show(event)
        if isinstance(event, Finished):
            self._turns.reason = event.reason
        await self.transcript.show(event, self.opened.agent.max_steps if self.opened else 0)

    async def on_turn_ended(self, message: TurnEnded) -> None:
        """Ask the next question, and show the error if the turn failed."""
        if not self._turns.end(message.turn):
            return
        self.status.show("ready", "idle")
        self._read_ahead.begin()
        if self._shows(message.turn):
            number_last(self)
            if message.error:
                await self.transcript.fail_turn(message.error)
        if message.error or self._turns.reason in ("cancelled", "error"):
            self.queue.pause()
        else:
            await self._ask_next()

    async def _ask_next(self) -> None:
        edited = self.composer.edited
        if edited and edited.part == "answer":  # what waits would be taken for the right answer
            self.queue.pause()
        elif (text := self.composer.next_question()) is not None:
            draft = self.question.text
            await self.ask(text)
            self.question.put(draft)

    def _shows(self, turn: int) -> bool:
        """Return whether the transcript shows turn number `turn`, and is on the screen."""
        return self._turns.is_shown(turn) and self.transcript.is_attached

    # Questions about calls

    async def on_approval_asked(self, message: ApprovalAsked) -> None:
        """Show the question above the input, which keeps the focus."""
        if not self._shows(message.turn) or self._turns.is_cancelled or self.opened is None:
            message.approval.decide(None)
            return
        from tui.app.approval.approval_prompt import ApprovalPrompt  # not needed for the first paint

        prompt = ApprovalPrompt(message.approval, self.opened.agent.policy)
        self._prompts = [prompt]
        if message.approval.request.transcript is not None:
            self._read_ahead.wait(message.approval.request.transcript)
        await self.composer.mount(prompt, before=self.question)
        self.status.show("waiting for your answer", "waiting")

    def prompt_answered(self) -> None:
        """Return to the input."""
        self.question.focus()
        if self.is_answering and not self._turns.is_cancelled:
            self.status.show("going on…")

    # The input and the selected block

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """Read what is typed ahead of its being sent."""
        if message.text_area is self.question:
            self._read_ahead.begin()

    async def on_transcript_view_key_pressed(self, message: TranscriptView.KeyPressed) -> None:
        """Act on the selected block."""
        try:
            await act_on_block(self, message.key, message.block)
        except UmiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)

    async def select_block(self, step: int) -> None:
        """Select the last block, or the one `step` from the selected one."""
        await self.transcript.select(step)
        self.status.show(HINT, self.status.kind)

    def leave_selection(self) -> None:
        """Return from the selected block to the input."""
        self.transcript.leave()
        self.question.focus()
        if not self.is_answering:
            self.status.show("ready", "idle")

    def copy(self, text: str) -> None:
        """Copy a text to the clipboard of the terminal (OSC 52)."""
        self.app.copy_to_clipboard(text)
        self.notify("Copied.", markup=False)

    # The context

    def measure_context(self) -> None:
        """Find out in a thread how full the context is; while a turn runs, that tells at its end."""
        if self.opened is None or self.conversation is None or self.is_answering:
            return
        agent, conversation = self.opened.agent, self.conversation
        self._turns.use_engine(lambda: self.post_message(context_used(agent, conversation)), "context")

    async def on_context_used(self, message: ContextUsed) -> None:
        """Show how full the context is, and warn once before something has to be dropped."""
        warning = self.meter.update(message.used, message.total)
        self.composer.show_context()
        if warning:
            await self.transcript.add(NoteBlock(warning))

    async def _show_welcome(self) -> None:
        tools = [tool.name for tool in self.opened.agent.toolbox.tools] if self.opened else []
        for old in self.query(WelcomeBlock):
            await old.remove()
        welcome = WelcomeBlock(self.opened.info if self.opened else None, tools)
        self.question.examples = welcome.examples
        await self.transcript.add(welcome)
