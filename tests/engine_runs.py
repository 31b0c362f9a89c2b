"""Transcripts, settings and checked generations for the tests of `agent.llama.engine`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agent.bundle import Bundle, Sampling
from agent.config import EngineSettings
from agent.engine import Delta, Engine, Generated
from agent.events import Reading
from agent.llama.engine import LlamaEngine
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)

CALCULATE = ToolSpec(
    "calculate",
    "Work out a sum.",
    {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)
QUESTION = Transcript((CALCULATE,), (UserTurn("What is 17.5% of 240?"),))
WITH_RESULT = QUESTION.plus(
    PlannerTurn("I work it out.", "caller"),
    CallerTurn((Call("calculate", {"expression": "17.5/100*240"}),)),
    ToolTurn("calculate", "42"),
)
_WORD = {"type": "string", "maxLength": 4}
_WORDS = {"type": "object", "properties": {"one": _WORD, "two": _WORD}, "required": ["one", "two"]}
CHOICES = Transcript(
    (ToolSpec("grow", "Grow.", _WORDS), ToolSpec("shrink", "Shrink.", _WORDS)), (UserTurn("Which?"),)
)
"""A call of one of these tools is mostly tokens that the grammar forces."""
ONE_THREAD = EngineSettings(threads=1)
F32_CACHE = EngineSettings(threads=1, cache="f32", disk=False)
LONG = Transcript((CALCULATE,), (UserTurn("word " * 150),))


def never() -> bool:
    return False


def run(
    engine: Engine, role: Role, transcript: Transcript, cancelled: Callable[[], bool] = never
) -> Generated:
    """Return a generation's last event; check that the events before it are in order and add up to it."""
    *before, last = engine.generate(role, transcript, cancelled=cancelled)
    assert isinstance(last, Generated)
    deltas = [event.text for event in before if isinstance(event, Delta)]
    readings = [event for event in before if isinstance(event, Reading)]
    assert before == [*readings, *map(Delta, deltas)]
    assert "".join(deltas) == last.text
    assert all(reading.total == readings[-1].total for reading in readings)
    assert [reading.done for reading in readings] == sorted({reading.done for reading in readings})
    if last.stop != "cancelled":
        assert readings[-1].done == readings[-1].total == last.usage.prompt_evaluated
    return last


def with_sampling(bundle: Bundle, seed: int, *, max_tokens: int = 120, temperature: float = 1.5) -> Bundle:
    """Return `bundle` with other sampling parameters for all roles."""
    sampling = Sampling(temperature, 0.98, max_tokens, seed)
    return replace(
        bundle, roles={role: replace(file, sampling=sampling) for role, file in bundle.roles.items()}
    )


def set_sampling(engine: LlamaEngine, seed: int, **options: Any) -> None:
    """Change the sampling parameters of an engine that is open."""
    engine.bundle = with_sampling(engine.bundle, seed, **options)
