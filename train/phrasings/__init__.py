"""Ways people phrase requests, by intent, written by hand.

Replies to small talk are in `chat`, the tools of foreign requests in `foreign`, the topics of impossible
requests in `impossible`, and the words that fill the braces in `names`.
"""

from train.phrasings import (
    arithmetic,
    chat,
    dates,
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

QUESTIONS: dict[str, tuple[str, ...]] = {
    **arithmetic.INTENTS,
    **percentages.INTENTS,
    **units.INTENTS,
    **dates.INTENTS,
    **files.INTENTS,
    **reading.INTENTS,
    **totals.INTENTS,
    **notes.INTENTS,
    **multi.INTENTS,
    **chat.INTENTS,
    **foreign.INTENTS,
    **impossible.INTENTS,
}
