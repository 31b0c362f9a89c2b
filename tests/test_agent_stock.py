"""Stock models in the roles: one message whose beginning tells a call from an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from chat_templates import CHATML, LATE, TAGS
from engine_runs import CALCULATE, CHOICES, F32_CACHE, QUESTION, WITH_RESULT, run
from tiny_gguf import write_tiny_gguf

import agent.llama.stock
from agent.bundle import Bundle, load_bundle, with_biases
from agent.bundle.assemble import assemble
from agent.engine import Generated
from agent.errors import EngineError, InputError
from agent.events import AnswerDelta, CallProposed, Finished, Observation, Thought
from agent.llama.engine import LlamaEngine
from agent.llama.tool_choice import Logits, Priors
from agent.loop import Agent
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox, select_tools
from agent.transcript import (
    PlannerTurn,
    ToolSpec,
    Transcript,
    UserTurn,
    parse_calls,
    parse_planner,
)

ALWAYS, NEVER = -1e6, 1e6
"""Biases with which a model calls whatever it is asked, and never."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("stock")
    made = {}
    for name, source in (("tags", TAGS), ("plain", CHATML)):
        model = write_tiny_gguf(folder / f"{name}.gguf", seed=9, chat_template=source)
        made[name] = assemble(folder / name, {}, backbone=model, dialect="chat")
    return made


@pytest.fixture(params=["tags", "plain"])
def bundle(request: pytest.FixtureRequest, bundles: dict[str, Bundle]) -> Bundle:
    return bundles[request.param]


@pytest.fixture
def engine(bundle: Bundle) -> Iterator[LlamaEngine]:
    roles = {
        role: replace(file, sampling=replace(file.sampling, max_tokens=60))
        for role, file in bundle.roles.items()
    }
    opened = LlamaEngine(replace(bundle, roles=roles), F32_CACHE)
    yield opened
    opened.close()


def test_the_bias_of_a_model_is_in_its_manifest(bundle: Bundle) -> None:
    assert bundle.call_bias != 0
    assert load_bundle(bundle.folder).call_bias == bundle.call_bias
    assert load_bundle(bundle.folder).result_bias == bundle.result_bias >= bundle.call_bias
    manifest = json.loads((bundle.folder / "bundle.json").read_text())
    assert manifest["call_bias"] == bundle.call_bias


def test_a_bundle_without_a_bias_has_none(tiny_bundle: Bundle) -> None:
    assert load_bundle(tiny_bundle.folder).call_bias == 0.0


def test_the_planner_writes_nothing_and_the_caller_goes_on(bundle: Bundle) -> None:
    engine = LlamaEngine(replace(bundle, call_bias=ALWAYS), F32_CACHE)
    plan = run(engine, "planner", CHOICES)
    assert parse_planner(plan.text) == PlannerTurn("", "caller")
    assert plan.usage.generated == 0
    call = run(engine, "caller", CHOICES.plus(PlannerTurn("", "caller")))
    assert call.usage.prompt_reused >= plan.usage.prompt_evaluated
    assert call.usage.prompt_evaluated < 40
    engine.close()


@pytest.mark.parametrize(("bias", "next_"), [(ALWAYS, "caller"), (NEVER, "summarizer")])
def test_the_bias_decides_between_a_call_and_an_answer(bundle: Bundle, bias: float, next_: str) -> None:
    engine = LlamaEngine(replace(bundle, call_bias=bias), F32_CACHE)
    assert run(engine, "planner", CHOICES).text == f"Next: {next_}"
    assert run(engine, "planner", replace(CHOICES, tools=())).text == "Next: summarizer"
    engine.close()


@pytest.mark.parametrize(("bias", "next_"), [(ALWAYS, "caller"), (NEVER, "summarizer")])
def test_after_a_result_another_bias_decides(bundle: Bundle, bias: float, next_: str) -> None:
    engine = LlamaEngine(replace(bundle, call_bias=-bias, result_bias=bias), F32_CACHE)
    assert run(engine, "planner", WITH_RESULT).text == f"Next: {next_}"
    engine.close()


def test_a_call_names_a_tool_on_offer_and_fits_its_schema(engine: LlamaEngine) -> None:
    for question in ("Which?", "Grow it.", "x" * 30):
        asked = replace(CHOICES, turns=(UserTurn(question),))
        calls = parse_calls(called(engine, asked))
        assert calls
        assert len(calls) == 1
        assert calls[0].name in ("grow", "shrink")
        assert calls[0].arguments.keys() == {"one", "two"}
        assert all(isinstance(word, str) and len(word) <= 4 for word in calls[0].arguments.values())


def test_the_caller_alone_chooses_as_after_the_planner(bundle: Bundle) -> None:
    alone, after = (LlamaEngine(replace(bundle, call_bias=ALWAYS), F32_CACHE) for _ in range(2))
    run(after, "planner", CHOICES)
    first, second = called(alone, CHOICES), run(after, "caller", CHOICES).text
    assert first == second
    alone.close()
    after.close()


def called(engine: LlamaEngine, transcript: Transcript) -> str:
    """Return the call that is written where the planner was not asked before."""
    *_, last = engine.generate("caller", transcript, cancelled=lambda: False)
    assert isinstance(last, Generated)
    return last.text


