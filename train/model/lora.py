"""The base as a run computes with it: frozen, in 4 bits where the recipe says so, with a float32 adapter.

The base is read and quantized once a run. Between stages the adapter's tensors are swapped in place; a
stacked role instead gets an adapter of its own over the frozen one of stage 1.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from agent.errors import InputError
from train.model.alora import AloraGate
from train.model.attention import enable, lay_out, logits_at
from train.model.cpu_memory import give_back, keep_few_products
from train.model.packing import IGNORE, Packed
from train.model.packing_check import require_branches
from train.recipe import Recipe

Adapter = dict[str, Tensor]
"""An adapter's tensors by peft's names, on the CPU."""

FIRST = "default"
"""peft's name for the adapter of stage 1, and of a role that is not stacked on it."""
STACKED = "role"
"""peft's name for the adapter of a role that is."""


class LoraModel:
    """A frozen base with a trainable LoRA adapter."""

    def __init__(self, recipe: Recipe) -> None:
        """Load `recipe.base`. Raises InputError where the folder holds no checkpoint that can be trained."""
        # On a CPU bitsandbytes warns of an optional kernel package as soon as peft imports it.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        from peft import LoraConfig, get_peft_model

        self.base = Path(recipe.base)
        """The checkpoint folder."""
        self.device = pick_device(recipe.device)
        self.mixed = mixed_precision(recipe.precision, self.device)
        if self.device.type == "cpu":
            keep_few_products()
            give_back(at_once=True)
        base = load_base(recipe, self.device)
        if self.device.type == "cpu":
            give_back(at_once=recipe.gradient_checkpointing)
        require_layers(base, recipe)
        targets = list(recipe.lora.targets) or "all-linear"
        config = LoraConfig(
            r=recipe.lora.rank,
            lora_alpha=recipe.lora.alpha,
            lora_dropout=recipe.lora.dropout,
            target_modules=targets,
            task_type="CAUSAL_LM",
        )
        torch.manual_seed(recipe.seed)
        try:
            with warnings.catch_warnings():
                # peft 0.21 reads an attribute that transformers 5 renamed.
                warnings.simplefilter("ignore", FutureWarning)
                self._peft: Any = get_peft_model(base, config)
        except ValueError as error:
            raise InputError(f"no adapter fits {recipe.base}: {error}", "set other lora.targets") from None
        self._causal: Any = self._peft.get_base_model()
        if recipe.gradient_checkpointing:
            self._causal.activation_checkpointing_enable({"use_reentrant": False})
        self._peft.train()
        self._trained = FIRST
        self._gate: AloraGate | None = None
        self._header: list[int] | None = None
        self.parameters = self._trainable()

    def _trainable(self) -> list[torch.nn.Parameter]:
        return [p for p in self._peft.parameters() if p.requires_grad]

    def restart(self, seed: int) -> None:
        """Begin a new adapter on the base, zero at first; `seed` decides its start."""
        from peft.tuners.lora import LoraLayer

        torch.manual_seed(seed)
        with torch.no_grad():
            for module in self._peft.modules():
                if isinstance(module, LoraLayer):
                    module.reset_lora_parameters(FIRST, init_lora_weights=True)

    def stack(self, backbone: Adapter, header: Sequence[int] | None, seed: int) -> None:
        """Train a new adapter over `backbone`, which stays on for every token and frozen.

        The new one is zero at first; `seed` decides its start. With `header`, the ids before the turn that a
        branch learns, it is activated: on from there, and every branch learns one turn.
        """
        self._trained = FIRST
        self.set_adapter(backbone)
        if STACKED in self._peft.peft_config:
            self._peft.delete_adapter(STACKED)
        torch.manual_seed(seed)
        self._peft.add_adapter(STACKED, replace(self._peft.peft_config[FIRST]))
        self._peft.base_model.set_adapter([FIRST, STACKED])
        for name, parameter in self._peft.named_parameters():
            parameter.requires_grad_(f".{STACKED}." in name)
        for module in self._peft.modules():
            if FIRST in (getattr(module, "lora_dropout", None) or ()):
                # Dropout is for what is being trained; stage 1 is part of the model by now.
                module.lora_dropout[FIRST] = torch.nn.Identity()
        self._trained = STACKED
        if header is not None:
            self._header = list(header)
            self._gate = AloraGate(self._peft, STACKED, len(header))
        self.parameters = self._trainable()

    def loss_sum(self, batch: list[Packed]) -> Tensor:
        """The summed cross-entropy of a pass's labels. Logits are made at labelled positions only.

        Its gradients are to be computed before the next pass.
        """
        laid = lay_out(batch, self.device)
        if self._gate:
            self._gate.set(batch, self.device)
        learnt = torch.nonzero(laid.targets != IGNORE)[:, 0]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            logits = logits_at(self._causal, laid, learnt)
        return cross_entropy(logits.float(), laid.targets[learnt], reduction="sum")

    def mean_loss(self, batches: list[list[Packed]]) -> float:
        """The mean cross-entropy a label, without dropout or gradients; NaN where there is no label."""
        learnt = sum(packed.learnt for batch in batches for packed in batch)
        measuring(self._peft)
        with torch.no_grad():
            total = sum(self.loss_sum(batch).item() for batch in batches)
        self._peft.train()
        return total / learnt if learnt else float("nan")

    @contextmanager
    def speaking(self) -> Iterator[Any]:
        """The causal model to write with: transformers' own attention and cache, no gradients, no dropout."""
        measuring(self._peft)
        self._causal.config._attn_implementation = "sdpa"
        try:
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
                yield self._causal
        finally:
            enable(self._causal)
            self._peft.train()

    def switch_on(self, length: int, *, at_end: bool) -> None:
        """While `speaking`, say where an activated adapter is on in the next `length` columns of a batch.

        `at_end`: from the role's header, which ends them; else in all of them.
        """
        if self._gate and self._header:
            self._gate.open(length, len(self._header) if at_end else length, self.device)

    def adapter(self) -> Adapter:
        """A copy of the adapter that is trained, as it is now."""
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self._peft, adapter_name=self._trained, save_embedding_layers=False)
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}

    def set_adapter(self, adapter: Adapter) -> None:
        """Go on from `adapter`."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self._peft, adapter, adapter_name=self._trained)

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter that is trained in peft's format, float32.

        The configuration of an activated one holds the ids that switch it on.
        """
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.adapter(), folder / "adapter_model.safetensors")
        config = replace(self._peft.peft_config[self._trained], alora_invocation_tokens=self._header)
        config.save_pretrained(folder)


