"""What the roles generate with models of random weights: nonsense, but always in the required form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from engine_runs import (
    CHOICES,
    F32_CACHE,
    LONG,
    ONE_THREAD,
    QUESTION,
    WITH_RESULT,
    never,
    run,
    set_sampling,
    with_sampling,
)
from tiny_gguf import write_tiny_bundle

from agent.bundle import Bundle, Sampling
from agent.engine import Delta, Generated
from agent.llama.binding.context import Context
from agent.llama.binding.model import Model
from agent.llama.engine import LlamaEngine
from agent.llama.grammar.constraints import Constraints
from agent.llama.sampling import sample
from agent.prompting import CHATML, prompt_ids
from agent.transcript import (
    ENDINGS,
    ROLES,
    Role,
    ToolSpec,
    Transcript,
    UserTurn,
    parse_calls,
    parse_planner,
)
from agent.turn import WRITING_ROOM


@pytest.fixture
def sampled(tiny_bundle: Bundle) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(with_sampling(tiny_bundle, 0), ONE_THREAD)
    yield engine
    engine.close()


def test_the_planner_writes_one_of_the_three_endings(sampled: LlamaEngine) -> None:
    seen = set()
    for seed in range(25):
        set_sampling(sampled, seed, max_tokens=900)
        generated = run(sampled, "planner", QUESTION)
        turn = parse_planner(generated.text)
        assert generated.stop == "end"
        assert turn
        assert "\n" not in turn.content
        seen.add(turn.next)
    assert len(seen) > 1
    assert seen <= set(ENDINGS)


def test_a_brief_turn_of_the_planner_ends_where_another_is_cut(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(with_sampling(tiny_bundle, 0, max_tokens=WRITING_ROOM, temperature=0), ONE_THREAD)
    assert run(engine, "planner", QUESTION).stop == "length"
    *_, brief = engine.generate("planner", QUESTION, cancelled=never, brief=True)
    engine.close()
    assert isinstance(brief, Generated)
    assert brief.stop == "end"
    assert parse_planner(brief.text)


def test_without_tools_the_planner_never_calls(sampled: LlamaEngine) -> None:
    for seed in range(15):
        set_sampling(sampled, seed, max_tokens=900)
        turn = parse_planner(run(sampled, "planner", replace(QUESTION, tools=())).text)
        assert turn
        assert turn.next != "caller"


def random_schema(random: np.random.Generator) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"type": "boolean"},
        {"type": "string", "maxLength": 6},
        {"type": "integer", "minimum": -9, "maximum": 99},
        {"enum": ["metre", "Grad°", 'qu"ote']},
        {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
        {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]},
    ]
    names = [f"p{index}" for index in range(random.integers(0, 5))]
    return {
        "type": "object",
        "properties": {name: kinds[random.integers(len(kinds))] for name in names},
        "required": [name for name in names if random.random() < 0.5],
    }


def test_calls_always_fit_the_tools(sampled: LlamaEngine) -> None:
    random = np.random.default_rng(3)
    called = set()
    for seed in range(25):
        names = [f"tool_{chr(97 + index)}" for index in range(random.integers(1, 4))]
        tools = {name: ToolSpec(name, "Do.", random_schema(random)) for name in names}
        set_sampling(sampled, seed, max_tokens=800)
        generated = run(sampled, "caller", Transcript(tuple(tools.values()), (UserTurn("go"),)))
        assert generated.stop == "end", generated.text
        calls = parse_calls(generated.text)
        assert calls
        assert len(calls) <= 4
        assert generated.text == "\n".join(call.line() for call in calls)
        for call in calls:
            schema = {**tools[call.name].parameters, "additionalProperties": False}
            jsonschema.validate(dict(call.arguments), schema)
            called.add(json.dumps(schema))
    assert len(called) > 15


def test_the_answer_has_no_incomplete_characters(sampled: LlamaEngine) -> None:
    for seed in range(10):
        set_sampling(sampled, seed, max_tokens=60)
        generated = run(sampled, "summarizer", WITH_RESULT)
        assert generated.text.strip()
        assert "\ufffd" not in generated.text
        assert any(ord(letter) > 127 for letter in generated.text)


def test_a_grounded_answer_has_only_numbers_of_its_sources(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "grounded", grounded=True)
    engine = LlamaEngine(with_sampling(bundle, 0), ONE_THREAD)
    seen: set[str] = set()
    for seed in range(40):
        set_sampling(engine, seed)
        seen |= set(re.findall(r"[\d.,]*\d", run(engine, "summarizer", WITH_RESULT).text))
    engine.close()
    assert seen
    assert seen <= {"17.5", "240", "42"}


@pytest.mark.parametrize("role", ["summarizer", "caller"])
def test_a_turn_ends_at_max_tokens(tiny_bundle: Bundle, role: Role) -> None:
    engine = LlamaEngine(tiny_bundle, ONE_THREAD)
    whole = run(engine, role, CHOICES)
    for most in range(1, min(60, whole.usage.generated)):
        set_sampling(engine, 0, max_tokens=most, temperature=0)
        generated = run(engine, role, CHOICES)
        assert (generated.stop, generated.usage.generated) == ("length", most)
        assert whole.text.startswith(generated.text)
    engine.close()


@pytest.mark.parametrize("role", ROLES)
def test_another_choice_keeps_what_comes_before_it(tiny_bundle: Bundle, role: Role) -> None:
    engine = LlamaEngine(with_sampling(tiny_bundle, 0, max_tokens=60, temperature=0), ONE_THREAD)
    first = run(engine, role, CHOICES)
    assert [choice.margin for choice in first.choices] == sorted(choice.margin for choice in first.choices)
    assert first.margin == first.choices[0].margin
    for choice in first.choices:
        events = list(engine.generate(role, CHOICES, cancelled=never, instead_of=choice))
        other = events[-1]
        assert isinstance(other, Generated)
        place = len(choice.tokens)
        assert choice.tokens == first.tokens[:place] == other.tokens[:place]
        assert choice.token == (*first.tokens, engine.end_token(role))[place]
        assert choice.token != (*other.tokens, engine.end_token(role))[place]
        assert "".join(event.text for event in events if isinstance(event, Delta)) == other.text
    assert run(engine, role, CHOICES).text == first.text
    engine.close()


@pytest.mark.parametrize("role", ROLES)
def test_cached_generation_equals_decoding_everything_for_each_token(tiny_bundle: Bundle, role: Role) -> None:
    """Against a slow writer that reads everything again for every token."""
    limited = with_sampling(tiny_bundle, 0, max_tokens=60, temperature=0)
    engine = LlamaEngine(limited, F32_CACHE)
    generated = run(engine, role, CHOICES)
    engine.close()
    model = Model(tiny_bundle.path(role))
    vocabulary = model.vocabulary
    end = vocabulary.tokenize(CHATML.close, True)[0]
    constraint = Constraints(vocabulary.grammar_tokenizer(end)).start(role, CHOICES)
    context = Context(model, 1024, threads=1, cache="f32", flash_attention="off")
    prompt = prompt_ids(CHOICES, role, vocabulary.tokenize)
    written: list[int] = []
    while len(written) < 60 and not constraint.must_end:
        tokens = constraint.forced_tokens()
        if not tokens:
            context.reuse_prefix([0])
            context.decode(prompt + written, never)
            tokens = [sample(context.logits(), constraint, Sampling(), np.random.default_rng(0))]
        if tokens == [end]:
            break
        for token in tokens:
            constraint.accept(token)
        written += tokens
    context.close()
    text = b"".join(map(vocabulary.piece, written)).decode(errors="ignore")
    model.close()
    assert len(generated.text) > 20
    assert text.startswith(generated.text)


def test_generation_stops_where_the_context_is_full(tiny_bundle: Bundle) -> None:
    engine = LlamaEngine(with_sampling(tiny_bundle, 0, max_tokens=5000, temperature=0), ONE_THREAD)
    room = engine.room("summarizer", LONG)
    generated = run(engine, "summarizer", LONG)
    engine.close()
    assert (generated.stop, generated.usage.generated) == ("length", room)
