"""The tool servers of the user, `mcp.json` beside the settings, and those that a workspace offers.

The file has the form that other programs use too:

    {"mcpServers": {"files": {"command": "some-server", "args": ["--root", "${workspace}"], "env": {}},
                    "search": {"url": "https://example.org/mcp", "headers": {"Authorization": "${TOKEN}"}}}}

Keys that umi does not know are ignored. `${NAME}` and `${NAME:-default}` stand for a variable of the
environment, `${workspace}` for the workspace. The lists in a workspace are never loaded: they are shown, and
what the user takes from them is copied into the user's own file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, StrictStr

from agent.errors import InputError, cannot_write
from agent.paths import read_json, tool_servers_path, write_private
from agent.tools.lib.output import safe_name
from agent.transcript import compact
from agent.transcript.validation import FieldError, InvalidFieldsError, validate

WORKSPACE_LISTS: Mapping[str, str] = {
    ".mcp.json": "mcpServers",
    ".cursor/mcp.json": "mcpServers",
    ".vscode/mcp.json": "servers",
}
"""The files in which a workspace offers servers, and the key that holds them."""
MAX_LIST_BYTES = 1024 * 1024
DEFAULT_TIME_LIMIT_S = 30.0
_VARIABLE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerEntry:
    """An entry of the list: a program with its arguments, or the address of a server."""

    __pydantic_config__: ClassVar = ConfigDict(extra="ignore")

    command: StrictStr = ""
    args: tuple[StrictStr, ...] = ()
    env: Mapping[str, StrictStr] = field(default_factory=dict)
    cwd: StrictStr = ""
    url: StrictStr = ""
    headers: Mapping[str, StrictStr] = field(default_factory=dict)
    type: StrictStr = ""
    disabled: bool = False
    time_limit_s: Annotated[float, Field(gt=0, le=3600)] = DEFAULT_TIME_LIMIT_S
    """Seconds that a call may take, the start of the server included. umi's own key."""


@dataclass(frozen=True)
class ToolServer:
    """A server with its name; `raw` is the entry as it stands in the file."""

    name: str
    entry: ServerEntry
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def prefix(self) -> str:
        """What the names of its tools begin with."""
        return re.sub(r"\W+", "_", self.name) + "__"

    @property
    def is_local(self) -> bool:
        """Whether it is a program that umi starts."""
        return bool(self.entry.command)

    @property
    def fingerprint(self) -> str:
        """A hash of what is run or asked: tools that were approved for another one are not offered."""
        entry = self.entry
        what = [entry.command, *entry.args, dict(entry.env), entry.cwd, entry.url, dict(entry.headers)]
        return hashlib.sha256(compact(what).encode()).hexdigest()

    def described(self) -> str:
        """Return what is run or asked, in a line; values of the environment and headers are left out."""
        if not self.is_local:
            return self.entry.url
        names = [f"{name}=…" for name in self.entry.env]
        return " ".join([*names, self.entry.command, *self.entry.args])

    def expanded(self, workspace: Path) -> ServerEntry:
        """Return the entry with its variables replaced. Raise InputError for one that is not set."""
        known = {"workspace": str(workspace), "workspaceFolder": str(workspace)}

        def value(match: re.Match[str]) -> str:
            name, default = match.groups()
            found = known.get(name, os.environ.get(name, default))
            if found is None:
                raise InputError(f"the server {self.name} needs the variable {name}", f"set {name}")
            return found

        def expand(text: str) -> str:
            return _VARIABLE.sub(value, text)

        entry = self.entry
        return ServerEntry(
            command=expand(entry.command),
            args=tuple(map(expand, entry.args)),
            env={name: expand(text) for name, text in entry.env.items()},
            cwd=expand(entry.cwd),
            url=entry.url,
            headers={name: expand(text) for name, text in entry.headers.items()},
            time_limit_s=entry.time_limit_s,
        )


@dataclass(frozen=True)
class FoundServers:
    """The servers of a list, and a line for each entry that cannot be used."""

    servers: tuple[ToolServer, ...] = ()
    problems: tuple[str, ...] = ()

    def get(self, name: str) -> ToolServer | None:
        """Return the server called `name`, or None."""
        return next((server for server in self.servers if server.name == name), None)


