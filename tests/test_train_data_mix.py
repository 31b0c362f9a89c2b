"""`umi train data mix`: shares, caps and repeats, the same result for a seed, and no partial file."""

from __future__ import annotations

import gzip
import json
import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import run_train as main
from tiny_base import tiny_rows

import train.data.mix
from agent.transcript import Row, Split
from agent.transcript.rows import read_rows
from train.data.mix import parse_input
from train.data.rows import write_lines, write_rows
from train.data.sampling import Input, allocate


def some(count: int, source: str, split: Split = "train") -> list[Row]:
    return [replace(row, id=f"{source}-{n}", source=source) for n, row in enumerate(tiny_rows(count, split))]


@pytest.fixture
def a(tmp_path: Path) -> Path:
    write_rows(tmp_path / "a.jsonl", some(60, "a"))
    return tmp_path / "a.jsonl"


@pytest.fixture
def b(tmp_path: Path) -> Path:
    """A folder of two files with 40 rows, one of them of the split valid and one in gzip."""
    write_rows(tmp_path / "b" / "one.jsonl", some(30, "b"))
    write_rows(tmp_path / "b" / "two.jsonl.gz", some(10, "c", "valid"))
    return tmp_path / "b"


def mix(out: Path, *argv: object) -> list[Row]:
    assert main(["data", "mix", "--out", str(out), *map(str, argv)]) == 0
    return list(read_rows(out))


def sources(rows: Iterable[Row]) -> Counter[str]:
    return Counter(row.source for row in rows)


