"""Kills: a process that writes files, adds notes and undoes dies by SIGKILL at any moment; nothing is lost.

Run as a program, this module forks the processes that are killed, so that what they need is imported once.
Each tells what it is about to do and what is done; afterwards its files, notes, audit log and what is kept
for undo are compared with that.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from agent.consent.audit import AuditLog
from agent.engine import ScriptedEngine
from agent.errors import InputError
from agent.events import Finished
from agent.loop import Agent
from agent.paths import audit_path, notes_path, undo_folder
from agent.setup import make_toolbox
from agent.tools.lib.note_store import read_notes
from agent.tools.undo.restore import undo
from agent.tools.undo.store import UndoStore
from agent.transcript import Call
from attacks.result import Result, add_findings

FILES = ("a.txt", "docs/b.txt", "new/deep/c.txt")
KINDS = ("files torn or lost", "old contents lost", "audit entries lost", "notes lost", "crashes")
OPERATIONS = 30
"""Operations of a process that is not killed before."""
EVENTS = 500
"""Audit events of the interpreter (a file is opened, renamed, removed …) at one of which every second process
dies; the others die at a random time."""
MOST_SECONDS = 0.2

State = list[tuple[str, int]]
"""The writes that are in effect, oldest first: path and number."""


@dataclass(frozen=True)
class Step:
    """An operation, before it is begun or when it is done: `write`, `note`, `undo`, or a `crash`."""

    kind: str
    path: str = ""
    number: int = 0
    done: bool = False


def content(number: int) -> str:
    """Return the content of write number `number`, long enough to be torn."""
    return f"{number}\n" * 4000


def after(state: State, step: Step) -> State:
    """Return the writes in effect after a step."""
    if step.kind == "write":
        return [*state, (step.path, step.number)]
    return state[:-1] if step.kind == "undo" else state


def files_of(state: State) -> dict[str, str]:
    """Return what the files hold by path."""
    return {path: content(number) for path, number in state}


def attack(folder: Path, count: int) -> Result:
    """Kill `count` processes, and check what each has left."""
    result = Result("kills")
    result.allow_none(*KINDS)
    add_findings(result, "kills", folder / "kills", count)
    return result


def _work(root: Path, told: int, random: Random) -> None:
    """Write, note and undo at random, telling each step through the pipe `told`."""

    def tell(step: Step) -> None:
        os.write(told, json.dumps(asdict(step)).encode() + b"\n")

    state = State()
    for number in range(1, OPERATIONS + 1):
        kind = random.choice(["write", "write", "write", "note", "undo" if state else "write"])
        step = Step(kind, random.choice(FILES) if kind == "write" else "", number)
        tell(step)
        do(root, step)
        state = after(state, step)
        tell(Step(kind, step.path, number, done=True))


def do(root: Path, step: Step) -> None:
    """Make a step in the workspace `root`."""
    if step.kind == "undo":
        undo(UndoStore(undo_folder()))
    elif step.kind == "write":
        _call(root, Call("write_file", {"path": step.path, "content": content(step.number)}))
    else:
        _call(root, Call("add_note", {"text": f"note {step.number}"}))


def _call(root: Path, call: Call) -> None:
    """Make a call in a turn of its own, which the person allows."""
    script = ["I do it.\nNext: caller", call.line(), "Done.\nNext: summarizer", "Done."]
    agent = Agent(ScriptedEngine(script), make_toolbox(root), audit=AuditLog(root))
    *_, end = agent.run(agent.begin(), "go", approve=lambda request: request.allow())
    assert isinstance(end, Finished), end
    assert end.reason == "answered", end


def _killed(root: Path, random: Random, at_event: bool) -> list[Step]:
    """Fork a process that works in `root` until it is killed; return the steps that it told."""
    reader, writer = os.pipe()
    event, seconds = random.randint(1, EVENTS), random.uniform(0, MOST_SECONDS)
    child = os.fork()
    if child == 0:
        try:
            if at_event:
                seen = 0

                def count(*_: object) -> None:
                    nonlocal seen
                    seen += 1
                    if seen == event:
                        os.kill(os.getpid(), signal.SIGKILL)

                sys.addaudithook(count)
            _work(root, writer, random)
        except BaseException:
            os.write(writer, json.dumps({"kind": "crash", "path": traceback.format_exc()[-1500:]}).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    if not at_event:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, encoding="utf-8") as told:
        steps = [Step(**json.loads(line)) for line in told]
    os.waitpid(child, 0)
    return steps


def check(root: Path, steps: list[Step], result: Result) -> None:
    """Compare what a killed process left with the steps that it told."""
    state = State()
    for step in steps:
        state = after(state, step) if step.done else state
    last = steps[-1] if steps and not steps[-1].done else None
    result.also["in the midst of an operation"] += last is not None
    found = {path: (root / path).read_text() for path in FILES if (root / path).exists()}
    if last and found != files_of(state) and found == files_of(after(state, last)):
        state = after(state, last)
    if found != files_of(state):
        result.fail("files torn or lost", f"{steps[-2:]}")
        return
    _check_logs(steps, last, state, result)
    for left in range(len(state), 0, -1):
        try:
            undo(UndoStore(undo_folder()))
        except InputError as error:
            result.fail("old contents lost", f"{steps[-2:]}: {left} writes in effect: {error}")
            return
        found = {path: (root / path).read_text() for path in FILES if (root / path).exists()}
        if found != files_of(state[: left - 1]):
            result.fail("old contents lost", f"{steps[-2:]}: {left} writes in effect")
            return
        result.also["writes taken back afterwards"] += 1


def _check_logs(steps: list[Step], last: Step | None, state: State, result: Result) -> None:
    """Check that every call in effect has its line in the audit log, and every note its line in the store."""
    made = [step for step in steps if step.done and step.kind in ("write", "note")]
    noted = {note.text for note in read_notes(notes_path())}
    if last and ((last.path, last.number) in state or f"note {last.number}" in noted):
        made.append(last)
    for step in made:
        if step.kind == "note" and f"note {step.number}" not in noted:
            result.fail("notes lost", f"{step}")
    logged: set[str] = set()
    for line in audit_path().read_text(encoding="utf-8").splitlines() if audit_path().exists() else ():
        try:
            arguments = json.loads(line)["arguments"]
        except ValueError:
            # Linux writes page by page, so that a kill may cut off a long line; its call never ran.
            result.also["audit lines cut off before their call"] += 1
            continue
        logged.add(arguments.get("text") or arguments["content"].partition("\n")[0])
    for step in made:
        if (f"note {step.number}" if step.kind == "note" else str(step.number)) not in logged:
            result.fail("audit entries lost", f"{step}")
    result.also["operations in effect"] += len(made)


def main(folder: Path, count: int) -> None:
    """Kill `count` processes that work in folders below `folder`; print what came of it as JSON."""
    result = Result("kills")
    os.environ["UMI_HOME"] = str(folder / "home")
    (folder / "first").mkdir(parents=True)
    _call(folder / "first", Call("add_note", {"text": "so that all modules are imported"}))
    for number in range(count):
        root = folder / str(number) / "work"
        root.mkdir(parents=True)
        os.environ["UMI_HOME"] = str(root.parent / "home")
        steps = _killed(root, Random(number), number % 2 == 0)
        result.count += 1
        if crash := next((step for step in steps if step.kind == "crash"), None):
            result.fail("crashes", crash.path)
            continue
        check(root, steps, result)
    wrong = [(kind, what) for kind, found in result.wrong.items() for what in found]
    print(json.dumps({"count": result.count, "also": result.also, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
