"""Random questions of one split: a phrasing filled with values, varied and framed as people type."""

from __future__ import annotations

from functools import cache

from train.data.phrasings import FRAMING, QUESTIONS, normalize
from train.data.synthetic.holdout import HELD_OUT_PHRASINGS, held_out
from train.data.synthetic.values import ValueSampler
from train.data.synthetic.wording.paraphrase import paraphrase

STORY_SHARE = 0.11
"""Share of first questions of a row with a sentence before them that asks nothing."""
CLOSING_SHARE = 0.1
"""Share of first questions with words after them that ask nothing."""
_STORIES = {
    "arithmetic": "arithmetic",
    "dates": "dates",
    "converting units": "units",
    "the time": "time",
    "the date": "time",
    "this computer": "computer",
    "saving notes": "notes",
    "finding notes": "notes",
    "writing files": "writing",
    **dict.fromkeys(
        (
            *("reading files", "searching files", "finding files", "listing files", "file sizes"),
            *("file dates", "counting lines", "counting files"),
        ),
        "files",
    ),
}
"""Topic of an intent -> the section of `framing.txt` with what people say before such requests."""
_CLOSERS = (" please", " thanks", ", please", " pls", "?", " for me", " right now", ", thank you", " :)")
_NAMES = ("path", "path2", "name")
_ARTICLES = ("the ", "my ", "our ")
"""Words that begin a description of a file, which is not put in quotation marks."""
_TEXTS = ("q", "content", "text")
"""Slots that people put in quotation marks."""
_TEXT_ENDS = ("{content}", "{text}", "{lines}")
"""Ends of phrasings after which another word would be taken for a part of the text."""


class Sampler(ValueSampler):
    """A source of random questions and values: held-out ones for the split `test`, others for the rest."""

    def question(self, intent: str, **slots: object) -> str:
        """Return a phrasing of an intent with its slots filled, varied as people vary what they type.

        Outside the test split it is sometimes paraphrased as well.
        """
        return self.phrased(QUESTIONS[intent], **slots)

    def phrased(self, phrasings: tuple[str, ...], **slots: object) -> str:
        """Return one of `phrasings` like `question`; slots that it lacks are ignored."""
        phrasing = self.pick(phrasings, HELD_OUT_PHRASINGS)
        text = self.vary(phrasing if self.is_test else paraphrase(phrasing, self.rng))
        plain = normalize(text)
        if not self.is_test and (plain in _held_out_phrasings(phrasings) or plain in _held_out_whole()):
            text = phrasing
        return text.format(**{name: self._quoted(name, value, text) for name, value in slots.items()})

    def _quoted(self, name: str, value: object, text: str) -> object:
        """Return a name or text, sometimes in quotation marks where the phrasing has none around it."""
        rate = 0.4 if name in _NAMES and " " in str(value) else 0.15 if name in _TEXTS else 0.0
        if name in _NAMES and str(value).startswith(_ARTICLES):
            return value
        # What is asked of a file or note is a clause, which nobody quotes.
        rate = 0.02 if name == "q" and str(value).count(" ") > 1 else rate
        if not self.chance(rate) or any(f"{mark}{{{name}}}{mark}" in text for mark in "\"'"):
            return value
        mark = "'" if '"' in str(value) or ("'" not in str(value) and self.chance(0.5)) else '"'
        return f"{mark}{value}{mark}"

    def vary(self, text: str) -> str:
        """Return a text with another beginning, end, or case, as people type."""
        if self.chance(0.16):
            text = self.pick(FRAMING["opening"]) + text[:1].lower() + text[1:]
        if self.chance(0.1) and not text.endswith(_TEXT_ENDS):
            text = text.rstrip("?.!") + self.rng.choice(_CLOSERS)
        if self.chance(0.25):
            text = text.rstrip("?.!")
        elif self.chance(0.15) and text[-1:].isalnum():
            text += "?"
        text = text[:1].upper() + text[1:] if self.chance(0.4) else text[:1].lower() + text[1:]
        return _lower_outside_slots(text) if self.chance(0.15) else text

    def frame(self, text: str, topic: str) -> str:
        """Return a request with a sentence before it or words after it that ask nothing.

        `topic` is that of its intent. Nothing follows a request whose end may be a text to be saved.
        """
        roll, kind = self.rng.random(), _STORIES.get(topic, "")
        if roll < STORY_SHARE:
            own = FRAMING.get(f"story_{kind}", ())
            story = self.pick(own if own and self.chance(0.55) else FRAMING["story_any"])
            if self.chance(0.25):
                return f"{story.rstrip('.').lower()}, {text}"
            return f"{story} {text}"
        if roll < STORY_SHARE + CLOSING_SHARE and kind not in ("", "notes", "writing"):
            closing = self.pick(FRAMING["closing"])
            joint = "" if closing[0] in "?!.," else " "
            return f"{text.rstrip('?.! ')}{joint}{closing}"
        return text


@cache
def _held_out_phrasings(phrasings: tuple[str, ...]) -> frozenset[str]:
    """Return those of the phrasings that are held out; no variation of another one may equal them."""
    return frozenset(normalize(text) for text in phrasings if held_out(text, HELD_OUT_PHRASINGS))


@cache
def _held_out_whole() -> frozenset[str]:
    """Return the held-out phrasings of any intent that have no slot."""
    texts = (text for phrasings in QUESTIONS.values() for text in phrasings if "{" not in text)
    return frozenset(normalize(text) for text in texts if held_out(text, HELD_OUT_PHRASINGS))


def _lower_outside_slots(text: str) -> str:
    parts = text.split("{")
    return parts[0].lower() + "".join(
        "{" + slot + "}" + rest.lower() for slot, _, rest in (part.partition("}") for part in parts[1:])
    )
