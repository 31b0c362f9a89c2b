"""The tools on offer in a conversation, and the running of one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from agent.errors import InputError, ToolError
from agent.tools.base import Tool, ToolContext
from agent.transcript import Call, ToolSpec


class Toolbox:
    """Tools by name, and where they work."""

    def __init__(self, tools: Iterable[Tool], context: ToolContext) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.context = context

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the models are told, sorted by name."""
        return tuple(self._tools[name].spec for name in sorted(self._tools))

    def get(self, name: str) -> Tool | None:
        """The tool of that name, if it is on offer."""
        return self._tools.get(name)

    def run(self, call: Call) -> str:
        """The observation of a call. Raises ToolError with text meant for the model."""
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool {call.name}; the tools are {', '.join(sorted(self._tools))}")
        return tool.run(self.context, call.arguments)


def choose(tools: Sequence[Tool], names: Iterable[str]) -> list[Tool]:
    """The tools with these names. Raises InputError naming the first that does not exist and its nearest."""
    by_name = {tool.name: tool for tool in tools}
    chosen = []
    for name in names:
        if name not in by_name:
            near = get_close_matches(name, by_name, n=1)
            hint = f"did you mean {near[0]}?" if near else "see `umi tools list`"
            raise InputError(f"there is no tool {name!r}", hint)
        chosen.append(by_name[name])
    return chosen
