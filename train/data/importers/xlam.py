"""xLAM's function-calling rows (APIGen, arXiv 2406.18518): a question, tools, and the calls that answer it.

    {"id": …, "query": …, "tools": "[…]", "answers": "[{\\"name\\": …, \\"arguments\\": {…}}, …]"}

An empty list of answers says that no tool on offer can do it. An object with `conversations` (APIGen-MT) is
read as ShareGPT's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.transcript import CallerTurn, UserTurn
from train.data.importers import sharegpt
from train.data.importers.common.dialogue import call_of, loose_json, planner
from train.data.importers.common.draft import Draft, Outcome, each, listed, text
from train.data.importers.common.schemas import tools_of


def convert(value: Mapping[str, Any]) -> Iterator[Outcome]:
    """The one row of an object."""
    if "conversations" in value:
        yield from sharegpt.convert(value)
        return
    user = UserTurn(text(value.get("query", value.get("instruction")), "query"))
    answers = value.get("answers", value.get("answer"))
    answers = listed(loose_json(answers) if isinstance(answers, str) else answers, "answers")
    own = value.get("id")
    own_id = str(own) if isinstance(own, (str, int)) else ""
    calls = tuple(call_of(answer) for answer in answers)
    turns = (planner("", "caller"), CallerTurn(calls)) if calls else (planner("", "give up"),)
    yield Draft(tools_of(value.get("tools")), (user, *turns), "", own_id)


read = each(convert)
