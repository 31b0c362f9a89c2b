"""Whether a bundle fits in memory is asked once, of its files and all caches, before anything is loaded."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import gguf
import pytest
from tiny_gguf import HEAD_DIM, HEADS, LAYERS, write_tiny_gguf
from tiny_mamba import write_tiny_mamba

import agent.llama.binding.hardware
import agent.llama.binding.memory_estimate
from agent.bundle import Bundle
from agent.config import EngineSettings
from agent.errors import EngineError
from agent.llama.binding.context import Context
from agent.llama.binding.hardware import require_memory
from agent.llama.binding.memory_estimate import cache_bytes, require_room
from agent.llama.binding.model import Model
from agent.llama.gguf.header import read_metadata
from agent.transcript import ROLES, Role

F16 = EngineSettings(threads=1)


def header_only(path: Path, keys: dict[str, int | Sequence[int]]) -> Path:
    """A GGUF file of an architecture with these whole numbers, and nothing in it."""
    writer = gguf.GGUFWriter(str(path), "some")
    for key, value in keys.items():
        if isinstance(value, int):
            writer.add_uint32(f"some.{key}", value)
        else:
            writer.add_array(f"some.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_bytes_a_token_are_those_of_the_cache(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf")
    assert cache_bytes(path, "f16") == LAYERS * HEADS * HEAD_DIM * 2 * 2
    assert cache_bytes(path, "f32") == 2 * cache_bytes(path, "f16")
    model = Model(path)
    context = Context(model, 512, threads=1)
    sizes = []
    for _ in range(2):
        context.decode([1] * 100)
        sizes.append(len(context.save_state()))
    context.close()
    model.close()
    assert (sizes[1] - sizes[0]) / 100 == pytest.approx(cache_bytes(path, "f16"), rel=0.05)


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        (
            {"attention.head_count_kv": 2, "attention.key_length": 128, "attention.value_length": 64},
            4 * 2 * 192,
        ),
        ({"attention.head_count_kv": 2}, 4 * 2 * 2 * 8),
        ({}, 4 * 8 * 2 * 8),
        ({"attention.head_count_kv": [2, 0, 1, 1]}, 4 * 2 * 8),
    ],
)
def test_heads_may_be_of_any_size_or_differ_by_layer(
    keys: dict[str, int | Sequence[int]], numbers: int, tmp_path: Path
) -> None:
    shape = {"block_count": 4, "embedding_length": 64, "attention.head_count": 8}
    assert cache_bytes(header_only(tmp_path / "m.gguf", shape | keys), "f16") == 2 * numbers


def test_a_model_without_a_cache_or_readable_header_counts_none(tmp_path: Path) -> None:
    assert cache_bytes(write_tiny_mamba(tmp_path / "mamba.gguf"), "f16") == 0
    (tmp_path / "text.gguf").write_text("not a model")
    assert cache_bytes(tmp_path / "text.gguf", "f16") == 0
    assert cache_bytes(tmp_path / "none.gguf", "f16") == 0


def test_a_header_has_the_values_that_the_gguf_library_reads(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", chat_template="{{ messages }}")
    found = dict(read_metadata(path))
    fields = {name: field for name, field in gguf.GGUFReader(path).fields.items() if name[:5] != "GGUF."}
    assert found.pop("tokenizer.ggml.token_type") == fields["tokenizer.ggml.token_type"].contents()
    arrays = {name for name, field in fields.items() if field.types[0] == gguf.GGUFValueType.ARRAY}
    assert found == {name: fields[name].contents() for name in fields.keys() - arrays}


def test_a_damaged_header_has_no_values(tmp_path: Path) -> None:
    whole = write_tiny_gguf(tmp_path / "m.gguf").read_bytes()
    damaged = tmp_path / "damaged.gguf"
    rng = random.Random(1)
    for length in (0, 3, 4, 12, 24, 100, 2000):
        damaged.write_bytes(whole[:length])
        assert read_metadata(damaged) == {}
    for _ in range(300):
        content = bytearray(whole[:12_000])
        for _ in range(3):
            content[rng.randrange(len(content))] = rng.randrange(256)
        damaged.write_bytes(content)
        assert isinstance(read_metadata(damaged), dict)
        assert cache_bytes(damaged, "f16") >= 0


def test_files_and_all_caches_are_one_sum(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(free: int | None, roles: Sequence[Role] = ROLES) -> None:
        monkeypatch.setattr(agent.llama.binding.memory_estimate, "available_bytes", lambda: free)
        require_room(tiny_bundle, roles, F16)

    files = sum(file.size for file in tiny_bundle.files)
    cache = cache_bytes(tiny_bundle.path("planner"), "f16") * tiny_bundle.context_length
    need = files + len(ROLES) * cache
    given(need)
    given(None)
    with pytest.raises(EngineError, match=r"models and .* GB of key-value cache for 1024 tokens need"):
        given(need - 1)
    own = tiny_bundle.roles["caller"].size
    given(own + cache, ["caller"])
    with pytest.raises(EngineError):
        given(own + cache - 1, ["caller"])
    monkeypatch.setattr(agent.llama.binding.memory_estimate, "gpu_layers", lambda settings: 99)
    given(len(ROLES) * cache)
    with pytest.raises(EngineError, match=r"tiny's .* of key-value cache"):
        given(len(ROLES) * cache - 1)


@pytest.mark.parametrize(
    ("limit", "stat", "free"),
    [
        ("2000", "anon 500\nactive_file 200\ninactive_file 600\n", 1500),
        ("2000", "anon 500\n", 700),
        ("1000", "anon 500\n", 0),
        ("max", "anon 500\n", None),
    ],
)
def test_a_containers_page_cache_counts_as_free(
    limit: str, stat: str, free: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.llama.binding.hardware, "_CGROUP", tmp_path / "none")
    whole = agent.llama.binding.hardware.available_bytes()
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("1300\n")
    (tmp_path / "memory.stat").write_text(stat)
    monkeypatch.setattr(agent.llama.binding.hardware, "_CGROUP", tmp_path)
    found = agent.llama.binding.hardware.available_bytes()
    assert found and whole and found > 1e6 if free is None else found == free


def test_too_little_memory_is_reported_with_the_figures() -> None:
    require_memory(3_000_000_000, "the models", None)
    with pytest.raises(EngineError, match=r"need 3\.0 GB of memory and 2\.0 GB are available"):
        require_memory(3_000_000_000, "the models", 2_000_000_000)


def test_a_limit_of_address_space_is_one_line_and_no_abort() -> None:
    script = (
        "import resource\n"
        "from agent.bundle import load_bundle\n"
        "from agent.llama.engine import LlamaEngine\n"
        "from agent.paths import SHIPPED\n"
        "from agent.llama.binding.hardware import address_space_left\n"
        "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "limit = taken + 100_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "assert 90_000_000 < address_space_left() <= 100_000_000\n"
        "try:\n"
        "    LlamaEngine(load_bundle(SHIPPED))\n"
        "except Exception as error:\n"
        "    print(f'{type(error).__name__}: {error}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("EngineError: umi-mini takes about ")
    assert "ulimit -v" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not done.stderr
