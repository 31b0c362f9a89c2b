"""A very small base model and rows to train on, for the tests of training and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    Row,
    Split,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
)

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

ADD = ToolSpec(
    "add",
    "Add two numbers.",
    {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
)
ECHO = ToolSpec("echo", "Say it again.", {"type": "object", "properties": {"text": {"type": "string"}}})


def tiny_rows(count: int = 12, split: Split = "train") -> list[Row]:
    """Small sums and small talk, over two tool lists."""
    rows = []
    for n in range(count):
        tools = (ADD,) if n % 2 else (ADD, ECHO)
        turns: tuple[Turn, ...]
        if n % 4 == 3:
            turns = (UserTurn(f"hi {n}"), PlannerTurn("", "summarizer"), SummarizerTurn("Hello."))
        else:
            turns = (
                UserTurn(f"add {n} and 2"),
                PlannerTurn("I need the sum.", "caller"),
                CallerTurn((Call("add", {"a": n, "b": 2}),)),
                ToolTurn("add", str(n + 2)),
                PlannerTurn("The sum is there.", "summarizer"),
                SummarizerTurn(f"It is {n + 2}."),
            )
        rows.append(Row(f"{split}-{n}", "tiny", split, Transcript(tools, turns)))
    return rows


def make_tokenizer(folder: Path, vocabulary: int = 512) -> None:
    """Train a byte-level BPE with the qwen2 splitting on the rows and save it in `folder`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from agent.prompting import segments

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(t, special=True) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [piece.content for row in tiny_rows(40) for piece in segments(row.transcript)]
    tokenizer.train_from_iterator([*texts, "planner caller summarizer user tool system"] * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.save_pretrained(folder)


def make_base(folder: Path, seed: int = 0, hidden_size: int = 64) -> Path:
    """A Qwen3 checkpoint of 2 layers with random weights, and its tokenizer, in `folder`."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer(folder)
    size = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=size,
        hidden_size=hidden_size,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        tie_word_embeddings=True,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    Qwen3ForCausalLM(config).float().save_pretrained(folder)
    return folder


def teach(folder: Path, rows: list[Row], steps: int) -> None:
    """Train all weights of the base in `folder` on whole rows, so that adapters have something to change."""
    import torch
    from transformers import AutoModelForCausalLM

    from agent.prompting import prompt_ids
    from agent.prompting.encoding import load_tokenize

    tokenize = load_tokenize(folder)
    ids = [torch.tensor(prompt_ids(row.transcript, None, tokenize)) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=0)
    labels = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-100)
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(steps):
        chosen = torch.arange(8) * 7 + step * 3
        chosen %= len(ids)
        loss = model(input_ids=padded[chosen], labels=labels[chosen]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)


TINY_RUN = {
    "max_length": 512,
    "micro_batch_tokens": 512,
    "accumulation": 2,
    "heldout_rows": 4,
    "evaluations": 0,
    "checkpoint_steps": 2,
    "log_steps": 1,
    "seed": 3,
    "device": "cpu",
    "double_quant": False,
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.1},
    "backbone": {"learning_rate": 2e-2, "max_steps": 30},
    "planner": {"learning_rate": 5e-3, "max_steps": 3},
    "caller": {"learning_rate": 5e-3, "max_steps": 3},
    "summarizer": {"learning_rate": 5e-3, "max_steps": 3},
}
"""A recipe that trains both stages in seconds; `base`, `data` and `out` are to be added."""


def make_run(folder: Path, **fields: Any) -> Path:
    """A base, data and a finished run of both stages in `folder`, its recipe with `fields`; returns it."""
    from train.data.rows import write_rows
    from train.loop.pipeline import train
    from train.recipe import Recipe

    make_base(folder / "base")
    write_rows(folder / "data.jsonl", [*tiny_rows(24), *tiny_rows(6, "valid")])
    paths = {"base": str(folder / "base"), "data": [str(folder / "data.jsonl")], "out": str(folder / "run")}
    return train(Recipe.from_json({**TINY_RUN, **paths, **fields}), lambda _: None)
