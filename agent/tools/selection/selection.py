"""The tools on offer in a transcript, picked before each step of a turn from more than fit.

The list grows at its end and keeps its order, so that what a model has read of it stays in its cache. Only
where it is full is it made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from agent.engine import Engine
from agent.tools.selection.embedding import Embed
from agent.tools.selection.ranking import ToolRanking
from agent.transcript import CallerTurn, ToolSpec, ToolTurn, Transcript, UserTurn

FIRST = 8
"""Tools picked for a question."""
NEXT = 3
"""Tools picked for the rest of it, after each step."""
MOST = 16
"""Picked tools on offer together."""

SHARE = 1 / 2
"""Of the context that tools may take."""


def tools_fit(transcript: Transcript, engine: Engine) -> bool:
    """Return whether the tools of `transcript` leave room for a conversation."""
    return engine.room("planner", replace(transcript, turns=())) >= engine.context_length * (1 - SHARE)


class ToolSelection:
    """Picks from a fixed set of tools. Those called `pinned` are always on offer, before all others."""

    def __init__(
        self, tools: Sequence[ToolSpec], *, pinned: Collection[str] = (), embed: Embed | None = None
    ) -> None:
        """Index `tools`, of which there is at least one."""
        self._specs = {tool.name: tool for tool in tools}
        self.pinned = tuple(tool for tool in tools if tool.name in pinned)
        """The tools that every conversation begins with."""
        self._ranking = ToolRanking(tools, embed)

    def offer(self, transcript: Transcript, engine: Engine) -> Transcript:
        """Return `transcript` with the tools for its last question on offer; itself where they are already.

        Tools that were called in the conversation stay. The pinned ones are on offer in any case; of the
        others, as many as leave room for a conversation.
        """
        question, served = _exchange(transcript)
        wanted = [*self._ranking.rank(question, NEXT if served else FIRST, served), *_called(transcript)]
        offered = {tool.name for tool in transcript.tools}
        missing = [name for name in dict.fromkeys(wanted) if name in self._specs and name not in offered]
        if not missing:
            return transcript
        grown = self._with(transcript, [*transcript.picked, *missing])
        if len(grown.picked) <= MOST and tools_fit(grown, engine):
            return grown
        fixed = {tool.name for tool in self.pinned}
        left = [name for name in dict.fromkeys(wanted) if name in self._specs and name not in fixed][:MOST]
        while left and not tools_fit(self._with(transcript, left), engine):
            left.pop()
        return transcript if tuple(left) == transcript.picked else self._with(transcript, left)

    def _with(self, transcript: Transcript, names: Sequence[str]) -> Transcript:
        tools = (*self.pinned, *(self._specs[name] for name in names))
        return replace(transcript, tools=tools, picked=tuple(names))


def _exchange(transcript: Transcript) -> tuple[str, list[str]]:
    """Return the last question, and the tools that did something for it."""
    served: list[str] = []
    for turn in reversed(transcript.turns):
        if isinstance(turn, UserTurn):
            return turn.content, served
        if isinstance(turn, ToolTurn) and not turn.error:
            served.append(turn.name)
    return "", served


def _called(transcript: Transcript) -> Iterator[str]:
    for turn in transcript.turns:
        if isinstance(turn, CallerTurn):
            yield from (call.name for call in turn.calls)
