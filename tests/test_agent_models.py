"""Which bundle runs: a path, a name, the user's pick, or the one in the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.bundle import Bundle, load_bundle
from agent.bundle import store as models
from agent.bundle.download.bases import base_folder
from agent.bundle.download.catalogue import read_catalogue
from agent.errors import BundleError, InputError, UmiError
from agent.paths import SHIPPED_DELTAS, config_path, notes_path


@pytest.fixture
def own(tiny_bundle: Bundle, umi_home: Path) -> Path:
    """A bundle named `mine` among the user's."""
    return Path(shutil.copytree(tiny_bundle.folder, umi_home / "models" / "mine"))


def test_the_shipped_bundle_runs_until_another_is_picked(own: Path) -> None:
    assert models.find_bundle(None) == models.SHIPPED
    assert models.select_bundle("mine") == own
    assert models.find_bundle(None) == own
    assert [(row.name, row.shipped, row.selected) for row in models.list_bundles()] == [
        ("umi-135m", True, False),
        ("umi-mini", True, False),
        ("mine", False, True),
    ]


def put_base(size: int) -> None:
    """Put a file of `size` bytes where the base of the shipped deltas belongs."""
    base = load_bundle(SHIPPED_DELTAS).base
    assert base
    path = base_folder(base.name) / base.file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(base.size + size)


def test_the_shipped_deltas_are_whole_and_small() -> None:
    bundle = load_bundle(SHIPPED_DELTAS, verify=True)
    assert bundle.base
    assert bundle.base.name in {base.name for base in read_catalogue()}
    assert sum(path.stat().st_size for path in SHIPPED_DELTAS.iterdir()) <= 24_000_000
    assert all(file.grounded for role, file in bundle.roles.items() if role != "caller")


def test_the_shipped_deltas_run_where_their_base_is(umi_home: Path) -> None:
    assert models.find_bundle() == models.SHIPPED
    put_base(-1)  # a download that was cut
    assert models.find_bundle() == models.SHIPPED
    put_base(0)
    assert models.find_bundle() == SHIPPED_DELTAS
    assert [row.name for row in models.list_bundles() if row.selected] == ["umi-135m"]
    models.select_bundle("umi-mini")
    assert models.find_bundle() == models.SHIPPED


def test_what_was_built_of_the_shipped_deltas_runs_until_they_change(
    tiny_bundle: Bundle, umi_home: Path
) -> None:
    built = Path(shutil.copytree(tiny_bundle.folder, umi_home / "models" / "umi-135m"))
    (built / "deltas").mkdir()
    shutil.copy(SHIPPED_DELTAS / "bundle.json", built / "deltas")
    assert models.find_bundle() == models.find_bundle("umi-135m") == built
    (built / "deltas" / "bundle.json").write_text("{}")  # those of another version of umi
    assert models.find_bundle() == models.SHIPPED
    assert models.find_bundle("umi-135m") == SHIPPED_DELTAS
    assert models.removable_folders("umi-135m") == [built]
    models.remove_bundle("umi-135m")
    with pytest.raises(InputError, match="umi-135m is part of umi and stays"):
        models.remove_bundle("umi-135m")


def test_a_path_comes_before_a_name(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "work"
    (here / "mine").mkdir(parents=True)
    assert models.find_bundle("mine") == own
    monkeypatch.chdir(here)
    assert models.find_bundle("mine") == Path("mine")
    assert models.find_bundle(str(own / "bundle.json")) == own


def test_a_bundle_elsewhere_can_be_picked(tiny_bundle: Bundle) -> None:
    models.select_bundle(str(tiny_bundle.folder))
    assert models.find_bundle() == tiny_bundle.folder.resolve()
    assert [row.name for row in models.list_bundles() if row.selected] == ["tiny"]


@pytest.mark.parametrize(("asked", "guess"), [("mime", "mine"), ("umi-mni", "umi-mini")])
def test_an_unknown_name_suggests_the_nearest(own: Path, asked: str, guess: str) -> None:
    with pytest.raises(InputError, match=rf"named {asked}.*did you mean {guess}.*umi models list"):
        models.find_bundle(asked)


@pytest.mark.parametrize("asked", ["zzz", "", "no/such/folder"])
def test_an_unknown_name_points_to_the_list(asked: str) -> None:
    with pytest.raises(InputError, match="umi models list"):
        models.find_bundle(asked)


def test_a_broken_bundle_is_not_picked(own: Path) -> None:
    (own / "caller.gguf").unlink()
    with pytest.raises(BundleError, match=r"caller\.gguf is missing"):
        models.select_bundle("mine")
    assert models.find_bundle() == models.SHIPPED


def test_a_missing_selected_bundle_is_named(own: Path) -> None:
    models.select_bundle("mine")
    shutil.rmtree(own)
    with pytest.raises(InputError, match=r"picked, mine, are gone.*umi models use umi-mini"):
        models.find_bundle()


def test_a_damaged_config_file_is_named_and_left_as_it_is(own: Path) -> None:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# mine\nmodels = oh")
    for run in (models.find_bundle, lambda: models.select_bundle("mine")):
        with pytest.raises(InputError, match=r"config\.toml is damaged: .*line 2.*mend that line"):
            run()
    assert path.read_text() == "# mine\nmodels = oh"


def test_settings_that_cannot_be_written_are_named(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UMI_HOME", str(tmp_path / "file"))
    with pytest.raises(UmiError, match=r"config\.toml cannot be written"):
        models.select_bundle(str(tiny_bundle.folder))


def test_other_settings_are_kept(own: Path) -> None:
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('theme = "light"  # in the sun\n')
    models.select_bundle("mine")
    assert path.read_text() == 'theme = "light"  # in the sun\nmodels = "mine"\n'


def test_umi_home_holds_everything(umi_home: Path) -> None:
    assert notes_path().parent == umi_home
    assert config_path().parent == umi_home
