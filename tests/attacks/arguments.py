"""Random arguments for every built-in tool: each call ends with a text or a ToolError, and in time."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from agent.errors import ToolError
from agent.tools import Tool, ToolContext, Workspace, builtin_tools
from agent.tools.toolbox import Toolbox
from agent.transcript import Call
from attacks.result import Result

TEXTS = (
    *("", " ", "\n", "\0", "\x1b[2J", "\ud800", "\u202e", "ünï", "日本語", "x" * 20_000, "()" * 5000, "-"),
    *("1/0", "9**9**9", "2**(2**40)", "sqrt(-1)", "factorial(10**6)", "((((1", "1e400", "0x", "1" * 5000),
    *("__import__('os')", "0.1+", "10 % 0", "round(1,10**9)", "1" + "+1" * 3000, "-" * 5000 + "1"),
    *("2024-02-30", "9999-12-31", "0000-00-00", "2024-13-01", "-1-1-1", "tomorrow", "2024-01-01T00:00"),
    *("km", "kelvin", "km/h", "Europe/Berlin", "../../etc/passwd", "/etc/localtime", "UTC+99", "*.py", "[[["),
    *("**/*", "[!", "notes.txt", "docs", "..", "{}", "null", "%s%n", "${HOME}", "a,b"),
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e308, math.inf, -math.inf, math.nan)
LIMIT = 6_000
"""The most characters that a text may have: it is what a model reads."""


def random_value(random: Random, kind: object) -> Any:
    """Return a value, of the JSON type `kind` in three of four cases."""
    chosen = kind if random.random() < 0.75 else random.choice(["string", "number", "list", "object", "null"])
    match chosen:
        case "string":
            if random.random() < 0.6:
                return random.choice(TEXTS)
            letters = random.choices(string.printable + "0123456789+-*/().,:" * 3, k=random.randint(1, 40))
            return "".join(letters)
        case "number" | "integer":
            return random.choice(NUMBERS) if random.random() < 0.6 else random.randint(-(10**6), 10**6)
        case "list":
            return [random.choice(TEXTS)] * random.randint(0, 3)
        case "object":
            return {random.choice(TEXTS): random.choice(NUMBERS)}
    return random.choice([None, True, False])


def random_arguments(random: Random, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for a JSON Schema: some missing, of the wrong type, or too many."""
    properties: Mapping[str, Any] = parameters.get("properties", {})
    made = {
        name: random_value(random, schema.get("type"))
        for name, schema in properties.items()
        if random.random() < 0.9
    }
    if random.random() < 0.1:
        made[random.choice(TEXTS)] = random.choice(TEXTS)
    return made


def attack(folder: Path, count: int) -> Result:
    """Call every built-in tool `count` times in a workspace with a few files."""
    result = Result("calls with random arguments")
    result.allow_none("crashes", "texts without an end")
    root = folder / "work"
    (root / "docs").mkdir(parents=True)
    (root / "notes.txt").write_text("buy milk\nwater plants\n")
    (root / "docs" / "odd.txt").write_bytes(b"\x1b[31m\xff\xfe red\r\n")
    tools: tuple[Tool, ...] = builtin_tools()
    toolbox = Toolbox(tools, ToolContext(Workspace(root), folder / "notes.jsonl"))
    random = Random(14)
    result.also["tools"] = len(tools)
    for tool in tools:
        for number in range(count):
            arguments = random_arguments(random, tool.spec.parameters)
            result.count += 1
            try:
                text = toolbox.run(Call(tool.name, arguments))
                result.also["done"] += 1
            except ToolError as error:
                text = str(error)
            except Exception as error:
                result.fail("crashes", f"{tool.name} {str(arguments)[:200]}: {type(error).__name__}: {error}")
                continue
            if len(text) > LIMIT:
                result.fail("texts without an end", f"{tool.name} {str(arguments)[:200]}")
            if number % 50 == 49:
                (folder / "notes.jsonl").unlink(missing_ok=True)
    return result
