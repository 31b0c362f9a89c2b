"""What a tool is: a typed Python function, its JSON Schema from the signature, and what it may do.

A function that needs the workspace or the note store takes a first parameter annotated `ToolContext`;
it is not part of the schema. The first paragraph of the docstring is the description that models read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from agent.errors import ToolError
from agent.tools.lib.workspace import Workspace
from agent.transcript import ToolSpec

Permission = Literal["read", "write", "execute", "network"]


@dataclass(frozen=True)
class ToolContext:
    """Where tools work: the workspace they are confined to, and the user's note store (a JSON-lines file)."""

    workspace: Workspace
    notes: Path


@dataclass(frozen=True)
class Tool:
    """A function that models can call. `spec` is what they are told; `may` is what it is allowed to touch."""

    spec: ToolSpec
    may: Permission
    function: Callable[..., str]
    arguments: type[BaseModel]
    takes_context: bool

    @property
    def name(self) -> str:
        """The name that models call it by."""
        return self.spec.name

    def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        """The observation. Raises ToolError where the arguments do not fit or the tool fails."""
        try:
            checked = self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "arguments"
            raise ToolError(f"{where}: {first['msg'].lower()}") from None
        given = {name: getattr(checked, name) for name in checked.model_fields_set}
        return self.function(context, **given) if self.takes_context else self.function(**given)


def tool(may: Permission) -> Callable[[Callable[..., str]], Tool]:
    """Make a `Tool` of a typed function."""

    def wrap(function: Callable[..., str]) -> Tool:
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())
        takes_context = bool(parameters) and hints.get(parameters[0].name) is ToolContext
        fields: dict[str, Any] = {
            p.name: (hints[p.name], ... if p.default is p.empty else p.default)
            for p in parameters[1 if takes_context else 0 :]
        }
        model = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
        description = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
        spec = ToolSpec(function.__name__, description, plain_schema(model.model_json_schema()))
        return Tool(spec, may, function, model, takes_context)

    return wrap


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """pydantic's JSON Schema without what costs tokens and tells a model nothing.

    Titles, defaults and `additionalProperties` go; `T | None` becomes `T` (an optional parameter is one that
    is not required).
    """

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        options = value.get("anyOf")
        if options and {"type": "null"} in options:
            rest = [option for option in options if option != {"type": "null"}]
            if len(rest) == 1:
                value = {k: v for k, v in value.items() if k != "anyOf"} | rest[0]
        dropped = ("title", "default", "additionalProperties")
        return {
            k: clean_properties(v) if k == "properties" else clean(v)
            for k, v in value.items()
            if k not in dropped
        }

    def clean_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
        return {name: clean(value) for name, value in properties.items()}

    cleaned = clean(schema)
    ordered = {"type": "object", "properties": cleaned.pop("properties", {})}
    if required := cleaned.pop("required", None):
        ordered["required"] = required
    cleaned.pop("type", None)
    cleaned.pop("description", None)
    return ordered | cleaned
