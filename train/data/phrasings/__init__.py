"""Phrasings of requests by intent, written by hand, one a line in the text files of this folder.

In `questions/*.txt`, `follow_ups/*.txt` (requests that refer back) and `replies.txt` a line `[intent]`
precedes the phrasings of an intent, with slots in braces. The values of the slots are in `pools/` and in
`names`, the foreign tools in `foreign`, the kinds of impossible requests in `impossible`.
"""

from pathlib import Path

HERE = Path(__file__).parent


def lines(name: str) -> tuple[str, ...]:
    """Return the lines of a file of this folder that are not empty."""
    return tuple(line for line in (HERE / name).read_text(encoding="utf-8").split("\n") if line)


def words(name: str) -> tuple[str, ...]:
    """Return the words of a file of this folder."""
    return tuple((HERE / name).read_text(encoding="utf-8").split())


def sections(name: str) -> dict[str, tuple[str, ...]]:
    """Return the lines of a file of this folder by the `[heading]` above them."""
    by_heading: dict[str, list[str]] = {}
    under: list[str] = []
    for line in lines(name):
        if line.startswith("["):
            under = by_heading.setdefault(line.strip("[]"), [])
        else:
            under.append(line)
    return {heading: tuple(under) for heading, under in by_heading.items()}


def normalize(phrasing: str) -> str:
    """Return a phrasing in lower case without its final punctuation."""
    return phrasing.lower().rstrip("?.! ")


def _questions() -> dict[str, tuple[str, ...]]:
    questions: dict[str, tuple[str, ...]] = {}
    files = (path for folder in ("questions", "follow_ups") for path in sorted((HERE / folder).glob("*.txt")))
    for path in files:
        for intent, phrasings in sections(f"{path.parent.name}/{path.name}").items():
            # Sorted, so that the order of the phrasings in a file does not matter.
            questions[intent] = tuple(
                sorted({normalize(text): text for text in reversed(phrasings)}.values())
            )
    return questions


QUESTIONS: dict[str, tuple[str, ...]] = _questions()
"""Phrasings of requests, by intent."""
REPLIES: dict[str, tuple[str, ...]] = sections("replies.txt")
"""Answers to small talk, by intent."""