def test_all_rows_come_through_once_and_shuffled(
    tmp_path: Path, a: Path, b: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = mix(tmp_path / "out.jsonl", a, b)
    before = list(read_rows(a, b))
    assert sorted(rows, key=lambda row: row.id) == sorted(before, key=lambda row: row.id)
    halves = sources(rows[:50]), sources(rows[50:])
    assert all(half["a"] > 15 and half["b"] > 5 for half in halves), "the inputs lie one after the other"
    assert [row.id for row in rows if row.source == "a"] != [row.id for row in before if row.source == "a"]
    assert capsys.readouterr().err.splitlines() == [
        f"{a}: 60 rows of 60 (60.0% of the result)",
        f"{b}: 40 rows of 40 (40.0% of the result)",
        "by source: 60 a, 30 b, 10 c",
        f"{tmp_path / 'out.jsonl'}: 100 rows",
    ]


def test_a_seed_makes_one_result(tmp_path: Path, a: Path, b: Path) -> None:
    for name, seed in (("one.jsonl.gz", 7), ("two.jsonl.gz", 7), ("other.jsonl.gz", 8)):
        mix(tmp_path / name, f"{a}=0.5", f"{b}=2", "--seed", seed)
    one, two, other = (tmp_path / f"{name}.jsonl.gz" for name in ("one", "two", "other"))
    assert one.read_bytes() == two.read_bytes()
    assert gzip.decompress(one.read_bytes()) != gzip.decompress(other.read_bytes())
    taken = ({row.id for row in read_rows(file) if row.source == "a"} for file in (one, other))
    assert next(taken) != next(taken), "another seed allocate other rows"


def test_without_a_count_weights_multiply_the_rows(tmp_path: Path, a: Path, b: Path) -> None:
    rows = mix(tmp_path / "out.jsonl", f"{a}=0.25", f"{b}=2.5")
    assert len(rows) == 15 + 100
    times = Counter(row.id for row in rows)
    assert {count for name, count in times.items() if name.startswith("a")} == {1}
    repeated = Counter(count for name, count in times.items() if not name.startswith("a"))
    assert repeated == {2: 20, 3: 20}


def test_with_a_count_weights_are_shares(
    tmp_path: Path, a: Path, b: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = mix(tmp_path / "out.jsonl", f"{a}=1", f"{b}=3", "--count", 80)
    assert len(rows) == 80
    assert sources(rows)["a"] == 20
    times = Counter(row.id for row in rows if row.source != "a")
    assert (sum(times.values()), set(times.values())) == (60, {1, 2})
    assert "60 rows of 40, repeated 1.5 times (75.0% of the result)" in capsys.readouterr().err


def test_a_cap_bounds_an_input_and_the_others_make_up_for_it(
    tmp_path: Path, a: Path, b: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert sources(mix(out, f"{a}@5", b))["a"] == 5
    assert sources(mix(out, f"{a}=3@25", b))["a"] == 25
    rows = mix(out, f"{a}@5", b, "--count", 30)
    assert (len(rows), sources(rows)["a"]) == (30, 5)
    capsys.readouterr()
    assert len(mix(out, f"{a}@5", f"{b}@6", "--count", 30)) == 11
    assert "the caps leave 19 rows fewer than --count" in capsys.readouterr().err


def test_shares_add_up_and_keep_to_the_caps_whatever_the_weights() -> None:
    draw = random.Random(1)
    for _ in range(500):
        inputs = [
            Input(
                Path("x"), (), draw.choice([0.001, 0.1, 1 / 3, 1, 2.5, 1000]), draw.choice([None, 1, 7, 50])
            )
            for _ in range(draw.randint(1, 6))
        ]
        count = draw.randint(1, 300)
        shares = allocate(inputs, [10] * len(inputs), count)
        caps = [one.cap if one.cap is not None else count for one in inputs]
        assert sum(shares) == min(count, sum(caps))
        assert all(0 <= share <= cap for share, cap in zip(shares, caps, strict=True))
        free = [(share, one.weight) for share, one in zip(shares, inputs, strict=True) if share != one.cap]
        for share, weight in free:
            exact = sum(share for share, _ in free) * weight / sum(weight for _, weight in free)
            # A cap that was met by rounding is no cap that was met by share: one row more or less.
            assert abs(share - exact) <= 2


def test_every_row_is_as_likely_to_be_taken(tmp_path: Path, a: Path) -> None:
    taken: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for seed in range(60):
        rows = mix(tmp_path / "out.jsonl", f"{a}=0.5", "--seed", seed)
        taken.update(row.id for row in rows)
        places.update(row.id for row in rows[:15])
    # 60 draws with chance 1/2 (and 1/4): seven standard deviations each way.
    assert len(taken) == 60
    assert all(3 <= taken[name] <= 57 for name in taken)
    assert len(places) == 60


def test_rows_are_not_changed(tmp_path: Path) -> None:
    row = replace(tiny_rows(1)[0], meta={"intent": "grüße"}, source="mine", split="valid")
    write_rows(tmp_path / "a.jsonl", [row])
    assert mix(tmp_path / "out.jsonl", tmp_path / "a.jsonl") == [row]


def test_rows_of_a_test_set_are_refused(tmp_path: Path, a: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "t.jsonl", [*some(2, "t"), *some(1, "t", "test")])
    argv = ["data", "mix", "--out", str(tmp_path / "out.jsonl"), str(a), str(tmp_path / "t.jsonl")]
    assert main(argv) == 2
    assert f"{tmp_path / 't.jsonl'}, line 3 is a row of the test split" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
    assert main([*argv, "--allow-test"]) == 0
    assert Counter(row.split for row in read_rows(tmp_path / "out.jsonl")) == {"train": 62, "test": 1}


@pytest.mark.parametrize("name", ["a=b.jsonl", "a@2.jsonl", "a=2", "a=2@3"])
def test_file_names_may_contain_the_separators(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / name, some(2, "a"))
    path = tmp_path / name
    assert parse_input(str(path)) == Input(path, (path,))
    assert parse_input(f"{path}=0.5@9") == Input(path, (path,), 0.5, 9)
    assert parse_input(f"{path}@9") == Input(path, (path,), 1.0, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jsonl=0", "the weight is '0'"),
        ("a.jsonl=-1", "the weight is '-1'"),
        ("a.jsonl=nan", "the weight is 'nan'"),
        ("a.jsonl=inf", "the weight is 'inf'"),
        ("a.jsonl=", "the weight is ''"),
        ("a.jsonl=half", "the weight is 'half'"),
        ("a.jsonl@0", "the cap is '0'"),
        ("a.jsonl@1.5", "the cap is '1.5'"),
        ("a.jsonl@", "the cap is ''"),
        ("a.jsonl=0.001", "take no rows"),
        ("no.jsonl=2", "no.jsonl does not exist"),
        ("empty.jsonl", "empty.jsonl holds no rows"),
        ("bad.jsonl", "bad.jsonl, line 2 is not JSON"),
        ("odd.jsonl", "odd.jsonl, line 1: an unknown field: extra"),
        ("pipe", "pipe is not a file"),
        ("out.jsonl", "out.jsonl is mixed in and is to be written"),
    ],
)
def test_invalid_mixes_are_refused_and_nothing_is_written(
    tmp_path: Path,
    a: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("empty.jsonl").write_text("\n")
    line = a.read_text().splitlines()[0]
    Path("bad.jsonl").write_text(f"{line}\n{{\n")
    Path("odd.jsonl").write_text(json.dumps({**json.loads(line), "extra": 1}))
    Path("out.jsonl").write_text(line)
    before = sorted(tmp_path.rglob("*"))
    assert main(["data", "mix", "--out", "out.jsonl", text]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert message in err
    assert Path("out.jsonl").read_text() == line
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, a: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "mixed.jsonl"
    mix(out, f"{a}=0.1")
    before = out.read_bytes()

    def interrupted(lines: Iterable[bytes], *_: object) -> Iterable[bytes]:
        yield next(iter(lines))
        raise KeyboardInterrupt

    monkeypatch.setattr(train.data.mix, "shuffled", interrupted)
    assert main(["data", "mix", "--out", str(out), str(a)]) == 130
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_a_file_that_changes_in_between_is_noticed(
    tmp_path: Path, a: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = train.data.mix.count_rows

    def then_cut(one: Input, allow_test: bool, say: Callable[[str], None]) -> int:
        count = counted(one, allow_test, say)
        write_rows(one.path, some(59, "a"))
        return count

    monkeypatch.setattr(train.data.mix, "count_rows", then_cut)
    assert main(["data", "mix", "--out", str(tmp_path / "out.jsonl"), str(a)]) == 2
    assert "changed while it was read" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, a: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path, a / "out.jsonl"):
        assert main(["data", "mix", "--out", str(out), str(a)]) == 2
        assert f"{out} cannot be written" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    row = json.dumps({"schema": 1, "id": "x", "source": "x", "split": "train", "tools": [], "turns": []})
    long = row.replace('"turns": []', '"turns": [{"role": "user", "content": "' + "word " * 10_000 + '"}]')
    write_lines(tmp_path / "rows.jsonl.gz", (long.encode() for _ in range(400)))
    tracemalloc.start()
    try:
        assert len([*mix_paths(tmp_path)]) == 400
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000, "20 MB of text were mixed"


def mix_paths(folder: Path) -> Iterable[int]:
    """Mix the folder's rows and count them without holding them."""
    out = folder / "out" / "mixed.jsonl.gz"
    assert main(["data", "mix", "--out", str(out), str(folder / "rows.jsonl.gz")]) == 0
    return (1 for _ in read_rows(out))
