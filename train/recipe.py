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
import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from agent.errors import InputError
from agent.prompting import Markers
from agent.transcript import ROLES

STAGES = ("backbone", *ROLES)

Method = Literal["two-stage", "two-stage-without-reuse", "one-stage", "multi-task", "one-model"]
_TRAINED: Mapping[str, tuple[str, ...]] = {
    "one-stage": ROLES,
    "multi-task": ("backbone",),
    "one-model": ("backbone",),
}
"""The stages of the methods that do not train all of them."""

_BOUNDS: Mapping[str, tuple[float, float]] = {
    "rank": (1, math.inf),
    "alpha": (1, math.inf),
    "dropout": (0, 0.99),
    "max_length": (1, math.inf),
    "micro_batch_tokens": (1, math.inf),
    "accumulation": (1, math.inf),
    "warmup": (0, 1),
    "weight_decay": (0, math.inf),
    "max_grad_norm": (0, math.inf),
    "evaluations": (0, math.inf),
    "evaluation_turns": (1, math.inf),
    "heldout_rows": (0, math.inf),
    "checkpoint_steps": (1, math.inf),
    "log_steps": (1, math.inf),
    "seed": (0, math.inf),
}
"""The least and the most of the adapter's fields and the recipe's."""


@dataclass(frozen=True)
class Lora:
    """The adapter that is trained on the frozen base."""

    rank: int = 16
    """Inner width of each adapter."""
    alpha: int = 32
    """The adapter's output is scaled by alpha / rank."""
    dropout: float = 0.0
    """Share of an adapter's inputs dropped in training."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers that get an adapter; empty means all of them except the output head."""


@dataclass(frozen=True)
class Stage:
    """How long and how fast one adapter is trained."""

    learning_rate: float = 2e-4
    """The highest rate, reached after the warmup."""
    epochs: float = 1.0
    """Passes over the rows; a fraction stops within one."""
    max_steps: int = 0
    """Optimizer steps, instead of epochs where above 0."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run makes."""

    base: str
    """Folder of the Hugging Face checkpoint to start from (config, safetensors, tokenizer.json)."""
    data: tuple[str, ...]
    """Schema-1 JSON-lines files. Rows whose split is `train` are trained on; rows of `valid` are held out to
    measure on; a row of `test` is refused. With `--only ROLE` one role may be trained on other files than the
    rest of the run: conversations that their user approved, say, mixed with the old data."""
    out: str
    """The run folder: adapters, checkpoints, and the manifest, which is written last."""
    adapter: Literal["lora", "alora"] = "lora"
    """What makes a role: `lora` is on for every token, so each role becomes a model of its own (the merged
    layout); `alora` is on only from the role's header, so all share a backbone and its cache (shared)."""
    method: Method = "two-stage"
    """What is trained: the rows of the paper's Table 1 (arXiv 2401.07324).
    `two-stage`: a backbone on all turns, then three roles from it that read the same headers (with reuse).
    `two-stage-without-reuse`: roles read other headers and an instruction written out (`train/data/prompt_format.py`).
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
    double_quant: bool = True
    """Quantize NF4's block scales too (QLoRA, arXiv 2305.14314): 0.4 bits less a weight, a little slower."""
    markers: Markers = field(default_factory=Markers)
    """What opens, divides and closes a turn. `open` and `close` must be control tokens of the base; where
    they are not, training names the lines to write."""
    lora: Lora = field(default_factory=Lora)
    """The adapter's shape, the same for both stages."""
    backbone: Stage = field(default_factory=Stage)
    """Stage 1: every planner, caller and summarizer turn."""
    planner: Stage = field(default_factory=lambda: Stage(1e-4))
    """Stage 2, planner turns only."""
    caller: Stage = field(default_factory=lambda: Stage(1e-4))
    """Stage 2, caller turns only."""
    summarizer: Stage = field(default_factory=lambda: Stage(1e-4))
    """Stage 2, summarizer turns only."""
    max_length: int = 4096
    """Longest trajectory in tokens. A longer one loses its oldest exchanges and steps, as in use when the
    context is full (`agent/prompting/trimming.py`); one that is still too long is left out and counted."""
    micro_batch_tokens: int = 4096
    """Tokens in one forward pass; sets the memory needed."""
    accumulation: int = 1
    """Passes an optimizer step adds up."""
    warmup: float = 0.03
    """Share of the steps in which the rate rises from zero."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the rate does after the warmup: falls to a tenth along a cosine, or stays."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    gradient_checkpointing: bool = False
    """Compute layers again in the backward pass: less memory, and a third more time, on a CPU up to twice."""
    optimizer: Literal["auto", "adamw", "paged_adamw_8bit"] = "auto"
    """AdamW with 32-bit states, or with 8-bit ones in paged memory (GPU only); `auto` is that on a GPU."""
    evaluations: int = 4
    """How often a stage's model is tried on held-out turns, the last time at its end; the adapter that did
    best is kept. 0 keeps the last."""
    evaluation_turns: int = 32
    """Held-out turns of each role that it is tried on."""
    heldout_rows: int = 64
    """Rows to measure the held-out loss on; taken from the training rows where no other split exists."""
    checkpoint_steps: int = 50
    """A run that is killed loses at most this many steps."""
    log_steps: int = 10
    """Steps between progress lines."""
    seed: int = 0
    """Decides the adapter's start, the order of rows and the dropout."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes a GPU where torch sees one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products. `auto`: bfloat16 where the device has instructions for it. Adapters are float32."""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the method trains, in their order."""
        return _TRAINED.get(self.method, STAGES)

    def stage(self, name: str) -> Stage:
        """The settings of stage 1 (`backbone`) or of a role."""
        return getattr(self, name)

    def by_turn(self, stage: str) -> bool:
        """Whether a stage learns each turn in a branch of its own, as an activated adapter does."""
        return self.adapter == "alora" and stage in ROLES

    def to_json(self) -> dict[str, Any]:
        """The resolved recipe as it is saved; `Recipe.from_json` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = "recipe") -> Recipe:
        """The recipe in a mapping. Raises InputError naming the field that is unknown, missing or wrong."""
        if value.get("adapter") == "alora":
            value = {"hand_over": "stack", **value}
        recipe = build(cls, value, source)
        _check(recipe, source)
        return recipe


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file with `key=value` overrides. Raises InputError on what is wrong."""
    return Recipe.from_json(read_fields(path, overrides), path.name)


