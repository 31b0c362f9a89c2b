"""The observation of a run: what it printed, and what it changed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent.errors import ProtectedPathError, ToolError
from agent.tools.base import ToolContext
from agent.tools.lib.output import join_lines, pluralize
from agent.tools.sandbox.limits import Limits
from agent.tools.sandbox.run import Confinement, find_confinement, remove_folder, run_confined
from agent.tools.sandbox.view import View, view_of
from agent.tools.sandbox.watch import Outcome
from agent.tools.sandbox.workspace_copy import WrittenBack, copy_files, write_back

TIME_LIMIT_S = 45.0
"""Of a call: the run, and looking through or copying the workspace before."""


def confinement_problem() -> str:
    """Return why no code can be run on this machine, or an empty text."""
    return find_confinement().problem


def effect_of_run(context: ToolContext) -> str:
    """Return in a line what code can do that is run in this context."""
    files = (
        "changes files of the workspace" if context.code_writes else "reads the workspace and changes nothing"
    )
    return f"{files}; no network, at most {Limits().time_s:g} seconds; confined by {find_confinement().kind}"


def run_and_report(
    context: ToolContext,
    argv: Sequence[str],
    *,
    code: str | None = None,
    limits: Limits | None = None,
    confinement: Confinement | None = None,
) -> str:
    """Run `argv`, on `code` if it is not None, in the workspace and return the observation.

    Raise ToolError, with what was printed, where the run fails or exceeds a limit; nothing is changed then.
    """
    workspace = context.workspace
    if not context.code_writes:
        view = view_of(workspace)
        outcome = run_confined(argv, view, code=code, limits=limits, confinement=confinement)
        return _observation(context, outcome)
    folder = Path(tempfile.mkdtemp(prefix="umi-workspace-")).resolve()
    try:
        before = copy_files(workspace, folder)
        view = View(workspace.root, copy=folder)
        outcome = run_confined(argv, view, code=code, limits=limits, confinement=confinement)
        text = _observation(context, outcome)
        return f"{text}\n{_changes(write_back(workspace, folder, before))}"
    finally:
        remove_folder(folder)


def _observation(context: ToolContext, outcome: Outcome) -> str:
    try:
        context.workspace.check_shown("the output", outcome.output)
    except ProtectedPathError:
        raise ToolError("what it printed holds a private key, and is not shown") from None
    printed = join_lines(outcome.output.decode("utf-8", "replace").rstrip().splitlines())
    if outcome.stopped:
        raise ToolError(f"{outcome.stopped}, so it was ended{_after(printed)}")
    if outcome.exit_code:
        raise ToolError(f"it failed with exit code {outcome.exit_code}{_after(printed)}")
    return printed or "it printed nothing"


def _after(printed: str) -> str:
    return f"; it printed:\n{printed}" if printed else ""


def _changes(changes: WrittenBack) -> str:
    """Return which files were written, and why others were not."""
    names = ", ".join(changes.written[:10])
    more = f" and {len(changes.written) - 10} more" if len(changes.written) > 10 else ""
    lines = [
        f"(wrote {pluralize(len(changes.written), 'file')}: {names}{more})" if names else "(wrote no file)"
    ]
    return "\n".join([*lines, *(f"(not written: {reason})" for reason in changes.refused[:10])])
