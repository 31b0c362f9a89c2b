"""The base as a run computes with it: frozen, in 4 bits where the recipe says so, with a float32 adapter.

The base is read and quantized once a run. Between stages the adapter's tensors are swapped in place; an
activated role instead gets an adapter of its own over the frozen one of stage 1.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from agent.errors import InputError
from train.activation import Gate
from train.attention import enable, hidden_states, lay_out
from train.packing import IGNORE, Packed
from train.recipe import Recipe

Adapter = dict[str, Tensor]
"""An adapter's tensors by peft's names, on the CPU."""

FIRST = "default"
"""peft's name for the adapter of stage 1, and of a role that goes on from a copy of it."""
STACKED = "role"
"""peft's name for the adapter of an activated role."""


class Trainee:
    """A frozen base with a trainable LoRA adapter."""

    def __init__(self, recipe: Recipe) -> None:
        """Load `recipe.base`. Raises InputError where the folder holds no usable checkpoint."""
        # On a CPU bitsandbytes warns of an optional kernel package as soon as peft imports it.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        from peft import LoraConfig, get_peft_model

        self.device = pick_device(recipe.device)
        self.mixed = mixed_precision(recipe.precision, self.device)
        base = load_base(recipe, self.device)
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
            raise InputError(f"no adapter fits {recipe.base}: {error}", "mend lora.targets") from None
        self._causal: Any = self._peft.get_base_model()
        if recipe.gradient_checkpointing:
            self._causal.activation_checkpointing_enable({"use_reentrant": False})
        self._peft.train()
        self._trained = FIRST
        self._gate: Gate | None = None
        self._header: list[int] | None = None
        self.parameters = self._trainable()

    def _trainable(self) -> list[torch.nn.Parameter]:
        return [p for p in self._peft.parameters() if p.requires_grad]

    def stack(self, backbone: Adapter, header: Sequence[int], seed: int) -> None:
        """Train a new activated adapter over `backbone`, which stays on for every token and frozen.

        The new one is zero at first and on from `header`, the ids before the turn that a branch learns; every
        branch learns one turn. `seed` decides its start.
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
        self._trained, self._header = STACKED, list(header)
        self._gate = Gate(self._peft, STACKED, len(self._header))
        self.parameters = self._trainable()

    def loss_sum(self, batch: list[Packed]) -> Tensor:
        """The summed cross-entropy of a pass's labels. The head runs on labelled positions only.

        Its gradients are to be computed before the next pass.
        """
        laid = lay_out(batch, self.device)
        if self._gate:
            self._gate.set(batch, self.device)
        learnt = laid.targets != IGNORE
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            logits = self._causal.lm_head(hidden_states(self._causal.model, laid)[learnt])
        return cross_entropy(logits.float(), laid.targets[learnt], reduction="sum")

    def mean_loss(self, batches: list[list[Packed]]) -> float:
        """The mean cross-entropy a label, without dropout or gradients; NaN where there is no label."""
        from bitsandbytes.nn.modules import Linear4bit

        learnt = sum(packed.learnt for batch in batches for packed in batch)
        self._peft.eval()
        for module in self._peft.modules():
            # bitsandbytes 0.50 repacks a 4-bit layer for good when it runs in eval mode on a CPU with
            # AVX512-BF16: its scales are rounded to bfloat16, and no gradient passes through it any more.
            if isinstance(module, Linear4bit):
                module.train()
        with torch.no_grad():
            total = sum(self.loss_sum(batch).item() for batch in batches)
        self._peft.train()
        return total / learnt if learnt else float("nan")

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


def load_adapter(folder: Path) -> Adapter:
    """The tensors of a saved adapter."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


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
    """The base model, quantized as the recipe says; float32 on a CPU, the checkpoint's type on a GPU."""
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
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=kind, device_map={"": str(device)}, local_files_only=True, **options
        )
        enable(model)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder} cannot be trained: {reason}", "check the checkpoint folder") from None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model
