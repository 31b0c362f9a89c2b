"""The reference calls of a task, run with the real tools, and the workspace's texts unrelated to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from agent.errors import ToolError
from agent.evaluation.exam.facts import normalize
from agent.evaluation.exam.schema import Task
from agent.tools.toolbox import Toolbox
from agent.transcript import Call

SHORTEST_QUOTE = 8
"""Minimum length in characters of a line for its occurrence in an answer to count as a quotation."""


def reference_result(toolbox: Toolbox, call: Call) -> str:
    """Return the observation of a reference call; an error message if the call fails."""
    try:
        return toolbox.run(call)
    except ToolError as error:
        return f"error: {error}"


def unrelated_texts(task: Task, toolbox: Toolbox) -> Iterator[frozenset[str]]:
    """Yield for each exchange the lines and notes of the workspace that no answer to it needs, normalized.

    These are the lines of files that are named neither in a question nor in a reference call or its result,
    and the notes that no result holds; of the exchange itself and those before it. `toolbox` works in the
    task's workspace, and the reference calls change it.
    """
    lines = {
        path: {normalize(line) for line in text.splitlines()} for path, text in task.world.all_files().items()
    }
    notes = {normalize(note) for note in task.world.notes}
    known = ""
    for exchange in task.exchanges:
        results = [reference_result(toolbox, call) for call in exchange.reference_calls]
        said = (exchange.ask, *(call.line() for call in exchange.reference_calls), *results)
        known = "\n".join((known, *map(normalize, said)))
        unrelated = set(notes)
        for path, texts in lines.items():
            if normalize(PurePosixPath(path).name) not in known:
                unrelated |= texts
        yield frozenset(text for text in unrelated if len(text) >= SHORTEST_QUOTE and text not in known)
