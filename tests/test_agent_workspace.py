"""The tools that touch files: what they answer, and that nothing outside the workspace can be reached."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from agent.errors import InputError, ToolError
from agent.tools import Tool, ToolContext, Workspace, builtin_tools
from agent.tools.lib import workspace as workspace_module

TOOLS: dict[str, Tool] = {t.name: t for t in builtin_tools()}
SECRET = "the secret is out"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a few files, beside a folder that it must not reach."""
    root = tmp_path / "work"
    (root / "docs" / "old").mkdir(parents=True)
    (root / "notes.txt").write_text("buy milk\nwater plants\nCall the bank\n")
    (root / "docs" / "Plan.md").write_text("call everybody\n")
    (root / "docs" / "old" / "empty.txt").touch()
    (root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rcall")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    return root


@pytest.fixture
def context(root: Path, tmp_path: Path) -> ToolContext:
    return ToolContext(Workspace(root), tmp_path / "notes.jsonl")


def ask(context: ToolContext, name: str, /, **arguments: Any) -> str:
    return TOOLS[name].run(context, arguments)


def refusal(context: ToolContext, name: str, /, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        ask(context, name, **arguments)
    return str(caught.value)


def open_handles() -> int:
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    return len(os.listdir(folder))


def test_a_workspace_must_be_a_folder(root: Path):
    for wrong in (root / "nowhere", root / "notes.txt", root / ("x" * 5000)):
        with pytest.raises(InputError, match="--workspace"):
            Workspace(wrong)


def test_list_files(context: ToolContext, root: Path):
    assert ask(context, "list_files") == "docs/\nnotes.txt\npicture.png"
    assert ask(context, "list_files", path="docs") == "old/\nPlan.md"
    assert ask(context, "list_files", path=str(root / "docs")) == "old/\nPlan.md"
    (root / "nothing").mkdir()
    assert ask(context, "list_files", path="nothing/") == "the folder is empty"
    assert refusal(context, "list_files", path="nowhere") == "no such folder: nowhere"
    assert refusal(context, "list_files", path="notes.txt") == "notes.txt is a file, not a folder"


def test_find_files(context: ToolContext, root: Path):
    (root / ".git").mkdir()
    (root / ".git" / "plan.txt").touch()
    (root / "node_modules").mkdir()
    (root / "node_modules" / "plan.txt").touch()
    assert ask(context, "find_files", name="PLAN") == "docs/Plan.md"
    assert ask(context, "find_files", name="*.txt") == "notes.txt\ndocs/old/empty.txt"
    assert ask(context, "find_files", name="**/*.md") == "docs/Plan.md"
    assert ask(context, "find_files", name="t", path="docs") == "docs/old/empty.txt"
    assert ask(context, "find_files", name="docs/pl") == "docs/Plan.md"
    assert ask(context, "find_files", name="zebra") == "no file name contains 'zebra'"
    assert refusal(context, "find_files", name=" ") == "name is empty"
    assert refusal(context, "find_files", name="a", path="nowhere") == "no such file: nowhere"


@pytest.mark.parametrize("name", ["packing-list.txt", "packing_list", "PackingList", "packing lists"])
def test_find_files_in_another_spelling(context: ToolContext, root: Path, name: str):
    (root / "Packing List.txt").touch()
    assert ask(context, "find_files", name=name) == "Packing List.txt"


def test_another_spelling_is_found_only_where_none_is_as_it_stands(context: ToolContext, root: Path):
    (root / "to-do.txt").touch()
    (root / "todo.md").touch()
    assert ask(context, "find_files", name="todo") == "todo.md"
    assert ask(context, "find_files", name="to_do").splitlines() == ["to-do.txt", "todo.md"]
    assert ask(context, "find_files", name="-s") == "no file name contains '-s'"
    assert ask(context, "find_files", name="packing*") == "no file name contains 'packing*'"


@pytest.mark.parametrize("name", ["list packing", "Old", "*old*", "docs empty", "old/"])
def test_find_files_by_its_words_in_any_order_and_by_its_folder(context: ToolContext, root: Path, name: str):
    (root / "Packing List.txt").touch()
    expected = "Packing List.txt" if name == "list packing" else "docs/old/empty.txt"
    assert ask(context, "find_files", name=name) == expected


def test_find_files_shows_lines_where_no_name_fits(context: ToolContext, root: Path):
    nothing = "no file name contains 'the bank'"
    assert (
        ask(context, "find_files", name="the bank")
        == f"{nothing}, but these lines do:\nnotes.txt:3: Call the bank"
    )
    assert ask(context, "find_files", name="the bank", path="docs") == nothing
    (root / "many.txt").write_text("the bank\n" * 9)
    assert len(ask(context, "find_files", name="the bank").splitlines()) == 6
    (root / ".env").write_text("the vault=1\n")
    assert ask(context, "find_files", name="the vault") == "no file name contains 'the vault'"
    (root / "kinds.txt").write_text("a.csv and b.csv\n")
    assert ask(context, "find_files", name="*.csv") == "no file name contains '*.csv'"


@pytest.mark.parametrize("tool", ["find_files", "search_text"])
def test_a_search_for_several_words_shows_lines_with_the_identifier(
    context: ToolContext, root: Path, tool: str
):
    (root / "samples.csv").write_text("S-02,lichen\nS-03,moss\n")
    key = "name" if tool == "find_files" else "query"
    found = ask(context, tool, **{key: "sample S-03"})
    assert found.endswith("'sample S-03', but these lines contain 'S-03':\nsamples.csv:2: S-03,moss")
    assert ask(context, tool, **{key: "sample S-04"}).endswith("contains 'sample S-04'")
    assert "\n" not in ask(context, tool, **{key: "S-02 S-03"})


def test_search_text_shows_names_where_no_text_fits(context: ToolContext):
    nothing = "no file contains 'plan.md'"
    assert ask(context, "search_text", query="plan.md") == f"{nothing}, but these names do:\ndocs/Plan.md"
    assert ask(context, "search_text", query="plan.md", path="notes.txt") == nothing


def test_search_text(context: ToolContext):
    found = "notes.txt:3: Call the bank"
    assert ask(context, "search_text", query="call") == f"{found}\ndocs/Plan.md:1: call everybody"
    assert ask(context, "search_text", query="call", path="notes.txt") == found
    assert ask(context, "search_text", query="call", path="./docs/../notes.txt") == found
    assert ask(context, "search_text", query="call", path="docs") == "docs/Plan.md:1: call everybody"
    assert ask(context, "search_text", query="zebra") == "no file contains 'zebra'"
    assert refusal(context, "search_text", query="") == "query is empty"
    assert refusal(context, "search_text", query="call", path="no.txt") == "no such file: no.txt"
    assert "binary" in refusal(context, "search_text", query="call", path="picture.png")


def test_read_file(context: ToolContext, root: Path):
    assert ask(context, "read_file", path="notes.txt") == "buy milk\nwater plants\nCall the bank"
    assert ask(context, "read_file", path="./docs/../notes.txt", start_line=2, end_line=2) == "water plants"
    assert ask(context, "read_file", path="notes.txt", start_line=3, end_line=99) == "Call the bank"
    assert ask(context, "read_file", path="docs/old/empty.txt") == "the file is empty"
    (root / "windows.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert ask(context, "read_file", path="windows.txt") == "one\ntwo"
    (root / "coloured.log").write_bytes(b"\x1b[31mred\x1b[0m")
    assert "\x1b" not in ask(context, "read_file", path="coloured.log")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"path": "no.txt"}, "no such file: no.txt"),
        ({"path": "notes.txt/more"}, "no such file: notes.txt/more"),
        ({"path": "docs"}, "docs is a folder, not a file"),
        ({"path": ""}, ". is a folder, not a file"),
        ({"path": "picture.png"}, "picture.png is a binary file, not text"),
        ({"path": "notes.txt", "start_line": 4}, "notes.txt has 3 lines"),
        ({"path": "notes.txt", "start_line": 0}, "start_line is less than 1"),
        ({"path": "notes.txt", "start_line": 3, "end_line": 2}, "end_line is before start_line"),
        ({"path": "a\0b"}, "a path cannot hold a NUL character"),
        ({"path": "\ud800"}, "the path holds characters that no file name can"),
        ({"path": "x" * 5000}, "the path is longer than 1000 characters"),
        ({"path": "x" * 999}, "file name too long"),
    ],
)
def test_errors_of_read_file(context: ToolContext, arguments: dict[str, Any], why: str):
    assert why in refusal(context, "read_file", **arguments)


