"""Baselines of the exam: the scores of respondents that understand nothing."""

from __future__ import annotations

from collections.abc import Mapping

from agent.errors import ToolError
from agent.evaluation.exam.judging import Outcome
from agent.evaluation.exam.running import OpenRespondent
from agent.tools.toolbox import Toolbox
from agent.transcript import Call


class Echo:
    """Answers with the question itself and calls nothing."""

    def __init__(self, toolbox: Toolbox) -> None:
        pass

    def ask(self, text: str) -> Outcome:
        """Answer a turn."""
        return Outcome("answered", text)


class GiveUp:
    """Gives up on every question."""

    def __init__(self, toolbox: Toolbox) -> None:
        pass

    def ask(self, text: str) -> Outcome:
        """Answer a turn."""
        return Outcome("gave_up", "No tool can do that.")


class CallAll:
    """Calls every tool that takes no argument, and answers with all results."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    def ask(self, text: str) -> Outcome:
        """Answer a turn."""
        names = [spec.name for spec in self._toolbox.specs if not spec.parameters.get("required")]
        results = [_result(self._toolbox, Call(name, {})) for name in names]
        return Outcome("answered", "\n".join(results) or "-", tuple(names), tuple(results))


class ReadAll:
    """Reads every file and answers with all text."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    def ask(self, text: str) -> Outcome:
        """Answer a turn."""
        paths = self._toolbox.context.workspace.files()[0]
        results = [_result(self._toolbox, Call("read_file", {"path": path})) for path in paths]
        answer = "\n".join(f"{path}\n{result}" for path, result in zip(paths, results, strict=True))
        return Outcome("answered", answer or "-", ("read_file",) * len(paths), tuple(results))


BASELINES: Mapping[str, OpenRespondent] = {
    "repeats the question": Echo,
    "gives up": GiveUp,
    "calls what takes no argument": CallAll,
    "reads every file": ReadAll,
}
"""Name -> function that makes the respondent."""


def _result(toolbox: Toolbox, call: Call) -> str:
    try:
        return toolbox.run(call)
    except ToolError as error:
        return str(error)
