"""What a person allowed or forbade in advance: the mode, exact calls for the session, tools in a folder.

The rules of folders are data in the user's own `permissions.json`, beside the settings:

    {"folders": {"/home/me/project": {"mode": "ask", "tools": {"write_file": "allow", "run": "deny"}}}}

A key is the resolved path of a workspace and stands for just that one, not for folders in it. Nothing that a
workspace contains is read as a rule.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import ConfigDict

from agent.consent.audit import AuditLog
from agent.consent.request import Allow, Deny, Request
from agent.errors import InputError, cannot_write
from agent.paths import make_private_folder, permissions_path, read_file, write_private
from agent.transcript import Call, compact
from agent.transcript.validation import InvalidFieldsError, validate

Mode = Literal["ask", "read-only", "auto"]
MODES: tuple[Mode, ...] = get_args(Mode)
Rule = Literal["allow", "deny"]


@dataclass(frozen=True)
class FolderRules:
    """What applies in one workspace: the mode that it starts in, and rules by the tool's name."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    mode: Mode = "ask"
    tools: Mapping[str, Rule] = field(default_factory=dict)


@dataclass(frozen=True)
class Permissions:
    """The content of `permissions.json`: rules by the resolved path of a workspace."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    folders: Mapping[str, FolderRules] = field(default_factory=dict)


class Policy:
    """The mode and the rules of one workspace; `audit` records each change of them.

    In the mode `read-only` every tool but those that read is refused; `auto` allows calls that say which file
    in the workspace they write, and asks about all others. Raise InputError for damaged rules.
    """

    def __init__(self, workspace: Path, audit: AuditLog | None = None) -> None:
        self.workspace = workspace.resolve()
        self._audit = audit
        self._mode: Mode = self._rules().mode
        self._session: dict[str, Call] = {}

    @property
    def mode(self) -> Mode:
        """The mode in force. It may be set at any time, from any thread; raises UmiError as the log does."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._record("mode", mode=mode)
        self._mode = mode

    def forbids(self, request: Request) -> Deny | None:
        """Return the refusal of a call that no answer can allow, or None."""
        if self.mode == "read-only" and request.tool.may != "read":
            return Deny("umi is in read-only mode, in which nothing is changed", "the mode read-only")
        if self._rules().tools.get(request.call.name) == "deny":
            name = request.call.name
            return Deny(f"the user's rules forbid {name} in this folder", f"the rule: {name} is denied here")
        return None

    def allows(self, request: Request) -> Allow | None:
        """Return the permission for a call that needs no question, or None."""
        if self.mode == "auto" and request.change and request.change.path.is_relative_to(self.workspace):
            return request.allow("the mode auto")
        if _shown_key(request) in self._session:
            return request.allow("the rule: this call in this session")
        if self._rules().tools.get(request.call.name) == "allow" and not _may_write_by_code(request):
            return request.allow(f"the rule: {request.call.name} in this folder")
        return None

    def remember_call(self, request: Request) -> None:
        """Allow this very call, with what the question showed of its effect, until the process ends."""
        call = request.call
        self._record("rule", tool=call.name, arguments=dict(call.arguments), allowed="until the process ends")
        self._session[_shown_key(request)] = call

    def remember_tool(self, name: str) -> None:
        """Allow the tool in this workspace from now on, in every process of the user."""
        self._record("rule", tool=name, allowed="in this workspace")
        with _changed() as folders:
            rules = folders.get(str(self.workspace), FolderRules())
            tools: dict[str, Rule] = {**rules.tools, name: "allow"}
            folders[str(self.workspace)] = FolderRules(rules.mode, tools)

    def allowed(self) -> tuple[tuple[str, ...], tuple[Call, ...]]:
        """Return the names of the tools allowed in this workspace, sorted, and the calls of this session."""
        tools = sorted(name for name, rule in self._rules().tools.items() if rule == "allow")
        return tuple(tools), tuple(self._session.values())

    def revoke(self, name: str = "") -> int:
        """Take back what is allowed of the tool `name`, or of all; return the number of rules removed."""
        self._record("revocation", tool=name or "all")
        calls = [key for key, call in self._session.items() if name in ("", call.name)]
        for key in calls:
            del self._session[key]
        with _changed() as folders:
            rules = folders.get(str(self.workspace), FolderRules())
            kept: dict[str, Rule] = {
                tool: rule for tool, rule in rules.tools.items() if rule == "deny" or name not in ("", tool)
            }
            if kept != rules.tools:
                folders[str(self.workspace)] = FolderRules(rules.mode, kept)
        return len(calls) + len(rules.tools) - len(kept)

    def _record(self, kind: str, **fields: Any) -> None:
        if self._audit is not None:
            self._audit.record_change(kind, **fields)

    def _rules(self) -> FolderRules:
        """Return the rules as they are on disk: another process may have changed them."""
        return read_permissions().folders.get(str(self.workspace), FolderRules())


def forget_tools(names: Collection[str]) -> None:
    """Take back, in every folder, what is allowed of these tools: they are other tools by now."""
    with _changed() as folders:
        for folder, rules in folders.items():
            kept: dict[str, Rule] = {
                name: rule for name, rule in rules.tools.items() if rule == "deny" or name not in names
            }
            folders[folder] = FolderRules(rules.mode, kept)


def _shown_key(request: Request) -> str:
    """Return a text of the call and of what it does: a link may lead elsewhere, a tool be another, by now."""
    tool, path = request.tool, str(request.change.path) if request.change else ""
    return compact([call_key(request.call), path, tool.source, tool.may, tool.spec.line(), request.effect])


def _may_write_by_code(request: Request) -> bool:
    """Return whether the call runs code that may write: a rule may be from when that could only read."""
    return request.tool.may == "execute" and bool(request.toolbox and request.toolbox.context.code_writes)


def read_permissions() -> Permissions:
    """Return the user's rules. Raise InputError where the file cannot be read or is damaged."""
    path = permissions_path()
    try:
        return validate(Permissions, json.loads(read_file(path)))
    except FileNotFoundError:
        return Permissions()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "make it readable") from None
    except InvalidFieldsError as invalid:
        raise InputError(f"{path}: {invalid.errors[0]}", "mend it, or remove the file") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is damaged", "mend it, or remove it to be asked about every call") from None


@contextmanager
def _changed() -> Iterator[dict[str, FolderRules]]:
    """Yield the rules for a change that is written when the block ends; other processes wait meanwhile."""
    path = permissions_path()
    try:
        make_private_folder(path.parent)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = read_permissions().folders
            folders = dict(before)
            yield folders
            if folders != before:
                write_private(path, _to_json(folders))
        finally:
            os.close(lock)
    except OSError as error:
        raise cannot_write(path, error) from None


def _to_json(folders: Mapping[str, FolderRules]) -> bytes:
    value: dict[str, Any] = {
        folder: {"mode": rules.mode, "tools": dict(rules.tools)} for folder, rules in folders.items()
    }
    text = json.dumps({"folders": value}, ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "backslashreplace")  # a path need not be UTF-8


def call_key(call: Call) -> str:
    """Return a text that two calls share where they are the same."""
    return f"{call.name} {compact(dict(sorted(call.arguments.items())))}"
