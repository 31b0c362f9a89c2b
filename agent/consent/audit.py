"""The audit log: one JSON object a line for every decision, in the user's data folder, only ever appended to.

A line is written before its call runs, in one append under a lock: a process that is killed leaves whole the
line of every call that ran. Fields: `time` (ISO 8601, UTC), `workspace`, `kind`, `tool`, `arguments` (of the
call as it may run), `asked` (the arguments asked about, where the person changed them), `decision` (`allow`
or `deny`), `by` (who or which rule decided), `reason` (the refusal's).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.consent.request import Allow, Decision, Deny, Request
from agent.errors import cannot_write
from agent.paths import append_line, audit_path
from agent.transcript import compact


class AuditLog:
    """Appends decisions to the audit log for one workspace."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def record(self, request: Request, decision: Decision) -> None:
        """Append a decision. Raise UmiError where it cannot be written: the call must then not run."""
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "workspace": str(self._workspace),
            "kind": request.kind,
            "tool": request.call.name,
        }
        match decision:
            case Allow(call, by):
                line["arguments"] = dict(call.arguments)
                if call != request.call:
                    line["asked"] = dict(request.call.arguments)
                line |= {"decision": "allow", "by": by}
            case Deny(reason, by):
                line |= {
                    "arguments": dict(request.call.arguments),
                    "decision": "deny",
                    "by": by,
                    "reason": reason,
                }
        self._append(line)

    def _append(self, line: Mapping[str, Any]) -> None:
        path = audit_path()
        try:
            append_line(path, compact(line).encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise cannot_write(path, error) from None
