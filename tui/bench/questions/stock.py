"""`umi bench stock`: which tool a stock model chooses, through umi's engine and through a plain completion.

The other system is llama-cpp-python's `Llama.create_completion` over the file's own chat template, rendered
with the same tools; the call is parsed from the text that it returns. Both answer the same first messages in
turn, in one process, with as many threads and at most as many tokens.
"""

from __future__ import annotations

import json
import statistics
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, cast

from llama_cpp import Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

import agent.evaluation
from agent.bundle import Bundle
from agent.config import EngineSettings, engine_settings
from agent.errors import InputError
from agent.evaluation.generation import last_event
from agent.llama.binding.model import gpu_layers
from agent.llama.engine import LlamaEngine
from agent.tools import builtin_tools
from agent.transcript import Role, ToolSpec, Transcript, UserTurn, parse_calls, parse_planner
from tui.bench.systems.chat_completion import openai_tool

QUESTIONS = Path(agent.evaluation.__file__).with_name("stock_questions.toml")
MAX_TOKENS = 32
"""Tokens of a message at most: enough for a call, and to tell an answer from one."""
SYSTEMS = ("umi", "create_completion")


class System(Protocol):
    """A loaded model that answers a first message."""

    def choose(self, question: str) -> str | None:
        """Return the tool that is called, or None where the model answers."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What one system did with a question: the tool it called, None for an answer; and the time it took."""

    right: str | None
    called: str | None
    seconds: float


class UmiSystem:
    """umi's engine, planner to answer or call."""

    def __init__(self, bundle: Bundle, tools: Sequence[ToolSpec], settings: EngineSettings) -> None:
        sampling = {
            role: replace(file, sampling=replace(file.sampling, max_tokens=MAX_TOKENS))
            for role, file in bundle.roles.items()
        }
        self._engine = LlamaEngine(replace(bundle, roles=sampling), settings)
        self.threads = self._engine.threads
        self._tools = tuple(tools)

    def choose(self, question: str) -> str | None:
        """As in System."""
        asked = Transcript(self._tools, (UserTurn(question),))
        plan = parse_planner(self._write("planner", asked))
        if plan is None or plan.next != "caller":
            self._write("summarizer", asked)
            return None
        calls = parse_calls(self._write("caller", asked.plus(plan)))
        # A call that was cut still names its tool.
        return calls[0].name if calls else self._engine.tool_choice(asked).name

    def close(self) -> None:
        """As in System."""
        self._engine.close()

    def _write(self, role: Role, transcript: Transcript) -> str:
        return last_event(self._engine.generate(role, transcript, cancelled=lambda: False)).text


class CompletionSystem:
    """llama-cpp-python's completion of the rendered template."""

    def __init__(self, bundle: Bundle, tools: Sequence[ToolSpec], threads: int) -> None:
        self._model = Llama(
            str(bundle.path("planner")),
            n_ctx=bundle.context_length,
            n_threads=threads,
            n_threads_batch=threads,
            n_gpu_layers=gpu_layers(engine_settings()),
            verbose=False,
        )
        bos, eos = (
            self._model._model.token_get_text(token) if token >= 0 else ""
            for token in (self._model.token_bos(), self._model.token_eos())
        )
        self._formatter = Jinja2ChatFormatter(self._model.metadata["tokenizer.chat_template"], eos, bos)
        self._names = {tool.name for tool in tools}
        self._tools = [openai_tool(tool) for tool in tools]

    def choose(self, question: str) -> str | None:
        """As in System."""
        messages: Any = [{"role": "user", "content": question}]
        prompt = self._formatter(messages=messages, tools=cast(Any, self._tools)).prompt
        completed: Any = self._model.create_completion(prompt, max_tokens=MAX_TOKENS, temperature=0.0)
        return called_tool(completed["choices"][0]["text"], self._names)

    def close(self) -> None:
        """As in System."""
        self._model.close()


def called_tool(text: str, names: set[str]) -> str | None:
    """Return the first of `names` that a JSON object in `text`, whole or cut, has as its `name`."""
    for at, letter in enumerate(text):
        if letter == "{":
            try:
                found = json.JSONDecoder().raw_decode(text, at)[0]
            except ValueError:
                # A call that was cut still names its tool.
                name = text[at + 1 :].lstrip().removeprefix('"name"').lstrip(" :").partition('"')[2]
                found = {"name": name.partition('"')[0]}
            if isinstance(found, dict) and found.get("name") in names:
                return found["name"]
    return None


