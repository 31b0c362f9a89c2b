"""One training run as typed fields, read from TOML and saved beside the weights it makes.

    base = "runs/base"                # paths are relative to where the command runs
    data = ["runs/data/train.jsonl"]
    out  = "runs/mini"
    [lora]
    rank = 32
    [caller]
    epochs = 2.0

`key=value` on the command line overrides a field (`lora.rank=16`, `out=runs/other`). The presets of the
paper's Table 1 are one field: `umi train glpft recipe.toml method=one-stage`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from agent.errors import InputError
from agent.prompting import Markers
from agent.transcript import ROLES
from train.recipe_file import parse_recipe, read_fields
from train.run.files import BACKBONE

STAGES = (BACKBONE, *ROLES)

CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
"""Of every table of a recipe: an unknown key is an error, and the text below a field is its description."""

Method = Literal["two-stage", "two-stage-without-reuse", "one-stage", "multi-task", "one-model"]
_TRAINED: Mapping[str, tuple[str, ...]] = {
    "one-stage": ROLES,
    "multi-task": ("backbone",),
    "one-model": ("backbone",),
}
"""Method -> stages, for the methods that do not train all of them."""

NotNegative = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
AsList = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
"""A single text is accepted in place of a list."""


@dataclass(frozen=True, config=CONFIG)
class Lora:
    """The adapter that is trained on the frozen base."""

    rank: Positive = 16
    """Rank r of the low-rank matrices A and B."""
    alpha: Positive = 32
    """LoRA alpha: the output of an adapter is scaled by alpha / rank."""
    dropout: Annotated[StrictFloat, Field(ge=0, le=0.99)] = 0.0
    """LoRA dropout: the share of an adapter's inputs that is zeroed in training."""
    targets: Annotated[tuple[str, ...], AsList] = ()
    """Target modules: names of the linear layers that get an adapter; empty: all but the output head."""


@dataclass(frozen=True, config=CONFIG)
class Stage:
    """The learning rate and duration of one stage."""

    learning_rate: Annotated[StrictFloat, Field(gt=0)] = 2e-4
    """Peak learning rate, reached at the end of the warmup."""
    epochs: Annotated[StrictFloat, Field(ge=0)] = 1.0
    """Passes over the rows; a fraction stops within one."""
    max_steps: NotNegative = 0
    """Optimizer steps, instead of epochs where above 0."""


@dataclass(frozen=True, config=CONFIG)
class RoleStage(Stage):
    """A stage that starts from the backbone's adapter, and so has half its learning rate."""

    learning_rate: Annotated[StrictFloat, Field(gt=0)] = 1e-4
    """Peak learning rate, reached at the end of the warmup."""