def measuring(model: Any) -> None:
    """Put `model` in eval mode, its 4-bit layers excepted.

    bitsandbytes 0.50 repacks a 4-bit layer for good when it runs in eval mode on a CPU with AVX512-BF16: its
    scales are rounded to bfloat16, and no gradient passes through it any more.
    """
    from bitsandbytes.nn.modules import Linear4bit

    model.eval()
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.train()


def require_layers(model: Any, recipe: Recipe) -> None:
    """Raise InputError where `model` has no linear layers, or a name in `lora.targets` is none of them."""
    head = model.get_output_embeddings()
    linear = {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if not linear:
        raise InputError(f"{recipe.base} has no linear layers for an adapter", "take another base")
    for target in recipe.lora.targets:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise InputError(
                f"{recipe.base} has no linear layer {target}, which lora.targets names",
                f"its layers are {known}",
            )


def load_adapter(folder: Path) -> Adapter:
    """The tensors of a saved adapter. Raises InputError where its file is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / "adapter_model.safetensors"
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file} cannot be read: {error}", f"remove {folder} and train it again") from None


def pick_device(wanted: str) -> torch.device:
    """The device of a recipe. Raises InputError where a GPU is asked for and none is seen."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("torch sees no GPU", "set device=cpu, or install a torch build for your GPU")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def mixed_precision(wanted: str, device: torch.device) -> bool:
    """Whether matrix products run in bfloat16: on a GPU, and on a CPU with instructions for it.

    Measured on two cores with AVX512-BF16: 1.5 times the tokens a second. Weights stay float32.
    """
    if wanted != "auto":
        return wanted == "bfloat16"
    if device.type == "cuda":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def load_base(recipe: Recipe, device: torch.device) -> Any:
    """The base model, quantized as the recipe says; float32 on a CPU, the checkpoint's type on a GPU.

    Raises InputError where the folder holds no whole checkpoint, or one that cannot be trained.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder = Path(recipe.base)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} is not a checkpoint folder", "give base the folder that holds config.json"
        )
    kind = torch.float32 if device.type == "cpu" else "auto"
    mixed = mixed_precision(recipe.precision, device)
    compute = torch.bfloat16 if mixed else torch.float32
    options: dict[str, Any] = {}
    if recipe.quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=compute,
            bnb_4bit_use_double_quant=recipe.double_quant,
        )
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=kind,
            device_map={"": str(device)},
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder} cannot be trained: {reason}", "check the checkpoint folder") from None
    model, about = loaded
    if about["missing_keys"]:
        # transformers fills in random weights.
        name = min(about["missing_keys"])
        raise InputError(f"{folder} has no weight {name}", "fetch or save the checkpoint again")
    measuring(model)
    try:
        require_branches(model, mixed)
    except FloatingPointError as error:
        raise InputError(f"{folder} cannot be trained: {error}", "take another checkpoint") from None
    except ValueError as error:
        raise InputError(
            f"{folder} cannot be trained: {error}", "take a base of attention layers, full or windowed"
        ) from None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model
