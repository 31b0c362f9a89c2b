"""`umi ask`: one question, the answer on stdout, the steps on stderr (or every event on stdout, as JSON)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agent.errors import UmiError
from agent.events import AnswerDelta, Event, Finished, Reason, event_to_json
from agent.transcript import Call, compact
from agent.transcript.rows import append_row, ensure_appendable
from tui.cli.interrupts import Interrupts
from tui.cli.question import read_question
from tui.cli.recording import recorded
from tui.cli.steps import Steps
from tui.setup import Opened, Options, open_agent
from tui.text import call_line, folded, one_line, plain

if TYPE_CHECKING:
    from agent.tools.base import Tool

EXIT_CODES: dict[Reason, int] = {"answered": 0, "gave_up": 3, "step_limit": 4, "cancelled": 130, "error": 1}

SHOWN_LINES = 20
"""Lines of an argument that are shown before the person is asked to approve a call."""


def ask(
    words: Sequence[str],
    options: Options,
    *,
    as_json: bool = False,
    yes: bool = False,
    record: Path | None = None,
) -> int:
    """Answer the question in `words` and on standard input; returns the exit code. Raises UmiError.

    What was answered or given up is appended to the file `record` as a row of training data.
    """
    question = read_question(words)
    if record:
        ensure_appendable(record)
    with Interrupts() as interrupts:
        opened = open_agent(options)
        try:
            approve = _approval(interrupts, yes)
            return answer(opened, question, approve, interrupts.cancelled.is_set, as_json, record)
        finally:
            opened.close()


def answer(
    opened: Opened,
    question: str,
    approve: Callable[[Call, Tool], bool] | None,
    cancelled: Callable[[], bool],
    as_json: bool,
    record: Path | None = None,
) -> int:
    """Run one turn and print it; returns the exit code. Raises UmiError where the turn failed.

    A turn that was answered or given up is appended to `record`; InputError where that fails.
    """
    agent = opened.agent
    printer: Callable[[Event], None] = (
        _print_json if as_json else _Printer(sys.stdout, Steps(sys.stderr)).show
    )
    conversation = agent.begin()
    tools = conversation.transcript.tools
    events: list[Event] = []
    for event in agent.run(conversation, question, approve=approve, cancelled=cancelled):
        printer(event)
        events.append(event)
        if isinstance(event, Finished):
            if record and event.reason in ("answered", "gave_up"):
                append_row(record, recorded(tools, question, events))
            if event.reason == "error":
                raise UmiError(event.answer)
            if event.reason == "step_limit":
                print(
                    f"umi: no answer after {agent.max_steps} steps; raise --max-steps or ask for less",
                    file=sys.stderr,
                )
            return EXIT_CODES[event.reason]
    raise AssertionError("a turn ends with Finished")


def _print_json(event: Event) -> None:
    print(compact(event_to_json(event)), flush=True)


class _Printer:
    """The answer on `out`, as it is written where that is a terminal; everything else goes to `steps`."""

    def __init__(self, out: TextIO, steps: Steps) -> None:
        self._out = out
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
                    self._write((plain(text) if self._terminal else text) + "\n")
                self._steps.show(event)
            case _:
                self._steps.show(event)

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._written = True


def _approval(interrupts: Interrupts, yes: bool) -> Callable[[Call, Tool], bool] | None:
    """Who approves calls that write: everybody with --yes, the person at the terminal, or nobody."""
    if yes:
        return lambda call, tool: True
    if sys.stdin is None or not sys.stdin.isatty():
        return None

    def approve(call: Call, tool: Tool) -> bool:
        err = sys.stderr
        print(f"  {call_line(call.name, {})} may {tool.may}:", file=err)
        for name, value in call.arguments.items():
            shown, more = folded(plain(value if isinstance(value, str) else compact(value)), SHOWN_LINES)
            body = "\n      ".join(shown.split("\n"))
            print(
                f"    {one_line(name)}: {body}" + (f"\n      … {more} more lines" if more else ""), file=err
            )
        print("  allow it? [y/N] ", end="", file=err, flush=True)
        return interrupts.read_line().strip().lower() in ("y", "yes")

    return approve
