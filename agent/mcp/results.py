"""What a tool of a server returned, as text for models: untrusted, without control characters, bounded."""

from __future__ import annotations

from mcp_types import (
    AudioContent,
    CallToolResult,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from agent.tools.lib.output import shorten, strip_control
from agent.transcript import compact

MAX_TEXT = 256 * 1024
"""Characters of a result that are looked at; a toolbox shows fewer."""


def text_of(result: CallToolResult) -> str:
    """Return a result as text; what is no text is named."""
    parts: list[str] = []
    left = MAX_TEXT
    for block in result.content:
        match block:
            case TextContent(text=text):
                part = text
            case ImageContent(mime_type=kind) | AudioContent(mime_type=kind):
                part = f"({shorten(kind, 40)}, not shown)"
            case ResourceLink(uri=uri):
                part = f"(a link: {shorten(str(uri), 200)})"
            case _:
                resource = getattr(block, "resource", None)
                part = resource.text if isinstance(resource, TextResourceContents) else "(data, not shown)"
        parts.append(strip_control(part[:left]))
        left -= len(parts[-1])
        if left <= 0:
            break
    if not parts and result.structured_content is not None:
        parts = [strip_control(compact(result.structured_content)[:MAX_TEXT])]
    return "\n".join(parts).strip("\n") or "done, without a result"
