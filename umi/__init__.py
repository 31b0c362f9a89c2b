"""The Python interface of umi: an agent on three small language models that run on this machine.

    import umi

    print(umi.ask("what is 17.5% of 240?").answer)

    with umi.open_agent(tools=["calculate"]) as agent:
        for event in agent.run(agent.begin(), "what is 17.5% of 240?"):
            print(event)

`open_async_agent` is the same for asyncio. `events` and `errors` are the modules with what `Agent.run` yields
and raises. Everything is imported at its first use, so `import umi` is cheap. docs/python.md describes every
name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.bundle import Bundle
    from agent.consent import Allow, Deny, Request
    from agent.loop import Agent, Conversation
    from agent.tools import Tool, ToolContext, tool
    from agent.transcript import Call
    from agent.transcript.arguments import Copied, Derived
    from umi import errors, events
    from umi.asynchronous import AsyncAgent, open_async_agent
    from umi.opening import ask, available_tools, load_bundle, open_agent

__all__ = [
    "Agent",
    "Allow",
    "AsyncAgent",
    "Bundle",
    "Call",
    "Conversation",
    "Copied",
    "Deny",
    "Derived",
    "Request",
    "Tool",
    "ToolContext",
    "ask",
    "available_tools",
    "errors",
    "events",
    "load_bundle",
    "open_agent",
    "open_async_agent",
    "tool",
]

_SOURCES = {
    "Agent": "agent.loop",
    "Allow": "agent.consent",
    "AsyncAgent": "umi.asynchronous",
    "Bundle": "agent.bundle",
    "Call": "agent.transcript",
    "Conversation": "agent.loop",
    "Copied": "agent.transcript.arguments",
    "Deny": "agent.consent",
    "Derived": "agent.transcript.arguments",
    "Request": "agent.consent",
    "Tool": "agent.tools",
    "ToolContext": "agent.tools",
    "ask": "umi.opening",
    "available_tools": "umi.opening",
    "errors": "umi.errors",
    "events": "umi.events",
    "load_bundle": "umi.opening",
    "open_agent": "umi.opening",
    "open_async_agent": "umi.asynchronous",
    "tool": "agent.tools",
}
"""The module that each public name comes from, or is."""


def __getattr__(name: str) -> Any:
    if name not in _SOURCES:
        raise AttributeError(f"module 'umi' has no attribute {name!r}")
    module = import_module(_SOURCES[name])
    value = module if name in ("errors", "events") else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
