"""The base from scratch, very small: its tokenizer, that it learns, and that a stopped run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from fakes import run_train as main
from tokenizers import Tokenizer

from agent.errors import InputError
from agent.prompting import segment, segments
from agent.prompting.encoding import tokenize_with
from train.base_recipe import BaseRecipe
from train.data.synthetic.copy_drills import copy_drills
from train.data.synthetic.generate import generate_rows
from train.loop import pretraining as base
from train.loop.pretraining import make_base
from train.model.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(
        (p.content for row in generate_rows(1, "train", 60) for p in segments(row.transcript)), 600
    )


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseRecipe:
    monkeypatch.setattr(base, "TOKENIZER_ROWS", 60)
    monkeypatch.setattr(base, "LOG_STEPS", 1)
    return BaseRecipe(
        out=str(tmp_path / "base"),
        vocabulary=500,
        hidden=64,
        layers=1,
        heads=1,
        kv_heads=1,
        ffn=64,
        steps=6,
        short_steps=2,
        drill_rows=4,
        drill_steps=2,
        mixed_rows=2,
        warmup=2,
        save_every=2,
        batch_tokens=300,
        pack_tokens=1500,
    )


def test_a_word_is_the_same_tokens_wherever_it_stands(tokenizer: Tokenizer) -> None:
    tokenize = tokenize_with(tokenizer)
    for word in ("budget", "zorbel", "Paris"):
        alone = tokenize(word, False)
        for before, after in ((" ", " "), ('"', '"'), ("", "\n"), (": ", "."), ("/", ".md")):
            ids = tokenize(before + word + after, False)
            at = len(tokenize(before, False))
            assert ids[at : at + len(alone)] == alone


def test_digits_are_single_tokens_and_bytes_survive(tokenizer: Tokenizer) -> None:
    tokenize = tokenize_with(tokenizer)
    assert len(tokenize("2026", False)) == 4
    for text in ("naïve 漢字 🎉", "a\t b\r\n", "<|im_end|>"):
        assert tokenizer.decode(tokenize(text, False), skip_special_tokens=False) == text


def test_role_headers_are_one_token_a_role(tokenizer: Tokenizer) -> None:
    tokenize = tokenize_with(tokenizer)
    for role in ("system", "user", "planner", "caller", "tool", "summarizer"):
        assert len(tokenize(f"<|im_start|>{role}\n", True)) == 3


def test_drills_can_be_answered_from_their_text() -> None:
    for row in islice(copy_drills(1), 100):
        asked, answered = (segment(turn).content for turn in row.transcript.turns)
        assert answered in asked


def test_a_base_is_a_checkpoint_that_transformers_loads(recipe: BaseRecipe) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    lines: list[str] = []
    folder = make_base(recipe, lines.append)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer) == 500
    first, last = (float(line.split("loss ")[1].split()[0]) for line in (lines[0], lines[-1]))
    assert last < first
    assert json.loads((folder / "base.json").read_text())["steps"] == 6


def test_an_interrupted_run_is_resumed(recipe: BaseRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    step = base.BaseRun.one_step

    def pulled(run: base.BaseRun, batch: list) -> float:
        if run.step == 5:
            raise KeyboardInterrupt
        return step(run, batch)

    with monkeypatch.context() as patched:
        patched.setattr(base.BaseRun, "one_step", pulled)
        with pytest.raises(KeyboardInterrupt):
            make_base(recipe, lambda line: None)
    lines: list[str] = []
    make_base(recipe, lines.append)
    assert [line.split()[2] for line in lines] == ["5/6", "6/6"]
    lines.clear()
    make_base(recipe, lines.append)
    assert lines == []


def test_a_folder_of_another_recipe_is_refused(recipe: BaseRecipe) -> None:
    make_base(recipe, lambda line: None)
    with pytest.raises(InputError, match="another recipe"):
        make_base(replace(recipe, steps=7), lambda line: None)


def test_a_wrong_field_is_named_with_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "base.toml"
    file.write_text('out = "x"\nlayer = 3\n')
    assert main(["base", "make", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "layers" in err
