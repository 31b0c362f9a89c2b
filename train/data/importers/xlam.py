"""Importer of xLAM's function-calling rows (APIGen, arXiv 2406.18518): a question, tools, and calls.

    {"id": …, "query": …, "tools": "[…]", "answers": "[{\\"name\\": …, \\"arguments\\": {…}}, …]"}

An empty list of answers means that no tool serves the question. An object with `conversations` (APIGen-MT) is
converted as ShareGPT's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.transcript import CallerTurn, UserTurn
from agent.transcript.formats.conversion import (
    Conversation,
    Conversion,
    convert_each,
    require_list,
    require_text,
)
from agent.transcript.formats.dialogue import call_of, parse_json_or_literal, planner
from agent.transcript.formats.schemas import tools_of
from train.data.importers import sharegpt


def convert(value: Mapping[str, Any]) -> Iterator[Conversion]:
    """Yield the one conversation of an object."""
    if "conversations" in value:
        yield from sharegpt.convert(value)
        return
    user = UserTurn(require_text(value.get("query", value.get("instruction")), "query"))
    answers = value.get("answers", value.get("answer"))
    answers = require_list(parse_json_or_literal(answers) if isinstance(answers, str) else answers, "answers")
    own = value.get("id")
    own_id = str(own) if isinstance(own, (str, int)) else ""
    calls = tuple(call_of(answer) for answer in answers)
    turns = (planner("", "caller"), CallerTurn(calls)) if calls else (planner("", "give up"),)
    yield Conversation(tools_of(value.get("tools")), (user, *turns), "", own_id)


convert_records = convert_each(convert)
