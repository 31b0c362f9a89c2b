"""The question about a call in words: why, what it would change, and every argument whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.consent import Request
from agent.tools.base import BUILT_IN
from agent.tools.lib.file_change import FileChange
from agent.transcript import compact
from tui.text import one_line, size_text, visible

Kind = Literal["text", "warning", "diff", "value"]

DIFF_LINES = 1000
"""Lines of a diff that are shown."""


@dataclass(frozen=True)
class Part:
    """A labelled part of a question; `text` may have many lines, and holds no invisible character."""

    kind: Kind
    label: str
    text: str


def title_of(request: Request) -> str:
    """Return the question in a line."""
    name = one_line(request.call.name, 40)
    may = f"{name} may {request.tool.may}"
    match request.kind:
        case "permission":
            return may
        case "doubt":
            return f"Did you mean {name}?"
        case "both":
            return f"Did you mean this? {may}"


def parts_of(request: Request) -> Iterator[Part]:
    """Yield everything that a person decides by, the most important first."""
    if request.doubt:
        yield Part("warning", "in doubt", visible(request.doubt))
    if request.change:
        yield Part("text", "file", visible(str(request.change.path)))
        yield _consequence(request.change)
        if request.change.replaced and (others := request.change.replaced.names - 1):
            files = "another name (a hard link)" if others == 1 else f"{others} other names (hard links)"
            yield Part(
                "text",
                "note",
                f"the file has {files}, which {'keeps' if others == 1 else 'keep'} the old content",
            )
    if request.tool.source != BUILT_IN:
        yield Part("text", "from", visible(request.tool.source))
    if request.effect:
        yield Part("text", "effect", visible(request.effect))
    yield Part("text", "because", visible(request.reason) or "(the planner gave no reason)")
    if request.other_tools:
        others = " and ".join(request.other_tools)
        yield Part("warning", "note", f"the reason names {others}, but the call is {request.call.name}")
    if request.untrusted:
        yield Part(
            "warning",
            "note",
            "text of files or other programs was read before, and may have asked for this",
        )
    if request.change and (diff := list(request.change.diff())):
        more = [f"… {len(diff) - DIFF_LINES} more lines"] if len(diff) > DIFF_LINES else []
        yield Part("diff", "changes", "\n".join([*map(visible, diff[:DIFF_LINES]), *more]))
    for name, value in request.call.arguments.items():
        text = value if isinstance(value, str) else compact(value)
        yield Part("value", f"{one_line(visible(name))}{_length(text)}", visible(text))


def _consequence(change: FileChange) -> Part:
    old = change.replaced
    if old is None:
        return Part("text", "effect", "a new file")
    if old.text is None:
        return Part(
            "warning",
            "effect",
            f"replaces a file of {size_text(old.size)} that is not text; all of it is lost",
        )
    lines, lost = _counted(_line_count(old.text)), change.lines_lost
    if not lost:
        return Part("text", "effect", f"replaces a file of {lines}; none of them is lost")
    return Part(
        "warning",
        "effect",
        f"replaces a file of {lines}; {_counted(lost)} of it {'is' if lost == 1 else 'are'} lost",
    )


def _length(text: str) -> str:
    """Return how long a text is, where that is worth saying."""
    lines = _line_count(text)
    return f" ({_counted(lines)}, {len(text)} characters)" if lines > 1 or len(text) > 80 else ""


def _line_count(text: str) -> int:
    return text.removesuffix("\n").count("\n") + 1 if text else 0


def _counted(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"
