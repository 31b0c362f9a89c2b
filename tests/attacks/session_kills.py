"""Kills: a process that holds a conversation dies by SIGKILL at any moment; every event it wrote is there.

Run as a program, this module forks the processes that are killed. Each tells of a question and of an event
once it is written; afterwards the sessions hold at least these, in their order.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

from agent.engine import ScriptedEngine
from agent.events import Reading, event_to_json
from agent.loop import Agent
from agent.sessions import SessionStore, SessionWriter
from agent.setup import make_toolbox
from agent.transcript import Call
from attacks.result import Result, add_findings

KINDS = ("events lost", "sessions torn", "crashes")
MOST_SECONDS = 0.4
"""A process is killed at a random time within these seconds after it has opened its sessions."""
SCRIPT = (
    "I need to calculate this.\nNext: caller",
    Call("calculate", {"expression": "17.5/100*240"}).line(),
    "I know the result.\nNext: summarizer",
    " ".join(f"word{number}" for number in range(60)),
)


def attack(folder: Path, count: int) -> Result:
    """Kill `count` processes, and compare what each has left with what it told."""
    result = Result("kills in a conversation")
    result.allow_none(*KINDS)
    add_findings(result, "session_kills", folder / "sessions", count)
    return result


def _converse(root: Path, told: int) -> None:
    """Ask and answer without end, telling what is written through the pipe `told`."""

    def tell(value: object) -> None:
        os.write(told, json.dumps(value).encode() + b"\n")

    toolbox = make_toolbox(root)
    writer = SessionWriter.begin(SessionStore.open(), root, "scripted")
    tell("open")
    for number in range(1_000_000):
        agent = Agent(ScriptedEngine(SCRIPT), toolbox)
        conversation = agent.begin()
        writer.question(f"question {number}", conversation)
        tell(f"question {number}")
        for event in agent.run(conversation, f"question {number}"):
            writer.event(event)
            if not isinstance(event, Reading):
                tell(event_to_json(event))


def _killed(root: Path, random: Random) -> list[Any]:
    """Fork a process that converses in `root` until it is killed; return what it told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            _converse(root, writer)
        except BaseException:
            os.write(writer, json.dumps({"crash": traceback.format_exc()[-1500:]}).encode() + b"\n")
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        lines = [told.readline()]
        os.set_blocking(told.fileno(), False)
        end = time.monotonic() + random.uniform(0, MOST_SECONDS)
        while (left := end - time.monotonic()) > 0:
            lines.append(told.read() or b"")  # a full pipe would hold the process up
            time.sleep(min(left, 0.005))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.set_blocking(told.fileno(), True)
        lines.append(told.read())
    return [json.loads(line) for line in b"".join(lines).splitlines()]


def check(told: list[Any], result: Result) -> None:
    """Compare the sessions with what a killed process told: these are to begin with that."""
    with SessionStore.open() as store:
        if store.database.read("PRAGMA integrity_check") != [("ok",)]:
            result.fail("sessions torn", f"after {told[-1:]}")
        found: list[Any] = []
        sessions = store.list()
        for exchange in store.read(sessions[0].id).branch if sessions else ():
            found += [exchange.question, *map(event_to_json, exchange.events)]
            result.also["questions interrupted"] += exchange.state == "interrupted"
    expected = _joined(told[1:])
    result.also["events and questions told"] += len(told) - 1
    part = expected[: len(found)]
    if part and found[len(part) - 1] != part[-1] and _is_answer(part[-1]) and _is_answer(found[-1]):
        # The piece of the answer that was written last may not have been told.
        part[-1] = found[-1] if found[-1]["text"].startswith(part[-1]["text"]) else part[-1]
    if len(found) < len(expected) or found[: len(part)] != part:
        result.fail("events lost", f"{len(expected)} were told and {len(found)} are there: {expected[-2:]}")


def _joined(told: list[Any]) -> list[Any]:
    """Return what was told with pieces of an answer that follow each other as one."""
    joined: list[Any] = []
    for value in told:
        if _is_answer(value) and joined and _is_answer(joined[-1]):
            joined[-1] = {**value, "text": joined[-1]["text"] + value["text"]}
        else:
            joined.append(value)
    return joined


def _is_answer(value: object) -> bool:
    return isinstance(value, dict) and value.get("event") == "answer"


def main(folder: Path, count: int) -> None:
    """Kill `count` processes that converse in folders below `folder`; print what came of it as JSON."""
    result = Result("kills in a conversation")
    for number in range(count):
        root = folder / str(number) / "work"
        root.mkdir(parents=True)
        os.environ["UMI_HOME"] = str(root.parent / "home")
        told = _killed(root, Random(number))
        result.count += 1
        if crash := next((value for value in told if isinstance(value, dict) and "crash" in value), None):
            result.fail("crashes", crash["crash"])
            continue
        check(told, result)
    wrong = [(kind, what) for kind, found in result.wrong.items() for what in found]
    print(json.dumps({"count": result.count, "also": result.also, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
