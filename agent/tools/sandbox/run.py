"""One run of confined code, by bubblewrap or by Landlock."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agent.errors import ToolError
from agent.tools.sandbox import bubblewrap, landlock
from agent.tools.sandbox.limits import Limits
from agent.tools.sandbox.system_calls import filter_program, is_supported
from agent.tools.sandbox.system_paths import ENVIRONMENT
from agent.tools.sandbox.view import View
from agent.tools.sandbox.watch import Outcome, watch

_CHILD = Path(__file__).with_name("child.py")
_CODE = "code.py"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Confinement:
    """How code is confined on this machine, or why it cannot be: `problem` is empty where it can."""

    kind: Literal["bubblewrap", "Landlock", "none"]
    problem: str = ""


@lru_cache(maxsize=1)
def find_confinement() -> Confinement:
    """Return the first way to confine code that works in a trial."""
    if not sys.platform.startswith("linux"):
        return Confinement("none", "code is confined on Linux alone")
    if not is_supported():
        return Confinement("none", "there is no filter of system calls for this processor")
    problems = []
    for found, problem in (
        (Confinement("bubblewrap"), bubblewrap.bubblewrap_problem()),
        (Confinement("Landlock"), landlock.landlock_problem()),
    ):
        if not (problem := problem or _trial(found)):
            return found
        problems.append(problem)
    return Confinement("none", "; ".join(problems))


def _trial(confinement: Confinement) -> str:
    """Return why nothing can be run so confined, or an empty text."""
    command = ["/bin/sh", "-c", "echo works"]
    with tempfile.TemporaryDirectory(prefix="umi-") as folder:
        try:
            outcome = run_confined(command, View(Path(folder).resolve()), confinement=confinement)
        except (ToolError, OSError) as error:
            return f"{confinement.kind} does not work here: {error}"
    if outcome.output == b"works\n":
        return ""
    said = " ".join(outcome.output.decode("utf-8", "replace").split())[:200]
    return f"{confinement.kind} does not work here: {said or outcome.stopped or outcome.exit_code}"


def run_confined(
    argv: Sequence[str],
    view: View,
    *,
    code: str | None = None,
    limits: Limits | None = None,
    confinement: Confinement | None = None,
) -> Outcome:
    """Run the program `argv` in the folder of `view`, or Python on `code`, and return what came of it.

    Raise ToolError where code cannot be confined on this machine, CallEndedError where the call of the tool
    was cancelled or its time is up.
    """
    limits = limits or Limits()
    confinement = confinement or find_confinement()
    if confinement.problem:
        raise ToolError(f"no code is run, since it cannot be confined here: {confinement.problem}")
    is_bubblewrap = confinement.kind == "bubblewrap"
    with ExitStack() as stack:
        written = [view.copy] if view.copy else []
        descriptor = -1
        if is_bubblewrap:
            temporary = bubblewrap.TEMPORARY
            line = bubblewrap.command_line(bubblewrap.find_bubblewrap(), view, limits)
            own_tasks, working = bubblewrap.OWN_TASKS, view.root
        else:
            temporary = stack.enter_context(_temporary_folder())
            written.append(temporary)
            descriptor = stack.enter_context(landlock.make_ruleset(view, temporary)).fileno()
            line, own_tasks, working = [], landlock.OWN_TASKS, view.copy or view.root
        files = {} if code is None else {str(temporary / _CODE): code}
        job = {
            "argv": [*argv, *files],
            "env": {**ENVIRONMENT, "HOME": str(temporary), "TMPDIR": str(temporary)},
            "cwd": str(working),
            "files": files,
            "limits": limits.of_process(),
            "tasks": 2 * limits.tasks,  # at once; more than `limits.tasks` for a moment end the run
            "filter": base64.b64encode(filter_program(landlock=not is_bubblewrap)).decode(),
            "ruleset": descriptor,
        }
        process = _started([*line, sys.executable, "-I", "-S", str(_CHILD)], descriptor)
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # what it prints says why it ended
        return watch(process, limits, own_tasks, written)


def _started(line: Sequence[str], descriptor: int) -> subprocess.Popen[bytes]:
    """Start a program that leads a session of its own and inherits `descriptor`. Raise ToolError."""
    try:
        return subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            pass_fds=() if descriptor < 0 else (descriptor,),
        )
    except OSError as error:
        raise ToolError(f"{line[0]} cannot be started: {(error.strerror or str(error)).lower()}") from None


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed afterwards, whatever was made in it."""
    folder = Path(tempfile.mkdtemp(prefix="umi-")).resolve()
    try:
        yield folder
    finally:
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder in which code wrote: names nested too deep for Python, and folders without rights."""
    for command in (["chmod", "-R", "u+rwX", "--"], ["rm", "-rf", "--"]):
        done = subprocess.run([*command, str(folder)], capture_output=True, check=False)
    if done.returncode:
        _log.warning("cannot remove %s: %s", folder, done.stderr.decode("utf-8", "replace").strip())
