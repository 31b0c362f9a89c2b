"""The key of a finished export part covers the sources that make the part, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from export.build_folder import build_key
from export.sources import ROOT, source_files, sources_hash

MAKER = "export.layouts.merged"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our packages in another folder."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "*.gguf", "*.txt")
    for package in ("agent", "train", "export", "tui"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def unchanged(copy: Path) -> str:
    return sources_hash(MAKER, copy)


def hash_with(copy: Path, **files: str) -> str:
    """Return the hash after text is appended to files of the copy, which are restored."""
    before: dict[Path, bytes | None] = {}
    for name, text in files.items():
        file = copy / name
        before[file] = file.read_bytes() if file.exists() else None
        file.parent.mkdir(exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(text)
    sources_hash.cache_clear()
    try:
        return sources_hash(MAKER, copy)
    finally:
        for file, content in before.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        "export/layouts/merged.py",
        "export/layouts/unquantized.py",
        "export/merge/nf4.py",
        "export/gguf/rope.py",
        "export/quantize/imatrix_file.py",
        "export/proof/parity.py",
        "export/card/provenance.py",
        "train/model/generation.py",
        "train/model/weights/merge.py",
        "train/run/finished.py",
        "agent/prompting/encoding.py",
        "agent/prompting/__init__.py",
        "agent/transcript/turns.py",
    ],
)
def test_a_source_that_makes_a_part_changes_the_key(name: str, copy: Path, unchanged: str) -> None:
    assert hash_with(copy, **{name: "\nCHANGED = 1\n"}) != unchanged


@pytest.mark.parametrize(
    "name",
    [
        "export/push.py",
        "export/card/readme.py",
        "export/proof/verify.py",
        "export/layouts/shared.py",
        "train/recipe.py",
        "train/loop/trainer.py",
        "train/data/views.py",
        "train/benchmark/table.py",
        "agent/loop.py",
        "agent/tools/builtin/calculate.py",
        "agent/tools/lib/numbers/units.py",
        "agent/evaluation/fixtures.py",
        "agent/bundle/download/hub.py",
        "agent/bundles/umi-mini/bundle.json",
        "tui/__main__.py",
        "README.md",
        "tests/test_export_sources.py",
        "export/unused.py",
    ],
)
def test_any_other_file_does_not(name: str, copy: Path, unchanged: str) -> None:
    assert hash_with(copy, **{name: "\n# changed\n"}) == unchanged


def test_a_new_file_counts_once_it_is_imported(copy: Path, unchanged: str) -> None:
    user = {"export/merge/nf4.py": "\n\ndef late() -> None:\n    import export.extra\n"}
    assert hash_with(copy, **user) != hash_with(copy, **user, **{"export/extra.py": ""}) != unchanged


def test_the_key_is_of_the_value_and_of_the_installed_sources() -> None:
    assert build_key([1]) == build_key([1]) != build_key([2])
    assert all(file.is_file() for file in source_files(MAKER))
