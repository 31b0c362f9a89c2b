"""`umi train base make`: pretraining of a small base model from scratch, on synthetic trajectories.

No published model is small enough to be shipped in a package, so the base of the shipped bundle is made here.
It is an ordinary Hugging Face checkpoint (Qwen3), which the two stages take like any other.

A run that was stopped resumes from its last checkpoint. Matrices are trained by Muon (Jordan et al. 2024,
momentum orthogonalized by Newton-Schulz), the rest by AdamW.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from agent.errors import InputError, UmiError
from agent.prompting import Tokenize, segments
from agent.prompting.encoding import encode, load_tokenize
from agent.transcript import ROLES
from train.base_recipe import BaseRecipe
from train.data.synthetic.copy_drills import copy_drills
from train.data.synthetic.generate import generate_rows
from train.loop.progress import Say, format_duration
from train.model.attention import collate, enable, hidden_states
from train.model.base_model import mixed_precision, pick_device
from train.model.packing import IGNORE, Packed, join, pack
from train.model.tokenizer import save_tokenizer, train_tokenizer
from train.run.checkpoint import save_checkpoint

LOG_STEPS = 20
"""Optimizer steps between progress lines."""
TOKENIZER_ROWS = 6000
"""Synthetic rows that the tokenizer is trained on."""


def stream(
    recipe: BaseRecipe, tokenize: Tokenize, seed: int, *, max_tools: int, plain: float
) -> Iterator[Packed]:
    """Yield packed synthetic trajectories without end.

    Their tool lists have at most `max_tools` tools; the share `plain` of them is exactly the built-in tools.
    """
    encoded = (
        encode(row.transcript, ROLES, tokenize)
        for row in generate_rows(seed, "train", 1 << 60, plain=plain, max_tools=max_tools)
    )
    return pack(encoded, recipe.pack_tokens, open_packs=2)


def batches(packs: Iterator[Packed], tokens: int) -> Iterator[list[Packed]]:
    """Yield lists of packed sequences of about `tokens` tokens each."""
    batch: list[Packed] = []
    for packed in packs:
        batch.append(packed)
        if sum(len(p) for p in batch) >= tokens:
            yield batch
            batch = []


def make_model(recipe: BaseRecipe, vocabulary: int) -> Any:
    """Return a Qwen3 causal LM with random weights."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(recipe.seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.ffn,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        head_dim=64,
        max_position_embeddings=recipe.context,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    model: Any = Qwen3ForCausalLM(config).float()
    deep = (2 * recipe.layers) ** -0.5
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.data.mul_(deep)  # residual branches start small (GPT-2, section 2.3)
    return model


def loss_of(model: Any, batch: list[Packed], mixed: bool) -> torch.Tensor:
    """Return the mean cross-entropy of the labels, in nats; logits are computed at labels only.

    With `mixed`, matrix products run in bfloat16.
    """
    inputs = collate(batch, model.device)
    labelled = inputs.targets != IGNORE
    with torch.autocast(model.device.type, torch.bfloat16, enabled=mixed):
        logits = model.lm_head(hidden_states(model.model, inputs)[labelled])
    return cross_entropy(logits.float(), inputs.targets[labelled])


def learning_rate_factor(step: int, recipe: BaseRecipe) -> float:
    """Return the learning rate as a fraction of its peak: linear warmup, plateau, linear decay to 0."""
    fall = max(1, int(recipe.steps * recipe.cooldown))
    return min(1.0, (step + 1) / max(1, recipe.warmup), (recipe.steps - step) / fall)


