"""The conversation as one list of turns (schema 1), and rows of them on disk."""

from __future__ import annotations

from agent.transcript.matching import compact, same_value
from agent.transcript.schema import SCHEMA, row_from_json, row_to_json, transcript_to_json
from agent.transcript.text import parse_calls, parse_planner, planner_text
from agent.transcript.turns import (
    ENDINGS,
    ROLES,
    Accepted,
    Call,
    CallerTurn,
    Next,
    PlannerTurn,
    Role,
    Row,
    Split,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    Turn,
    UserTurn,
)

__all__ = [
    "ENDINGS",
    "ROLES",
    "SCHEMA",
    "Accepted",
    "Call",
    "CallerTurn",
    "Next",
    "PlannerTurn",
    "Role",
    "Row",
    "Split",
    "SummarizerTurn",
    "ToolSpec",
    "ToolTurn",
    "Transcript",
    "Turn",
    "UserTurn",
    "compact",
    "parse_calls",
    "parse_planner",
    "planner_text",
    "row_from_json",
    "row_to_json",
    "same_value",
    "transcript_to_json",
]
