"""The audit log: one JSON object a line for every decision, in the user's data folder, only ever appended to.

A line is written before its call runs, in one append under a lock: a process that is killed leaves whole the
line of every call that ran. All lines have `time` (ISO 8601, UTC), `workspace` and `kind`. Those of a
`permission`, of a `doubt`, or of `both` in one question, have `tool`, `arguments` (as the call may run),
`asked` (the arguments asked about, where the person changed them), `decision` (`allow` or `deny`), `by` (who
or which rule decided) and `reason` (the refusal's); that of a `mode` has `mode`; those of a `rule` and a
`revocation` have `tool`.
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
    """Appends decisions to the audit log for one workspace. Raise UmiError where it cannot be written."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def record(self, request: Request, decision: Decision) -> None:
        """Append a decision about a call, which must not run where this fails."""
        fields: dict[str, Any] = {"tool": request.call.name}
        match decision:
            case Allow(call, by):
                fields["arguments"] = dict(call.arguments)
                if call != request.call:
                    fields["asked"] = dict(request.call.arguments)
                fields |= {"decision": "allow", "by": by}
            case Deny(reason, by):
                fields["arguments"] = dict(request.call.arguments)
                fields |= {"decision": "deny", "by": by, "reason": reason}
        self._append(request.kind, fields)

    def record_change(self, kind: str, **fields: Any) -> None:
        """Append a change of the mode or of the rules, which must not be made where this fails."""
        self._append(kind, fields)

    def _append(self, kind: str, fields: Mapping[str, Any]) -> None:
        path = audit_path()
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "workspace": str(self._workspace), "kind": kind, **fields}
        try:
            append_line(path, compact(line).encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise cannot_write(path, error) from None
