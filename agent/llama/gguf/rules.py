"""The values in a GGUF header, checked where llama.cpp asserts them and would end the process.

What llama.cpp reports as an error itself (a tensor that is missing, a shape that does not fit) is left to it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from agent.errors import BundleError
from agent.llama.gguf.header import Header, HeaderError, read_header

MAX_LAYERS, MAX_EXPERTS = 512, 512
"""llama.cpp's LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS."""
MAX_HEADS = 1 << 16
MAX_TOKEN_BYTES = 4096
"""llguidance reads at most 16 kB of a token; the longest in use, runs of spaces, have some hundreds."""
MAX_TEMPLATE_BYTES = 1 << 20
"""The longest chat templates in use have 20,000 bytes."""
MAX_INVOCATION_TOKENS = 4096
_INT32 = 2**31 - 1
_UINT32_KIND, _FLOAT32_KIND = 4, 6
_NUMBER_TYPES = frozenset({24, 25, 26, 27, 28})
"""ggml's types of whole numbers and F64, which no operation on weights takes."""
_F32 = 0
"""A norm or a bias of another type fails an assertion of ggml; converters write no other."""
_ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")
_ARCHITECTURE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RECURRENT = ("ssm.", "wkv.")
_TOKEN_TYPES = range(7)
_BYTE_TOKENS = frozenset(f"<0x{byte:02X}>".encode() for byte in range(256))


def require_sound_model(path: Path, hint: str = "") -> None:
    """Check the GGUF model at `path`. Raise BundleError naming the first value that is out of bounds."""
    _require(path, hint, _check_model)


def require_sound_adapter(path: Path, hint: str = "") -> None:
    """Check the GGUF adapter at `path`. Raise BundleError naming the first value that is out of bounds."""
    _require(path, hint, _check_adapter)


def _require(path: Path, hint: str, check: Callable[[Header], None]) -> None:
    header = read_header(path, hint)
    try:
        check(header)
    except HeaderError as error:
        raise BundleError(f"{path} is damaged: {error}", hint) from None


def _check_model(header: Header) -> None:
    architecture = _architecture(header)
    _check_tensors(header)
    for tensor in header.tensors.values():
        if tensor.type != _F32 and all(size == 1 for size in tensor.shape[1:]):
            raise HeaderError(f"the tensor {tensor.name[:60]!r} is a vector of type {tensor.type}")
    _check_floats(header, architecture)
    _check_layers(header, architecture)
    _check_rope(header, architecture)
    _check_vocabulary(header)


def _check_adapter(header: Header) -> None:
    _architecture(header)
    _check_tensors(header)
    _check_floats(header, "adapter")
    for tensor in header.tensors.values():
        if any(size > 1 for size in tensor.shape[2:]):
            raise HeaderError(f"the tensor {tensor.name[:60]!r} has the shape {list(tensor.shape)}")
    alpha, invocation = "adapter.lora.alpha", "adapter.alora.invocation_tokens"
    if alpha in header.lengths or header.kinds.get(alpha, _FLOAT32_KIND) != _FLOAT32_KIND:
        raise HeaderError(f"{alpha} is not a number")
    if header.kinds.get(invocation, _UINT32_KIND) != _UINT32_KIND:
        raise HeaderError(f"{invocation} are not token ids")
    if header.lengths.get(invocation, 0) > MAX_INVOCATION_TOKENS:
        raise HeaderError(f"{invocation} are {header.lengths[invocation]} tokens")


def _architecture(header: Header) -> str:
    name = header.metadata.get("general.architecture")
    if not isinstance(name, str) or not _ARCHITECTURE.fullmatch(name):
        raise HeaderError("it names no architecture")
    return name


def _check_tensors(header: Header) -> None:
    if not header.tensors:
        raise HeaderError("it holds no tensors")
    for tensor in header.tensors.values():
        if tensor.type in _NUMBER_TYPES:
            raise HeaderError(f"the tensor {tensor.name[:60]!r} has the type {tensor.type}")


def _check_floats(header: Header, prefix: str) -> None:
    for key, value in header.metadata.items():
        if not key.startswith(f"{prefix}.") or not isinstance(value, float):
            continue
        positive = ".rope.freq_base" in key
        share = key.endswith("epsilon")
        wrong = not math.isfinite(value) or (positive and value <= 0) or (share and not 0 <= value <= 1)
        if wrong or (key.endswith("rope.scaling.factor") and value < 0):
            raise HeaderError(f"{key} is {value:g}")


