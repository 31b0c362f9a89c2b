"""Seconds from opening a saved session of 3,000 tokens to the first token of the next thought."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from statistics import median
from time import perf_counter

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Delta
from agent.llama.engine import LlamaEngine
from agent.llama.grammar.calls import Kinds
from agent.tools import builtin_tools
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
)

TOKENS = 3000
"""Of the session, with its list of tools, at least."""
ROUNDS = 3


def resuming_figures(
    bundle: Bundle, settings: EngineSettings, kinds: Mapping[str, Kinds]
) -> dict[str, float | int]:
    """Return what the next question of a session takes where its models are loaded anew.

    `resume_tokens` is the length of the session, `resume_seconds` the median of `ROUNDS` times from opening
    the models to the first token of the planner, with the session's state on disk. States are kept in a
    folder that is removed.
    """
    settings = replace(settings, disk=True)
    with _own_folders():
        with closing(LlamaEngine(bundle, settings, kinds=kinds)) as engine:
            session, tokens = _session(engine)
            engine.read_ahead(session, cancelled=lambda: False)
            engine.save_state(session)
        seconds = [_first_token(bundle, settings, kinds, session) for _ in range(ROUNDS)]
    return {"resume_tokens": tokens, "resume_seconds": round(median(seconds), 4)}


def _session(engine: LlamaEngine) -> tuple[Transcript, int]:
    """Return a session of at least `TOKENS` tokens of the planner, or three quarters of the context."""
    transcript = Transcript(tuple(tool.spec for tool in builtin_tools()))
    enough = min(TOKENS, engine.context_length * 3 // 4)
    number = 12
    while (tokens := engine.context_length - engine.room("planner", transcript)) < enough:
        number += 1
        expression, result = f"{number} * 7", str(number * 7)
        transcript = transcript.plus(
            UserTurn(f"what is {number} times 7?"),
            PlannerTurn("I will work this out with calculate.", "caller"),
            CallerTurn((Call("calculate", {"expression": expression}),)),
            ToolTurn("calculate", result),
            PlannerTurn("I have the result.", "summarizer"),
            SummarizerTurn(f"{expression} = {result}"),
        )
    return transcript, tokens


def _first_token(
    bundle: Bundle,
    settings: EngineSettings,
    kinds: Mapping[str, Kinds],
    session: Transcript,
) -> float:
    started = perf_counter()
    with closing(LlamaEngine(bundle, settings, kinds=kinds)) as engine:
        question = session.plus(UserTurn("what is 30% of 450?"))
        for event in engine.generate("planner", question, cancelled=lambda: False):
            if isinstance(event, Delta):
                return perf_counter() - started
    raise AssertionError("a turn has a token")


@contextmanager
def _own_folders() -> Iterator[None]:
    """Let the user's folders be a temporary one; models that are open stay where they are."""
    before = os.environ.get("UMI_HOME")
    with tempfile.TemporaryDirectory(prefix="umi-bench-") as folder:
        os.environ["UMI_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["UMI_HOME"]
            else:
                os.environ["UMI_HOME"] = before
