"""The turns of a stock model: the planner's is a choice by logits, the caller's the arguments of one tool."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import replace
from time import perf_counter

from agent.checks.answers.loops import ending_loop
from agent.engine import Delta, Generated
from agent.errors import EngineError
from agent.events import Reading, Usage
from agent.llama.generation import Generation
from agent.llama.grammar.calls import NO_TOOLS
from agent.llama.stock import StockModel
from agent.prompting.dialects import Prompt
from agent.transcript import Call, planner_text


def stock_turn(generation: Generation, stock: StockModel) -> Generator[Reading | Delta | Generated]:
    """Generate the turn of a role that `stock` plays. Raise as `Generation.run` does."""
    session = generation.session
    prompt = session.prompt(generation.role, generation.transcript)
    generation.require_room(prompt)
    match generation.role:
        case "planner":
            yield from _plan(generation, stock, prompt)
        case "caller":
            yield from _call(generation, stock, prompt)
        case "summarizer":
            yield from generation.write(prompt, session.constraints.start_answer(stock.markup))


def _plan(generation: Generation, stock: StockModel, prompt: Prompt) -> Iterator[Reading | Delta | Generated]:
    """Read `prompt` and tell by its logits whether the model calls or answers."""
    transcript, cancelled = generation.transcript, generation.cancelled
    usage = yield from generation.read(prompt)
    if usage is None:
        return
    started = perf_counter()
    calls = bool(transcript.tools) and stock.calls(transcript, prompt, cancelled)
    usage += Usage(write_seconds=perf_counter() - started)
    if calls is None:
        yield Generated("", "cancelled", usage)
        return
    text = planner_text("", "caller" if calls else "summarizer")
    yield Delta(text)
    yield Generated(text, "end", usage)


def _call(generation: Generation, stock: StockModel, prompt: Prompt) -> Iterator[Reading | Delta | Generated]:
    """Let the model write the arguments of a call of the tool that it prefers."""
    transcript, cancelled = generation.transcript, generation.cancelled
    if not transcript.tools:
        raise EngineError(NO_TOOLS)
    before = Usage()
    if not stock.has_chosen(prompt):  # as the planner does before the caller in a conversation
        read = yield from generation.read(prompt)
        if read is None:
            return
        before = read
    choice = stock.choose(transcript, prompt, cancelled)
    if choice is None:
        yield Generated("", "cancelled", before)
        return
    tool = next(tool for tool in transcript.tools if tool.name == choice.name)
    prompt = stock.call_prompt(transcript, prompt, tool.name)
    generation.require_room(prompt)
    constraint = generation.session.constraints.start_arguments(tool, stock.markup, transcript)
    written = ""

    def is_stopped() -> bool:
        return cancelled() or ending_loop(written) != ""

    one = replace(generation, forced=None, instead_of=None, cancelled=is_stopped)
    for piece in one.write(prompt, constraint):
        match piece:
            case Reading():
                yield piece
            case Generated(text, stop, usage):
                if stop == "cancelled" and not cancelled():
                    stop = "length"
                line = Call(tool.name, json.loads(text)).line() if stop == "end" else ""
                if line:
                    yield Delta(line)
                reused = before.prompt_reused - usage.prompt_reused if before != Usage() else 0
                yield Generated(line, stop, usage + replace(before, prompt_reused=reused))
            case Delta(text):  # the arguments alone are no turn
                written += text
