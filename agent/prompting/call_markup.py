"""The markup in which a stock model writes a call, inferred from its chat template's rendering of one.

Templates show a call as a name and a JSON object of arguments, with text of their own around them: Hermes and
Qwen in `<tool_call>` tags, Llama 3 as a JSON object, Granite and Mistral after a control token. Only the text
before the name and the text between name and arguments have to be known: generation stops after the
arguments.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

CONTROL_TOKEN = re.compile(r"<[^<>\s]+>|\[[^\[\]\s\"'{}]+\]")
"""The form of control tokens."""
PROBE_QUESTION = "A question?"
PROBE_NAME = "probeTool"
PROBE_ARGUMENTS: dict[str, Any] = {"probeKey": "probeValue", "probeOther": 1}
"""The question and the call that are rendered to find a template's markup; no template contains them."""


@dataclass(frozen=True)
class CallMarkup:
    """The text around a call's name and arguments, and the separators of their JSON."""

    before: str
    """From the beginning of the model's message to the name."""
    middle: str
    """From the name to the opening brace of the arguments."""
    item_separator: str = ", "
    key_separator: str = ": "

    def opening(self, name: str) -> str:
        """Return a call of the tool `name` up to its arguments."""
        return f"{self.before}{json.dumps(name, ensure_ascii=False)[1:-1]}{self.middle}"


PLAIN = CallMarkup('{"name": "', '", "arguments": ')
"""A call as a JSON object, for templates that know no tools."""


def find_markup(prompt: str, conversation: str) -> CallMarkup | None:
    """Return the markup of the probe call in `conversation`, which continues `prompt`; None if it has none.

    Both are rendered: `prompt` ends where the model begins to write after PROBE_QUESTION, and in
    `conversation` that is followed by a call of PROBE_NAME with PROBE_ARGUMENTS.
    """
    # A template may list the tools before the question in only one of the two.
    prompt, conversation = (text.rpartition(PROBE_QUESTION)[2] for text in (prompt, conversation))
    written = conversation[_common_length(prompt, conversation) :]
    before, _, rest = written.partition(PROBE_NAME)
    found = _json_object(rest, PROBE_ARGUMENTS)
    if not rest or found is None:
        return None
    start, text = found
    return CallMarkup(before, rest[:start], *_separators(text))


def _common_length(one: str, other: str) -> int:
    """Return the length of the longest common beginning that cuts no control token."""
    length = 0
    for a, b in zip(_pieces(one), _pieces(other), strict=False):
        if a != b:
            # The last piece of a prompt may be continued; all others are whole.
            return length + len(a) if b.startswith(a) and one[length:] == a else length
        length += len(a)
    return length


def _pieces(text: str) -> list[str]:
    return re.split(f"({CONTROL_TOKEN.pattern})", text)


def _json_object(text: str, value: dict[str, Any]) -> tuple[int, str] | None:
    """Return the offset and the text of the first JSON object in `text` that equals `value`."""
    decoder = json.JSONDecoder()
    for brace in re.finditer(r"\{", text):
        try:
            found, end = decoder.raw_decode(text, brace.start())
        except ValueError:
            continue
        if found == value:
            return brace.start(), text[brace.start() : end]
    return None


def _separators(text: str) -> tuple[str, str]:
    """Return the item and key separators of the probe's arguments; the usual ones where it is indented."""
    keys, values = list(PROBE_ARGUMENTS), [json.dumps(value) for value in PROBE_ARGUMENTS.values()]
    shown = re.fullmatch(rf'\{{"{keys[0]}"(:\s?){values[0]}(,\s?)"{keys[1]}"(?:\1){values[1]}\}}', text)
    return (shown[2], shown[1]) if shown else (CallMarkup.item_separator, CallMarkup.key_separator)
