"""`umi ask`: one question, the answer on stdout, the steps on stderr (or the events on stdout, as JSON)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal, TextIO

from agent.consent.gate import NOBODY
from agent.errors import InputError, UmiError
from agent.events import AnswerDelta, CallProposed, Event, Finished, Observation, Reason, event_to_json
from agent.sessions import CONCLUDED, SessionStore, SessionWriter, turns_of
from agent.sessions.export import recorded_row
from agent.transcript import compact
from agent.transcript.rows import append_row, ensure_appendable
from tui.cli.question import Question, read_question
from tui.cli.steps import StepPrinter
from tui.cli.terminal.interrupts import INTERRUPTED, Interrupts
from tui.cli.terminal.progress import say
from tui.cli.terminal.terminal_approval import TerminalApproval
from tui.cli.timings import timings
from tui.setup import AgentInfo, LoadedAgent, Options, open_agent
from tui.text import json_for, json_without_controls, one_line, plain, without_controls

if TYPE_CHECKING:
    from agent.consent import Approve, Decision, Request
    from agent.consent.policy import Policy

Output = Literal["text", "quiet", "events", "final"]
"""The answer and the steps; the answer alone; every event as a line of JSON; the last event so."""

EXIT_CODES: dict[Reason, int] = {
    "answered": 0,
    "gave_up": 3,
    "unsure": 3,
    "failed": 5,
    "step_limit": 4,
    "cancelled": INTERRUPTED,
    "error": 1,
}


IN_A_TERMINAL = "give the question as an argument in a terminal (and text with --file) to be asked"


def ask(
    words: Sequence[str],
    options: Options,
    *,
    output: Output = "text",
    template: str | None = None,
    yes: bool = False,
    record: Path | None = None,
    go_on: bool = False,
    session: str | None = None,
    save: bool = True,
    raw: bool = False,
    timed: bool = False,
) -> int:
    """Answer the question in `words` and on standard input; return the exit code. Raises UmiError.

    With a `template`, `words` are what its placeholder stands for. An answer that is piped has its control
    characters escaped, unless `raw`.
    The question follows the session whose id begins with `session`, with `go_on` the last session of the
    workspace, and else begins one; with `save` it is written there. A conversation whose last turn was
    answered, given up or failed is appended to `record` as a row of training data. With `timed`, a table on
    stderr tells where the time went.
    """
    question = read_question(words, template)
    if record:
        ensure_appendable(record)
    store = _open_store(needed=go_on or session is not None) if save or go_on or session else None
    try:
        if store and session:
            session = store.find(session).id  # before the models are loaded
        opened = open_agent(options)
        for remark in opened.remarks:
            say(f"umi: {one_line(remark, 300)}")
        try:
            writer = _writer(store, opened.info, go_on, session) if store else None
            with Interrupts() as interrupts:
                approve = approval(interrupts, opened.agent.policy, yes)
                cancelled = interrupts.cancelled.is_set
                return answer(opened, question, approve, cancelled, output, record, writer, save, raw, timed)
        finally:
            opened.close()
    finally:
        if store:
            store.close()


def answer(
    opened: LoadedAgent,
    question: Question,
    approve: Approve | None,
    cancelled: Callable[[], bool],
    output: Output = "text",
    record: Path | None = None,
    writer: SessionWriter | None = None,
    save: bool = False,
    raw: bool = False,
    timed: bool = False,
) -> int:
    """Run one turn after those of `writer` and print it; return the exit code.

    With `save`, `writer` writes it. A conversation whose last turn was answered, given up or failed is
    appended to `record`. Raises UmiError where the turn ended in an error, and InputError where `record`
    cannot be written.
    """
    agent = opened.agent
    printer = _printer(output, raw)
    conversation = writer.conversation(agent) if writer else agent.begin()
    conversation.untrusted |= question.quotes
    before, started = conversation.transcript, perf_counter()
    events: list[Event] = []
    run = partial(writer.run, agent) if writer and save else agent.run
    for event in run(
        conversation,
        question.text,
        attachments=opened.attachments,
        approve=approve,
        cancelled=cancelled,
    ):
        if writer and writer.forked and not events:
            say("umi: this session went on elsewhere meanwhile; the question begins a branch of it")
        printer(event)
        events.append(event)
        if isinstance(event, Finished):
            if timed:
                say("\n".join(timings(event.stats, perf_counter() - started)))
            if record and event.reason in CONCLUDED:
                append_row(record, recorded_row(before.plus(*turns_of(question.text, events))))
            if event.reason == "error":
                raise UmiError(event.answer)
            if event.reason == "failed":
                error = one_line(last_error(events), 400)
                hint = f"; {IN_A_TERMINAL}, or allow it with --yes" if error.endswith(NOBODY) else ""
                note = f"\n\n{plain(event.unsupported)}" if event.unsupported else ""
                say(f"umi: failed: {error}{hint}\n{plain(event.answer)}{note}")
            if event.reason == "unsure":
                say(f"umi: not done: {one_line(event.answer)}; {IN_A_TERMINAL}")
            if event.reason == "step_limit":
                say(f"umi: no answer after {agent.max_steps} steps; raise --max-steps or ask for less")
            if writer and save and before.turns:
                # Who goes on once will again; kept after every first question, states would evict these.
                agent.save_state(conversation)
            return EXIT_CODES[event.reason]
    raise AssertionError("a turn ends with Finished")


def _open_store(*, needed: bool) -> SessionStore | None:
    """Open the sessions. Where they are not `needed`, one that cannot be opened does not stop a question."""
    try:
        return SessionStore.open()
    except UmiError as error:
        if needed:
            raise
        say(f"umi: this question is not saved: {one_line(str(error))}")
        return None


def _writer(store: SessionStore, info: AgentInfo, go_on: bool, session: str | None) -> SessionWriter:
    """Return the writer of the session that the question belongs to. Raises InputError for none."""
    if session:
        writer = SessionWriter.resume(store, session, info.bundle)
    elif not go_on:
        writer = SessionWriter.begin(store, info.workspace, info.bundle)
    elif last := store.last(info.workspace):
        writer = SessionWriter.resume(store, last.id, info.bundle)
    else:
        raise InputError(f"nothing was asked in {info.workspace} so far", "ask without --continue")
    writer.warn = lambda line: say(f"umi: {one_line(line)}")
    return writer


def last_error(events: Sequence[Event]) -> str:
    """Return the last error of a call among the events of a turn, behind the tool's name."""
    errors = [
        f"{event.name}: {event.content}"
        for event in events
        if isinstance(event, Observation) and not event.ok
    ]
    return errors[-1] if errors else ""


