"""Results of tool servers in odd forms: each is read, or fails its call at once, and the server goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mcp_types import JSONRPCError
from test_agent_tool_servers import approved, entry, offered, run, stopped, write_list
from tool_server import packed

from agent.errors import ToolError
from agent.mcp.messages import NOT_THE_PROTOCOL, read_message
from agent.tools.toolbox import Toolbox

__all__ = ["stopped"]


@pytest.fixture
def toolbox(tmp_path: Path) -> Toolbox:
    write_list({"a": entry("raw")})
    approved(tmp_path, "a")
    return offered(tmp_path, 600)


def returned(toolbox: Toolbox, result: Any) -> str:
    return run(toolbox, "a__raw", value=packed(result))


def texts(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def test_half_a_character_is_read_as_a_question_mark(toolbox: Toolbox) -> None:
    assert returned(toolbox, texts("cut \ud83d here \\ud83d, whole \U0001f600")) == (
        "cut ? here \\ud83d, whole \U0001f600"
    )


def structure(depth: int) -> dict[str, Any]:
    inner: Any = "the bottom"
    for _ in range(depth):
        inner = {"a": inner}
    return {"content": [], "structuredContent": inner}


def test_a_nested_structure_is_read(toolbox: Toolbox) -> None:
    assert "the bottom" in returned(toolbox, structure(100))


def test_a_result_in_no_form_of_the_protocol_fails_at_once_and_the_server_goes_on(toolbox: Toolbox) -> None:
    wrong = (["a list"], "a text", 5, {"content": "a text"}, {"content": [{"type": "text"}]}, structure(300))
    for result in wrong:
        with pytest.raises(ToolError, match=rf"the server a failed: {re.escape(NOT_THE_PROTOCOL)}"):
            returned(toolbox, result)
    assert returned(toolbox, texts("fine")) == "fine"


@pytest.mark.parametrize(
    "line",
    [
        b"listening...",
        b"5",
        b"[" * 10_000,
        b"\xff\xfe{",
        b'{"id": true, "result": []}',
        b'{"id": null, "result": []}',
        b'{"id": [1], "result": []}',
        b'{"result": []}',
        b'{"jsonrpc": "2.0", "id": 1, "method": 5}',
    ],
)
def test_what_answers_nothing_is_passed_over(line: bytes) -> None:
    assert read_message(line) is None


def test_an_answer_in_another_form_is_an_error_of_the_same_number() -> None:
    for number in (7, "seven"):
        for rest in ({"result": []}, {"error": "no"}, {"jsonrpc": "1.0", "result": {}}, {}):
            message = read_message(json.dumps({"jsonrpc": "2.0", "id": number} | rest).encode())
            assert isinstance(message, JSONRPCError)
            assert (message.id, message.error.message) == (number, NOT_THE_PROTOCOL)
