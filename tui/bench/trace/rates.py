"""Tokens a second: reading, writing beside a bare loop, writing a constrained call; and seconds to cancel.

`bare` is a loop of `llama_decode` and an argmax, with the same adapter at the same place; `free` is umi's
engine writing a thought under its constraint, one token at a time; `constrained` is the engine writing a
call as it does, where what the schema forces or makes likely comes in one decode. The forced beginning of a
call is read with the prompt; the time that this reading takes beyond the same prompt alone counts as writing.
The three take turns, and the median of each is reported.
"""

from __future__ import annotations

import ctypes
from contextlib import closing
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native

from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.engine import Generated
from agent.errors import EngineError
from agent.evaluation.generation import last_event
from agent.evaluation.trace import CONVERSION_CALL, QUESTION, TRACE, TraceTurn, generated_turns
from agent.events import Reading, Usage
from agent.llama.binding.context import BATCH
from agent.llama.engine import LlamaEngine
from agent.llama.sampling import ForcedDecoding
from agent.llama.session import ModelSession
from agent.transcript import Transcript, UserTurn

ROUNDS = 7
CANCELS = 3
LONG_PROMPT = 4000
"""Tokens of the prompt that is cancelled while it is read."""


def rates(bundle: Bundle, settings: EngineSettings) -> dict[str, Any]:
    """Return the tokens read and written in a second."""
    settings = replace(settings, speculate=True)
    turns = list(generated_turns(TRACE))
    at = next(i for i, turn in enumerate(turns) if turn.text == CONVERSION_CALL.line())
    thought, call = turns[at - 1], turns[at]
    with closing(LlamaEngine(bundle, settings)) as engine:
        first = _write(engine, thought, jump=False)
        _write(engine, call, jump=True)
        spans: dict[str, list[float]] = {"bare": [], "free": [], "constrained": []}
        with closing(_BareLoop(bundle, settings, thought)) as bare:
            for _ in range(ROUNDS):
                spans["bare"].append(bare.write())
                free = _write(engine, thought, jump=False)
                spans["free"].append(free.write_seconds / free.generated)
                # The first of the three reads the thought too.
                _, alone, jumped = (_write(engine, call, jump=jump) for jump in (True, False, True))
                opening = jumped.read_seconds - alone.read_seconds
                spans["constrained"].append((jumped.write_seconds + opening) / jumped.generated)
    return {
        "write_tokens_per_second": {kind: round(1 / median(times), 2) for kind, times in spans.items()},
        "read_tokens_per_second": round(first.prompt_evaluated / first.read_seconds, 2),
    }


def cancel_seconds(bundle: Bundle, settings: EngineSettings) -> dict[str, Any]:
    """Return the seconds from a cancel within a decode of a long prompt until the engine reads another.

    The longest of `CANCELS` tries; None where the models read everything before they could be stopped.
    """
    with closing(LlamaEngine(bundle, settings)) as engine:
        spans = [span for number in range(CANCELS) if (span := _cancel(engine, number)) is not None]
    return {"cancel_seconds": round(max(spans), 4) if spans else None}


class _Alarm:
    """Returns True from the time `at` on, in seconds of `perf_counter`."""

    def __init__(self) -> None:
        self.at = float("inf")

    def __call__(self) -> bool:
        return perf_counter() > self.at


def _cancel(engine: LlamaEngine, number: int) -> float | None:
    text = f"{number}"
    while engine.context_length - engine.room("planner", _question(text)) < LONG_PROMPT:
        text = f"{text} {QUESTION.content}"
    alarm, started = _Alarm(), 0.0
    for piece in engine.generate("planner", _question(text), cancelled=alarm):
        match piece:
            case Reading(_, 0, _):
                started = perf_counter()
            case Reading() if alarm.at == float("inf"):
                # In the middle of the next decode, if that takes as long as this one.
                alarm.at = perf_counter() + (perf_counter() - started) / 2
            case Generated(_, stop, _) if stop != "cancelled":
                return None
            case _:
                pass
    again = engine.generate("planner", _question(QUESTION.content), cancelled=lambda: True)
    times = [perf_counter() for _ in again]
    return times[0] - alarm.at


def _question(text: str) -> Transcript:
    return Transcript((), (UserTurn(text),))


def _write(engine: LlamaEngine, turn: TraceTurn, *, jump: bool) -> Usage:
    """Write a turn and return its usage."""
    pieces = engine.generate(
        turn.role, turn.before, cancelled=lambda: False, forced=ForcedDecoding(turn.text, jump_forward=jump)
    )
    return last_event(pieces).usage


class _BareLoop:
    """A loop of `llama_decode` and an argmax, in a context of its own that nothing can interrupt."""

    def __init__(self, bundle: Bundle, settings: EngineSettings, turn: TraceTurn) -> None:
        self._turn = turn
        self._session = ModelSession(bundle, [turn.role], settings, None)
        self._prompt = self._session.prompt(turn.role, turn.before)
        self._ids = self._session.vocabulary.tokenize(turn.text, False)
        native.llama_set_abort_callback(
            self._session.context.handle, native.ggml_abort_callback(), ctypes.c_void_p()
        )
        self._read_prompt()

    def write(self) -> float:
        """Return the seconds a token; the prompt gives the first, and the last is not decoded."""
        self._read_prompt()
        context = self._session.context.handle
        started = perf_counter()
        self._argmax(context)
        for token in self._ids[:-1]:
            batch = native.llama_batch_get_one((native.llama_token * 1)(token), 1)
            if native.llama_decode(context, batch):
                raise EngineError("llama.cpp failed to compute")
            self._argmax(context)
        return (perf_counter() - started) / len(self._ids)

    def close(self) -> None:
        """Free the model."""
        self._session.close()

    def _read_prompt(self) -> None:
        session = self._session
        session.context.truncate(len(session.context.tokens))
        session.reader.read_whole(self._turn.role, self._prompt, BATCH)

    def _argmax(self, context: native.llama_context_p) -> int:
        logits = np.ctypeslib.as_array(
            native.llama_get_logits_ith(context, -1), shape=(self._session.vocabulary.size,)
        )
        return int(logits.argmax())
