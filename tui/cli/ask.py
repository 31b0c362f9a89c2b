"""`umi ask`: one question, the answer on stdout, the steps on stderr (or every event on stdout, as JSON)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agent.errors import UmiError
from agent.events import AnswerDelta, Event, Finished, Reason, event_to_json
from agent.transcript import Call, Transcript, Turn, compact
from agent.transcript.rows import append_row, ensure_appendable
from tui.cli.interrupts import INTERRUPTED, Interrupts
from tui.cli.last_conversation import load_turns, save_turns
from tui.cli.progress import say
from tui.cli.question import read_question
from tui.cli.recording import recorded_row
from tui.cli.steps import StepPrinter
from tui.setup import LoadedAgent, Options, open_agent
from tui.text import call_line, json_without_controls, one_line, plain, truncate_lines, without_controls

if TYPE_CHECKING:
    from agent.tools.base import Tool

EXIT_CODES: dict[Reason, int] = {
    "answered": 0,
    "gave_up": 3,
    "step_limit": 4,
    "cancelled": INTERRUPTED,
    "error": 1,
}

ARGUMENT_LINES = 20
"""Lines of an argument that are printed before the user is asked to approve a call."""


def ask(
    words: Sequence[str],
    options: Options,
    *,
    as_json: bool = False,
    yes: bool = False,
    record: Path | None = None,
    go_on: bool = False,
    raw: bool = False,
) -> int:
    """Answer the question in `words` and on standard input; return the exit code. Raises UmiError.

    An answer that is piped has its control characters escaped, unless `raw`.
    With `go_on`, the question follows the workspace's last conversation. A conversation whose last turn was
    answered or given up is kept for that, and appended to the file `record` as a row of training data.
    """
    question = read_question(words)
    if record:
        ensure_appendable(record)
    opened = open_agent(options)
    try:
        before = load_turns(opened.info.workspace) if go_on else ()
        with Interrupts() as interrupts:
            approve = _approval(interrupts, yes)
            return answer(
                opened, question, approve, interrupts.cancelled.is_set, as_json, record, before, raw
            )
    finally:
        opened.close()


def answer(
    opened: LoadedAgent,
    question: str,
    approve: Callable[[Call, Tool], bool] | None,
    cancelled: Callable[[], bool],
    as_json: bool,
    record: Path | None = None,
    before: tuple[Turn, ...] = (),
    raw: bool = False,
) -> int:
    """Run one turn after those in `before` and print it; return the exit code.

    A conversation whose last turn was answered or given up is kept, and appended to `record`. Raises UmiError
    where the turn failed, and InputError where `record` cannot be written.
    """
    agent = opened.agent
    printer: Callable[[Event], None] = (
        _print_json if as_json else _Printer(sys.stdout, StepPrinter(sys.stderr), raw=raw).show
    )
    conversation = agent.begin()
    conversation.transcript = conversation.transcript.plus(*before)
    tools = conversation.transcript.tools
    events: list[Event] = []
    for event in agent.run(conversation, question, approve=approve, cancelled=cancelled):
        printer(event)
        events.append(event)
        if isinstance(event, Finished):
            if event.reason in ("answered", "gave_up"):
                _keep(opened.info.workspace, conversation.transcript)
                if record:
                    append_row(record, recorded_row(tools, question, events, before))
            if event.reason == "error":
                raise UmiError(event.answer)
            if event.reason == "step_limit":
                say(f"umi: no answer after {agent.max_steps} steps; raise --max-steps or ask for less")
            return EXIT_CODES[event.reason]
    raise AssertionError("a turn ends with Finished")


def _keep(workspace: Path, transcript: Transcript) -> None:
    """Keep a conversation; an answer that is printed is not spoiled by a disk that is full."""
    try:
        save_turns(workspace, transcript)
    except (OSError, UnicodeEncodeError) as error:
        say(f"umi: --continue will not know of this: {one_line(str(error))}")


def _print_json(event: Event) -> None:
    print(json_without_controls(compact(event_to_json(event))), flush=True)


class _Printer:
    """The answer on `out`, as it is written where that is a terminal; everything else goes to `steps`."""

    def __init__(self, out: TextIO, steps: StepPrinter, *, raw: bool = False) -> None:
        self._out = out
        self._raw = raw
        self._steps = steps
        self._terminal = out.isatty()
        self._written = False

    def show(self, event: Event) -> None:
        match event:
            case AnswerDelta(text) if self._terminal:
                self._steps.show(event)
                self._write(plain(text) if self._written else plain(text).lstrip())
            case Finished(reason, text):
                if self._written:
                    self._write("\n")
                elif reason in ("answered", "gave_up"):
                    self._steps.clear()
                    self._write(self._shown(text) + "\n")
                self._steps.show(event)
            case _:
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


def _approval(interrupts: Interrupts, yes: bool) -> Callable[[Call, Tool], bool] | None:
    """Return what approves calls that write: always with --yes, the user at the terminal, else None."""
    if yes:
        return lambda call, tool: True
    if sys.stdin is None or not sys.stdin.isatty():
        return None

    def approve(call: Call, tool: Tool) -> bool:
        say(f"  {call_line(call.name, {})} may {tool.may}:")
        for name, value in call.arguments.items():
            shown, more = truncate_lines(
                plain(value if isinstance(value, str) else compact(value)), ARGUMENT_LINES
            )
            body = "\n      ".join(shown.split("\n"))
            say(f"    {one_line(name)}: {body}" + (f"\n      … {more} more lines" if more else ""))
        print("  allow it? [y/N] ", end="", file=sys.stderr, flush=True)
        return interrupts.read_line().strip().lower() in ("y", "yes")

    return approve