def test_of_a_long_file_head_tail_and_count_are_shown_and_the_rest_can_be_asked_for(
    context: ToolContext, root: Path
):
    (root / "list.txt").write_text("".join(f"line {n}\n" for n in range(1, 1001)))
    shown = ask(context, "read_file", path="list.txt").split("\n")
    assert (shown[0], shown[-1]) == ("line 1", "line 1000")
    (at,) = [index for index, line in enumerate(shown) if line.startswith("…")]
    found = re.fullmatch(
        r"… \(lines (\d+) to (\d+) of 1000 left out; read them with start_line and end_line\)", shown[at]
    )
    assert found
    first, last = int(found[1]), int(found[2])
    assert (shown[at - 1], shown[at + 1]) == (f"line {first - 1}", f"line {last + 1}")
    rest = ask(context, "read_file", path="list.txt", start_line=first, end_line=first + 49)
    assert rest == "\n".join(f"line {n}" for n in range(first, first + 50))
    part = ask(context, "read_file", path="list.txt", start_line=first, end_line=last)
    assert f"line {first}\n" in part
    assert part.endswith(f"line {last}")
    assert "of 1000 left out" in part


def test_text_that_fits_is_shown_as_it_is_and_wide_lines_are_cut(context: ToolContext, root: Path):
    for text in ("x" * 4000, "\n".join(["y" * 39] * 100), "\n".join(str(n) for n in range(100))):
        (root / "exact.txt").write_text(text)
        assert ask(context, "read_file", path="exact.txt") == text
    (root / "wide.txt").write_text("a" + "x" * 4999 + "b")
    shown = ask(context, "read_file", path="wide.txt")
    (cut,) = re.findall(r"… \((\d+) of 5001 characters left out\) …", shown)
    assert (shown[0], shown[-1]) == ("a", "b")
    assert shown.count("x") == 4999 - int(cut)
    (root / "wide.txt").write_text("x" * 4001 + "\nmore\n")
    shown = ask(context, "read_file", path="wide.txt")
    assert re.fullmatch(r"x+… \(\d+ of 4001 characters left out\) …x+\nmore", shown)
    (root / "lines.txt").write_text("\n".join(["z" * 3000] * 50))
    shown = ask(context, "read_file", path="lines.txt")
    assert len(shown) < 4300
    assert re.search(r"\n… \(lines 3 to 49 of 50 left out", shown)


