"""The frozen base model of a run: its device, its precision, and its 4-bit layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from agent.errors import InputError
from train.model.loading import NO_PICKLES, cannot_load
from train.model.packing_check import require_branches
from train.recipe import Recipe


def pick_device(wanted: str) -> torch.device:
    """Return the device that a recipe names. Raise InputError where that is a GPU and torch sees none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("torch sees no GPU", "set device=cpu, or install a torch build for your GPU")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def mixed_precision(wanted: str, device: torch.device) -> bool:
    """Return whether matrix products run in bfloat16: on a GPU, and on a CPU with instructions for it.

    Measured on two cores with AVX512-BF16: 1.5 times the tokens a second. Weights stay float32.
    """
    if wanted != "auto":
        return wanted == "bfloat16"
    if device.type == "cuda":
        return True
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def load_base(recipe: Recipe, device: torch.device, place: torch.device | None = None) -> Any:
    """Load the base model, quantized as the recipe says; float32 on a CPU, the checkpoint's type on a GPU.

    `device` is where it will compute, `place` where its weights are loaded to, if that is another one.

    Raise InputError where the folder holds no whole checkpoint, or one that cannot be trained.
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
    dtype = torch.float32 if device.type == "cpu" else "auto"
    mixed = mixed_precision(recipe.precision, device)
    options: dict[str, Any] = {}
    if recipe.quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16 if mixed else torch.float32,
            bnb_4bit_use_double_quant=recipe.double_quant,
        )
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": str(place or device)},
            output_loading_info=True,
            **NO_PICKLES,
            **options,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise cannot_load(folder, "cannot be trained", error) from None
    model, loading_info = loaded
    if loading_info["missing_keys"]:
        # transformers fills in random weights.
        name = min(loading_info["missing_keys"])
        raise InputError(f"{folder} has no weight {name}", "fetch or save the checkpoint again")
    set_eval_mode(model)
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


def set_eval_mode(model: Any) -> None:
    """Put `model` in eval mode, except for its 4-bit layers.

    bitsandbytes 0.50 repacks a 4-bit layer for good when it runs in eval mode on a CPU with AVX512-BF16: its
    scales are rounded to bfloat16, and no gradient passes through it any more.
    """
    from bitsandbytes.nn.modules import Linear4bit

    model.eval()
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.train()
