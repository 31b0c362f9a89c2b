"""The share of a question's time that checks of calls and answers take, over tasks of the exam.

Processor time of one thread: that of whole turns, and within it that of the rules on calls, of the rules on
answers, and of the grammars that hold arguments and answers to what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import wraps
from time import process_time
from typing import Any

from agent.bundle import Bundle
from agent.checks.answers.answer_check import AnswerCheck
from agent.checks.calls.call_check import CallCheck
from agent.config import EngineSettings
from agent.evaluation.exam.reading import read_exam
from agent.evaluation.exam.running import AgentRespondent, Respondent, run_task
from agent.llama.engine import LlamaEngine
from agent.llama.grammar.constraints import Constraint, Constraints
from agent.tools import builtin_tools
from agent.tools.toolbox import Toolbox

TASKS = 40
"""Tasks of the development half that are run, the first of each category and so on."""
PARTS: dict[str, tuple[tuple[type, str], ...]] = {
    "call rules": ((CallCheck, "__call__"),),
    "answer rules": ((AnswerCheck, "__init__"), (AnswerCheck, "feed"), (AnswerCheck, "finish")),
    "grammars": ((Constraints, "start"),),
    "masks": (
        *((Constraint, name) for name in ("allows", "allowed_prefix", "mask", "accept")),
        *((Constraint, name) for name in ("forced_tokens", "probable_text")),
    ),
}
"""Methods whose time counts, by what they check."""


class _Clock:
    """The processor time spent in a part, in seconds; a method called by another of the part counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._is_running = False

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return `method` with its time added."""

        @wraps(method)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if self._is_running:
                return method(*arguments, **named)
            self._is_running, started = True, process_time()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += process_time() - started
                self._is_running = False

        return wrapped


def check_shares(bundle: Bundle, settings: EngineSettings, tasks: int = TASKS) -> dict[str, Any]:
    """Return the share of the time of `tasks` tasks that each part takes, and how many turns that were.

    `settings` should give the engine one thread: with several, the time of the models counts several times.
    """
    clocks = {part: _Clock() for part in PARTS}
    seconds, turns = 0.0, 0
    kinds = {tool.name: tool.kinds for tool in builtin_tools()}
    with ExitStack() as stack:
        engine = stack.enter_context(closing(LlamaEngine(bundle, settings, kinds=kinds)))
        for part, methods in PARTS.items():
            for owner, name in methods:
                stack.enter_context(_replaced(owner, name, clocks[part].timed(getattr(owner, name))))

        def respondent(toolbox: Toolbox) -> Respondent:
            return AgentRespondent(engine, toolbox, lambda: False)

        for task in read_exam(("development",))[:tasks]:
            started = process_time()
            turns += len(run_task(task, respondent).turns)
            seconds += process_time() - started
    shares = {part: round(clock.seconds / seconds, 4) for part, clock in clocks.items()}
    return {"checks_share": shares, "checks_turns": turns}


@contextmanager
def _replaced(owner: type, name: str, method: Callable[..., Any]) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        setattr(owner, name, before)
