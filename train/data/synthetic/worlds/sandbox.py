"""A temporary workspace, note store and clock, in which the calls of a group of rows are run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from agent.errors import ToolError
from agent.evaluation.fixtures import write_workspace
from agent.tools import ToolContext, Workspace, builtin_tools
from agent.tools.lib.dates import fixed_clock
from agent.transcript import ToolTurn
from train.data.synthetic.script import ToolCall

TOOLS = {tool.name: tool for tool in builtin_tools()}


class Fixture(Protocol):
    """What a sandbox is made of: the time of its clock, and its files and notes."""

    @property
    def now(self) -> datetime: ...

    def to_json(self) -> Mapping[str, object]:
        """Return the files and notes as `agent.evaluation.fixtures` writes them."""
        ...


class Sandbox:
    """Runs the built-in tools on the files, notes and clock of a world."""

    def __init__(self, root: Path, world: Fixture) -> None:
        self.root, self.world = root, world
        self.notes = root / "notes.jsonl"
        self._changed = True
        self.reset()

    def reset(self) -> None:
        """Restore the workspace and the notes to their state before any call."""
        if not self._changed:
            return
        workspace = self.root / "workspace"
        if workspace.exists():
            for path in sorted(workspace.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
        workspace.mkdir(exist_ok=True)
        write_workspace(self.world.to_json(), workspace, self.notes)
        self.context = ToolContext(Workspace(workspace), self.notes)
        self._changed = False
        self._stamp(path for path in workspace.rglob("*") if path.is_dir())

    def run(self, call: ToolCall, name: str) -> ToolTurn:
        """Run a call and return its observation, under the offered name of the tool."""
        if call.observation is not None:
            return ToolTurn(name, call.observation, call.error)
        self._changed |= TOOLS[call.tool].may != "read"
        try:
            with fixed_clock(self.world.now):
                observation = TOOLS[call.tool].run(self.context, call.arguments)
        except ToolError as error:
            return ToolTurn(name, str(error), True)
        if call.tool == "write_file":
            written = self.root / "workspace" / call.arguments["path"]
            self._stamp((written, written.parent))
        return ToolTurn(name, observation)

    def _stamp(self, paths: Iterable[Path]) -> None:
        """Make files and folders changed at the time of the world's clock."""
        moment = self.world.now.timestamp()
        for path in paths:
            os.utime(path, (moment, moment))
