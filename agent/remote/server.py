"""What a model server is and can do, found out by asking it: its models, grammars, prompts as token ids.

| server | prompts | grammars |
|---|---|---|
| llama-server | token ids | llguidance's where it was built with it, else GBNF |
| vLLM | token ids | llguidance's where its backend for structured outputs is `guidance`, else GBNF |
| llama-cpp-python | text | GBNF |
| others with completions | text | none, unless they take the field `grammar` |
| Ollama, and any other with a model that is none of umi's | chat messages | the server's own tool calls |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

from agent.bundle import Bundle
from agent.errors import EngineError, InputError
from agent.llama.grammar.calls import JSON_OPTIONS
from agent.remote.client import ServerClient
from agent.remote.dialect import Grammar, Kind, grammar_fields, tokenize
from agent.transcript import ROLES, Role, compact

_FORCED = "qz7"
"""What grammars are tried with: no model writes it by itself."""
_TRIALS: tuple[tuple[Grammar, str], ...] = (
    ("llguidance", f'start: %json {{"const":"{_FORCED}","x-guidance":{compact(JSON_OPTIONS)}}}'),
    ("gbnf", f'root ::= "{_FORCED}"'),
)

_START_VLLM = "start vLLM with --structured-outputs-config.backend guidance for more"


@dataclass(frozen=True)
class Server:
    """A server, the model that plays each role, and what it can be asked for."""

    kind: Kind
    models: dict[Role, str]
    dialect: Literal["umi", "chat"]
    grammar: Grammar = "none"
    tokenizes: bool = False
    """Whether it tokenizes texts apart from control tokens and takes prompts as token ids."""
    context_length: int | None = None
    adapters: Mapping[Role, int] = field(default_factory=dict)
    """The number of each role's adapter among those of llama-server, which a request switches on."""

    def summary(self) -> list[str]:
        """Return what holds and what does not, one line each."""
        names = ", ".join(dict.fromkeys(self.models.values()))
        if self.dialect == "chat":
            return [
                f"{self.kind} runs {names}, a stock model: it plays all three roles in its own chat format",
                "the server writes the calls; their names and arguments are checked here, not constrained",
                "the server tokenizes texts as markup: usual control tokens in questions and results are"
                " taken apart, unusual ones are not",
            ]
        constrained = {
            "llguidance": "turns are held to the same grammars as on this machine",
            "gbnf": "the form of turns is held to grammars; what numbers and names calls and answers are made"
            " of is checked here when it is written",
            "none": "the server takes no grammars: turns are checked here when they are written",
        }
        if self.kind == "vLLM" and self.grammar != "llguidance":
            constrained |= {self.grammar: f"{constrained[self.grammar]} ({_START_VLLM})"}
        prompts = (
            "prompts are token ids"
            if self.tokenizes
            else "prompts are text: <| in questions and results reaches the models as < |"
        )
        switched = ", an adapter for each role switched on by request" if self.adapters else ""
        return [
            f"{self.kind} runs {names}{switched}",
            constrained[self.grammar],
            prompts,
            "the margins of calls are not known, so none is doubted for its margin",
        ]


def examine(client: ServerClient, bundle: Bundle, model: str = "") -> Server:
    """Return what the server of `client` is. `model` names the one to use where it has several.

    It runs umi's roles where its models are named after them, after `bundle` or its files; else the model is
    a stock one. Raise InputError where it has no model or not that one.
    """
    listed = client.get(f"{client.path}/models")
    entries = listed.get("data") if isinstance(listed, dict) else None
    names = [str(entry["id"]) for entry in entries or () if isinstance(entry, dict) and "id" in entry]
    if not names:
        raise InputError(
            f"the server at {client.base} lists no models at {client.path}/models",
            "give --engine the URL that ends in /v1",
        )
    if model and model not in names:
        raise InputError(f"the server has no model {model!r}", f"it has {', '.join(names)[:200]}")
    kind = _kind(client, entries or [])
    context_length = _context_length(client, kind, entries or [])
    models = _models_of_roles(names, bundle, model)
    adapters = _adapters(client, kind, bundle) if models and len({*models.values()}) == 1 else {}
    if models is None:
        if len(names) > 1 and not model:
            raise InputError(
                f"the server has {len(names)} models", f"name one: --engine {client.base}/v1#{names[0]}"
            )
        chosen = model or names[0]
        return Server(kind, dict.fromkeys(ROLES, chosen), "chat", context_length=context_length)
    return Server(
        kind,
        models,
        "umi",
        _grammar(client, kind, models["planner"]),
        kind in ("llama-server", "vLLM") and _tokenizes(client, kind, models["planner"]),
        context_length,
        adapters,
    )


