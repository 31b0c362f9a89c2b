"""The text of a page: of HTML its main part, and other text as it is."""

from __future__ import annotations

from agent.errors import ToolError
from agent.tools.lib.output import safe_name
from agent.tools.web.html import html_text
from agent.tools.web.request import Page

_HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("application/json", "application/xml", "application/yaml", "application/toml")


def page_text(page: Page) -> str:
    """Return the text of a page, under its title where it has one. Raise ToolError where it is no text."""
    if page.kind in _HTML:
        return html_text(page.data, page.charset)
    if page.kind.startswith("text/") or page.kind in _TEXT or page.kind.endswith(("+json", "+xml")):
        try:
            return page.data.decode(page.charset or "utf-8-sig", "replace")
        except (LookupError, UnicodeError):
            return page.data.decode("utf-8", "replace")
    raise ToolError(f"{page.url} is {safe_name(page.kind)[:80]}, not text")