def test_arguments_are_spaced_as_the_markup_has_them_and_integers_end(engine: LlamaEngine) -> None:
    session = engine._sessions["backbone.gguf"]
    assert session.stock
    integer = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}}
    tool = ToolSpec("count", "", integer | {"required": ["n", "m"]})
    for text, fits in (
        (' {"n": 12, "m": -999999999}', True),
        (' {"n": 12, "m": 1234567890}', False),
        (' {"n":12,"m":1}', False),
        ('{"n": 12, "m": 1}', False),
        (' {"n": 12, "m": 1, "x": 1}', False),
        (' {"n": 12}', False),
    ):
        constraint = session.constraints.start_arguments(tool, session.stock.markup, CHOICES)
        ids = session.vocabulary.tokenize(text, False)
        allowed = constraint.allowed_prefix(ids)
        for token in allowed:
            constraint.accept(token)
        assert (allowed == ids and (constraint.may_end or constraint.must_end)) == fits, text


def test_an_answer_does_not_begin_as_a_call(engine: LlamaEngine) -> None:
    for question in ("Which?", '{"name": "grow"', "<tool_call>" * 3):
        text = run(engine, "summarizer", replace(CHOICES, turns=(UserTurn(question),))).text
        assert text
        assert text[0] not in "{[`<"


def test_a_tool_whose_schema_is_unusable_is_named(engine: LlamaEngine) -> None:
    bad = ToolSpec("bad", "", {"type": "object", "properties": {"x": {"type": "no type"}}})
    with pytest.raises(InputError, match="the tool bad"):
        called(engine, Transcript((bad,), (UserTurn("x"),)))
    with pytest.raises(EngineError, match="no tools are on offer"):
        called(engine, Transcript((), (UserTurn("x"),)))


def test_the_events_are_those_of_three_roles(bundle: Bundle, tmp_path: Path) -> None:
    tools = Toolbox(
        select_tools(builtin_tools(), ["list_files"]), ToolContext(Workspace(tmp_path), tmp_path / "notes")
    )
    for bias in (ALWAYS, NEVER):
        roles = {
            role: replace(file, sampling=replace(file.sampling, max_tokens=30))
            for role, file in bundle.roles.items()
        }
        engine = LlamaEngine(replace(bundle, call_bias=bias, result_bias=bias, roles=roles), F32_CACHE)
        agent = Agent(engine, tools, max_steps=1)
        # A call may be cut before its arguments end: the path has any length.
        events = list(agent.run(agent.begin(), "What is here?"))
        kinds = [type(event) for event in events]
        thoughts = [event for event in events if isinstance(event, Thought)]
        last = events[-1]
        assert isinstance(last, Finished)
        assert all(thought.text == "" for thought in thoughts)
        if bias == NEVER:
            assert thoughts == [Thought(1, "", "summarizer")]
            assert AnswerDelta in kinds
            assert last.reason == "answered"
        else:
            assert thoughts[0] == Thought(1, "", "caller")
            if CallProposed in kinds:
                assert kinds.index(CallProposed) < kinds.index(Observation)
            assert last.reason == "step_limit"
        agent.close()


def test_priors_are_measured_once_for_a_list_of_tools(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk = replace(F32_CACHE, disk=True)
    measured = []
    measure = agent.llama.stock.measure_priors

    def counting(openings: Mapping[str, Sequence[int]], logits: Logits) -> Priors | None:
        measured.append(openings)
        return measure(openings, logits)

    monkeypatch.setattr(agent.llama.stock, "measure_priors", counting)
    for _ in range(2):
        engine = LlamaEngine(bundle, on_disk)
        for question in ("Which?", "What?"):
            run(engine, "planner", replace(CHOICES, turns=(UserTurn(question),)))
        engine.close()
    assert len(measured) == 1
    engine = LlamaEngine(bundle, on_disk)
    run(engine, "planner", replace(CHOICES, tools=(*CHOICES.tools, CALCULATE)))
    engine.close()
    assert len(measured) == 2


@pytest.mark.parametrize("reads", range(5))
def test_a_choice_can_be_cancelled(bundle: Bundle, reads: int) -> None:
    engine = LlamaEngine(bundle, F32_CACHE)
    asked = iter(range(1000))
    *_, last = engine.generate("planner", QUESTION, cancelled=lambda: next(asked) >= reads)
    assert isinstance(last, Generated)
    assert last.stop == "cancelled"
    assert run(engine, "planner", QUESTION).stop == "end"
    engine.close()


def test_a_template_that_rewrites_messages_is_reported(tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "m.gguf", chat_template=LATE)
    said: list[str] = []
    assemble(tmp_path / "x", {}, backbone=model, dialect="chat", warn=said.append)
    assert any(line.startswith("earlier messages change") for line in said)


def test_a_bias_can_be_written_again(bundle: Bundle) -> None:
    before, after = bundle.call_bias, bundle.result_bias
    assert load_bundle(with_biases(bundle, 1.5, 2.5).folder).result_bias == 2.5
    assert load_bundle(with_biases(bundle, before, after).folder).call_bias == before
