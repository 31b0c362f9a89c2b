"""A message of a tool server, read from a line of its output."""

from __future__ import annotations

import json
from typing import Any

from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter

NOT_THE_PROTOCOL = "it answers in a form that is not the protocol's"


def read_message(line: bytes) -> JSONRPCMessage | None:
    """Return the message in `line`; None for what is none, as programs print other things too.

    Half characters, which JSON may escape and programs that shorten text write, are read as "?". An answer
    that is not of the protocol's form is read as an error, so that its call need not wait for another one.
    """
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        pass
    try:
        value = _whole_characters(json.loads(line.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None
    try:
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValueError:
        return _error(value)


def _whole_characters(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-8", "replace"))


def _error(value: Any) -> JSONRPCError | None:
    """Return the error that stands for an answer; None for what answers nothing."""
    if not isinstance(value, dict) or "method" in value or type(value.get("id")) not in (int, str):
        return None
    return JSONRPCError(
        jsonrpc="2.0", id=value["id"], error=ErrorData(code=PARSE_ERROR, message=NOT_THE_PROTOCOL)
    )
