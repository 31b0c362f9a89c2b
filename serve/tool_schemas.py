"""Schemas of the tools that clients offer, as calls can be held to them.

What no grammar holds (`uniqueItems`, patterns with look-ahead, unusual formats) is left out, as of the tools
of MCP servers: the client checks the arguments that it gets in any case.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

from agent.llama.grammar.calls import refusal
from agent.mcp.schema import UnfitSchemaError, fitted
from agent.transcript import ToolSpec
from serve.errors import RequestError

LONGEST_AS_IS = 16_000
"""Characters of a schema that is tried as it stands: the time takes the square of its parameters."""


@lru_cache(maxsize=512)
def fit(name: str, parameters: str) -> ToolSpec:
    """Return a tool with the schema `parameters`, in JSON, made fit where no grammar takes it as it is.

    Raise RequestError where none takes it at all.
    """
    spec = ToolSpec(name, "", json.loads(parameters))
    try:
        if spec.parameters["type"] != "object":
            raise UnfitSchemaError("they are no object")
        if len(parameters) > LONGEST_AS_IS or refusal(spec):
            spec = replace(spec, parameters=fitted(spec.parameters))
            if why := refusal(spec):
                raise UnfitSchemaError(why)
    except UnfitSchemaError as unfit:
        message = (
            f"the parameters of the tool {name} are a JSON Schema that calls cannot be held to ({unfit})"
        )
        raise RequestError(400, message, "invalid_value", "tools") from None
    return spec
