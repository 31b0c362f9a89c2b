"""The fingerprint tells adapters of one backbone from those of another, whatever the quantization."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from fakes import run_export as main
from tiny_base import make_run
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf

from agent.bundle.assemble import assemble
from agent.bundle.manifest import BACKBONE_KEY
from agent.errors import BundleError
from agent.llama.binding.model import Model
from agent.transcript import ROLES, Role
from export.gguf.backbone_fingerprint import add_fingerprint, write_fingerprint
from export.quantize.quantize import quantize


def mark_of(path: Path) -> str:
    model = Model(path)
    try:
        return model.metadata(BACKBONE_KEY)
    finally:
        model.close()


def test_a_mark_changes_nothing_else_and_survives_quantization(tmp_path: Path) -> None:
    plain, signed = write_tiny_gguf(tmp_path / "a.gguf"), write_tiny_gguf(tmp_path / "b.gguf")
    mark = add_fingerprint(signed)
    before, after = gguf.GGUFReader(plain), gguf.GGUFReader(signed)
    added = {name for name in after.fields if name not in before.fields}
    assert added == {BACKBONE_KEY}
    for name, field in before.fields.items():
        if not name.startswith("GGUF."):
            assert after.fields[name].contents() == field.contents()
            assert after.fields[name].types == field.types
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.name, old.tensor_type) == (new.name, new.tensor_type)
        np.testing.assert_array_equal(old.data, new.data)
    assert mark_of(signed) == mark
    assert mark_of(quantize(signed, tmp_path / "q.gguf", "q8_0")) == mark
    assert mark_of(plain) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gguf", "b.gguf", "q.gguf"]


def test_the_mark_is_of_the_weights(tmp_path: Path) -> None:
    one, same, other = (
        add_fingerprint(write_tiny_gguf(tmp_path / f"{at}.gguf", seed=seed, context_length=length))
        for at, (seed, length) in enumerate([(1, 2048), (1, 1024), (2, 2048)])
    )
    assert one == same != other


@pytest.mark.parametrize(("signed", "refused"), [("ours", False), ("another", True), ("", False)])
def test_adapters_of_another_backbone_of_the_same_shape_are_refused(
    signed: str, refused: bool, tmp_path: Path
) -> None:
    backbone = write_tiny_gguf(tmp_path / "backbone.gguf", seed=7)
    mark = add_fingerprint(backbone)
    made_for = {"ours": mark, "another": "f" * 64, "": ""}[signed]
    adapters: dict[Role, Path] = {}
    for role in ROLES:
        adapters[role] = write_tiny_adapter(tmp_path / f"{role}.gguf", header_ids(backbone, role))
        if made_for:
            write_fingerprint(adapters[role], made_for)
    if refused:
        with pytest.raises(BundleError, match=f"made for the backbone {'f' * 12}, and .* {mark[:12]}"):
            assemble(tmp_path / "out", adapters, backbone=backbone)
    else:
        assert assemble(tmp_path / "out", adapters, backbone=backbone).layout == "shared"


@pytest.mark.slow
def test_an_export_marks_its_backbone_and_its_adapters(tmp_path: Path) -> None:
    run = make_run(tmp_path, adapter="alora")
    assert main(["bundle", str(run), "--out", str(tmp_path / "out"), "--quant", "q4_k_m"]) == 0
    files = sorted((tmp_path / "out").glob("*.gguf"))
    marks = {gguf.GGUFReader(file).fields[BACKBONE_KEY].contents() for file in files}
    assert len(files) == 4
    assert marks == {mark_of(tmp_path / "out" / "backbone-q4_k_m.gguf")}
