"""What a model in training writes, against peft token by token, and how a sample of turns is scored."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_base import ECHO, TINY_RUN, make_base, tiny_rows

from agent.prompting import CHATML, prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    Row,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
)
from train.data.prompt_format import prompt_format_of
from train.data.views import view
from train.loop.scoring import score_stage
from train.model.alora import role_headers
from train.model.lora import AdapterState, LoraModel
from train.model.packing import pack
from train.recipe import Recipe

END = 2
MARGIN = 1e-3
"""The two best logits of a step are at least so far apart, or it could go either way."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("scoring") / "base")


def recipe_of(base: Path, **fields: Any) -> Recipe:
    paths = {"base": str(base), "data": ["unused"], "out": "unused"}
    plain = {"quantization": "none", "precision": "float32", "lora": {"rank": 4, "alpha": 8, "dropout": 0.5}}
    return Recipe.from_json({**TINY_RUN, **paths, **plain, **fields})


def random_adapter(like: AdapterState, seed: int) -> AdapterState:
    """Random numbers that float16, in which adapters are saved, holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (0.3 * torch.randn(t.shape, generator=generator)).half().float() for name, t in like.items()
    }


def prompts_of(base: Path, role: Role, count: int = 6) -> list[list[int]]:
    """Prompts of very different lengths."""
    tokenize = load_tokenize(base)
    rows = tiny_rows(count)
    cut = [replace(r.transcript, turns=r.transcript.turns[: 1 + n % 5]) for n, r in enumerate(rows)]
    return [prompt_ids(transcript, role, tokenize) for transcript in cut]


def as_peft_loads(base: Path, *adapters: Path) -> Any:
    """The base in float32 with saved adapters, all of them on."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: Any = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapters[0], "0"
    )
    for number, adapter in enumerate(adapters[1:], start=1):
        model.load_adapter(adapter, str(number))
        model.set_adapter(str(number))
    model.base_model.set_adapter([str(number) for number in range(len(adapters))])
    return model.eval()


def greedy(model: Any, prompt: Sequence[int], most: int) -> list[int]:
    """`most` tokens without a cache, fewer where one ends the turn or a choice is not clear."""
    generated: list[int] = []
    while len(generated) < most:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*prompt, *generated]]), use_cache=False).logits[0, -1]
        best = logits.topk(2)
        if best.values[0] - best.values[1] < MARGIN or best.indices[0] == END:
            break
        generated.append(int(best.indices[0]))
    return generated


def assert_starts(ours: list[list[int]], theirs: list[list[int]]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one[: len(other)] == other
    assert sum(map(len, theirs)) > 8 * len(theirs), "most choices should be clear"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_a_plain_adapter_generates_the_tokens_of_peft(base: Path, tmp_path: Path) -> None:
    model = LoraModel(recipe_of(base))
    model.set_adapter(random_adapter(model.adapter(), 1))
    model.save_adapter(tmp_path / "plain")
    theirs = as_peft_loads(base, tmp_path / "plain")
    prompts = prompts_of(base, "planner")
    expected = [greedy(theirs, prompt, 16) for prompt in prompts]
    together = model.generate(prompts, END, 16)
    assert_starts(together, expected)
    assert_starts(model.generate(prompts, END, 16, max_batch_tokens=1), expected)
    assert len({len(prompt) for prompt in prompts}) > 3
    assert all(len(text) <= 16 for text in together)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
def test_an_activated_adapter_generates_the_tokens_of_peft(base: Path, tmp_path: Path) -> None:
    model = LoraModel(recipe_of(base, adapter="alora"))
    backbone = random_adapter(model.adapter(), 1)
    model.set_adapter(backbone)
    model.save_adapter(tmp_path / "backbone")
    header = role_headers(load_tokenize(base), CHATML)["planner"]
    model.stack(backbone, header, 0)
    model.set_adapter(random_adapter(model.adapter(), 2))
    model.save_adapter(tmp_path / "role")
    theirs = as_peft_loads(base, tmp_path / "backbone", tmp_path / "role")
    assert theirs.peft_config["1"].alora_invocation_tokens == header
    prompts = prompts_of(base, "planner")
    expected = [greedy(theirs, prompt, 16) for prompt in prompts]
    assert_starts(model.generate(prompts, END, 16), expected)
    assert_starts(model.generate(prompts, END, 16, max_batch_tokens=1), expected)
    always_on = as_peft_loads(base, tmp_path / "backbone", tmp_path / "role")
    always_on.peft_config["1"].alora_invocation_tokens = None
    assert [greedy(always_on, prompt, 16) for prompt in prompts] != expected


def test_padding_and_a_cache_of_few_positions_change_nothing_where_attention_is_windowed(
    base: Path, tmp_path: Path
) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    shutil.copytree(base, tmp_path / "base")
    torch.manual_seed(5)
    config = MistralConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=24,
    )
    MistralForCausalLM(config).float().save_pretrained(tmp_path / "base")
    model = LoraModel(recipe_of(tmp_path / "base"))
    model.set_adapter(random_adapter(model.adapter(), 1))
    prompts = [list(range(3, 3 + length)) for length in (5, 60, 17, 30, 23)]
    with model.generation_mode() as causal:
        expected = [greedy(causal, prompt, 12) for prompt in prompts]
    assert_starts(model.generate(prompts, END, 12), expected)


