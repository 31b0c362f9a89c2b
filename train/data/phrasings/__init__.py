"""Ways people phrase requests, by intent, written by hand; one a line in the text files of this folder.

`questions/*.txt` and `replies.txt` have a `[intent]` line before the phrasings of each intent, with slots in
braces. The pools that fill the slots are in `pools/` and in `names`; the tools of foreign requests are in
`foreign`, the topics of impossible requests in `impossible`.
"""

from pathlib import Path

HERE = Path(__file__).parent


def lines(name: str) -> tuple[str, ...]:
    """The lines of a file of this folder that are not empty."""
    return tuple(line for line in (HERE / name).read_text(encoding="utf-8").split("\n") if line)


def words(name: str) -> tuple[str, ...]:
    """The words of a file of this folder."""
    return tuple((HERE / name).read_text(encoding="utf-8").split())


def sections(name: str) -> dict[str, tuple[str, ...]]:
    """The lines of a file of this folder by the `[heading]` above them."""
    found: dict[str, list[str]] = {}
    under: list[str] = []
    for line in lines(name):
        if line.startswith("["):
            under = found.setdefault(line.strip("[]"), [])
        else:
            under.append(line)
    return {heading: tuple(under) for heading, under in found.items()}


def plain(phrasing: str) -> str:
    """What two phrasings that differ only in case and last mark have in common."""
    return phrasing.lower().rstrip("?.! ")


def _questions() -> dict[str, tuple[str, ...]]:
    questions: dict[str, tuple[str, ...]] = {}
    for path in sorted((HERE / "questions").glob("*.txt")):
        for intent, phrasings in sections(f"questions/{path.name}").items():
            # Sorted, so that moving a phrasing about in its file changes no training data.
            questions[intent] = tuple(sorted({plain(text): text for text in reversed(phrasings)}.values()))
    return questions


QUESTIONS: dict[str, tuple[str, ...]] = _questions()
REPLIES: dict[str, tuple[str, ...]] = sections("replies.txt")
"""What small talk is answered with, by intent."""