def user_servers() -> FoundServers:
    """Return the servers of the user's own list."""
    return _read(tool_servers_path(), "mcpServers")


def offered_servers(workspace: Path) -> FoundServers:
    """Return the servers that the lists in a workspace offer and that are not in the user's own."""
    mine = {server.name for server in user_servers().servers}
    servers: dict[str, ToolServer] = {}
    problems: list[str] = []
    for name, key in WORKSPACE_LISTS.items():
        found = _read(workspace / name, key)
        problems += found.problems
        for server in found.servers:
            if server.name not in mine:
                servers.setdefault(server.name, server)
    return FoundServers(tuple(servers.values()), tuple(problems))


def has_offered_servers(workspace: Path) -> bool:
    """Return whether there is a list of servers in a workspace."""
    return any((workspace / name).is_file() for name in WORKSPACE_LISTS)


def add_server(server: ToolServer) -> None:
    """Copy a server into the user's list. Raise InputError for a damaged list, UmiError if unwritable."""
    path = tool_servers_path()
    try:
        content = read_json(path, MAX_LIST_BYTES)
    except FileNotFoundError:
        content = {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "mend it first") from None
    if not isinstance(content, dict) or not isinstance(content.setdefault("mcpServers", {}), dict):
        raise InputError(f"{path} has no mcpServers", "mend it first")
    content["mcpServers"][server.name] = dict(server.raw)
    try:
        write_private(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise cannot_write(path, error) from None


def _read(path: Path, key: str) -> FoundServers:
    try:
        content = read_json(path, MAX_LIST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return FoundServers()
    except OSError as error:
        return FoundServers((), (f"{path} cannot be read: {error.strerror or error}",))
    except ValueError as error:
        return FoundServers((), (f"{path} is no JSON: {error}",))
    listed = content.get(key) if isinstance(content, dict) else None
    if not isinstance(listed, dict):
        return FoundServers((), (f"{path} has no object {key}",))
    servers: dict[str, ToolServer] = {}
    problems = []
    for name, raw in listed.items():
        try:
            server = _server(name, raw)
        except InvalidFieldsError as invalid:
            problems.append(f"{path}: the server {safe_name(name)[:40]!r} was skipped: {invalid}")
            continue
        if server.prefix in servers:
            problems.append(f"{path}: {name} was skipped: {servers[server.prefix].name} has its prefix")
        elif not server.entry.disabled:
            servers[server.prefix] = server
    return FoundServers(tuple(servers.values()), tuple(problems))


def _server(name: str, raw: Any) -> ToolServer:
    """Return the server of an entry. Raise InvalidFieldsError."""
    entry = validate(ServerEntry, raw)
    if not re.fullmatch(r"\w[\w .-]{0,39}", name) or not re.search(r"[^\W_]", name):
        raise _refused("its name may have 40 letters, digits, dots, spaces and hyphens")
    if bool(entry.command) == bool(entry.url):
        raise _refused("give it either a command or a url")
    if entry.type == "sse":
        raise _refused("the transport sse was replaced; use the server's address for streamable HTTP")
    if any("\0" in text for text in (entry.command, *entry.args, *entry.env, *entry.env.values(), entry.cwd)):
        raise _refused("it holds a NUL")
    if any("=" in variable or not variable for variable in entry.env):
        raise _refused("a variable of its env has no usable name")
    if entry.url:
        _check_address(entry)
    return ToolServer(name, entry, raw)


def _check_address(entry: ServerEntry) -> None:
    try:
        parts = urlsplit(entry.url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise _refused(f"its url cannot be used: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise _refused("its url must begin with https:// or http:// and a host")
    if parts.scheme == "http" and host not in _LOOPBACK and (entry.headers or parts.password):
        raise _refused("headers would go over the network in clear; use https")


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine's."""
    return urlsplit(url).hostname in _LOOPBACK


def _refused(why: str) -> InvalidFieldsError:
    return InvalidFieldsError(FieldError("rule", (), wanted=why))
