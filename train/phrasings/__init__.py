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
    more_listing,
    more_numbers,
    more_steps,
    more_talk,
    more_writing,
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
_EXTRA = (
    extra_numbers,
    extra_dates,
    extra_finding,
    extra_reading,
    extra_notes_units,
    extra_talk,
    more_listing,
    more_numbers,
    more_steps,
    more_talk,
    more_writing,
)


def _merged() -> dict[str, tuple[str, ...]]:
    """By intent, what differs in more than its case and its last mark, in an order that no file decides."""
    merged: dict[str, dict[str, str]] = {}
    for module in (*_FIRST, *_EXTRA):
        for intent, phrasings in module.INTENTS.items():
            known = merged.setdefault(intent, {})
            for phrasing in phrasings:
                known.setdefault(phrasing.lower().rstrip("?.! "), phrasing)
    return {intent: tuple(sorted(known.values())) for intent, known in merged.items()}


QUESTIONS: dict[str, tuple[str, ...]] = _merged()
