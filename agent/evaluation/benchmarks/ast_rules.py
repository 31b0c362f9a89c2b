"""The AST rules of the Berkeley Function-Calling Leaderboard: whether calls equal an accepted answer.

Written from the published rules for Python of version 4 (ShishirPatil/gorilla, berkeley-function-call-
leaderboard, `ast_checker`). A call is right where

- it is of the tool that the answer names, has all required parameters of the tool, and none that the tool or
  the answer lacks;
- each parameter of the answer is given, unless `""` is among its accepted values;
- each value has the type that the tool declares, or the type of the accepted values (which then are compared
  as they are); a whole number is a float too, but not inside a list;
- each value is among the accepted ones. Texts, also in lists and objects, are compared without case, spaces
  and `,./-_*^`, and with `'` as `"`. An object has no field that the accepted one lacks, and only lacks those
  that accept `""`; objects in a list stand in the same order.

Several calls may stand in any order: each answer in turn takes the first call that is right for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.transcript import Call

_IGNORED = re.compile(r"[ ,./\-_*^]")
_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
"""The leaderboard's name of a type -> the type of a JSON value in Python."""

Answer = Mapping[str, Mapping[str, list[Any]]]
"""The one tool of an accepted call -> its parameters -> the accepted values of each."""


def calls_fault(
    calls: Sequence[Call], answers: Sequence[Answer], functions: Sequence[Mapping[str, Any]]
) -> str:
    """Return why `calls` are wrong, empty where they are right; `functions` are the tools as published."""
    if not calls:
        return "no call"
    if len(calls) != len(answers):
        return "another number of calls"
    described = {function["name"]: function for function in functions}
    left = list(calls)
    for answer in answers:
        ((name, accepted),) = answer.items()
        faults = [call_fault(call, described[name], accepted) for call in left]
        if "" not in faults:
            return faults[0]
        del left[faults.index("")]
    return ""


def call_fault(call: Call, function: Mapping[str, Any], accepted: Mapping[str, list[Any]]) -> str:
    """Return why `call` is not the accepted call of `function`, empty where it is."""
    declared = function["parameters"].get("properties", {})
    if call.name != function["name"]:
        return "another tool"
    if any(name not in call.arguments for name in function["parameters"].get("required", ())):
        return "a required parameter is missing"
    for name, value in call.arguments.items():
        if name not in declared or name not in accepted:
            return "a parameter that the answer lacks"
        if fault := _value_fault(value, accepted[name], declared[name]):
            return fault
    if any(name not in call.arguments and "" not in values for name, values in accepted.items()):
        return "a parameter of the answer is missing"
    return ""


def standardize(text: str) -> str:
    """Return `text` as texts are compared: without case, spaces and some punctuation."""
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _value_fault(value: Any, accepted: list[Any], schema: Mapping[str, Any]) -> str:
    kind, items = str(schema.get("type")), schema.get("items")
    declared = _TYPES.get(kind)
    inner = _TYPES.get(str(items.get("type"))) if declared is list and isinstance(items, Mapping) else None
    if kind == "float" and type(value) is int:
        value = float(value)
    if not _has_type(value, declared, inner, accepted):
        return "a value of another type"
    if _type_of(accepted) not in (None, declared):
        right = value in accepted
    elif declared is dict:
        right = any(one != "" and _same_fields(value, one) for one in accepted)
    elif declared is list and inner is dict:
        right = any(_same_objects(value, one) for one in accepted)
    elif declared is str:
        right = standardize(value) in [standardize(one) for one in accepted if isinstance(one, str)]
    elif declared is list:
        right = _comparable(value) in [_comparable(one) for one in accepted]
    else:
        right = value in accepted
    return "" if right else "another value"


def _has_type(value: Any, declared: type | None, inner: type | None, accepted: list[Any]) -> bool:
    """Return whether `value` has the declared type, or the one of the accepted values."""
    if type(value) is not declared or inner is None:
        return type(value) in (declared, _type_of(accepted))
    return any(
        not isinstance(one, list) or all(type(item) in (inner, _type_of(one)) for item in value)
        for one in accepted
    )


def _type_of(accepted: list[Any]) -> type | None:
    """Return the type of the first accepted value that does not stand for omission."""
    return next((type(one) for one in accepted if one != ""), None)


def _same_fields(value: Mapping[str, Any], accepted: Mapping[str, list[Any]]) -> bool:
    return all(
        name in accepted and _comparable_text(item) in map(_comparable_text, accepted[name])
        for name, item in value.items()
    ) and all(name in value or "" in values for name, values in accepted.items())


def _same_objects(value: list[Any], accepted: Any) -> bool:
    """Return whether the objects of a list are accepted one by one; `""` accepts an empty list."""
    return len(value) == len(accepted) and all(
        isinstance(item, Mapping) and _same_fields(item, fields)
        for item, fields in zip(value, accepted, strict=True)
    )


def _comparable(items: Any) -> list[Any]:
    """Return a list with its texts as they are compared; `""`, which stands for omission, is an empty one."""
    return [_comparable_text(item) for item in items] if isinstance(items, list) else []


def _comparable_text(item: Any) -> Any:
    return standardize(item) if isinstance(item, str) else item