@dataclass(frozen=True, config=CONFIG)
class Recipe:
    """Everything that decides what a run makes."""

    base: str
    """Folder of the Hugging Face checkpoint to start from (config, safetensors, tokenizer.json)."""
    data: Annotated[tuple[str, ...], Field(min_length=1), AsList]
    """Schema-1 JSON-lines files. Rows whose split is `train` are trained on; rows of `valid` are the held-out
    (validation) set; a row of `test` is refused. With `--only ROLE` one role may be trained on other files
    than the rest of the run: conversations that their user approved, say, mixed with the old data."""
    out: str
    """The run folder: adapters, checkpoints, and the manifest, which is written last."""
    start: str = ""
    """Run folder whose finished stage 1 this run's goes on from, on other data or at another learning
    rate, with the same base and the same `lora`. Empty: stage 1 starts from the base."""
    adapter: Literal["lora", "alora"] = "lora"
    """What makes a role: `lora` is on for every token, so each role becomes a model of its own (the merged
    layout); `alora` is on only from the role's header, so all share a backbone and its cache (shared)."""
    method: Method = "two-stage"
    """What is trained: the rows of the paper's Table 1 (arXiv 2401.07324).
    `two-stage`: a backbone on all turns, then three roles from it that read the same headers (with reuse).
    `two-stage-without-reuse`: roles read other headers and an instruction written out
    (`train/data/prompt_format.py`).
    `one-stage`: three roles straight from the base.
    `multi-task`: the backbone alone, which plays all roles.
    `one-model`: one adapter that writes thought, call and answer as one assistant.
    Bundles are made of the first, the third and the fourth."""
    hand_over: Literal["continue", "stack", "merge16"] = "continue"
    """How a role starts from stage 1.
    `continue`: a copy of its adapter is trained on.
    `stack`: its adapter stays on, frozen, and a new one over it starts at zero; `alora` implies it.
    `merge16`: its adapter is added to the base's own weights, not to 4-bit ones; they are saved in the run
    folder, quantized again where `quantization` says so, and a new adapter over them starts at zero."""
    quantization: Literal["nf4", "none"] = "nf4"
    """Storage of the frozen base: 4-bit NormalFloat, or as it is in the checkpoint."""
    double_quant: StrictBool = True
    """Quantize NF4's block scales too (QLoRA, arXiv 2305.14314): 0.4 bits less a weight, a little slower."""
    markers: Markers = field(default_factory=Markers)
    """What opens, divides and closes a turn. `open` and `close` must be control tokens of the base; where
    they are not, training names the lines to write."""
    lora: Lora = field(default_factory=Lora)
    """The adapter's shape, the same for both stages."""
    backbone: Stage = field(default_factory=Stage)
    """Stage 1: every planner, caller and summarizer turn."""
    planner: RoleStage = field(default_factory=RoleStage)
    """Stage 2, planner turns only."""
    caller: RoleStage = field(default_factory=RoleStage)
    """Stage 2, caller turns only."""
    summarizer: RoleStage = field(default_factory=RoleStage)
    """Stage 2, summarizer turns only."""
    max_length: Positive = 4096
    """Maximum sequence length: the longest trajectory in tokens. A longer one is truncated to its latest
    exchanges and steps, as in use when the context is full (`agent/prompting/trimming.py`); one that is still
    too long is dropped and counted."""
    micro_batch_tokens: Positive = 4096
    """Tokens of a micro-batch, which is one forward and backward pass; sets the memory needed."""
    accumulation: Positive = 1
    """Gradient accumulation: micro-batches per optimizer step; they have different tool lists as far as there
    are enough."""
    warmup: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.03
    """Warmup ratio: the share of the steps in which the learning rate rises linearly from zero."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning-rate schedule after the warmup: cosine decay to a tenth of the peak, or constant."""
    weight_decay: Annotated[StrictFloat, Field(ge=0)] = 0.0
    """AdamW's decoupled weight decay."""
    max_grad_norm: Annotated[StrictFloat, Field(ge=0, allow_inf_nan=True)] = 1.0
    """Gradient clipping: the largest global norm of the gradients."""
    gradient_checkpointing: StrictBool = False
    """Activation checkpointing: recompute layers in the backward pass. It takes less memory and a third more
    time, on a CPU up to twice."""
    optimizer: Literal["auto", "adamw", "paged_adamw_8bit"] = "auto"
    """AdamW with 32-bit states, or with 8-bit ones in paged memory (GPU only); `auto` is that on a GPU."""
    evaluations: NotNegative = 4
    """Evaluations of a stage on held-out turns, the last one at its end; the adapter of the best one is kept.
    0 keeps the last adapter."""
    evaluation_turns: Positive = 32
    """Held-out turns of each role in an evaluation."""
    heldout_rows: NotNegative = 64
    """Rows of the held-out (validation) set; taken from the training rows where no other split exists."""
    checkpoint_steps: Positive = 50
    """Steps between checkpoints, of which the last is kept; a killed run resumes from it."""
    log_steps: Positive = 10
    """Steps between lines of progress and of `metrics.jsonl`."""
    seed: NotNegative = 0
    """Random seed of the adapter's initialization, of shuffling and of dropout."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes a GPU where torch sees one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type that matrix products are computed in (autocast). `auto`: bfloat16 where the device has
    instructions for it. Adapters are float32."""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the method trains, in their order."""
        return _TRAINED.get(self.method, STAGES)

    def stage(self, name: str) -> Stage:
        """Return the settings of stage 1 (`backbone`) or of a role."""
        return getattr(self, name)

    def by_turn(self, stage: str) -> bool:
        """Return whether each target turn of a stage is a branch of its own, as for an activated adapter."""
        return self.adapter == "alora" and stage in ROLES

    def to_json(self) -> dict[str, Any]:
        """Return the resolved recipe as it is saved; `Recipe.from_json` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], source: str = "recipe") -> Recipe:
        """Return the recipe in a mapping. Raise InputError naming an unknown, missing or wrong field."""
        if fields.get("adapter") == "alora":
            fields = {"hand_over": "stack", **fields}
        recipe = parse_recipe(cls, fields, source)
        _check(recipe, source)
        return recipe


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe in a TOML file with `key=value` overrides. Raise InputError on what is wrong."""
    return Recipe.from_json(read_fields(path, overrides), path.name)


def _check(recipe: Recipe, source: str) -> None:
    if recipe.adapter == "alora" and recipe.hand_over != "stack":
        raise InputError(
            f"{source}: adapter = alora does not go with hand_over = {recipe.hand_over}",
            "leave hand_over out: activated adapters are stacked on stage 1",
        )
    if recipe.adapter == "alora" and recipe.method != "two-stage":
        raise InputError(
            f"{source}: adapter = alora does not go with method = {recipe.method}",
            "activated adapters stand over a backbone and read its headers; use method = two-stage",
        )
    if len(recipe.stages) < len(STAGES) and recipe.hand_over != "continue":
        raise InputError(
            f"{source}: hand_over = {recipe.hand_over} does not go with method = {recipe.method}",
            "leave hand_over out: nothing is handed over",
        )
    if recipe.start and BACKBONE not in recipe.stages:
        raise InputError(
            f"{source}: start does not go with method = {recipe.method}",
            "leave start out: no stage 1 is trained",
        )
    if "lm_head" in recipe.lora.targets:
        raise InputError(f"{source}: lora.targets names the output head", "leave lm_head out")
    for name in recipe.stages:
        stage = recipe.stage(name)
        if not (stage.epochs or stage.max_steps):
            raise InputError(f"{source}: {name} trains nothing", "set its epochs or max_steps above 0")
