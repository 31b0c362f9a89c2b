"""A check, before anything is trained, that the recipe's markers are control tokens of the base.

`markers.open` and `markers.close` must each be one control token that no text can produce, and no role's
header may be the beginning of another's.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from agent.errors import InputError
from agent.prompting import CHATML, Markers, Tokenize
from agent.prompting.encoding import load_tokenize
from train.model.alora import role_headers

KNOWN = (
    CHATML,
    Markers("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", ""),
    Markers("<|header_start|>", "<|header_end|>\n\n", "<|eot|>", ""),
    Markers("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>", "\n"),
    Markers("<start_of_turn>", "\n", "<end_of_turn>", "\n"),
)
"""The markers of ChatML (Qwen, SmolLM), Llama 3, Llama 4, Granite and Gemma."""
MAX_LISTED = 12
"""The most special tokens of a base that an error lists."""


def marked_tokenize(folder: Path, markers: Markers) -> Tokenize:
    """Return the tokenizer of the checkpoint in `folder`.

    Raise InputError where it has none, or `markers` are not control tokens that tell the roles apart.
    """
    if not (folder / "tokenizer.json").is_file():
        raise InputError(f"{folder} has no tokenizer.json", "give base a folder with a fast tokenizer")
    tokenize = load_tokenize(folder)
    for marker in (markers.open, markers.close):
        if len(tokenize(marker, True)) != 1 or not marker:
            raise InputError(f"{marker or 'an empty marker'} is not a token of {folder}", advice(folder))
    control = {tokenize(marker, True)[0] for marker in (markers.open, markers.close)}
    for text in (markers.open, markers.close, f"x{markers.close}\n{markers.header('planner')}"):
        if control & set(tokenize(text, False)):
            raise InputError(
                f"{folder} reads {text.split()[0]} as a marker in plain text, so a user could open a turn",
                advice(folder),
            )
    headers = role_headers(tokenize, markers)
    for role, header in headers.items():
        alone = [*tokenize(markers.open, True), *tokenize(f"{role}{markers.middle}", True)]
        if header != alone:
            raise InputError(
                f"{folder} writes the header of {role} as {header}, its parts as {alone}", advice(folder)
            )
    return tokenize


def advice(folder: Path) -> str:
    """Return the next step: the recipe's line of markers for the base in `folder`, or its special tokens."""
    special = special_tokens(folder)
    for markers in KNOWN:
        named = [markers.open, markers.close, *([markers.middle.strip()] if markers.middle.strip() else [])]
        if special.issuperset(named):
            fields = ", ".join(f"{key} = {json.dumps(text)}" for key, text in asdict(markers).items())
            return f"write in the recipe: markers = {{ {fields} }}"
    if not special:
        return "it has no special tokens: add two to its tokenizer and embedding, and name them in markers"
    some = " ".join(sorted(special)[:MAX_LISTED])
    return f"set markers.open and markers.close to special tokens of it, which are {some}"


def special_tokens(folder: Path) -> set[str]:
    """Return the control tokens of a tokenizer.json."""
    value = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return {token["content"] for token in value.get("added_tokens", []) if token["special"]}
