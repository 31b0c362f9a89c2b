"""Tools of the user's own: files of the config folder, packages with an entry point, and new ones."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Annotated, Literal

import pytest

import umi
from agent.errors import InputError, ToolError
from agent.llama.grammar.calls import refusal
from agent.paths import tools_folder
from agent.setup import make_toolbox
from agent.tool_sources import available_tools
from agent.tools.new_tool import write_new_tool
from agent.tools.own import own_tools
from agent.transcript import Call
from agent.transcript.arguments import Copied, Derived

GOOD = '''
from typing import Annotated, Literal
import umi

@umi.tool(may="write")
def send(
    to: Annotated[str, umi.Copied()],
    count: Annotated[float, umi.Derived("number")],
    kind: Literal["a"] = "a",
):
    """Send something.

    More about it.
    """
    print("printed")
    return {"to": to, "count": count}
'''


def write_file(name: str, text: str) -> Path:
    tools_folder().mkdir(parents=True, exist_ok=True)
    path = tools_folder() / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_defines_tools_with_permission_and_kinds(tmp_path: Path) -> None:
    path = write_file("mail.py", GOOD)
    write_file("test_mail.py", "raise SystemExit")
    write_file("_lib.py", "raise SystemExit")
    found = available_tools()
    assert found.problems == ()
    tool = found.tools[-1]
    assert (tool.name, tool.may, tool.source) == ("send", "write", str(path))
    assert tool.asks(untrusted=False)
    assert tool.spec.description == "Send something."
    assert tool.kinds == {"to": Copied(), "count": Derived("number")}
    assert tool.spec.parameters["properties"]["kind"] == {"const": "a", "type": "string"}
    toolbox = make_toolbox(tmp_path, ["send"], available=found.tools)
    assert toolbox.run(Call("send", {"to": "Ann", "count": 2})) == '{"to":"Ann","count":2.0}'
    with pytest.raises(ToolError, match="count"):
        toolbox.run(Call("send", {"to": "Ann", "count": "many"}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:\n", "line 1: SyntaxError: invalid syntax"),
        ("\nimport nothing_of_that_name\n", "line 2: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)\n", "line 1: SystemExit: 3"),
        ("x = 1\n", "it defines no tool"),
        ('import umi\n@umi.tool(may="fly")\ndef f():\n    "D."\n', "a tool says what it may do"),
        ('import umi\n@umi.tool(may="read")\ndef f(a):\n    "D."\n', "the parameter a of f has no type"),
        ('import umi\n@umi.tool(may="read")\ndef f(*a: int):\n    "D."\n', "cannot be given by name"),
        (
            'import umi\n@umi.tool(may="read")\ndef f(_a: int):\n    "D."\n',
            "a parameter of f cannot be called _a",
        ),
        (
            'import umi\n@umi.tool(may="read")\ndef f(model_config: int):\n    "D."\n',
            "a parameter of f cannot be called model_config",
        ),
        ('import umi\n@umi.tool(may="read")\nasync def f():\n    "D."\n', "f is asynchronous"),
        ('import umi\n@umi.tool(may="read")\ndef f():\n    return ""\n', "f has no docstring"),
        (
            "import umi\nfrom pydantic import conlist\n"
            '@umi.tool(may="read")\ndef f(a: conlist(int, min_length=3, max_length=2)):\n    "D."\n',
            "no grammar can be made of the parameters of f (Unsatisfiable schema",
        ),
        ("raise ValueError('one\\ntwo' * 200)", "line 1: ValueError: one two"),
        ("\0", "null bytes"),
    ],
)
def test_a_broken_file_is_skipped_in_one_line(text: str, reason: str) -> None:
    broken = write_file("broken.py", text)
    write_file("fine.py", GOOD)
    found = own_tools()
    assert [tool.name for tool in found.tools] == ["send"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{broken} was skipped: ")
    assert reason in found.problems[0]
    assert "\n" not in found.problems[0]


def test_types_that_no_grammar_knows_are_offered_as_plainer_ones(tmp_path: Path) -> None:
    write_file(
        "sizes.py",
        "from pathlib import Path\nimport umi\n\n"
        '@umi.tool(may="read")\ndef size_of(path: Path, tags: set[str], level: bytes = b"") -> str:\n'
        '    "Tell a size."\n    return f"{path.name} {sorted(tags)}"\n',
    )
    found = available_tools()
    assert found.problems == ()
    spec = found.tools[-1].spec
    assert refusal(spec) == ""
    assert spec.parameters["properties"]["path"] == {"type": "string"}
    toolbox = make_toolbox(tmp_path, ["size_of"], available=found.tools)
    call = Call("size_of", {"path": "a/b.txt", "tags": ["y", "x", "x"]})
    assert toolbox.run(call) == "b.txt ['x', 'y']"


def test_names_and_defaults_that_pydantic_warns_of_do_no_harm(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    write_file(
        "odd.py",
        'import umi\n\n@umi.tool(may="read")\ndef f(schema: str, copy: int, json: int = object()) -> str:\n'
        '    "D."\n    return f"{schema} {copy}"\n',
    )
    toolbox = make_toolbox(tmp_path, ["f"], available=available_tools().tools)
    assert toolbox.run(Call("f", {"schema": "a", "copy": 2})) == "a 2"
    assert not recwarn.list


def test_a_tool_that_leaves_the_program_ends_its_call_alone(tmp_path: Path) -> None:
    write_file("leave.py", 'import umi\n@umi.tool(may="read")\ndef leave():\n    "Leave."\n    exit(4)\n')
    with pytest.raises(ToolError, match="it ended with SystemExit: 4"):
        make_toolbox(tmp_path, ["leave"], available=available_tools().tools).run(Call("leave", {}))


def test_files_that_others_can_write_are_skipped() -> None:
    path = write_file("mail.py", GOOD)
    path.chmod(0o666)
    assert "everybody can write to" in own_tools().problems[0]
    path.chmod(0o600)
    tools_folder().chmod(0o777)
    assert "everybody can write to" in own_tools().problems[0]


def test_a_name_that_is_taken_stays_with_the_first() -> None:
    write_file("a.py", GOOD.replace("def send", "def read_file"))
    write_file("b.py", GOOD)
    write_file("c.py", GOOD)
    found = available_tools()
    assert {tool.name: tool.source for tool in found.tools}["read_file"] == "umi"
    assert [line.partition(" was skipped: ")[2] for line in found.problems] == [
        "umi has a tool of that name",
        f"{tools_folder() / 'b.py'} has a tool of that name",
    ]


def test_packages_offer_tools_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    for name, module, point in (("good", GOOD, "x = post"), ("bad", "raise KeyError(1)", "y = bad_module")):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-tools\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[umi.tools]\n{point}\n")
        (site / f"{point.partition(' = ')[2]}.py").write_text(module)
    monkeypatch.syspath_prepend(str(site))
    found = own_tools()
    assert [(tool.name, tool.source) for tool in found.tools] == [("send", "the package good-tools")]
    assert found.problems == ("the package bad-tools was skipped: KeyError: 1",)


def test_a_new_tool_comes_with_a_test_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    tool, test = write_new_tool("count_words", "read")
    monkeypatch.syspath_prepend(str(tool.parent))  # as pytest does
    runpy.run_path(str(test))["test_count_words"]()
    assert [tool.name for tool in own_tools().tools] == ["count_words"]
    assert tool.stat().st_mode & 0o077 == 0
    for name in ("count_words", "read_file", "run_python", "Two Words", "class", "../x", "test_it"):
        with pytest.raises(InputError):
            write_new_tool(name, "read")


def test_a_tool_is_still_a_function() -> None:
    @umi.tool(may="read")
    def double(number: Annotated[int, umi.Derived("number")], sign: Literal["+", "-"] = "+") -> int:
        """Double a number."""
        return number * 2 if sign == "+" else number * -2

    assert double(21) == 42
    assert double(number=1, sign="-") == -2
