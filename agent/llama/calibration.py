"""The call bias of a stock model: where, between the scores of calls and of answers, it lies best.

It is measured on the messages of `calibration.toml`, half of which need one of the built-in tools.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from agent.llama.engine import RESERVE, LlamaEngine
from agent.tools import builtin_tools
from agent.transcript import Transcript, UserTurn

MESSAGES = Path(__file__).with_name("calibration.toml")
LEAST_RESTRAINT = 0.85
"""The share of messages that need no tool and get none, at least."""


def measure_call_bias(engine: LlamaEngine) -> float:
    """Return the bias that fits the model of `engine`, in nats; 0.0 where its context holds no tools.

    Reads the tools once and some fifty short messages: about as much as a hundred words a message.
    """
    tools = tuple(tool.spec for tool in builtin_tools())
    messages = tomllib.loads(MESSAGES.read_text(encoding="utf-8"))
    longest = max(messages["call"] + messages["answer"], key=len)
    while tools and engine.room("planner", Transcript(tools, (UserTurn(longest),))) < 2 * RESERVE:
        tools = tools[: len(tools) // 2]
    if not tools:
        return 0.0

    def scores(kind: str) -> list[float]:
        asked = [Transcript(tools, (UserTurn(message),)) for message in messages[kind]]
        return [engine.tool_choice(transcript).score for transcript in asked]

    return best_bias(scores("call"), scores("answer"))


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
