"""A frozen base with a float32 LoRA adapter that is trained.

The base is read and quantized once a run. Between stages the adapter's tensors are replaced in place; a
stacked role instead gets a second adapter over the frozen one of stage 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from agent.errors import InputError
from train.model.alora import AloraMask
from train.model.attention import collate, enable, has_plain_head, hidden_states, logits_at
from train.model.base_model import load_base, mixed_precision, pick_device, set_eval_mode
from train.model.cpu_memory import limit_product_cache, return_freed_memory
from train.model.generation import generate
from train.model.kernels.head_loss import head_loss
from train.model.kernels.install import install
from train.model.loading import peft_warnings_ignored, silence_bitsandbytes
from train.model.packing import IGNORE, Packed
from train.recipe import Recipe
from train.run.files import ADAPTER_WEIGHTS

AdapterState = dict[str, Tensor]
"""An adapter's tensors by peft's names, on the CPU."""

BASE_ADAPTER = "default"
"""peft's name for the adapter on the base: that of stage 1, or of a role that is not stacked on stage 1."""
ROLE_ADAPTER = "role"
"""peft's name for the adapter of a role that is stacked on stage 1."""


class LoraModel:
    """A frozen base with a trainable LoRA adapter."""

    def __init__(self, recipe: Recipe, *, shard: bool = False) -> None:
        """Load `recipe.base`, of which each process holds a part where it is to `shard`.

        Raise InputError where the folder holds no checkpoint that can be trained, or sharded.
        """
        silence_bitsandbytes()
        from peft import LoraConfig, get_peft_model

        self.base = Path(recipe.base)
        """The checkpoint folder."""
        self.device = pick_device(recipe.device)
        self.mixed = mixed_precision(recipe.precision, self.device)
        if self.device.type == "cpu":
            limit_product_cache()
            return_freed_memory(small_blocks=True)
        base = load_base(recipe, self.device, torch.device("cpu") if shard else None)
        if self.device.type == "cpu":
            return_freed_memory(small_blocks=recipe.gradient_checkpointing)
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
            with peft_warnings_ignored():
                self._peft: Any = get_peft_model(base, config)
        except ValueError as error:
            raise InputError(f"no adapter fits {recipe.base}: {error}", "set other lora.targets") from None
        self._causal: Any = self._peft.get_base_model()
        self._layers = install(self._peft, self.mixed) if self.mixed or base.dtype == torch.float32 else []
        self._has_plain_head = has_plain_head(self._causal)
        if recipe.gradient_checkpointing:
            self._causal.activation_checkpointing_enable({"use_reentrant": False})
        self._peft.train()
        if shard:
            from train.model.sharding import shard_layers

            shard_layers(self._causal, self.device)
        self._trained = BASE_ADAPTER
        self._alora_mask: AloraMask | None = None
        self._header: list[int] | None = None
        self.parameters = self._trainable()
        """The parameters of the adapter that is trained."""

    def _trainable(self) -> list[torch.nn.Parameter]:
        return [p for p in self._peft.parameters() if p.requires_grad]

    def restart(self, seed: int) -> None:
        """Reinitialize the adapter on the base: B zero, A drawn with `seed`."""
        from peft.tuners.lora import LoraLayer

        torch.manual_seed(seed)
        with torch.no_grad():
            for module in self._peft.modules():
                if isinstance(module, LoraLayer):
                    module.reset_lora_parameters(BASE_ADAPTER, init_lora_weights=True)

    def stack(self, backbone: AdapterState, header: Sequence[int] | None, seed: int) -> None:
        """Add a new trained adapter over `backbone`, which stays frozen and is on for every token.

        B of the new adapter is zero, A is drawn with `seed`. With `header`, the ids that open the role's
        turns, it is an activated adapter: on from the header of the branch's target turn, of which each
        branch then has one.
        """
        self._trained = BASE_ADAPTER
        self.set_adapter(backbone)
        if ROLE_ADAPTER in self._peft.peft_config:
            self._peft.delete_adapter(ROLE_ADAPTER)
        torch.manual_seed(seed)
        self._peft.add_adapter(ROLE_ADAPTER, replace(self._peft.peft_config[BASE_ADAPTER]))
        self._peft.base_model.set_adapter([BASE_ADAPTER, ROLE_ADAPTER])
        for name, parameter in self._peft.named_parameters():
            parameter.requires_grad_(f".{ROLE_ADAPTER}." in name)
        for module in self._peft.modules():
            if BASE_ADAPTER in (getattr(module, "lora_dropout", None) or ()):
                # Stage 1 is part of the frozen model here, so it gets no dropout.
                module.lora_dropout[BASE_ADAPTER] = torch.nn.Identity()
        self._trained = ROLE_ADAPTER
        if header is not None:
            self._header = list(header)
            self._alora_mask = AloraMask(self._peft, ROLE_ADAPTER, len(header))
            for layer in self._layers:
                layer.masks[ROLE_ADAPTER] = self._alora_mask.off
        self.parameters = self._trainable()

    def loss_sum(self, batch: list[Packed]) -> Tensor:
        """Return the summed cross-entropy of the labels of a micro-batch; logits are computed at labels only.

        Call `backward` on it before the next micro-batch: an activated adapter's mask is that of the last
        one.
        """
        layout = collate(batch, self.device)
        if self._alora_mask:
            self._alora_mask.set_batch(batch, self.device)
        labelled = torch.nonzero(layout.targets != IGNORE)[:, 0]
        targets = layout.targets[labelled]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            if self._has_plain_head:
                hidden = hidden_states(self._causal.base_model, layout)[labelled]
                head = self._causal.get_output_embeddings()
                dtype = torch.bfloat16 if self.mixed else head.weight.dtype
                return head_loss(hidden, head, targets, dtype)
            logits = logits_at(self._causal, layout, labelled)
        return cross_entropy(logits.float(), targets, reduction="sum")

    def mean_loss(self, batches: list[list[Packed]]) -> float:
        """Return the mean cross-entropy in nats a label, without dropout or gradients; NaN without labels."""
        labels = sum(packed.label_count for batch in batches for packed in batch)
        set_eval_mode(self._peft)
        with torch.no_grad():
            total = sum(self.loss_sum(batch).item() for batch in batches)
        self._peft.train()
        return total / labels if labels else float("nan")

    def generate(
        self, prompts: Sequence[Sequence[int]], end: int, max_new_tokens: int, *, max_batch_tokens: int = 4096
    ) -> list[list[int]]:
        """Return what the model generates greedily after each prompt; see `train.model.generation.generate`.

        An activated adapter is on from the header that ends each prompt. The model is left as it was, also
        when interrupted.
        """
        header = len(self._header or ())
        with self.generation_mode() as causal:
            return generate(
                causal, prompts, end, max_new_tokens, max_batch_tokens=max_batch_tokens, header_tokens=header
            )

    @contextmanager
    def first_layers(self, count: int) -> Iterator[None]:
        """Compute with the first `count` decoder layers only, to measure their time."""
        config = self._causal.config.get_text_config()
        every, config.num_hidden_layers = config.num_hidden_layers, count
        try:
            yield
        finally:
            config.num_hidden_layers = every

    @contextmanager
    def generation_mode(self) -> Iterator[GenerationModel]:
        """Yield the model for generation: transformers' own attention and cache, no gradients, no dropout."""
        set_eval_mode(self._peft)
        self._causal.config._attn_implementation = "sdpa"
        try:
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
                yield GenerationModel(self._causal, self.device, self._alora_mask)
        finally:
            enable(self._causal)
            self._peft.train()

    def adapter(self) -> AdapterState:
        """Return a copy of the tensors of the adapter that is trained."""
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self._peft, adapter_name=self._trained, save_embedding_layers=False)
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}

    def set_adapter(self, adapter: AdapterState) -> None:
        """Set the tensors of the adapter that is trained."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self._peft, adapter, adapter_name=self._trained)

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter that is trained in peft's format, as `half_precision` returns it.

        The configuration of an activated one holds its header as `alora_invocation_tokens`.
        """
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(half_precision(self.adapter()), folder / ADAPTER_WEIGHTS)
        config = replace(self._peft.peft_config[self._trained], alora_invocation_tokens=self._header)
        config.save_pretrained(folder)


