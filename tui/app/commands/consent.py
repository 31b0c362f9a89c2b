"""The commands of consent: the mode, and what runs without a question.

What is typed or pasted can narrow what is allowed, never widen it: keys do that.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from agent.errors import InputError
from tui.app.commands.registry import SlashCommand
from tui.text import call_line

if TYPE_CHECKING:
    from agent.consent.policy import Mode, Policy
    from tui.app.app import UmiApp

EXPLAINED = """\
ask: umi asks before a tool changes anything. It starts so.
read-only: whatever is not reading is refused.
auto: files in this folder are written without a question; all else is still asked about.
Shift+Tab switches between the three; /mode NAME only to one that allows less."""

_NARROWEST_FIRST: tuple[Mode, ...] = ("read-only", "ask", "auto")
"""Every mode; `agent.consent.policy` is loaded after the first paint."""


async def _mode(app: UmiApp, rest: str) -> None:
    if not rest:
        await app.show_note(EXPLAINED)
        return
    policy = _policy(app)
    modes: dict[str, Mode] = {mode: mode for mode in _NARROWEST_FIRST}
    wanted = modes.get(rest.lower())
    if wanted is None:
        near = get_close_matches(rest.lower(), modes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_NARROWEST_FIRST)}"
        raise InputError(f"there is no mode {rest}", hint)
    if _NARROWEST_FIRST.index(wanted) > _NARROWEST_FIRST.index(policy.mode):
        raise InputError(f"{wanted} allows more than {policy.mode}", "press Shift+Tab to switch to it")
    policy.mode = wanted
    app.show_mode()


async def _allowed(app: UmiApp, rest: str) -> None:
    policy = _policy(app)
    tools, calls = policy.allowed()
    lines = [f"{tool}, in {policy.workspace}" for tool in tools]
    lines += [f"{call_line(call.name, call.arguments)}, until umi ends" for call in calls]
    await app.show_note(
        "Without a question:\n" + "\n".join(lines) if lines else "Nothing is allowed without a question."
    )


async def _revoke(app: UmiApp, rest: str) -> None:
    if not rest:
        raise InputError("/revoke takes back a permission", "say what: /revoke TOOL, or /revoke all")
    count = _policy(app).revoke("" if rest.lower() == "all" else rest)
    await app.show_note(f"Taken back: {count}." if count else "Nothing of that kind is allowed.")


def _policy(app: UmiApp) -> Policy:
    policy = app.opened.agent.policy if app.opened else None
    if policy is None:
        raise InputError("there are no models yet", "wait until they are loaded")
    return policy


COMMANDS = (
    SlashCommand("mode", "what may happen without a question", _mode, "[NAME]"),
    SlashCommand("allowed", "what runs without a question here", _allowed),
    SlashCommand("revoke", "take back what is allowed", _revoke, "TOOL|all"),
)