def test_a_ten_megabyte_file_is_read_in_part(context: ToolContext, root: Path):
    (root / "big.log").write_bytes(b"0123456789 needle\n" * 600_000)
    assert len(ask(context, "read_file", path="big.log")) < 4200
    assert "more than can be read" in refusal(context, "read_file", path="big.log", start_line=590_000)
    output = ask(context, "search_text", query="needle", path="big.log")
    assert output.startswith("big.log:1: 0123456789 needle\n")
    assert len(output) < 4300
    assert ask(context, "file_info", path="big.log").startswith("big.log: 10800000 bytes, 600000 lines, ")


def test_a_match_deep_in_a_long_line_is_shown(context: ToolContext, root: Path):
    (root / "min.js").write_text("a" * 50_000 + " needle " + "b" * 50_000)
    output = ask(context, "search_text", query="needle")
    assert "needle" in output
    assert len(output) < 250


def test_file_info(context: ToolContext, root: Path):
    os.utime(root / "notes.txt", (0, 1740824520))
    output = ask(context, "file_info", path="notes.txt")
    assert re.fullmatch(r"notes\.txt: 36 bytes, 3 lines, changed 2025-03-01 \d\d:\d\d", output)
    assert ask(context, "file_info", path="docs").startswith("docs: folder with 2 entries, changed ")
    assert re.match(r"picture\.png: \d+ bytes, changed ", ask(context, "file_info", path="picture.png"))
    (root / "one").write_text("x")
    assert ask(context, "file_info", path="one").startswith("one: 1 byte, 1 line, changed ")


