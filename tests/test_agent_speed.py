"""The expected speed of models: its arithmetic, and the measurement on a very small model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf

import agent.llama.speed.probe as probe
from agent.bundle.listing import TENSOR_TYPES, list_models, tensor_types
from agent.config import EngineSettings
from agent.llama.gguf.header import read_header
from agent.llama.speed.estimate import (
    Q8_0,
    Rates,
    Timing,
    Weights,
    expected_speed,
    solve_rates,
    weights_of,
)
from agent.llama.speed.probe_model import SCALES, write_probe

RATES = Rates(write_layer_s=1e-4, write_byte_s=2e-10, read_layer_s=2e-5, read_weight_s=3e-11)


def timed(weights: Weights, rates: Rates) -> Timing:
    """The times of a model by the formula that `expected_speed` states."""
    size, count = sum(weights.byte_counts.values()), sum(weights.counts.values())
    return Timing(
        weights,
        weights.layers * rates.read_layer_s + count * rates.read_weight_s,
        weights.layers * rates.write_layer_s + size * rates.write_byte_s,
    )


def test_a_model_takes_time_for_its_layers_and_its_weights() -> None:
    weights = Weights(30, {Q8_0: 145_000_000}, {Q8_0: 106_000_000})
    speed = expected_speed(weights, {Q8_0: RATES})
    assert speed.write == pytest.approx(1 / (30 * 1e-4 + 145e6 * 2e-10))
    assert speed.read == pytest.approx(1 / (30 * 2e-5 + 106e6 * 3e-11))


def test_each_type_has_its_own_rates_and_unknown_ones_those_of_q8_0() -> None:
    fast = replace(RATES, write_byte_s=1e-10, write_layer_s=0.0)
    weights = Weights(10, {12: 200, Q8_0: 100, 99: 50}, {})
    speed = expected_speed(weights, {Q8_0: RATES, 12: fast})
    assert (speed.read, speed.write) == pytest.approx((5000, 1 / (200e-10 + 150 * 2e-10)))


def test_the_rates_behind_two_times_are_found_again() -> None:
    narrow = Weights(6, {8: 5_500_000}, {8: 5_100_000})
    wide = Weights(6, {8: 82_000_000}, {8: 77_000_000})
    found = solve_rates(8, timed(narrow, RATES), timed(wide, RATES))
    for name in ("write_layer_s", "write_byte_s", "read_layer_s", "read_weight_s"):
        assert getattr(found, name) == pytest.approx(getattr(RATES, name))


def test_noise_makes_no_rate_negative() -> None:
    narrow, wide = Weights(6, {8: 5_000_000}, {8: 5_000_000}), Weights(6, {8: 80_000_000}, {8: 80_000_000})
    for slow, fast in ((1.0, 0.1), (0.001, 1.0)):
        found = solve_rates(8, Timing(narrow, slow, slow), Timing(wide, fast, fast))
        assert min(found.write_layer_s, found.write_byte_s, found.read_layer_s, found.read_weight_s) >= 0
        assert expected_speed(wide, {8: found}).write == pytest.approx(1 / fast)


def test_the_embedding_counts_where_it_is_the_output_too(tmp_path: Path) -> None:
    path = tmp_path / "probe.gguf"
    write_probe(path, Q8_0, hidden=256, feed_forward=256, layers=2)
    weights = weights_of(read_header(path))
    layer = 4 * 256 * 256 + 3 * 256 * 256
    assert weights == Weights(2, {Q8_0: (2 * layer + 256 * 256) * 34 // 32}, {Q8_0: 2 * layer})
    untied = weights_of(read_header(write_tiny_gguf(tmp_path / "untied.gguf")))
    header = read_header(tmp_path / "untied.gguf")
    vocabulary = header.tensors["output.weight"].shape[1]
    assert sum(untied.byte_counts.values()) == 4 * (sum(untied.counts.values()) + 64 * vocabulary)


@pytest.mark.parametrize("kind", sorted(TENSOR_TYPES.values()))
def test_every_type_of_the_catalogue_can_be_measured(
    kind: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kind in SCALES
    monkeypatch.setattr(probe, "NARROW", (256, 256))
    monkeypatch.setattr(probe, "WIDE", (512, 512))
    monkeypatch.setattr(probe, "LAYERS", 1)
    monkeypatch.setattr(probe, "ROUNDS", 1)
    rates = probe.measured_rates([kind], threads=1)
    assert set(rates) == {Q8_0, kind}
    monkeypatch.setattr(probe, "_measure", lambda *_: pytest.fail("it was measured again"))
    assert probe.measured_rates([kind], threads=1) == probe.known_rates(1) == rates
    assert probe.known_rates(2) == {}


def test_what_cannot_be_read_of_the_measurement_is_measured_again(umi_home: Path) -> None:
    path = umi_home / "cache" / "speed.json"
    path.parent.mkdir(parents=True)
    for text in ("", "[]", "{}", '{"x": 1}', "NaN"):
        path.write_text(text)
        assert probe.known_rates(1) == {}


def test_the_listing_has_figures_of_all_models() -> None:
    entries = {entry.name: entry for entry in list_models(EngineSettings())}
    mini = entries["umi-mini"]
    assert mini.selected
    assert mini.state == "bundle"
    assert len(mini.weights) == 3
    assert mini.memory > mini.size
    assert tensor_types(entries.values()) >= {Q8_0, 12, 3}
    deltas = entries.pop("umi-135m")  # not built
    assert deltas.speed({Q8_0: RATES}) is None
    for entry in entries.values():
        assert entry.license
        speed = entry.speed({Q8_0: RATES})
        assert speed is not None
        assert 0 < speed.write < speed.read
    assert mini.speed({}) is None
    slow, fast = (entries[name].speed({Q8_0: RATES}) for name in ("qwen3-1.7b", "smollm2-135m"))
    assert slow
    assert fast
    assert slow.write < fast.write