def _printer(output: Output, raw: bool) -> Callable[[Event], None]:
    """Return what prints the events of a turn."""
    match output:
        case "events":
            return _print_json
        case "final":
            return lambda event: _print_json(event) if isinstance(event, Finished) else None
        case "quiet":
            return _Printer(sys.stdout, None, raw=raw).show
        case "text":
            return _Printer(sys.stdout, StepPrinter(sys.stderr), raw=raw).show


def _print_json(event: Event) -> None:
    line = json_without_controls(compact(event_to_json(event)))
    print(json_for(sys.stdout.encoding, line), flush=True)


class _Printer:
    """The answer on `out`, as it is written where that is a terminal, and the note on what nothing supports.

    All else goes to `steps`, or nowhere.

    What a role says after a call that failed is held back until it is known whether the turn failed.
    """

    def __init__(self, out: TextIO, steps: StepPrinter | None, *, raw: bool = False) -> None:
        self._out = out
        self._raw = raw
        self._steps = steps
        self._terminal = out.isatty()
        self._written = False
        self._failing = False

    def show(self, event: Event) -> None:
        match event:
            case CallProposed(index=0):
                self._failing = False
                self._show_step(event)
            case Observation(ok=False):
                self._failing = True
                self._show_step(event)
            case AnswerDelta(text) if self._terminal and not self._failing:
                self._show_step(event)
                self._write(plain(text) if self._written else plain(text).lstrip())
            case Finished(reason, text, unsupported=unsupported):
                if self._written:
                    self._write("\n")
                elif reason in ("answered", "gave_up"):
                    if self._steps:
                        self._steps.clear()
                    self._write(self._shown(text) + "\n")
                if self._written and unsupported:
                    self._write(f"\n{self._shown(unsupported)}\n")
                self._show_step(event)
            case _:
                self._show_step(event)

    def _show_step(self, event: Event) -> None:
        if self._steps:
            self._steps.show(event)

    def _shown(self, text: str) -> str:
        if self._terminal:
            return plain(text)
        return text if self._raw else without_controls(text)

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._written = True


def approval(interrupts: Interrupts, policy: Policy | None, yes: bool) -> Approve | None:
    """Return what answers questions about calls: --yes gives all permissions, else a person is asked.

    None where nobody is at the terminal. A doubt about what was meant is for a person alone.
    """
    person = None
    if all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        person = TerminalApproval(interrupts.read_line, policy)
    if not yes:
        return person

    def approve(request: Request) -> Decision | None:
        if request.kind == "permission":
            return request.allow("--yes")
        return person(request) if person else None

    return approve
