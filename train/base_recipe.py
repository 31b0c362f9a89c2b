"""The recipe of a small base model that is pretrained from scratch: the fields of its TOML file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from train.recipe import CONFIG, NotNegative, Positive


@dataclass(frozen=True, config=CONFIG)
class BaseRecipe:
    """The settings of `umi train base make`, read from a TOML file."""

    out: str
    """Folder for the checkpoint."""
    vocabulary: Annotated[StrictInt, Field(ge=259)] = 2048
    """Tokens, the 256 bytes and three control tokens included."""
    hidden: Positive = 256
    """Width; a multiple of 256 keeps every quantization possible."""
    layers: Positive = 6
    """Transformer blocks."""
    heads: Positive = 4
    """Query heads of 64."""
    kv_heads: Positive = 2
    """Key and value heads of 64."""
    ffn: Positive = 768
    """Width of the gated feed-forward layers."""
    context: Positive = 4096
    """Positions that the checkpoint declares."""
    steps: Positive = 1600
    """Optimizer steps, the drills included."""
    drill_steps: NotNegative = 200
    """Number of first steps whose batches are copying drills only (`train.data.synthetic.copy_drills`)."""
    drill_rows: Positive = 64
    """Drills in each of the first `drill_steps` steps."""
    mixed_rows: NotNegative = 16
    """Drills added to the trajectories in each later step."""
    short_steps: NotNegative = 150
    """Steps after the drills with lists of at most four tools: copying is easier from a short text."""
    batch_tokens: Positive = 3500
    """Tokens in the batch of one step."""
    pack_tokens: Positive = 4096
    """Tokens of one packed sequence at most."""
    muon_rate: Annotated[StrictFloat, Field(gt=0)] = 0.004
    """Peak learning rate of Muon (matrices), scaled to AdamW's update size."""
    adam_rate: Annotated[StrictFloat, Field(gt=0)] = 0.004
    """Peak learning rate of AdamW (embeddings and norms)."""
    weight_decay: Annotated[StrictFloat, Field(ge=0)] = 0.05
    """Decoupled weight decay of the matrices."""
    warmup: NotNegative = 50
    """Warmup steps: the learning rates rise linearly from zero."""
    cooldown: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.4
    """Share of the steps, at the end, in which the learning rates decay linearly to zero."""
    clip: Annotated[StrictFloat, Field(ge=0)] = 1.0
    """Gradient clipping: the largest global norm."""
    seed: NotNegative = 1
    """Seed of the initial weights and of the rows."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`cpu`, `cuda`, or `auto`: a GPU where torch sees one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type that matrix products are computed in (autocast). `auto`: bfloat16 where the device has
    instructions for it. Weights are float32."""
    save_every: Positive = 100
    """Steps between checkpoints."""
