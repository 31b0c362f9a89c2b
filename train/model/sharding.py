"""A frozen base in shards: each process holds a part of every layer, and gathers a layer to compute it.

This is FSDP (torch's `fully_shard`), of the base's decoder layers alone. The adapter that is trained is whole
in every process, and its gradients are summed as without shards (`train.loop.processes`), so nothing of it
has to be gathered to be saved. Embeddings, the output head and norms are whole too, and the scales of 4-bit
weights, whose bytes are sharded as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from agent.errors import InputError


def shard_layers(causal: Any, device: torch.device) -> None:
    """Shard the frozen weights of a causal LM's decoder layers over all processes; move the rest to `device`.

    Every process then has to run the model as often as the others do. Raise InputError for a model whose
    layers are not found.
    """
    body = causal.base_model
    layers = getattr(body, "layers", None)
    if not isinstance(layers, torch.nn.ModuleList):
        raise InputError(
            f"the layers of a {type(causal).__name__} cannot be sharded", "leave FSDP out of the launch"
        )
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    whole = {one for one in causal.parameters() if one.requires_grad or one.dim() < 2}
    for layer in layers:
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    fully_shard(body, mesh=mesh, ignored_params=set(causal.parameters()))
    for tensor in (*causal.parameters(), *causal.buffers()):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device)
