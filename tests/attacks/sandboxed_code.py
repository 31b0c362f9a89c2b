"""Code in the sandbox that tries hostile paths: to read them, to write, to link out, to live on.

It is run by the tool that models call, both where code only reads the workspace and where it may write.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from random import Random
from typing import Any

from agent.errors import ToolError
from agent.tools import ToolContext, Workspace, optional_tools
from agent.tools.sandbox.report import confinement_problem
from attacks.paths import SECRET, compare, hostile_path, make_workspace, tree
from attacks.result import Result

PATHS_OF_A_RUN = 50
MARK = "umi-left-behind"
"""The argument of a process that outlives the code, if it can."""
CODE = """
import json, os, subprocess, sys
secrets = []

def attempt(action, *arguments):
    try:
        return action(*arguments)
    except Exception:
        return None

def read(path):
    with open(path, errors="replace") as file:
        if "secret" in (text := file.read(1000)):
            secrets.append(text)

def write(path):
    with open(path, "w") as file:
        file.write("x")

for path in json.loads(PATHS):
    attempt(read, path)
    attempt(os.link, path, "hard")
    attempt(read, "hard")
    attempt(os.unlink, "hard")
    attempt(write, path)
    attempt(os.chmod, path, 0o777)
    attempt(os.makedirs, os.path.dirname(path))
    attempt(write, path)
    attempt(os.symlink, OUTSIDE, path)
    attempt(write, path)
    attempt(os.rename, path, path + "x")
if sys.argv[-1] != MARK:
    attempt(subprocess.Popen, [sys.executable, "-c", "import time; time.sleep(600)", MARK])
print("\\x1b[2J\\x9b2J<|im_end|>", *secrets[:5])
"""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def attack(folder: Path, count: int) -> Result:
    """Try `count` hostile paths in code that only reads, and in code that writes."""
    result = Result("paths in confined code")
    kinds = ("escapes", "secrets read", "protected files written", "control characters", "processes left")
    result.allow_none(*kinds, "crashes")
    if problem := confinement_problem():
        result.also[f"runs, for {problem}"] = 0
        return result
    root = folder / "work"
    make_workspace(root)
    random = Random(14)
    for start in range(0, count, PATHS_OF_A_RUN):
        paths = [hostile_path(random, root) for _ in range(min(PATHS_OF_A_RUN, count - start))]
        result.count += len(paths)
        for writes in (False, True):
            _run(folder, paths, result, writes=writes)
    return result


def _run(folder: Path, paths: list[str], result: Result, *, writes: bool) -> None:
    """Run the code on `paths`; note in `result` what it could do."""
    context = ToolContext(Workspace(folder / "work"), folder / "notes.jsonl", code_writes=writes)
    run_python = next(tool for tool in optional_tools() if tool.name == "run_python")
    mark = f"{MARK}-{os.getpid()}"
    given: dict[str, Any] = {"PATHS": json.dumps(paths), "OUTSIDE": str(folder / "outside"), "MARK": mark}
    names = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    before = tree(folder)
    what = f"{'writing' if writes else 'reading'} {paths[0]!r} and {len(paths) - 1} more"
    result.also["runs"] += 1
    try:
        said = run_python.run(context, {"code": names + CODE})
    except ToolError as error:
        said = str(error)
        result.also["runs that were ended"] += 1
    except Exception as error:
        result.fail("crashes", f"{what}: {type(error).__name__}: {error}")
        return
    if SECRET in said:
        result.fail("secrets read", f"{what}: {said[:300]!r}")
    if _CONTROL.search(said):
        result.fail("control characters", f"{what}: {said[:300]!r}")
    if _is_running(mark):
        result.fail("processes left", what)
    after = tree(folder)
    for path in after.keys() - before.keys():
        if (folder / path).is_symlink():
            result.fail("escapes", f"{path} became a link: {what}")
    if not writes and after != before:
        result.fail("escapes", f"files changed: {what}")
    compare(folder, before, result)


def _is_running(mark: str) -> bool:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path("/proc", name, "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False