def load_questions() -> list[tuple[str, str | None]]:
    """Return pairs of a question and its tool, None where it needs none; the kinds are evenly mixed."""
    by_tool = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))["questions"]
    placed = [
        (at / len(questions), question, None if tool == "none" else tool)
        for tool, questions in by_tool.items()
        for at, question in enumerate(questions)
    ]
    return [(question, tool) for _, question, tool in sorted(placed, key=lambda each: each[0])]


def bench_stock(bundle: Bundle, *, as_json: bool, threads: int) -> int:
    """Measure both systems and print a table or JSON; progress goes to stderr.

    Raise InputError where the bundle is not one of a stock model.
    """
    if bundle.dialect != "chat":
        raise InputError(
            f"{bundle.name} is not a stock model", "make a bundle of one: umi models assemble --dialect chat"
        )
    settings = replace(engine_settings(), disk=False)
    if threads:
        settings = replace(settings, threads=threads)
    result = figures(bundle, load_questions(), settings)
    print(json.dumps(result, ensure_ascii=False) if as_json else table(result))
    return 0


def figures(
    bundle: Bundle, questions: Sequence[tuple[str, str | None]], settings: EngineSettings
) -> dict[str, Any]:
    """Return the figures of both systems over `questions`, asked of the one and the other in turn."""
    tools = [tool.spec for tool in sorted(builtin_tools(), key=lambda tool: tool.name)]
    umi = UmiSystem(bundle, tools, settings)
    systems: dict[str, System] = {"umi": umi}
    try:
        systems["create_completion"] = CompletionSystem(bundle, tools, umi.threads)
        outcomes: dict[str, list[Outcome]] = {name: [] for name in SYSTEMS}
        for number, (question, right) in enumerate(questions):
            # Each goes first in every other question.
            for name in SYSTEMS[:: -1 if number % 2 else 1]:
                started = perf_counter()
                called = systems[name].choose(question)
                outcomes[name].append(Outcome(right, called, perf_counter() - started))
            done = ", ".join(
                f"{name} {outcomes[name][-1].called} {outcomes[name][-1].seconds:.1f} s" for name in SYSTEMS
            )
            print(f"{number + 1} of {len(questions)}: {right}: {done}", file=sys.stderr, flush=True)
    finally:
        for system in systems.values():
            system.close()
    return {
        "model": bundle.name,
        "call_bias": bundle.call_bias,
        "questions": len(questions),
        "systems": {name: _summary(each) for name, each in outcomes.items()},
        "outcomes": [
            {
                "question": question,
                "tool": right,
                **{name: outcomes[name][number].called for name in SYSTEMS},
                **{f"{name}_seconds": round(outcomes[name][number].seconds, 2) for name in SYSTEMS},
            }
            for number, (question, right) in enumerate(questions)
        ],
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as a table: a line for each system."""
    lines = [
        f"{result['model']}: {result['questions']} questions, call bias {result['call_bias']:.2f}",
        f"{'':20}{'right tool':>14}{'no call':>12}{'seconds':>10}{'median':>10}",
    ]
    for name, row in result["systems"].items():
        right, held = (f"{hits} of {of}" for hits, of in (row["right_tool"], row["no_call"]))
        lines.append(
            f"{name:20}{right:>14}{held:>12}{row['mean_seconds']:>10.2f}{row['median_seconds']:>10.2f}"
        )
    lines.append(
        "right tool of the questions that need one, no call on those that need none; seconds a question"
    )
    return "\n".join(lines)


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    needing = [outcome for outcome in outcomes if outcome.right is not None]
    others = [outcome for outcome in outcomes if outcome.right is None]
    seconds = [outcome.seconds for outcome in outcomes]
    return {
        "right_tool": [sum(outcome.called == outcome.right for outcome in needing), len(needing)],
        "no_call": [sum(outcome.called is None for outcome in others), len(others)],
        "mean_seconds": statistics.fmean(seconds),
        "median_seconds": statistics.median(seconds),
    }
