"""Reading ahead: what is in the contexts before a question is asked, and that nothing waits for it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from engine_runs import CALCULATE, F32_CACHE, LONG, QUESTION, WITH_RESULT, never, run

from agent.bundle import Bundle
from agent.engine import ScriptedEngine
from agent.errors import EngineError
from agent.llama.engine import LlamaEngine
from agent.loop import Agent
from agent.setup import make_toolbox
from agent.transcript import ROLES, Role, Transcript, UserTurn

EXACT = replace(F32_CACHE, flash_attention="off")


@pytest.fixture
def engine(tiny_bundle: Bundle) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(tiny_bundle, EXACT)
    yield engine
    engine.close()


def typed(text: str) -> Transcript:
    return Transcript((CALCULATE,), (UserTurn(text),))


def test_a_question_that_was_typed_is_not_read_again(engine: LlamaEngine) -> None:
    whole = run(engine, "planner", QUESTION)
    other = LlamaEngine(engine.bundle, EXACT)
    for text in ("What", "What is 9", "What is 17.5% of 240?"):
        assert other.read_ahead(typed(text), cancelled=never)
    again = run(other, "planner", QUESTION)
    assert again.text == whole.text
    assert again.usage.prompt_evaluated == 1
    assert again.usage.prompt_reused + again.usage.prompt_evaluated == whole.usage.prompt_evaluated
    other.close()


@pytest.mark.parametrize("role", ROLES)
def test_the_turns_are_the_same(engine: LlamaEngine, role: Role) -> None:
    alone = [run(engine, role, each) for each in (QUESTION, WITH_RESULT)]
    other = LlamaEngine(engine.bundle, EXACT)
    other.read_ahead(LONG, cancelled=never)
    read: list[str] = []
    for each in (QUESTION, WITH_RESULT):
        other.read_ahead(each, cancelled=never)
        read.append(run(other, role, each).text)
    assert read == [each.text for each in alone]
    other.close()


def test_a_call_is_read_before_its_result_is_there(engine: LlamaEngine) -> None:
    waiting = Transcript(WITH_RESULT.tools, WITH_RESULT.turns[:-1])
    whole = run(engine, "planner", WITH_RESULT)
    other = LlamaEngine(engine.bundle, EXACT)
    assert other.read_ahead(waiting, cancelled=never)
    read = run(other, "planner", WITH_RESULT)
    assert read.text == whole.text
    other.read_ahead(QUESTION, cancelled=never)
    without = run(other, "planner", WITH_RESULT)
    other.close()
    result = len("42") + len("<|im_end|>\n<|im_start|>planner\n")
    assert read.usage.prompt_evaluated < result < without.usage.prompt_evaluated


def test_it_stops_where_it_is_cancelled(engine: LlamaEngine) -> None:
    calls = iter(range(100))
    assert not engine.read_ahead(LONG, cancelled=lambda: next(calls) >= 3)
    after = run(engine, "planner", LONG)
    assert after.usage.prompt_evaluated > 50


def test_a_generation_does_not_wait_for_it(engine: LlamaEngine) -> None:
    reading, ended = threading.Event(), threading.Event()

    def endless() -> bool:
        reading.set()
        return False

    def read() -> None:
        while not ended.is_set():
            engine.read_ahead(LONG, cancelled=endless)
            engine.read_ahead(QUESTION, cancelled=endless)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    generated = run(engine, "planner", WITH_RESULT)
    ended.set()
    thread.join(10)
    assert not thread.is_alive()
    assert generated.stop in ("end", "length")


def test_nothing_is_read_while_a_role_writes(engine: LlamaEngine) -> None:
    generation = engine.generate("planner", QUESTION, cancelled=never)
    assert isinstance(generation, Generator)
    next(generation)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(engine.read_ahead(LONG, cancelled=never)))
    thread.start()
    thread.join(10)
    assert found == [False]
    assert not engine.read_ahead(LONG, cancelled=never)
    with pytest.raises(EngineError, match="not finished"):
        engine.save_state(LONG)
    generation.close()
    assert engine.read_ahead(LONG, cancelled=never)


def test_what_leaves_no_room_is_not_read(engine: LlamaEngine) -> None:
    assert not engine.read_ahead(typed("word " * 4 * engine.context_length), cancelled=never)


def test_the_agent_adds_what_was_typed(tmp_path: Path) -> None:
    engine = ScriptedEngine([])
    agent = Agent(engine, make_toolbox(tmp_path))
    conversation = agent.begin()
    agent.read_ahead(conversation, "", never)
    agent.read_ahead(conversation, " how far ", never)
    assert [list(each.turns) for each in engine.read] == [[], [UserTurn("how far")]]
