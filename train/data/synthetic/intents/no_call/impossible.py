"""Intents of requests that no built-in tool serves."""

from __future__ import annotations

from agent.tools.lib.dates import WEEKDAYS
from train.data.phrasings import impossible, names
from train.data.synthetic.sampler import Sampler
from train.data.synthetic.script import Intent, Outcome, Question, Script
from train.data.synthetic.wording.refusal import refusal
from train.data.synthetic.wording.spelling import number_words
from train.data.synthetic.worlds.world import World

NAMED_SHARE = 0.6
"""Share of impossible requests about something that is named: a city, a person, a file, a time."""
TWO_SHARE = 0.25
"""Share of impossible requests that an order of the same kind may follow."""
_ORDERS = frozenset(names.ORDERS)
TOPICS_BY_TOOL = {
    "get_weather": ("weather",),
    "get_stock_price": ("stocks",),
    "translate_text": ("translate",),
    "send_message": ("email", "calls_messages"),
    "set_timer": ("alarm_timer",),
    "get_route": ("maps_directions", "travel_booking"),
    "book_table": ("restaurant",),
    "play_song": ("music_video",),
    "delete_file": ("delete_or_move_files",),
    "convert_currency": ("bank", "stocks"),
    "define_word": ("web_search",),
    "github_stars": ("web_search",),
}
"""Foreign tool -> the intents of impossible requests that it serves."""


def _asked(kind: str, sample: Sampler, world: World) -> str:
    """Return an impossible request of a kind."""
    named = impossible.NAMED.get(kind, ())
    if named and sample.chance(NAMED_SHARE):
        return sample.phrased(named, **_impossible_values(sample, world))
    return sample.question(kind)


def _impossible(kind: str) -> Intent:
    def script(sample: Sampler, world: World) -> Script:
        question = _asked(kind, sample, world)
        if sample.chance(TWO_SHARE):
            second = _asked(kind, sample, world)
            first_word = second.split(" ", 1)[0].lower()
            if first_word in _ORDERS and question[-1] not in "?!":
                question = f"{question.rstrip('. ')} and {first_word}{second[len(first_word) :]}"
        yield Question(question)
        return Outcome(refusal(question), gave_up=True)

    return Intent(kind, (), kind, 0.3, script)


def _impossible_values(sample: Sampler, world: World) -> dict[str, object]:
    """Return values of the slots that impossible requests may have; files and folders mostly exist."""
    rng = sample.rng
    folders = world.folders if world.folders and sample.chance(0.6) else [sample.folder()]
    hour, minute = rng.randint(1, 12), rng.choice((0, 5, 10, 15, 20, 30, 40, 45))
    word = number_words(hour)
    said = (
        *(
            f"{hour}:{minute:02d}",
            f"{hour} o'clock",
            f"half past {word}",
            f"{hour} pm",
            f"{hour}.{minute:02d}",
        ),
        *(f"{word} {rng.choice(('fifteen', 'thirty', 'forty-five'))}", f"quarter past {word}", word, "noon"),
        *(f"quarter to {word}", f"{word} sharp", f"{word} in the evening", f"{hour}:{minute:02d} am"),
    )
    return {
        "city": sample.pick([spoken for spoken, _ in names.CITIES]),
        "name": sample.person(),
        "word": sample.word(),
        "item": sample.pick(names.ITEMS),
        "text": sample.phrase(),
        "path": rng.choice(list(world.files)) if sample.chance(0.6) else sample.file_name(),
        "folder": rng.choice(folders),
        "weekday": rng.choice(WEEKDAYS),
        "time": rng.choice(said),
        "n": rng.randint(2, 90),
        "few": number_words(rng.randint(2, 9)),
    }


IMPOSSIBLE_INTENTS: tuple[Intent, ...] = tuple(_impossible(kind) for kind in impossible.KINDS)
