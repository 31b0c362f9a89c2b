"""The protocol of consent: what is asked about a call, and the answers.

A front end passes `Agent.run` a function `approve(Request) -> Allow(call) | Deny(reason) | None`. None says
that nobody is there to answer: the call is then not made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from agent.tools.base import Tool
from agent.tools.lib.file_change import FileChange
from agent.tools.toolbox import Toolbox
from agent.transcript import Call, Transcript

Kind = Literal["permission", "doubt", "both"]
PERSON = "the user"
"""Who decides, where it is not a rule."""


@dataclass(frozen=True)
class Allow:
    """The call may run as it stands here, which may be another than the one asked about.

    `by` says who or which rule decided. `seen` is the change that the person was shown: the call does not run
    where it would change something else by then.
    """

    call: Call
    by: str = PERSON
    seen: FileChange | None = None


@dataclass(frozen=True)
class Deny:
    """The call must not run; `reason`, where there is one, goes to the planner as the observation."""

    reason: str = ""
    by: str = PERSON


Decision = Allow | Deny


@dataclass(frozen=True)
class Request:
    """The question whether a call may run: `permission` for what it may touch, `doubt` for what was meant.

    `both` asks for the permission of a call that is in doubt, in one question.

    `call` has been checked against the tool's parameters, `reason` is the planner's thought, and `doubt` says
    what is uncertain. `untrusted` tells that the models read text from outside before, of files
    or of other programs, and `change` which file the call would write.
    """

    kind: Kind
    call: Call
    tool: Tool
    reason: str
    doubt: str = ""
    untrusted: bool = False
    change: FileChange | None = None
    toolbox: Toolbox | None = field(default=None, repr=False, compare=False)
    transcript: Transcript | None = field(default=None, repr=False, compare=False)
    """What the models have read and written by then, for a front end that lets them read on meanwhile."""

    @property
    def other_tools(self) -> tuple[str, ...]:
        """The tools on offer that the reason names and that the call does not call, sorted."""
        names = {spec.name for spec in self.toolbox.specs} if self.toolbox else set()
        found = re.findall(r"\w+", self.reason)
        return tuple(sorted(names.intersection(found) - {self.call.name}))

    @property
    def effect(self) -> str:
        """What any call of the tool can do, where the tool says so."""
        return self.tool.effect(self.toolbox.context) if self.tool.effect and self.toolbox else ""

    def revised(self, call: Call) -> Request:
        """Return the same question about a call that the person wrote, which is not in doubt.

        Raise ToolError where that call cannot work.
        """
        kind: Kind = "permission" if self.kind == "both" else self.kind
        if self.toolbox is None:
            return replace(self, kind=kind, call=call, doubt="")
        change = self.toolbox.preview(call)
        tool = self.toolbox.get(call.name) or self.tool
        return replace(self, kind=kind, call=call, tool=tool, change=change, doubt="")

    def allow(self, by: str = PERSON) -> Allow:
        """Return the answer that the call may run, and may change just what this question shows."""
        return Allow(self.call, by, self.change)


Approve = Callable[[Request], Decision | None]
"""Answers a question; None where nobody is there to answer it."""