class BaseRun:
    """The model, its optimizers and the state of the run."""

    def __init__(self, recipe: BaseRecipe) -> None:
        self.recipe = recipe
        self.out = Path(recipe.out)
        self.out.mkdir(parents=True, exist_ok=True)
        if not (self.out / "tokenizer.json").exists():
            texts = (
                piece.content
                for row in generate_rows(recipe.seed + 1000, "train", TOKENIZER_ROWS)
                for piece in segments(row.transcript)
                if piece.role != "system" or row.id.endswith("0")
            )
            save_tokenizer(train_tokenizer(texts, recipe.vocabulary), self.out)
        self.tokenize = load_tokenize(self.out)
        self.model = make_model(recipe, recipe.vocabulary).to(pick_device(recipe.device))
        self.mixed = mixed_precision(recipe.precision, self.model.device)
        enable(self.model)
        matrices = [p for n, p in self.model.named_parameters() if p.ndim == 2 and "embed" not in n]
        others = [p for n, p in self.model.named_parameters() if p.ndim != 2 or "embed" in n]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices,
                lr=recipe.muon_rate,
                weight_decay=recipe.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=recipe.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.peaks = [group["lr"] for o in self.optimizers for group in o.param_groups]
        self.step = 0
        self.resume()

    @property
    def state_file(self) -> Path:
        """The file of the last checkpoint."""
        return self.out / "training.pt"

    def resume(self) -> None:
        """Load the last checkpoint, if there is one. Raise InputError where it is of another recipe."""
        if not self.state_file.exists():
            return
        state = torch.load(self.state_file, map_location="cpu", weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise InputError(
                f"{self.out} holds a run of another recipe", "delete the folder or set another out"
            )
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]

    def save(self) -> None:
        """Write a checkpoint, which replaces the last one."""
        state = {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step,
        }
        save_checkpoint(self.state_file, state)

    def data(self) -> Iterator[list[Packed]]:
        """Yield batches from the current step on; a resumed run gets other rows than an uninterrupted one."""
        recipe, seed = self.recipe, self.recipe.seed * 1_000_003 + self.step
        drill_rows = (encode(row.transcript, ROLES, self.tokenize) for row in copy_drills(seed))
        for _ in range(self.step, recipe.drill_steps):
            yield [join(list(islice(drill_rows, recipe.drill_rows)))]
        longer = recipe.drill_steps + recipe.short_steps
        short = batches(stream(recipe, self.tokenize, seed, max_tools=4, plain=0.0), recipe.batch_tokens)
        mixed = batches(stream(recipe, self.tokenize, seed + 1, max_tools=16, plain=0.6), recipe.batch_tokens)
        for step in itertools.count(max(self.step, recipe.drill_steps)):
            batch = next(short if step < longer else mixed)
            yield [*batch, join(list(islice(drill_rows, recipe.mixed_rows)))] if recipe.mixed_rows else batch

    def train(self, say: Say) -> None:
        """Train to the last step, with lines of progress to `say` and checkpoints."""
        recipe = self.recipe
        data = self.data()
        started, tokens, losses = time.monotonic(), 0, []
        self.model.train()
        while self.step < recipe.steps:
            batch = next(data)
            losses.append(self.one_step(batch))
            tokens += sum(len(packed) for packed in batch)
            if self.step % LOG_STEPS == 0:
                took = time.monotonic() - started
                left = (recipe.steps - self.step) * took / len(losses)
                say(
                    f"base: step {self.step}/{recipe.steps}  loss {sum(losses) / len(losses):.4f}  "
                    f"{tokens / took:,.0f} tokens/s  {format_duration(left)} left"
                )
                started, tokens, losses = time.monotonic(), 0, []
            if self.step % recipe.save_every == 0:
                self.save()
        self.save()

    def one_step(self, batch: list[Packed]) -> float:
        """Take one optimizer step; return its loss. Raise UmiError where that is NaN or infinite."""
        share = learning_rate_factor(self.step, self.recipe)
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, self.peaks, strict=True):
            group["lr"] = peak * share
        loss = loss_of(self.model, batch, self.mixed)
        if not math.isfinite(loss.item()):
            raise UmiError(
                f"the loss is {loss.item()} at step {self.step}", "lower muon_rate and start again"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.item()


def make_base(recipe: BaseRecipe, say: Say) -> Path:
    """Train the base, resuming from a checkpoint; return its folder. A finished base is left unchanged."""
    out = Path(recipe.out)
    done = out / "base.json"
    if done.exists() and json.loads(done.read_text()) == asdict(recipe):
        return out
    run = BaseRun(recipe)
    run.train(say)
    run.model.config._attn_implementation = "sdpa"
    run.model.to("cpu").save_pretrained(out)
    done.write_text(json.dumps(asdict(recipe), indent=1))
    return out
