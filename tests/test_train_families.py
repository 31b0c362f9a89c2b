"""Bases of other families: packed rows have the loss and gradients of rows alone, or the base is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_base import TINY_RUN, make_tokenizer, tiny_rows

from agent.errors import InputError
from agent.prompting import CHATML, Markers, prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import Transcript
from train.data.views import view
from train.model.lora import LoraModel
from train.model.packing import pack
from train.model.special_tokens import marked_tokenize
from train.recipe import Recipe, load_recipe

SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2.5": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2.5-windowed": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": 40, "max_window_layers": 2},
    ),
    "qwen3": ("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "llama-3": ("Llama", {"rope_parameters": LLAMA3_ROPE, "tie_word_embeddings": False}),
    "smollm2": ("Llama", {"tie_word_embeddings": True}),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 1, 1, 0]}),
    "granite": (
        "Granite",
        {
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.5,
            "attention_multiplier": 0.1,
            "logits_scaling": 2.5,
        },
    ),
    "mistral": ("Mistral", {"sliding_window": 24}),
    "gemma-3": (
        "Gemma3Text",
        {
            "head_dim": 16,
            "sliding_window": 30,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "final_logit_softcapping": 5.0,
        },
    ),
    "olmo-2": ("Olmo2", {}),
    "phi-3": ("Phi3", {}),
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "gemma-2": ("Gemma2", {"head_dim": 16}, "its attention has capped scores"),
    "gpt-oss": (
        "GptOss",
        {"num_local_experts": 4, "head_dim": 16, "rope_parameters": {"rope_type": "default"}},
        "its attention has sinks",
    ),
    "lfm-2": (
        "Lfm2",
        {"layer_types": ["conv", "full_attention"] * 2},
        "its layers mix the rows of one packed sequence",
    ),
    "gpt-2": ("GPT2", {"n_embd": 64, "n_head": 4, "n_layer": 2}, "has no linear layers"),
    "mamba": (
        "Mamba",
        {"num_hidden_layers": 2, "state_size": 4, "intermediate_size": 128},
        "its layers (?:do|mix)",
    ),
}


def make_family(folder: Path, kind: str, fields: dict[str, Any]) -> Path:
    """A checkpoint of random weights and its tokenizer in `folder`."""
    folder.mkdir()
    make_tokenizer(folder)
    size = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    torch.manual_seed(5)
    config = getattr(transformers, f"{kind}Config")(**{**SHAPE, "vocab_size": size, **fields})
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("bias"):
            torch.nn.init.normal_(parameter)  # zero at first in every family, and so without effect
    model.save_pretrained(folder)
    return folder


def recipe_in(folder: Path, **fields: Any) -> Recipe:
    plain = {"base": str(folder), "data": "d", "out": "o", "precision": "float32", "quantization": "none"}
    return Recipe.from_json({**TINY_RUN, "lora": {"rank": 4, "alpha": 8}, **plain, **fields})


def shaken(model: LoraModel) -> LoraModel:
    """`model` with an adapter that does something."""
    generator = torch.Generator().manual_seed(1)
    model.set_adapter(
        {n: 0.1 * torch.randn(t.shape, generator=generator) for n, t in model.adapter().items()}
    )
    return model


def gradients(model: LoraModel) -> dict[str, torch.Tensor]:
    found = {n: p.grad.clone() for n, p in model._peft.named_parameters() if p.grad is not None}
    model._peft.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_have_the_loss_and_gradients_of_the_models_own_forward(
    family: str, tmp_path: Path
) -> None:
    model = shaken(LoraModel(recipe_in(make_family(tmp_path / "base", *FAMILIES[family]))))
    rows = view(tiny_rows(6), "backbone", load_tokenize(tmp_path / "base"), 512).rows
    packs = list(pack(rows, 512))
    assert len(packs) < len(rows)
    packed = model.loss_sum(packs)
    packed.backward()
    ours = gradients(model)

    model._causal.config._attn_implementation = "eager"
    alone = torch.zeros(())
    for row in rows:
        ids = torch.from_numpy(row.ids)[None]
        at = torch.from_numpy(row.target_positions)
        logits = model._peft(input_ids=ids, use_cache=False).logits[0, at - 1]
        alone = alone + torch.nn.functional.cross_entropy(logits, ids[0, at], reduction="sum")
    alone.backward()
    assert packed.item() == pytest.approx(alone.item(), rel=1e-4)
    theirs = gradients(model)
    assert set(ours) == set(theirs)
    for name, gradient in theirs.items():
        torch.testing.assert_close(
            ours[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()) + 1e-6
        )
    assert max(float(gradient.abs().max()) for gradient in theirs.values()) > 0.1


@pytest.mark.parametrize("family", REFUSED)
def test_what_cannot_be_packed_is_refused(family: str, tmp_path: Path) -> None:
    kind, fields, message = REFUSED[family]
    folder = make_family(tmp_path / "base", kind, fields)
    with pytest.raises(InputError, match=f"base (cannot be trained: )?{message}") as refused:
        LoraModel(recipe_in(folder))
    assert "\n" not in str(refused.value)


LLAMA3 = Markers("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", "")


def make_other_tokenizer(folder: Path, names: list[str], *, special: bool = True) -> Path:
    """The tiny tokenizer with `names` as its control tokens."""
    folder.mkdir()
    make_tokenizer(folder)
    file = folder / "tokenizer.json"
    value = json.loads(file.read_text())
    like = value["added_tokens"][0]
    old = [token["content"] for token in value["added_tokens"]]
    for text in old:
        value["model"]["vocab"][f"unused{text.strip('<|>')}"] = value["model"]["vocab"].pop(text)
    count = len(value["model"]["vocab"])
    value["added_tokens"] = [
        {**like, "id": count + n, "content": text, "special": special} for n, text in enumerate(names)
    ]
    file.write_text(json.dumps(value))
    return folder


def test_a_base_like_llama_3_gets_the_markers_to_write(tmp_path: Path) -> None:
    names = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    folder = make_other_tokenizer(tmp_path / "base", names)
    with pytest.raises(InputError) as refused:
        marked_tokenize(folder, CHATML)
    assert "<|im_start|> is not a token" in str(refused.value)
    line = str(refused.value).partition("write in the recipe: ")[2]
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'base = "{folder}"\ndata = "d"\nout = "o"\n{line}\n')
    markers = load_recipe(recipe).markers
    assert markers == LLAMA3
    tokenize = marked_tokenize(folder, markers)
    rows = tiny_rows(4)
    seen = view(rows, "planner", tokenize, 512, markers).rows
    control = {tokenize(name, True)[0] for name in names}
    attack = "".join((*names, LLAMA3.header("planner"), LLAMA3.end))
    assert not control & set(tokenize(attack, False))
    prompt = prompt_ids(
        Transcript(rows[0].transcript.tools, rows[0].transcript.turns[:1]), "planner", tokenize, markers
    )
    assert seen[0].ids[: len(prompt)].tolist() == prompt
    assert seen[0].is_target[-1]
    assert seen[0].ids[-1] == tokenize("<|eot_id|>", True)[0]


@pytest.mark.parametrize(
    ("names", "special", "markers", "message"),
    [
        (
            ["<bos>", "<sep>"],
            True,
            CHATML,
            "set markers.open and .* special tokens of it, which are <bos> <sep>$",
        ),
        ([], True, CHATML, "it has no special tokens"),
        (["<|im_start|>", "<|im_end|>"], False, CHATML, "reads <|im_start|> as a marker in plain text"),
        (["<|im_start|>", "<|im_end|>"], True, Markers(open=""), "an empty marker is not a token"),
        (["<|im_start|>", "<|im_end|>"], True, Markers(close="end"), "markers = { open = "),
        (["<start_of_turn>", "<end_of_turn>"], True, CHATML, 'open = "<start_of_turn>", middle = "\\\\n"'),
    ],
)
def test_markers_that_are_no_control_tokens_are_refused(
    tmp_path: Path, names: list[str], special: bool, markers: Markers, message: str
) -> None:
    folder = make_other_tokenizer(tmp_path / "base", names, special=special)
    with pytest.raises(InputError, match=message):
        marked_tokenize(folder, markers)


@pytest.mark.parametrize("double_quant", [False, True])
def test_adapters_over_four_bits_are_float32_and_learn(tmp_path: Path, double_quant: bool) -> None:
    folder = make_family(tmp_path / "base", "Llama", {"hidden_size": 256, "intermediate_size": 512})
    model = shaken(LoraModel(recipe_in(folder, quantization="nf4", double_quant=double_quant)))
    layer = model._peft.get_submodule("base_model.model.model.layers.0.mlp.up_proj.base_layer")
    assert (layer.weight.quant_state.nested, layer.weight.dtype) == (double_quant, torch.uint8)
    assert {p.dtype for p in model.parameters} == {torch.float32}
    packs = list(pack(view(tiny_rows(4), "backbone", load_tokenize(folder), 512).rows, 512))
    model.loss_sum(packs).backward()
    assert all(float(p.grad.abs().max()) > 0 for p in model.parameters if p.grad is not None)
    assert len(gradients(model)) == len(model.parameters)
