"""`@tool`: a typed Python function as a tool, with a JSON Schema from its signature and a permission.

A function that needs the workspace or the note store takes a first parameter annotated `ToolContext`, which
is not part of the schema. The first paragraph of the docstring is the description that the models read. An
annotation of a parameter may say what its argument is made of (`agent.transcript.arguments`).
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from agent.errors import ToolError
from agent.tools.lib.file_change import FileChange
from agent.tools.lib.workspace import Workspace
from agent.transcript import ToolSpec, compact
from agent.transcript.arguments import ArgumentKind

Permission = Literal["read", "note", "write", "execute", "network"]
"""What a tool may do. `note` appends to the user's own notes: nothing is lost by it, but other conversations
read them."""
BUILT_IN = "umi"
"""The `Tool.source` of the tools that come with umi."""
DEFAULT_TIME_LIMIT_S = 30.0

_FORMATS = ("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
"""Formats of texts that llguidance makes a grammar of; a schema with another one is refused by it."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class ToolContext:
    """What tools may access: the workspace, and the user's note store (a JSON-lines file).

    `code_writes` tells that code that is run may change files of the workspace.
    """

    workspace: Workspace
    notes: Path
    code_writes: bool = False


@dataclass(frozen=True)
class Tool:
    """A function that the models can call. `spec` is its description for them, `may` its permission.

    `untrusted` tells that its observations carry text from outside: of files, or of other programs;
    `untrusted_description` tells that another program wrote its `spec`. `preview` takes what `function` takes
    and returns what that would change, `effect` says in a line what any call can do, and `problem` why there
    can be none on this machine, or nothing. A call ends after `time_limit_s` seconds. `arguments` returns the
    arguments of a call as `function` takes them, and raises ToolError where they are wrong.
    """

    spec: ToolSpec
    may: Permission
    function: Callable[..., Any]
    arguments: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    takes_context: bool
    untrusted: bool = True
    preview: Callable[..., FileChange] | None = None
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    untrusted_description: bool = False
    kinds: Mapping[str, ArgumentKind] = field(default_factory=dict)
    """What the parameters are made of; one that is not here is free."""
    source: str = BUILT_IN
    """Where it comes from: umi, a file of the user's, an installed package, or the server of a program."""
    effect: Callable[[ToolContext], str] | None = None
    problem: Callable[[], str] = str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, without checks of its arguments, as in a test of it."""
        return self.function(*args, **kwargs)

    @property
    def name(self) -> str:
        """The name by which the models call it."""
        return self.spec.name

    def asks(self, untrusted: bool) -> bool:
        """Return whether the user is asked before a call; `untrusted` tells that models read such text."""
        return untrusted if self.may == "note" else self.may != "read"

    def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> str:
        """Run the tool and return its observation. Raise ToolError if the arguments are wrong or it fails."""
        return observed(self._apply(self.function, context, arguments))

    def change(self, context: ToolContext, arguments: Mapping[str, Any]) -> FileChange | None:
        """Return the file that a call would write, where the tool can tell. Raise ToolError as `run` does."""
        return self._apply(self.preview or (lambda *_, **__: None), context, arguments)

    def _apply(
        self, function: Callable[..., Result], context: ToolContext, arguments: Mapping[str, Any]
    ) -> Result:
        """Call `function` with the checked arguments. Raise ToolError if they are wrong."""
        given = self.arguments(arguments)
        return function(context, **given) if self.takes_context else function(**given)


def observed(result: Any) -> str:
    """Return what a tool returned as text: compact JSON, unless it is text already."""
    if isinstance(result, str):
        return result
    try:
        return "done" if result is None else compact(result)
    except (TypeError, ValueError, RecursionError):
        return str(result)


def tool(
    may: Permission,
    *,
    untrusted: bool = True,
    preview: Callable[..., FileChange] | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    effect: Callable[[ToolContext], str] | None = None,
    problem: Callable[[], str] = str,
) -> Callable[[Callable[..., Any]], Tool]:
    """Return a decorator that makes a `Tool` of a typed function; see `Tool` for what it declares.

    `untrusted=False` is for tools whose results depend on their arguments and this computer alone. Raise
    TypeError where `may` is no permission, or the function cannot be called by named and typed parameters.
    """
    if may not in get_args(Permission):
        allowed = ", ".join(get_args(Permission))
        raise TypeError(f'a tool says what it may do, as in @umi.tool(may="read"): one of {allowed}')

    def wrap(function: Callable[..., Any]) -> Tool:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())
        takes_context = bool(parameters) and hints.get(parameters[0].name) is ToolContext
        for parameter in parameters:
            if parameter.name not in hints:
                raise TypeError(f"the parameter {parameter.name} of {function.__name__} has no type")
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(f"{parameter} of {function.__name__} cannot be given by name")
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__name__} is asynchronous, and a tool is an ordinary function")
        fields: dict[str, Any] = {
            p.name: (hints[p.name], ... if p.default is p.empty else p.default)
            for p in parameters[1 if takes_context else 0 :]
        }
        kinds = {name: kind for name, (hint, _) in fields.items() if (kind := _kind(hint))}
        model = _model(function.__name__, fields)
        description = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
        with warnings.catch_warnings(action="ignore"):  # a default may be anything: the models never see it
            schema = model.model_json_schema()
        spec = ToolSpec(function.__name__, description, plain_schema(schema))
        check = partial(_checked, model)
        return Tool(
            spec,
            may,
            function,
            check,
            takes_context,
            untrusted,
            preview,
            time_limit_s,
            kinds=kinds,
            effect=effect,
            problem=problem,
        )

    return wrap


def _model(name: str, fields: Mapping[str, Any]) -> type[BaseModel]:
    """Return a model with these fields. Raise TypeError for names that pydantic keeps for itself."""
    with warnings.catch_warnings(action="ignore"):  # of names such as `copy`, which do no harm here
        model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    if missing := [field for field in fields if field not in model.model_fields]:
        raise TypeError(f"a parameter of {name} cannot be called {missing[0]}")
    return model


def _checked(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given arguments, with the types of the fields of `model`. Raise ToolError."""
    try:
        validated = model.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise ToolError(f"{where}: {first['msg'].lower()}") from None
    return {name: getattr(validated, name) for name in validated.model_fields_set}


def _kind(hint: Any) -> ArgumentKind | None:
    """Return what a parameter is made of, where its annotation says so."""
    parts = [hint, *get_args(hint)]  # T | None holds what T says
    extras = [extra for part in parts for extra in getattr(part, "__metadata__", ())]
    return next((extra for extra in extras if isinstance(extra, ArgumentKind)), None)


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return pydantic's JSON Schema without the keys that are of no use to a model, or that no grammar holds.

    Titles, defaults, `additionalProperties`, `uniqueItems` and formats such as `path` are removed; `T | None`
    becomes `T` (an optional parameter is one that is not required).
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
        removed = ["title", "default", "additionalProperties", "uniqueItems"]
        if value.get("format") not in _FORMATS:
            removed.append("format")
        return {
            k: clean_properties(v) if k == "properties" else clean(v)
            for k, v in value.items()
            if k not in removed
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
