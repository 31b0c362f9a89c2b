"""Text that is typed or pasted at random moments, before and after a question about a call was drawn."""

from __future__ import annotations

import itertools
import random
import string
import sys
import threading
from io import StringIO
from pathlib import Path
from unittest import mock

from app_pilot import app_of, ready, send, until
from fakes import plan, scripted
from textual import events

from agent.consent import Allow, Request
from agent.transcript import Call
from attacks.result import Result
from tui.app.approval import approval_prompt
from tui.app.approval.approval_prompt import ApprovalPrompt
from tui.app.question_input import QuestionInput
from tui.app.turn import Approval, ApprovalAsked
from tui.cli.terminal import terminal_approval
from tui.cli.terminal.terminal_approval import TerminalApproval
from tui.setup import LoadedAgent

ANSWERS = ("y", "yes", "Y", "allow", "ok", "v", "e", "e path", "all", "here", "")


class Terminal(StringIO):
    """A stream at which a person sits."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def write_request(opened: LoadedAgent) -> Request:
    """Return the question whether a file may be written."""
    tool = opened.agent.toolbox.get("write_file")
    assert tool is not None
    made = Call("write_file", {"path": "a.txt", "content": "x"})
    return Request("permission", made, tool, "", toolbox=opened.agent.toolbox)


def random_lines(randomness: random.Random) -> list[str]:
    """What somebody types who does not look at the screen: prose, commands, numbers, pasted text."""
    made = []
    for _ in range(randomness.randint(1, 6)):
        kind = randomness.randrange(6)
        if kind == 0:
            made.append(randomness.choice(ANSWERS))
        elif kind == 1:
            made.append(str(randomness.randrange(10**6)))
        else:
            made.append("".join(randomness.choices(string.printable, k=randomness.randint(1, 60))))
    return made


def random_events(randomness: random.Random) -> list[events.Event]:
    """Text as a person types or pastes it, with Enter and Tab, in any terminal."""
    text = "".join(randomness.choices(string.printable + "yY\n\t" * 3, k=randomness.randint(1, 5)))
    if randomness.random() < 0.5:
        return [events.Paste(text)]
    names = {"\n": "enter", "\r": "enter", "\t": "tab"}
    return [events.Key(names.get(c, c), None if c in names else c) for c in text if c not in "\x0b\x0c"]


async def attack_app(folder: Path, count: int) -> Result:
    """Type or paste `count` texts into the app, at random moments around questions about a call."""
    result = Result("texts typed in the app")
    result.allow_none("approvals")
    randomness = random.Random(14)
    go_on = threading.Event()

    def hold(_role: str) -> None:
        go_on.wait(60)

    opened = scripted([plan("", "summarizer"), "Hello."], folder, on_generate=hold)
    app = app_of(opened)
    # Answers count soon after a question is drawn, so that more of the texts come when they would.
    with mock.patch.object(approval_prompt, "ARMING_S", 0.02):
        async with app.run_test(size=(60, 20)) as pilot:
            await ready(pilot)
            await send(pilot, "hello")
            await until(pilot, lambda: app.chat.is_answering)
            while result.count < count:
                approval = Approval(write_request(opened))
                texts = min(randomness.randint(30, 60), count - result.count)
                moments = [True, *[False] * texts]
                randomness.shuffle(moments)
                for is_question in moments:
                    for event in [ApprovalAsked(1, approval)] if is_question else random_events(randomness):
                        app.post_message(event)
                    if randomness.random() < 0.1:
                        await pilot.pause(randomness.choice([0, 0.01, 0.03]))
                result.count += texts
                result.also["questions"] += 1
                await pilot.pause()
                if isinstance(approval.wait(lambda: True), Allow):
                    result.fail("approvals", f"question {result.also['questions']}")
                for prompt in app.query(ApprovalPrompt):
                    prompt.refuse()
                await until(pilot, lambda: not app.query(ApprovalPrompt))
                app.query_one(QuestionInput).text = ""
            app.chat.stop()  # what was typed as further questions is not to be answered
            go_on.set()
            await ready(pilot)
    return result


def attack_terminal(folder: Path, count: int) -> Result:
    """Answer `count` questions of `umi ask` with random lines, which were typed without reading."""
    result = Result("questions answered blindly in the terminal")
    result.allow_none("approvals", "rules added")
    randomness = random.Random(14)
    opened = scripted([], folder)
    request = write_request(opened)
    with (
        mock.patch("pydoc.pager"),
        mock.patch.object(terminal_approval, "_edited", lambda text: text),
        mock.patch.object(sys, "stderr", Terminal()),
    ):
        for _ in range(count):
            typed = random_lines(randomness)
            lines = itertools.chain(typed, itertools.repeat(""))
            drawn = str(randomness.randrange(100, 1000))
            approval = TerminalApproval(
                lambda lines=lines: next(lines), opened.agent.policy, lambda drawn=drawn: drawn
            )
            result.count += 1
            result.also["lines typed ahead"] += len(typed)
            if isinstance(approval(request), Allow):
                result.fail("approvals", repr(typed))
    assert opened.agent.policy is not None
    for name in opened.agent.policy.allowed()[0]:
        result.fail("rules added", name)
    return result
