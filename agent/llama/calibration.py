"""The biases of a stock model: from which score on, at a first message and after a result, it calls a tool.

They are measured on the messages of `calibration.toml`: half of the first ones need one of the built-in
tools, and those with a result need no other.
"""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent.llama.engine import LlamaEngine
from agent.llama.generation import RESERVE
from agent.tools import builtin_tools
from agent.transcript import Call, CallerTurn, ToolTurn, Transcript, Turn, UserTurn

MESSAGES = Path(__file__).with_name("calibration.toml")
LEAST_RESTRAINT = 0.85
"""The share of messages that need no tool and get none, at least."""
RESULT_DEVIATIONS = 3
"""The result bias lies as many standard deviations above the mean score of messages that have their result.

A stock model of 0.5B scores 8 to 12 there, more than at any first message: it would call the same tool again.
"""


def measure_biases(engine: LlamaEngine) -> tuple[float, float]:
    """Return the call bias and the result bias that fit the model of `engine`, in nats.

    Both are 0.0 where its context holds no tools. Reads the tools once and some sixty short messages.
    """
    tools = tuple(tool.spec for tool in builtin_tools())
    messages = tomllib.loads(MESSAGES.read_text(encoding="utf-8"))
    longest = max(map(_with_result, messages["result"]), key=lambda turns: len(str(turns)))
    while tools and engine.room("planner", Transcript(tools, longest)) < 2 * RESERVE:
        tools = tools[: len(tools) // 2]
    if not tools:
        return 0.0, 0.0

    def score(*turns: Turn) -> float:
        return engine.tool_choice(Transcript(tools, turns)).score

    calls, answers = ([score(UserTurn(text)) for text in messages[kind]] for kind in ("call", "answer"))
    call_bias = best_bias(calls, answers)
    done = [score(*_with_result(entry)) for entry in messages["result"]]
    return call_bias, max(call_bias, statistics.fmean(done) + RESULT_DEVIATIONS * statistics.pstdev(done))


def _with_result(entry: Mapping[str, Any]) -> tuple[Turn, ...]:
    call = Call(entry["tool"], entry["arguments"])
    return UserTurn(entry["question"]), CallerTurn((call,)), ToolTurn(call.name, entry["content"])


def best_bias(calls: Sequence[float], answers: Sequence[float]) -> float:
    """Return the bias at which the shares of `calls` above it and of `answers` not above it sum to the most.

    At least LEAST_RESTRAINT of the answers are not above it. It lies midway between two scores.
    """

    def restraint(bias: float) -> float:
        return sum(score <= bias for score in answers) / len(answers)

    def recall(bias: float) -> float:
        return sum(score > bias for score in calls) / len(calls)

    scores = sorted({*calls, *answers})
    middles = [(low + high) / 2 for low, high in pairwise(scores)]
    biases = [scores[0] - 1.0, *middles, scores[-1]]
    held = [bias for bias in biases if restraint(bias) >= LEAST_RESTRAINT]
    return max(held, key=lambda bias: (restraint(bias) + recall(bias), bias))
