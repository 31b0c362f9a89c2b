"""Phrasings of requests by intent, written by hand, one a line in the text files of this folder.

In `questions/*/*.txt`, `follow_ups/*.txt` (requests that refer back) and `replies.txt` a line `[intent]`
precedes the phrasings of an intent, with slots in braces; several files may have phrasings of one intent.
The values of the slots are in `pools/` and in `names`, the foreign tools in `foreign`, the kinds of
impossible requests in `impossible` (with those about something that is named in `impossible_named.txt`),
what is answered from general knowledge in `knowledge/`, lines of files with questions about them in
`facts.txt`, `rows.txt` and the files of `THEMES` to `SERIES`, and what people say around a request in
`framing.txt`.
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
    questions: dict[str, dict[str, str]] = {}
    folders = (HERE / "questions", HERE / "follow_ups")
    for path in (
        path for folder in folders for path in sorted(folder.rglob("*.txt"), key=lambda path: path.name)
    ):
        for intent, phrasings in sections(str(path.relative_to(HERE))).items():
            known = questions.setdefault(intent, {})
            known.update({normalize(text): text for text in reversed(phrasings)} | known)
    # Sorted, so that the order of the phrasings in a file does not matter.
    return {intent: tuple(sorted(known.values())) for intent, known in questions.items()}


QUESTIONS: dict[str, tuple[str, ...]] = _questions()
"""Phrasings of requests, by intent."""
REPLIES: dict[str, tuple[str, ...]] = sections("replies.txt")
"""Answers to small talk, by intent."""
FRAMING: dict[str, tuple[str, ...]] = sections("framing.txt")
"""What people say around a request: `opening`, `closing`, and `story_…` before it."""
FACTS: dict[str, tuple[str, ...]] = sections("facts.txt")
"""Lines of files, each with its questions: `line | word to search for` -> `slot: question / question`."""
ROWS: dict[str, tuple[str, ...]] = sections("rows.txt")
"""Lines that occur several times in a file with other values, like `FACTS`; their questions name the row."""
THEMES: dict[str, tuple[str, ...]] = sections("themes.txt")
"""Lines of files of a theme, like `FACTS`: `names of the file | line | word`, `+` before one that repeats."""
SETTINGS: dict[str, tuple[str, ...]] = sections("settings_asked.txt")
"""Settings with questions that do not name the key: `thing | key | kind of value`."""
SIBLINGS: dict[str, tuple[str, ...]] = sections("siblings.txt")
"""What each file of a folder says of one thing, like `FACTS`; the questions after `*` are about all."""
LOGGED: dict[str, tuple[str, ...]] = sections("log_facts.txt")
"""Lines of logs, like `FACTS`."""
NUMBERED: dict[str, tuple[str, ...]] = sections("numbered.txt")
"""Texts of numbered items: `what an item is called | names of the file`."""
SERIES: dict[str, tuple[str, ...]] = sections("series.txt")
"""Folders of files of one form: `folder | one | many | names | line` -> questions on one or on `each`."""