def _check_layers(header: Header, architecture: str) -> None:
    def one(key: str, low: int, high: int) -> int:
        (number, *more) = _numbers(header, f"{architecture}.{key}") or [low]
        if more or not low <= number <= high:
            raise HeaderError(f"{architecture}.{key} is {[number, *more] if more else number}")
        return number

    layers = one("block_count", 1, MAX_LAYERS)
    one("context_length", 1, _INT32)
    one("embedding_length", 1, _INT32)
    one("nextn_predict_layers", 0, layers - 1)
    for key in ("attention.head_count", "attention.head_count_kv"):
        if max(_numbers(header, f"{architecture}.{key}"), default=0) > MAX_HEADS:
            raise HeaderError(f"{architecture}.{key} is out of bounds")
    experts = one("expert_count", 0, MAX_EXPERTS)
    has_experts = any("_exps." in name for name in header.tensors)
    if bool(experts) != has_experts:
        raise HeaderError(f"{architecture}.expert_count is {experts}, and its tensors say otherwise")
    used = _numbers(header, f"{architecture}.expert_used_count")
    if any(not bool(experts) <= number <= experts for number in used):
        raise HeaderError(f"{architecture}.expert_used_count is out of bounds")


def _check_rope(header: Header, architecture: str) -> None:
    """Check the number of rotated dimensions: even, and not more than a head has."""
    scaling = header.metadata.get(f"{architecture}.rope.scaling.type", _ROPE_SCALINGS[0])
    if scaling not in _ROPE_SCALINGS:
        raise HeaderError(f"{architecture}.rope.scaling.type is {str(scaling)[:60]!r}")
    if any(key.startswith(f"{architecture}.{part}") for key in header.kinds for part in _RECURRENT):
        return
    heads = _numbers(header, f"{architecture}.attention.head_count")
    width = _numbers(header, f"{architecture}.embedding_length")
    for suffix in ("", "_swa"):
        head = _numbers(header, f"{architecture}.attention.key_length{suffix}")
        if not head and not suffix and heads and width:
            head = [width[0] // max(1, *heads, 1)]
        rotated = _numbers(header, f"{architecture}.rope.dimension_count{suffix}") or head
        if head and any(number % 2 or not 0 < number <= max(head) for number in rotated):
            raise HeaderError(f"{architecture}.rope.dimension_count{suffix} is {rotated[0]}, of {max(head)}")


def _check_vocabulary(header: Header) -> None:
    model = header.metadata.get("tokenizer.ggml.model")
    tokens = [token.partition(b"\0")[0] for token in header.tokens]  # llama.cpp reads them to the first NUL
    named = [token for token in tokens if token]
    if len(set(named)) < len(named):
        raise HeaderError("its vocabulary holds a token twice")
    if max(map(len, tokens), default=0) > MAX_TOKEN_BYTES:
        raise HeaderError(f"its vocabulary holds a token of more than {MAX_TOKEN_BYTES} bytes")
    if model == "llama" and not set(named) >= _BYTE_TOKENS:
        raise HeaderError("its vocabulary lacks tokens for single bytes")
    kinds = header.metadata.get("tokenizer.ggml.token_type")
    if isinstance(kinds, list) and not set(kinds) <= set(_TOKEN_TYPES):
        raise HeaderError("tokenizer.ggml.token_type is out of bounds")
    template = header.metadata.get("tokenizer.chat_template", "")
    if isinstance(template, str) and len(template) > MAX_TEMPLATE_BYTES:
        raise HeaderError(f"its chat template has {len(template)} characters")


def _numbers(header: Header, key: str) -> list[int]:
    """Return a whole number or a list of them; empty for none. Raise HeaderError for other types."""
    value = header.metadata.get(key)
    if value is None and key in header.lengths:
        raise HeaderError(f"{key} is not a whole number")
    if value is None:
        return []
    if isinstance(value, list):
        return value
    if type(value) is not int:
        raise HeaderError(f"{key} is {str(value)[:60]!r}, and no whole number")
    return [value]
