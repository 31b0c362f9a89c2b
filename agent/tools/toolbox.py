"""The tools offered in a conversation, and execution of a call by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from agent.errors import InputError, ToolError
from agent.tools.base import Tool, ToolContext
from agent.tools.lib.file_change import FileChange
from agent.tools.lib.output import page_text
from agent.tools.lib.time_limit import Cancelled, run_limited
from agent.transcript import Call, ToolSpec


class Toolbox:
    """A set of tools by name, and the context that they run in."""

    def __init__(self, tools: Iterable[Tool], context: ToolContext) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.context = context

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The specifications that the models are given, sorted by name."""
        return tuple(self._tools[name].spec for name in sorted(self._tools))

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools that are offered."""
        return tuple(self._tools.values())

    def get(self, name: str) -> Tool | None:
        """Return the tool called `name`, or None if it is not offered."""
        return self._tools.get(name)

    @property
    def is_described_from_outside(self) -> bool:
        """Whether another program wrote the description of a tool that is offered."""
        return any(tool.untrusted_description for tool in self._tools.values())

    def is_untrusted(self, name: str) -> bool:
        """Return whether the observations of the tool called `name` carry text from outside.

        Those of a tool that is not offered are taken to.
        """
        tool = self._tools.get(name)
        return tool is None or tool.untrusted

    def run(self, call: Call, cancelled: Cancelled = lambda: False) -> str:
        """Run a call and return its observation. Raise ToolError with a message for the model.

        The tool runs on a thread of its own, which is left alone where it neither ends in time nor stops.
        """
        tool = self._called(call)
        try:
            return page_text(
                run_limited(lambda: tool.run(self.context, call.arguments), tool.time_limit_s, cancelled)
            )
        except Exception as error:
            if (paged := page_text(str(error))) != str(error):
                raise ToolError(paged) from error
            raise

    def preview(self, call: Call) -> FileChange | None:
        """Return what a call would change, where its tool can tell. Raise ToolError as `run` does."""
        return self._called(call).change(self.context, call.arguments)

    def _called(self, call: Call) -> Tool:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool {call.name}; the tools are {', '.join(sorted(self._tools))}")
        return tool


def select_tools(tools: Sequence[Tool], names: Iterable[str]) -> list[Tool]:
    """Return the tools called `names`, in that order.

    Raise InputError for the first name that no tool has, with the most similar name there is.
    """
    by_name = {tool.name: tool for tool in tools}
    selected = []
    for name in names:
        if name not in by_name:
            near = get_close_matches(name, by_name, n=1)
            hint = f"did you mean {near[0]}?" if near else "see `umi tools list`"
            raise InputError(f"there is no tool {name!r}", hint)
        selected.append(by_name[name])
    return selected
