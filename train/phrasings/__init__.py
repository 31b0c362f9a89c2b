"""Ways people phrase requests, by intent, written by hand.

Replies to small talk are in `chat`, the tools of foreign requests in `foreign`, the topics of impossible
requests in `impossible`, and the words that fill the braces in `names`.
"""

from train.phrasings import (
    arithmetic,
    chat,
    dates,
    extra_dates,
    extra_finding,
    extra_notes_units,
    extra_numbers,
    extra_reading,
    extra_talk,
    files,
    foreign,
    impossible,
    multi,
    notes,
    percentages,
    reading,
    totals,
    units,
)

_FIRST = (
    arithmetic,
    percentages,
    units,
    dates,
    files,
    reading,
    totals,
    notes,
    multi,
    chat,
    foreign,
    impossible,
)
_EXTRA = (extra_numbers, extra_dates, extra_finding, extra_reading, extra_notes_units, extra_talk)


def _merged() -> dict[str, tuple[str, ...]]:
    merged: dict[str, dict[str, None]] = {}
    for module in (*_FIRST, *_EXTRA):
        for intent, phrasings in module.INTENTS.items():
            merged.setdefault(intent, {}).update(dict.fromkeys(phrasings))
    return {intent: tuple(phrasings) for intent, phrasings in merged.items()}


QUESTIONS: dict[str, tuple[str, ...]] = _merged()