def read_fields(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The fields in a TOML file with `key=value` overrides. Raises InputError on what is wrong."""
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no recipe at {path}", "give the path of a TOML recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "give the path of a TOML recipe") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}", "mend that line") from None
    for override in overrides:
        _apply(value, override)
    return value


def _apply(value: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not key=value", "write for example lora.rank=16")
    try:
        parsed = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = text
    *tables, name = key.strip().split(".")
    for table in tables:
        value = value.setdefault(table, {})
        if not isinstance(value, dict):
            raise InputError(f"{key}: {table} is not a table", "name a field of the recipe")
    value[name] = parsed


def build(kind: type, value: Mapping[str, Any], source: str, path: str = "") -> Any:
    """The dataclass `kind` with the fields in `value`. Raises InputError naming the field that is wrong."""
    hints = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            near = nearest(key, hints)
            raise InputError(f"{source}: unknown field {path}{key}", f"the nearest one is {path}{near}")
    for name, spec in fields.items():
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise InputError(f"{source}: {path}{name} is missing", f"add {path}{name} = …")
    given = {key: _value(hints[key], item, source, f"{path}{key}") for key, item in value.items()}
    defaults = {
        name: dataclasses.asdict(spec.default_factory())
        for name, spec in fields.items()
        if name in given and dataclasses.is_dataclass(hints[name]) and callable(spec.default_factory)
    }
    for name, default in defaults.items():
        given[name] = build(hints[name], default | dict(value[name]), source, f"{path}{name}.")
    return kind(**given)


def nearest(key: str, hints: Mapping[str, Any]) -> str:
    """The field most like `key`, `table.field` where it is one of a table's."""
    names = {name: name for name in hints}
    for table, hint in hints.items():
        if dataclasses.is_dataclass(hint):
            names = {f.name: f"{table}.{f.name}" for f in dataclasses.fields(hint)} | names
    return names[difflib.get_close_matches(key, names, n=1, cutoff=0.0)[0]]


def _value(hint: Any, value: Any, source: str, path: str) -> Any:
    def wrong(wanted: str) -> InputError:
        return InputError(f"{source}: {path} is {value!r}", f"it must be {wanted}")

    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise wrong("a table")
        return value
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise wrong(f"one of {', '.join(get_args(hint))}")
        return value
    if get_origin(hint) is tuple:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise wrong("a list of texts")
        return tuple(items)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise wrong(names[hint])
    return value


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
    if not recipe.data:
        raise InputError(f"{source}: data is empty", "name at least one schema-1 file")
    for name, (least, most) in _BOUNDS.items():
        value = getattr(recipe.lora if name in ("rank", "alpha", "dropout") else recipe, name)
        if not least <= value <= most:
            path = f"lora.{name}" if hasattr(recipe.lora, name) else name
            wanted = f"at least {least}" if most == math.inf else f"from {least} to {most}"
            raise InputError(f"{source}: {path} is {value}", f"it must be {wanted}")
    if "lm_head" in recipe.lora.targets:
        raise InputError(f"{source}: lora.targets names the output head", "leave lm_head out")
    for name in recipe.stages:
        stage = recipe.stage(name)
        if not 0 < stage.learning_rate < math.inf:
            raise InputError(f"{source}: {name}.learning_rate is {stage.learning_rate}", "set it above 0")
        if stage.max_steps < 0 or not (0 < stage.epochs < math.inf or stage.max_steps):
            raise InputError(f"{source}: {name} trains nothing", "set its epochs or max_steps above 0")
