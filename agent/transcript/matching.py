"""JSON text and equality of JSON values, and the pairing of calls with the answers that accept them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def compact(value: Any) -> str:
    """Return `value` as JSON without whitespace, the only spelling of JSON that the models read or write."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def same_value(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: 5 is 5.0, but 1 is not true."""
    match one, other:
        case (Mapping(), Mapping()):
            return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
        case ([*ones], [*others]):
            return len(ones) == len(others) and all(map(same_value, ones, others))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def has_perfect_matching(count: int, accepts: Callable[[int, int], bool]) -> bool:
    """Return whether `count` answers and `count` calls can be paired by edges `accepts(answer, call)`.

    Kuhn's augmenting paths: greedy pairing fails where two answers accept one call.
    """
    call_of: dict[int, int] = {}

    def augment(call: int, visited: set[int]) -> bool:
        for answer in range(count):
            if answer not in visited and accepts(answer, call):
                visited.add(answer)
                if answer not in call_of or augment(call_of[answer], visited):
                    call_of[answer] = call
                    return True
        return False

    return all(augment(call, set()) for call in range(count))
