"""How requests to servers differ: the fields of a grammar, and of a text that is to be tokenized.

| server | grammar | tokenization |
|---|---|---|
| llama-server | `grammar`; llguidance's begins with `%llguidance {}` | control tokens on or off |
| llama-cpp-python | `grammar` | none |
| vLLM | `structured_outputs`, llguidance's where its backend is `guidance` | control tokens always on |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from agent.llama.grammar.calls import JSON_OPTIONS
from agent.remote.client import ServerClient
from agent.transcript import compact

Kind = Literal["llama-server", "llama-cpp-python", "vLLM", "Ollama", "a server"]
Grammar = Literal["llguidance", "gbnf", "none"]

NO_PENALTY: Mapping[Kind, Mapping[str, float]] = {
    "llama-server": {"repeat_penalty": 1.0},
    "llama-cpp-python": {"repeat_penalty": 1.0},  # 1.1 where it is not said
    "vLLM": {
        "repetition_penalty": 1.0
    },  # that of the checkpoint's generation_config.json where it is not said
}
"""The field that keeps a server from making repeated tokens less likely."""
_ESCAPES = f',"json_allowed_escapes":{compact(JSON_OPTIONS["json_allowed_escapes"])}'
_CONTROL_TOKEN = re.compile(r"<[^<>\s]*\w[^<>\s]*>|\[[^\[\]\s]*\w[^\[\]\s]*\]")
"""Tokens that may be control tokens; a token of ordinary text that looks like one is only split."""


def grammar_fields(kind: Kind, grammar: Grammar, text: str, close: str = "") -> dict[str, Any]:
    """Return the fields of a request that hold its completion, which `close` ends, to the grammar `text`."""
    if kind == "vLLM":
        return {"structured_outputs": {"grammar": text}}
    return {"grammar": _for_llama_server(text, close) if grammar == "llguidance" else text}


def tokenize(client: ServerClient, kind: Kind, model: str, text: str, special: bool) -> list[int]:
    """Return the token ids of `text`; without `special` none of them is a control token.

    Raise EngineError where the server does not tokenize.
    """
    if kind != "vLLM":
        body = {"content": text, "add_special": False, "parse_special": special}
        return [int(token) for token in client.post("/tokenize", body)["tokens"]]
    ids, spelled = _vllm_tokens(client, model, text)
    if special or not any(map(_CONTROL_TOKEN.fullmatch, spelled)):
        return ids
    pieces = re.split(r"(?<=[<\[])", text)  # no bracket is closed in the piece that opens it
    return [token for piece in pieces for token in _vllm_tokens(client, model, piece)[0]]


def _vllm_tokens(client: ServerClient, model: str, text: str) -> tuple[list[int], list[str]]:
    """Return the tokens of `text`, and how they are spelled. vLLM makes control tokens of what spells one."""
    if not text:
        return [], []
    body = {"model": model, "prompt": text, "add_special_tokens": False, "return_token_strs": True}
    reply = client.post("/tokenize", body)
    return [int(token) for token in reply["tokens"]], [str(one) for one in reply["token_strs"]]


def _for_llama_server(grammar: str, close: str) -> str:
    """Return `grammar` as llama-server's llguidance takes it.

    That one does not offer the end of a generation where a turn may end but need not: the close marker is
    made the last token, where the marker is written like one. It knows no option for the escapes of JSON
    strings, which the check of a turn sees to.
    """
    grammar = grammar.replace(_ESCAPES, "")
    if re.fullmatch(r"<[^<>\s]+>", close):
        grammar = grammar.replace("start:", f"start: turn {close}\nturn:", 1)
    return f"%llguidance {{}}\n{grammar}"
