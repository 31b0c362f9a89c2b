"""Files that a person gives along with a question: each is read as an observation of `read_file`.

So the models see a file as they see one that they read themselves: paged, and never as words of the person.
Files are read before the question is asked, so that one that cannot be read is told of before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import InputError, ToolError
from agent.prompting.attachments import attached_thought
from agent.tools import Workspace
from agent.tools.builtin.read_file import read_file
from agent.tools.lib.output import safe_name
from agent.tools.toolbox import Toolbox
from agent.transcript import Call, CallerTurn, PlannerTurn, ToolTurn


@dataclass(frozen=True)
class Attachment:
    """A file that was read: the call that reads it, and its observation."""

    call: Call
    content: str


def read_attachments(
    toolbox: Toolbox, paths: Iterable[str | Path], *, outside: bool = False
) -> tuple[Attachment, ...]:
    """Return each file as `read_file` shows it, one given twice once.

    A path may be relative to the workspace. One that leads out of it is read only if `outside` is true, that
    is where a person named it on a command line; the models cannot read on in it. Raise InputError for a file
    that cannot be read or is protected.
    """
    return tuple(_read(toolbox, path, outside) for path in dict.fromkeys(map(str, paths)))


def attached_turns(attachments: Sequence[Attachment]) -> tuple[PlannerTurn | CallerTurn | ToolTurn, ...]:
    """Return the step in which the attachments are read, as it follows the question in the transcript."""
    calls = tuple(attached.call for attached in attachments)
    return (
        PlannerTurn(attached_thought([call.arguments["path"] for call in calls]), "caller"),
        CallerTurn(calls),
        *(ToolTurn(attached.call.name, attached.content) for attached in attachments),
    )


def _read(toolbox: Toolbox, path: str, outside: bool) -> Attachment:
    context = toolbox.context
    try:
        place = (context.workspace.root / Path(path).expanduser()).resolve()
        if place.is_relative_to(context.workspace.root):
            name = place.relative_to(context.workspace.root).as_posix()
        elif not outside:
            raise ToolError(f"it is not in {context.workspace.root}")
        else:
            context = replace(context, workspace=Workspace(place.parent))
            name = place.name
        content = read_file.run(context, {"path": name})
    except ToolError as error:
        raise InputError(f"{path} cannot be attached: {error}", "name a text file") from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, `~` of nobody, a NUL
        raise InputError(f"{path} cannot be attached: {error}", "name a text file") from None
    shown = name if context is toolbox.context else safe_name(str(place))
    return Attachment(Call(read_file.name, {"path": shown}), content)
