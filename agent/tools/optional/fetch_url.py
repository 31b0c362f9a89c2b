"""The tool `fetch_url`."""

from __future__ import annotations

from typing import Annotated

from agent.errors import ToolError
from agent.tools.base import tool
from agent.tools.lib.output import join_lines
from agent.tools.web.html import missing_package
from agent.transcript.arguments import Copied


@tool(may="network", problem=missing_package)
def fetch_url(url: Annotated[str, Copied()]) -> str:
    """Read the text of a web page.

    Only addresses that are public are requested, by GET and without cookies.
    """
    from agent.tools.web.page_text import page_text
    from agent.tools.web.request import request  # httpcore loads for a call alone

    page = request(url)
    text = page_text(page).strip()
    if not text:
        raise ToolError(f"{page.url} holds no text")
    remark = f"from {page.url}" if page.url != url else ""
    return join_lines(text.splitlines(), remark)