def _kind(client: ServerClient, entries: list[Any]) -> Kind:
    owners = {str(entry.get("owned_by")) for entry in entries if isinstance(entry, dict)}
    if "llamacpp" in owners:
        return "llama-server"
    if "vllm" in owners or (_longest(entries) and client.get("/version")):
        return "vLLM"
    if client.get("/api/version"):
        return "Ollama"
    return "llama-cpp-python" if owners == {"me"} else "a server"


def _models_of_roles(names: list[str], bundle: Bundle, model: str) -> dict[Role, str] | None:
    """Return the model of each role: one of its name, else one of the bundle's; None for a stock model."""
    if set(ROLES) <= set(names):
        return {role: role for role in ROLES}
    stems = {PurePath(name).name.removesuffix(".gguf"): name for name in ([model] if model else names)}
    found: dict[Role, str] = {}
    for role in ROLES:
        own = (bundle.roles[role].file.removesuffix(".gguf"), f"{bundle.name}-{role}", bundle.name)
        name = next((stems[stem] for stem in own if stem in stems), None)
        if name is None:
            return None
        found[role] = name
    return found


def _adapters(client: ServerClient, kind: Kind, bundle: Bundle) -> dict[Role, int]:
    """Return the number of each role's adapter; none where the layout of `bundle` has no adapters.

    Raise InputError where the server lacks one: the backbone alone plays no role.
    """
    wanted: dict[Role, str] = {role: file.adapter.file for role, file in bundle.roles.items() if file.adapter}
    if wanted and kind == "vLLM":
        raise InputError(
            f"{bundle.name} has activated adapters, which vLLM does not run",
            "use llama-server, or models whose adapters are plain ones: umi export bundle --for vllm",
        )
    listed = client.get("/lora-adapters") if wanted and kind == "llama-server" else None
    loaded = [entry for entry in listed or () if isinstance(entry, dict)]
    numbers = {PurePath(str(entry.get("path"))).name: entry.get("id") for entry in loaded}
    found: dict[Role, int] = {
        role: number for role, file in wanted.items() if isinstance(number := numbers.get(file), int)
    }
    if missing := [file for role, file in wanted.items() if role not in found]:
        raise InputError(
            f"the server runs the backbone of {bundle.name} without {', '.join(missing)}",
            "start llama-server with --lora-init-without-apply and --lora FILE for each of its adapters",
        )
    return found


def _grammar(client: ServerClient, kind: Kind, model: str) -> Grammar:
    """Return the most exact grammars that the server obeys.

    llguidance's are tried on llama-server and vLLM alone: llama-cpp-python's server crashes at what is not
    GBNF.
    """
    for grammar, text in _TRIALS:
        if grammar == "llguidance" and kind not in ("llama-server", "vLLM"):
            continue
        body = {"model": model, "prompt": "a", "max_tokens": 8, "temperature": 0}
        body |= grammar_fields(kind, grammar, text)
        try:
            reply = client.post(f"{client.path}/completions", body)
        except EngineError:
            continue
        if str(reply["choices"][0]["text"]).strip(' "') == _FORCED:
            return grammar
    return "none"


def _tokenizes(client: ServerClient, kind: Kind, model: str) -> bool:
    try:
        return bool(tokenize(client, kind, model, "a", special=False))
    except (EngineError, KeyError, TypeError):
        return False


def _context_length(client: ServerClient, kind: Kind, entries: list[Any]) -> int | None:
    if kind == "vLLM":
        return _longest(entries)
    props = client.get("/props")
    settings = props.get("default_generation_settings") if isinstance(props, dict) else None
    length = settings.get("n_ctx") if isinstance(settings, dict) else None
    return length if isinstance(length, int) and length > 0 else None


def _longest(entries: list[Any]) -> int | None:
    """Return the tokens that vLLM's models hold, by its list of them; that of an adapter does not say it."""
    found = [entry.get("max_model_len") for entry in entries if isinstance(entry, dict)]
    return min((length for length in found if isinstance(length, int) and length > 0), default=None)
