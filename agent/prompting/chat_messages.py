"""A transcript as the messages of a chat, in the forms that chat templates can render."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agent.prompting.call_markup import CallMarkup
from agent.prompting.umi import segment
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolTurn,
    Transcript,
    UserTurn,
)

_TASK = (
    "You are umi, an assistant in the user's terminal. Call a function when the answer needs one. Otherwise"
    " answer in your own words, and call nothing for greetings, chat and general knowledge."
)
EXAMPLES = (
    ("Hey", "Hello! What can I do for you?"),
    ("Which planet is the biggest?", "Jupiter."),
    ("Thank you", "You're welcome!"),
)
"""Messages that need no function and their answers, which begin every conversation with tools.

Small models call one for anything they read. With the examples the scores of calls and answers
(`agent.llama.tool_choice`) of a 0.5B model part further: the area under the ROC curve was 0.87, and 0.78
without them, on 28 calls and 9 answers.
"""
_TOOLS = """\
You can call these functions, described by one JSON object a line:
{tools}

To call one, write nothing but a JSON object of this form: {{"name": "the function", "arguments": \
{{"parameter": "value"}}}}. Its result is in the message after that."""


@dataclass(frozen=True)
class Style:
    """The forms of a conversation that a template can render."""

    system: bool
    """A system message; else its text begins the first user message."""
    results: bool
    """Messages of the role `tool`; else results of calls are user messages."""
    markup: CallMarkup | None
    """The template's own markup of calls, which it shows beside its own list of tools; None where it has
    none: the tools are then described in the system message, and calls are JSON."""
    arguments_as_text: bool = False
    """Whether the template takes the arguments of a call as JSON text, not as an object."""


@dataclass(frozen=True)
class Message:
    """A message of a chat: its text, or the call that the assistant made."""

    role: str
    content: str
    call: Call | None = None
    name: str = ""
    """The tool whose result this is."""


def system_text(transcript: Transcript, style: Style) -> str:
    """Return the system message: the task, the tools where the template shows none, the instruction."""
    parts = [_TASK] if transcript.tools else []
    if transcript.tools and style.markup is None:
        parts.append(_TOOLS.format(tools="\n".join(tool.line() for tool in transcript.listed_tools)))
    return "\n\n".join([*parts, transcript.instruction] if transcript.instruction else parts)


def chat_messages(transcript: Transcript, style: Style) -> list[Message]:
    """Return `transcript` as messages.

    Calls of one step are shown one by one, each followed by its result: no template refuses that, and a stock
    model writes one at a time. A planner's thought is not shown, except where it gave up: then it is what the
    user was told.
    """
    messages: list[Message] = []
    pending: list[Call] = []

    def add(role: str, text: str) -> None:
        if role == "user" and messages and messages[-1].role == "user":
            # Some templates refuse two user messages in a row.
            messages[-1] = Message("user", f"{messages[-1].content}\n\n{text}")
        else:
            messages.append(Message(role, text))

    if system := system_text(transcript, style):
        add("system" if style.system else "user", system)
    for question, answer in EXAMPLES if transcript.tools else ():
        add("user", question)
        add("assistant", answer)
    for turn in transcript.turns:
        match turn:
            case UserTurn(content):
                add("user", content)
            case PlannerTurn(content, "give up"):
                add("assistant", content)
            case PlannerTurn():
                pass
            case CallerTurn(calls):
                pending = list(calls)
            case ToolTurn(name):
                if pending:
                    call = pending.pop(0)
                    messages.append(
                        Message("assistant", "", call)
                        if style.markup
                        else Message("assistant", plain_call(call))
                    )
                text = segment(turn).content
                if style.results:
                    messages.append(Message("tool", text, name=name))
                else:
                    add("user", f"Result of {name}:\n{text}")
            case SummarizerTurn(content):
                add("assistant", content)
    if not messages or messages[-1].role not in ("user", "tool"):
        # Some templates refuse such a chat; the length of its prompt is asked for all the same.
        add("user", "")
    return messages


def plain_call(call: Call) -> str:
    """Return a call as the JSON object that a model without a markup of its own is asked for."""
    return json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)
