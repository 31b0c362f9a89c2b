"""The methods of the paper's Table 1: what each trains, what it reads, and what becomes a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from fakes import run_export as export
from tiny_base import make_base, make_run, tiny_rows

from agent.bundle import load_bundle
from agent.config import EngineSettings
from agent.engine import Generated
from agent.errors import InputError
from agent.llama.engine import LlamaEngine
from agent.prompting import CHATML, Tokenize, segments
from agent.prompting.encoding import encode, load_tokenize
from agent.transcript import ROLES, PlannerTurn, Transcript, UserTurn
from train.base_recipe import BaseRecipe
from train.data.prompt_format import INFERENCE_FORMAT, prompt_format_of
from train.data.views import view
from train.model.lora import load_adapter
from train.recipe import STAGES, Recipe, load_recipe
from train.recipe_file import parse_recipe, read_fields

RECIPES = Path(__file__).parents[1] / "train" / "recipes"
SHORT = {"backbone": {"max_steps": 12, "learning_rate": 2e-2}}
METHODS = get_args(get_type_hints(Recipe)["method"])
TRAINED = {
    "two-stage": STAGES,
    "two-stage-without-reuse": STAGES,
    "one-stage": ROLES,
    "multi-task": ("backbone",),
    "one-model": ("backbone",),
}


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.toml")), ids=lambda file: file.name)
def test_every_shipped_recipe_loads(file: Path) -> None:
    if file.name.endswith("-base.toml"):
        assert parse_recipe(BaseRecipe, read_fields(file), file.name).steps > 0
        return
    for method in METHODS:
        assert load_recipe(file, [f"method={method}"]).stages == TRAINED[method]
    assert load_recipe(file, ["adapter=alora"]).hand_over == "stack"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"method": "one-stage", "hand_over": "stack"},
            "hand_over = stack does not go with method = one-stage",
        ),
        ({"method": "multi-task", "hand_over": "merge16"}, "nothing is handed over"),
        (
            {"method": "multi-task", "adapter": "alora"},
            "adapter = alora does not go with method = multi-task",
        ),
    ],
)
def test_contradictory_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe.from_json({"base": "b", "data": "d", "out": "o", **fields})


@pytest.fixture(scope="module")
def tokenize(tmp_path_factory: pytest.TempPathFactory) -> Tokenize:
    return load_tokenize(make_base(tmp_path_factory.mktemp("presets") / "base"))


def test_only_two_methods_train_on_other_prompts_than_those_of_use(tokenize: Tokenize) -> None:
    row = tiny_rows(1)[0]
    for method in METHODS:
        for stage in TRAINED[method]:
            prompt_format = prompt_format_of(method, stage)
            as_in_use = list(prompt_format.segments(row.transcript)) == list(segments(row.transcript))
            other = method == "one-model" or (method == "two-stage-without-reuse" and stage != "backbone")
            assert as_in_use != other
    encoded = view([row], "caller", tokenize, 512).rows[0]
    expected = encode(row.transcript, ("caller",), tokenize)
    assert encoded.ids.tolist() == expected.ids[: len(encoded)].tolist()


def test_without_reuse_a_role_reads_an_instruction_and_other_headers(tokenize: Tokenize) -> None:
    transcript = tiny_rows(1)[0].transcript
    names = {"planner": "thought", "caller": "action", "summarizer": "answer"}
    instructions = set()
    for role in ROLES:
        prompt_format = prompt_format_of("two-stage-without-reuse", role)
        pieces = list(prompt_format.segments(Transcript(transcript.tools, transcript.turns, "Be brief.")))
        assert [piece.role for piece in pieces[:2]] == ["system", "system"]
        assert pieces[1].content.startswith("Be brief.\n\nYou see")
        instructions.add(pieces[1].content)
        turns = [piece.role for piece in pieces[2:]]
        assert turns == ["user", "thought", "action", "tool", "thought", "answer"]
        encoded = prompt_format.encode(transcript, role, tokenize, CHATML)
        plain = INFERENCE_FORMAT.encode(transcript, role, tokenize, CHATML)
        assert encoded.rest[encoded.is_target].tolist() == plain.rest[plain.is_target].tolist()
        header = tokenize(CHATML.header(names[role]), True)
        first = int(encoded.is_target.argmax())
        assert encoded.rest[first - len(header) : first].tolist() == header
    assert len(instructions) == len(ROLES)


def test_one_model_learns_thought_and_what_follows_as_one_turn(tokenize: Tokenize) -> None:
    transcript = tiny_rows(1)[0].transcript
    prompt_format = prompt_format_of("one-model", "backbone")
    pieces = [(piece.role, piece.content) for piece in prompt_format.segments(transcript)][1:]
    assert pieces == [
        ("user", "add 0 and 2"),
        ("assistant", 'I need the sum.\nNext: caller\n{"name":"add","arguments":{"a":0,"b":2}}'),
        ("tool", "2"),
        ("assistant", "The sum is there.\nNext: summarizer\nIt is 2."),
    ]
    encoded = prompt_format.encode(transcript, "backbone", tokenize, CHATML)
    turns = [[*tokenize(content, False), 2] for role, content in pieces if role == "assistant"]
    assert encoded.rest[encoded.is_target].tolist() == [token for turn in turns for token in turn]
    given_up = Transcript((), (UserTurn("fly"), PlannerTurn("I cannot.", "give up")))
    assert [piece.content for piece in prompt_format.segments(given_up)][-1] == "I cannot.\nNext: give up"
    broken_off = Transcript((), (UserTurn("hi"), PlannerTurn("", "summarizer")))
    assert [piece.role for piece in prompt_format.segments(broken_off)] == ["system", "user"]


@pytest.mark.parametrize("method", METHODS[1:])
def test_each_method_trains_its_stages(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path, method=method, **SHORT)
    manifest = json.loads((run / "manifest.json").read_text())
    assert tuple(manifest["stages"]) == TRAINED[method]
    assert {stage for stage in STAGES if (run / stage).is_dir()} == set(TRAINED[method])
    for name, stage in manifest["stages"].items():
        before, after = stage["heldout_loss_before"], stage["heldout_loss"]
        assert set(after) == (set(ROLES) if name == "backbone" and method != "one-model" else {name})
        assert all(after[part] < before[part] for part in after)
    if method == "one-stage":
        one, other = (load_adapter(run / role) for role in ("planner", "caller"))
        down = [name for name in one if ".lora_A." in name]
        assert max(float((one[name] - other[name]).abs().max()) for name in down) > 0.05
    argv = ["bundle", str(run), "--out", str(tmp_path / "mine"), "--quant", "f32"]
    capsys.readouterr()
    if method in ("one-stage", "multi-task"):
        assert export(argv) == 0
        bundle = load_bundle(tmp_path / "mine", verify=True)
        assert bundle.layout == ("merged" if method == "one-stage" else "single")
        models = [file for file in bundle.files if file.file.endswith(".gguf")]
        assert len(models) == (3 if method == "one-stage" else 1)
    else:
        assert export(argv) == 2
        err = capsys.readouterr().err
        assert f"was trained with method = {method}: " in err
        assert err.count("\n") == 1
        assert not (tmp_path / "mine").exists()


def test_one_adapter_plays_all_roles_in_a_single_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path, method="multi-task", **SHORT)
    argv = ["bundle", str(run), "--out", str(tmp_path / "mine")]
    for given, message in (
        (["--layout", "merged"], "does not make a merged bundle: one adapter plays all roles"),
        (["--quant", "f32", "--quant", "caller=q8_0"], "they share one model; give one --quant"),
    ):
        assert export([*argv, *given]) == 2
        assert message in capsys.readouterr().err
    assert export([*argv, "--quant", "f32"]) == 0
    bundle = load_bundle(tmp_path / "mine")
    made = bundle.metrics["export"]["planner"]["f32"]
    assert made["agreed"] > 0
    assert bundle.dialect == "umi"
    transcript = tiny_rows(1)[0].transcript
    before = {"planner": 1, "caller": 2, "summarizer": 5}
    engine = LlamaEngine(bundle, EngineSettings(disk=False))
    try:
        for role in ROLES:
            given = Transcript(transcript.tools, transcript.turns[: before[role]])
            *_, last = engine.generate(role, given, cancelled=lambda: False)
            assert isinstance(last, Generated)
            assert last.text
    finally:
        engine.close()