def test_generation_stops_at_the_end_marker_and_at_the_limit(base: Path) -> None:
    model = LoraModel(recipe_of(base))
    model.set_adapter(random_adapter(model.adapter(), 1))
    prompts = prompts_of(base, "caller")
    free = model.generate(prompts, END, 12)
    stop = free[0][3]
    cut = [text[: text.index(stop)] if stop in text else text for text in free]
    assert [
        text[: len(known)] for text, known in zip(model.generate(prompts, stop, 12), cut, strict=True)
    ] == cut
    assert all(stop not in text for text in model.generate(prompts, stop, 12))
    never = next(token for token in range(300) if not any(token in text for text in free))
    assert [len(text) for text in model.generate(prompts, never, 5)] == [5] * len(prompts)
    assert model.generate(prompts, END, 0) == [[]] * len(prompts)
    assert model.generate([], END, 5) == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_generating_leaves_training_as_it_was(
    base: Path, monkeypatch: pytest.MonkeyPatch, *, interrupted: bool
) -> None:
    fields: dict[str, Any] = {"adapter": "alora", "quantization": "nf4", "gradient_checkpointing": True}
    tokenize = load_tokenize(base)
    batch = list(pack(view(tiny_rows(4), "caller", tokenize, 512, by_turn=True).rows, 512))

    def step(*, generating: bool) -> list[torch.Tensor | None]:
        model = LoraModel(recipe_of(base, **fields))
        model.stack(random_adapter(model.adapter(), 1), role_headers(tokenize, CHATML)["caller"], 0)
        torch.manual_seed(5)
        if generating and interrupted:
            with monkeypatch.context() as patch:
                patch.setattr("torch.Tensor.argmax", stop)
                with pytest.raises(KeyboardInterrupt):
                    model.generate(prompts_of(base, "caller"), END, 4)
        elif generating:
            assert any(model.generate(prompts_of(base, "caller"), END, 4))
        model.loss_sum(batch).backward()
        return [parameter.grad for parameter in model.parameters]

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    for before, after in zip(step(generating=False), step(generating=True), strict=True):
        assert before is not None
        assert after is not None
        assert torch.equal(before, after)


def memorised(base: Path, rows: Sequence[Row], method: str) -> LoraModel:
    """A model that learnt `rows` by heart."""
    fields = {"lora": {"rank": 16, "alpha": 32}, "method": method}
    model = LoraModel(recipe_of(base, **fields))
    tokenize, prompt_format = load_tokenize(base), prompt_format_of(method, "backbone")
    batch = list(pack(view(rows, "backbone", tokenize, 512, prompt_format=prompt_format).rows, 4096))
    optimizer = torch.optim.AdamW(model.parameters, lr=1e-2, weight_decay=0)
    for _ in range(60):
        optimizer.zero_grad()
        (model.loss_sum(batch) / sum(packed.label_count for packed in batch)).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("method", ["multi-task", "one-model"])
def test_an_overfitted_model_scores_1_and_an_untrained_one_near_0(base: Path, method: str) -> None:
    rows, tokenize = tiny_rows(4), load_tokenize(base)
    prompt_format = prompt_format_of(method, "backbone")
    given: dict[str, Any] = {
        "turns": 8,
        "max_new_tokens": 64,
        "max_length": 512,
        "prompt_format": prompt_format,
    }
    scores = score_stage(memorised(base, rows, method), rows, "backbone", tokenize, **given)
    assert scores == {
        "mean": 1,
        "planner.plan_acc": 1,
        "caller.act_em": 1,
        "caller.arg_f1": 1,
        "caller.call_em": 1,
        "caller.hallu": 0,
        "summarizer.rouge_l": 1,
        "summarizer.exact": 1,
    }
    untrained = score_stage(LoraModel(recipe_of(base)), rows, "backbone", tokenize, **given)
    assert untrained["mean"] < 0.05
    assert untrained["caller.hallu"] == 1


def test_histories_are_shortened_to_fit_as_in_training_and_left_out_where_they_cannot(base: Path) -> None:
    tokenize, model = load_tokenize(base), LoraModel(recipe_of(base))
    steps = [
        turn
        for n in range(4)
        for turn in (
            PlannerTurn("more", "caller"),
            CallerTurn((Call("echo", {"text": f"{n}"}),)),
            ToolTurn("echo", f"{n}"),
        )
    ]
    long = Transcript((ECHO,), (UserTurn("say"), *steps, PlannerTurn("", "summarizer"), SummarizerTurn("0")))
    row = Row("long", "tiny", "valid", long)
    whole = len(prompt_ids(replace(long, turns=long.turns[:-1]), "summarizer", tokenize))
    turn = len(tokenize("0", False)) + 1
    asked: list[int] = []

    def score(max_length: int) -> dict[str, float]:
        return score_stage(
            model, [row], "summarizer", tokenize, turns=1, max_new_tokens=4, max_length=max_length
        )

    def counted(
        model: LoraModel, prompts: Sequence[Sequence[int]], *given: Any, **options: Any
    ) -> list[list[int]]:
        asked.extend(map(len, prompts))
        return real(model, prompts, *given, **options)

    real = LoraModel.generate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoraModel, "generate", counted)
        assert score(whole + turn)
        assert score(whole + turn - 1)
        assert score(10) == {}
    assert asked[0] == whole
    assert len(asked) == 2
    assert asked[1] < whole