class GenerationModel:
    """A causal LM whose activated adapter is switched on by `alora_offsets`, as in peft's models."""

    def __init__(self, causal: Any, device: torch.device, alora_mask: AloraMask | None) -> None:
        self._causal, self._alora_mask, self.device = causal, alora_mask, device

    def __call__(
        self, *, input_ids: Tensor, alora_offsets: Sequence[int] | None = None, **inputs: Any
    ) -> Any:
        """Run the model; the adapter is on in the last `alora_offsets[0]` positions of all rows."""
        if self._alora_mask:
            active = alora_offsets[0] if alora_offsets else 0
            self._alora_mask.set_last(input_ids.shape[1], active, self.device)
        return self._causal(input_ids=input_ids, **inputs)


def require_layers(model: Any, recipe: Recipe) -> None:
    """Raise InputError where `model` has no linear layers, or `lora.targets` names none of them."""
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


def half_precision(adapter: AdapterState) -> AdapterState:
    """Return the tensors of an adapter in float16, or as they are where one is beyond its range.

    A finished adapter is kept so: it is the very one that a bundle of deltas carries.
    """
    halves = {name: tensor.to(torch.float16) for name, tensor in adapter.items()}
    return halves if all(bool(half.isfinite().all()) for half in halves.values()) else adapter


def load_adapter(folder: Path) -> AdapterState:
    """Return the tensors of a saved adapter in float32.

    Raise InputError where its file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / ADAPTER_WEIGHTS
    try:
        return {name: tensor.float() for name, tensor in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file} cannot be read: {error}", f"remove {folder} and train it again") from None
