"""The text of an HTML page, parsed by selectolax (lexbor).

Run as a file, it reads a page from stdin and prints its text as JSON. It imports nothing of ours: so a child
starts faster.
"""

from __future__ import annotations

import json
import re
import resource
import sys

from selectolax.lexbor import LexborHTMLParser, LexborNode

CPU_S = 5
"""Processor time for one page, in seconds."""
MEMORY = 1 << 30
MAX_TITLE = 200
MAX_TEXT = 100_000
"""Characters of text that are read of a page."""
_LEFT_OUT = (
    *("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas"),
    *("nav", "footer", "aside", "form", "button", "select", "dialog"),
    *('[role="navigation"]', '[aria-hidden="true"]', "[hidden]"),
)
_MAIN = ("main", '[role="main"]', "article")
_BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt"),
        *("figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main"),
        *("ol", "p", "pre", "section", "summary", "table", "td", "th", "tr", "ul"),
    )
)


def extract(data: bytes, charset: str) -> str:
    """Return the title and the text of a page, from its main part where it says which that is."""
    tree = LexborHTMLParser(_decoded(data, charset))
    title = tree.css_first("title")
    heading = " ".join(title.text().split())[:MAX_TITLE] if title else ""
    tree.strip_tags(list(_LEFT_OUT))
    text = _text_of(_main_part(tree))
    return f"{heading}\n\n{text}" if heading and heading != text.partition("\n")[0] else text


def _decoded(data: bytes, charset: str) -> str:
    """Return the text of `data`: by the server's word, else the page's own, else as UTF-8."""
    declared = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", data[:2048], re.IGNORECASE)
    for name in (charset, declared[1].decode("ascii") if declared else "", "utf-8-sig"):
        try:
            if name:
                return data.decode(name, "replace")
        except (LookupError, UnicodeError):
            continue
    return data.decode("utf-8", "replace")


def _main_part(tree: LexborHTMLParser) -> LexborNode | None:
    for selector in _MAIN:
        if (found := tree.css(selector)) and len(found) == 1:
            return found[0]
    return tree.body or tree.root


def _text_of(part: LexborNode | None) -> str:
    """Return the text in a part of a page: a line for each block, cells of a row side by side."""
    if part is None:
        return ""
    lines: list[str] = []
    before: int | None = None
    row: int | None = None
    size = 0
    for node in part.traverse(include_text=True):
        if node.tag == "-text":
            block = _block(node)
            text = node.text(deep=False)
            text = text.strip("\n") if block and block.tag == "pre" else re.sub(r"\s+", " ", text)
            if not text.strip():
                continue
            identity = block.mem_id if block else 0
            this_row = block.parent.mem_id if block and block.tag in ("td", "th") and block.parent else None
            if identity == before:
                lines[-1] += text
            elif this_row is not None and this_row == row:
                lines[-1] += f"\t{text.strip()}"
            else:
                mark = "- " if block and block.tag == "li" else ""
                lines.append(mark + text.lstrip(" "))
            before, row = identity, this_row
            size += len(text)
            if size > MAX_TEXT:
                break
    return "\n".join(line.rstrip() for line in lines)


def _block(node: LexborNode) -> LexborNode | None:
    """Return the block that a text stands in."""
    parent = node.parent
    while parent is not None and parent.tag not in _BLOCKS:
        parent = parent.parent
    return parent


def main() -> None:
    """Read a page from stdin and print its text as JSON."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(json.dumps(extract(sys.stdin.buffer.read(), sys.argv[1])))


if __name__ == "__main__":
    main()
