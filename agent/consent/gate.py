"""The gate that every call of a turn passes: doubts are asked about, permissions are decided and recorded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.consent.audit import AuditLog
from agent.consent.policy import Policy
from agent.consent.request import PERSON, Allow, Approve, Decision, Deny, Request
from agent.errors import ToolError
from agent.tools.toolbox import Toolbox
from agent.transcript import Call, Transcript

Check = Callable[[Transcript, Call, float], str]
"""Returns what is uncertain about a call, or an empty text. The number is the least margin, in nats, of the
tokens that the models chose for it and for the thought before it (`agent.engine.Generated.margin`)."""

NOBODY = "needs the user's approval and nobody is there to give it"
REFUSED = "the user refused this call"
ASKED_AT_MOST = 3
"""Times that a call is asked about whose file changes while the question is open."""


class UnconfirmedCallError(Exception):
    """A call is in doubt and nobody is there to confirm it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        super().__init__(
            f"{request.doubt}; {request.call.line()} was not called, for nobody was there to confirm it"
        )


@dataclass(frozen=True)
class Gate:
    """Decides which calls may run. `check` finds doubts, `policy` rules, `approve` asks, `audit` records."""

    toolbox: Toolbox
    approve: Approve | None = None
    check: Check | None = None
    policy: Policy | None = None
    audit: AuditLog | None = None

    def passed(
        self, call: Call, thought: str, transcript: Transcript, untrusted: bool, margin: float = math.inf
    ) -> Call:
        """Return the call that may run: `call`, or what the person made of it.

        `thought` is the planner's, `transcript` ends with the calls of the step and with the results of those
        made, `untrusted` is as in `Request` and `margin` as in `Check`. Raise ToolError for a call that
        cannot work or was refused, with a text for the planner, and UnconfirmedCallError for one in doubt
        that nobody is there to confirm.
        """
        tool = self.toolbox.get(call.name)
        change = self.toolbox.preview(call)
        if tool is None:
            raise AssertionError("a preview of an unknown tool fails")
        request = Request("permission", call, tool, thought, "", untrusted, change, self.toolbox, transcript)
        doubt = self.check(transcript, call, margin) if self.check else ""
        settled = self._settled(request)
        if doubt and settled is None:
            request = replace(request, kind="both", doubt=doubt)
        elif doubt and isinstance(settled, Allow):
            request = self._confirmed(request, doubt)
        is_free = request.tool.may == "read" and not (self.policy and self.policy.forbids(request))
        return request.call if is_free else self._permitted(request)

    def _confirmed(self, request: Request, doubt: str) -> Request:
        """Ask about a doubt; return the request for the call that was meant."""
        asked = replace(request, kind="doubt", doubt=doubt)
        decision = self._confirmation(asked)
        self._record(asked, decision)
        if isinstance(decision, Deny):
            raise ToolError(_refusal(decision))
        return request.revised(decision.call) if decision.call != request.call else request

    def _confirmation(self, asked: Request) -> Decision:
        """Return the answer to a question about a doubt."""
        decision = self.approve(asked) if self.approve else None
        if decision is None:
            self._record(asked, Deny("", "nobody was there to confirm it"))
            raise UnconfirmedCallError(asked)
        return decision

    def _permitted(self, request: Request) -> Call:
        """Return the call that the person or a rule allows; ask again where what was shown has changed."""
        for _ in range(ASKED_AT_MOST):
            decision = self._decision(request)
            self._record(request, decision)
            if isinstance(decision, Deny):
                raise ToolError(_refusal(decision))
            if decision.call.name != request.call.name:
                name = decision.call.name
                raise ToolError(f"the approval names {name}, and {request.call.name} was asked about")
            now = request.revised(decision.call)
            seen = decision.seen or (request.change if decision.call == request.call else now.change)
            if now.change == seen:
                return decision.call
            request = now
        raise ToolError("the file changed each time while the question was open, so nothing was done")

    def _settled(self, request: Request) -> Decision | None:
        """Return the decision that needs no person; None where one is to be asked."""
        if self.policy and (refused := self.policy.forbids(request)):
            return refused
        if not request.tool.asks(request.untrusted):
            return request.allow("no question: the models read nothing from outside")
        return self.policy.allows(request) if self.approve and self.policy else None

    def _decision(self, request: Request) -> Decision:
        if settled := self._settled(request):
            return settled
        if request.kind == "both":
            return self._confirmation(request)
        decision = self.approve(request) if self.approve else None
        if decision is None:
            return Deny(f"{request.call.name} {NOBODY}", "nobody")
        return decision

    def _record(self, request: Request, decision: Decision) -> None:
        if self.audit is not None:
            self.audit.record(request, decision)


def _refusal(decision: Deny) -> str:
    """Return the observation that the planner reads."""
    if decision.by != PERSON:
        return decision.reason
    return f"{REFUSED}: {decision.reason}" if decision.reason else REFUSED
