"""The tools of servers as the user approved them: what the models read, until the user approves another text.

A server that defines a tool anew does not change what is offered; see `Changes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict

from agent.errors import InputError, cannot_write
from agent.mcp.schema import UnfitSchemaError, fitted, without_patterns
from agent.mcp.servers import ToolServer
from agent.paths import approved_tools_path, read_json, write_private
from agent.tools.lib.output import shorten, strip_control
from agent.transcript import ToolSpec
from agent.transcript.validation import InvalidFieldsError, validate

MAX_TOOLS = 200
"""Tools of one server, at most."""
MAX_DESCRIPTION = 240
"""Characters of a tool's description that models read."""
MAX_NAME = 64
"""Characters of a tool's name with its prefix, at most."""
MAX_APPROVED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Definition:
    """A tool as its server defines it: what it is called there, what it says of itself, its JSON Schema."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    name: str
    description: str
    schema: Mapping[str, Any]

    def spec(self, server: ToolServer) -> ToolSpec:
        """Return the tool as the models see it. Raise UnfitSchemaError where it cannot be offered."""
        own = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in self.name)
        name = server.prefix + own
        if not own.strip("_") or len(name) > MAX_NAME:
            raise UnfitSchemaError("its name cannot be used")
        from agent.llama.grammar.calls import refusal  # loads llguidance, which offering tools does without

        parameters = fitted(self.schema)
        description = shorten(strip_control(self.description), MAX_DESCRIPTION)
        spec = ToolSpec(name, description, parameters)
        if refusal(spec):
            spec = ToolSpec(name, description, without_patterns(parameters))
        if why := refusal(spec):
            raise UnfitSchemaError(f"no grammar can be made of its parameters ({why})")
        return spec


@dataclass(frozen=True)
class ApprovedServer:
    """The tools of a server that the user approved, with the fingerprint that the server had then.

    `specs` are what the models read of them, by the server's own names.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    fingerprint: str
    tools: tuple[Definition, ...]
    specs: Mapping[str, ToolSpec] = field(default_factory=dict)


@dataclass(frozen=True)
class _ApprovedFile:
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    servers: Mapping[str, ApprovedServer] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """How the tools that a server lists differ from those approved."""

    new: tuple[Definition, ...]
    changed: tuple[tuple[Definition, Definition], ...]
    """The definition that was approved, and the one listed."""
    gone: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


def changes(server: ToolServer, listed: Sequence[Definition]) -> Changes:
    """Return how `listed` differs from what was approved of `server`."""
    approved = approved_server(server)
    known = {tool.name: tool for tool in approved.tools} if approved else {}
    return Changes(
        tuple(tool for tool in listed if tool.name not in known),
        tuple((known[tool.name], tool) for tool in listed if tool.name in known and known[tool.name] != tool),
        tuple(sorted(known.keys() - {tool.name for tool in listed})),
    )


def approved_server(server: ToolServer) -> ApprovedServer | None:
    """Return what was approved of a server as it is in the user's list; None for nothing."""
    found = read_approved().get(server.name)
    return found if found and found.fingerprint == server.fingerprint else None


def approve(server: ToolServer, listed: Sequence[Definition]) -> tuple[str, ...]:
    """Offer the tools `listed` from here on; return a line for each that cannot be offered.

    Raise InputError where what was approved before is damaged, and UmiError where it cannot be written.
    """
    specs: dict[str, ToolSpec] = {}
    problems = []
    for tool in listed:
        try:
            spec = tool.spec(server)
        except UnfitSchemaError as unfit:
            problems.append(f"{shorten(tool.name, 60)} of the server {server.name} is not offered: {unfit}")
            continue
        if spec.name in {other.name for other in specs.values()}:
            problems.append(
                f"{shorten(tool.name, 60)} of the server {server.name} is not offered: twice the name"
            )
            continue
        specs[tool.name] = spec
    servers = dict(read_approved())
    servers[server.name] = ApprovedServer(server.fingerprint, tuple(listed), specs)
    _write(servers)
    return tuple(problems)


def read_approved() -> Mapping[str, ApprovedServer]:
    """Return what was approved, by the server's name. Raise InputError where the file is damaged."""
    path = approved_tools_path()
    try:
        return validate(_ApprovedFile, read_json(path, MAX_APPROVED_BYTES)).servers
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, InvalidFieldsError) as error:
        raise InputError(f"{path} is damaged: {error}", "remove it, and approve the servers again") from None


def _write(servers: Mapping[str, ApprovedServer]) -> None:
    path = approved_tools_path()
    value = {
        name: {
            "fingerprint": server.fingerprint,
            "tools": [vars(tool) for tool in server.tools],
            "specs": {own: vars(spec) for own, spec in server.specs.items()},
        }
        for name, server in servers.items()
    }
    try:
        write_private(path, json.dumps({"servers": value}, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise cannot_write(path, error) from None