def test_write_file(context: ToolContext, root: Path):
    output = ask(context, "write_file", path="new/deep/Grüße 你好.txt", content="héllo\n")
    assert output == "wrote 6 characters to new/deep/Grüße 你好.txt"
    assert (root / "new" / "deep" / "Grüße 你好.txt").read_text("utf-8") == "héllo\n"
    assert ask(context, "list_files", path="new/deep") == "Grüße 你好.txt"
    assert ask(context, "write_file", path=str(root / "notes.txt"), content="x") == (
        "wrote 1 character to notes.txt"
    )
    assert (root / "notes.txt").read_text() == "x"


def test_writing_keeps_the_files_mode(context: ToolContext, root: Path):
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o750)
    ask(context, "write_file", path="run.sh", content="new")
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o750


def test_a_write_that_fails_leaves_the_old_file(
    context: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(os.listdir(root))
    monkeypatch.setattr(os, "replace", full)
    assert "no space left" in refusal(context, "write_file", path="notes.txt", content="lost")
    assert (root / "notes.txt").read_text().startswith("buy milk")
    assert sorted(os.listdir(root)) == before


@pytest.mark.parametrize("path", ["docs", "docs/", "new/", ".", "", "notes.txt/x", "a\0b"])
def test_unwritable_paths_are_reported(context: ToolContext, root: Path, path: str):
    before = sorted(os.listdir(root))
    refusal(context, "write_file", path=path, content="x")
    assert sorted(os.listdir(root)) == before


def test_content_that_is_no_utf8_is_refused(context: ToolContext, root: Path):
    assert "UTF-8" in refusal(context, "write_file", path="notes.txt", content="\ud800")
    assert (root / "notes.txt").read_text().startswith("buy milk")


def reaching(context: ToolContext, path: str) -> list[str]:
    """What every tool that takes a path answers for `path`."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_files", {"path": path}),
        ("find_files", {"name": "e", "path": path}),
        ("search_text", {"query": "secret", "path": path}),
        ("read_file", {"path": path}),
        ("file_info", {"path": path}),
        ("write_file", {"path": path, "content": "overwritten"}),
    ]
    return [refusal(context, name, **arguments) for name, arguments in calls]


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "../outside/secret.txt",
        "docs/../../outside/secret.txt",
        "..",
        "/etc/passwd",
        "//etc/passwd",
        "/",
        "~/secret.txt",
        "{root}/../outside/secret.txt",
        "{root}2/secret.txt",
    ],
)
def test_paths_outside_the_workspace_are_refused(context: ToolContext, root: Path, path: str):
    path = path.format(root=root)
    for output in reaching(context, path):
        assert output == f"{path} is outside the workspace"
    assert (root.parent / "outside" / "secret.txt").read_text() == SECRET


@pytest.mark.parametrize("absolute", [True, False])
def test_links_out_of_the_workspace_are_refused(context: ToolContext, root: Path, absolute: bool):
    outside = root.parent / "outside" if absolute else Path("../outside")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret.txt")
    (root / "new").symlink_to(outside / "new.txt")
    (root / "chain").symlink_to("folder")
    for path in ("folder", "file", "new", "folder/secret.txt", "chain/secret.txt", "folder/new.txt"):
        for output in reaching(context, path):
            assert output == f"{path} is outside the workspace"
    assert SECRET not in ask(context, "search_text", query="secret")
    assert ask(context, "find_files", name="secret") == "no file name contains 'secret'"
    assert os.listdir(root.parent / "outside") == ["secret.txt"]
    assert (root.parent / "outside" / "secret.txt").read_text() == SECRET


def test_links_that_stay_inside_work(context: ToolContext, root: Path):
    (root / "relative").symlink_to("docs/Plan.md")
    (root / "absolute").symlink_to(root / "docs")
    (root / "docs" / "up").symlink_to("../notes.txt")
    assert ask(context, "read_file", path="relative") == "call everybody"
    assert ask(context, "read_file", path="absolute/Plan.md") == "call everybody"
    assert ask(context, "list_files", path="absolute") == "old/\nPlan.md\nup"
    assert ask(context, "write_file", path="docs/up", content="new") == "wrote 3 characters to notes.txt"
    assert (root / "docs" / "up").is_symlink()
    assert (root / "notes.txt").read_text() == "new"


def test_links_in_a_circle_are_refused(context: ToolContext, root: Path):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    (root / "self").symlink_to(".")
    for output in (*reaching(context, "a"), *reaching(context, "/".join(["self"] * 50))):
        assert "too many links" in output
    assert ask(context, "search_text", query="everybody") == "docs/Plan.md:1: call everybody"


def test_a_link_swapped_in_while_walking_is_not_followed(
    context: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch
):
    """The folder is a folder when it is looked at, and a link to the outside when it is opened."""
    real = os.stat

    def look_then_swap(path: Any, **options: Any) -> os.stat_result:
        found = real(path, **options)
        if path == "docs":
            (root / "docs").rename(root / "moved")
            (root / "docs").symlink_to(root.parent / "outside")
        return found

    monkeypatch.setattr(os, "stat", look_then_swap)
    assert SECRET not in refusal(context, "read_file", path="docs/secret.txt")


def test_a_named_pipe_does_not_hang(context: ToolContext, root: Path):
    os.mkfifo(root / "pipe")
    assert refusal(context, "read_file", path="pipe") == "pipe is not a regular file"
    assert refusal(context, "search_text", query="x", path="pipe") == "pipe is not a regular file"
    assert refusal(context, "write_file", path="pipe", content="x") == "pipe is not a regular file"
    assert ask(context, "search_text", query="everybody") == "docs/Plan.md:1: call everybody"
    assert ask(context, "file_info", path="pipe").startswith("pipe: 0 bytes, changed ")


def test_walks_stop_at_a_limit(context: ToolContext, root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspace_module, "MAX_VISITED", 20)
    (root / "docs" / "old" / "many").mkdir()
    for number in range(50):
        (root / "docs" / "old" / "many" / f"{number:02}.dat").touch()
    files, all_of_them = context.workspace.files()
    assert not all_of_them
    assert len(files) < 20
    assert "stopped after" in ask(context, "find_files", name="dat")
    deep = root
    for _ in range(80):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert "folders deep" in refusal(context, "list_files", path="/".join("d" * 80))


def test_file_names_with_line_breaks_are_escaped(context: ToolContext, root: Path):
    (root / "docs" / "a\nnotes.txt:1: forged\x1b[2J").write_text("everybody")
    (root / "docs" / os.fsdecode(b"forged\xff")).write_text("everybody")
    for output in (
        ask(context, "list_files", path="docs"),
        ask(context, "find_files", name="forged"),
        ask(context, "search_text", query="everybody"),
    ):
        assert "\nnotes.txt" not in output
        assert "\x1b" not in output
        assert r"a\nnotes.txt:1: forged\x1b[2J" in output
        assert r"forged\xff" in output


def test_no_handle_is_left_open(context: ToolContext, root: Path):
    (root / "out").symlink_to(root.parent / "outside")
    os.mkfifo(root / "pipe")
    before = open_handles()
    for path in ("notes.txt", "docs", "docs/old/../Plan.md", "out", "pipe", "no.txt", "../x", "new/file"):
        for name in ("list_files", "read_file", "file_info", "write_file"):
            arguments = {"path": path, "content": "x"} if name == "write_file" else {"path": path}
            try:
                ask(context, name, **arguments)
            except ToolError:
                continue
    ask(context, "search_text", query="a")
    assert open_handles() == before
