"""The intents: one function each, registered by `@intent`.

To add intents over other tools, write a module with decorated functions and append its name to `MODULES`.
"""

from importlib import import_module

from train.data.synthetic.script import INTENTS

__all__ = ["INTENTS", "MODULES"]

MODULES = (
    *("dates", "calendar", "computer"),
    *(
        "files.finding",
        "files.reading",
        "files.contents",
        "files.amounts",
        "files.lookup",
        "files.in_folders",
        "files.parts",
        "files.writing",
        "files.composing",
        "files.statements",
        "files.loosely_named",
        "files.columns",
        "files.quantities",
        "files.in_notes",
        "files.results",
        "files.asked_steps",
    ),
    *("arithmetic", "spoken", "sums", "units", "restraint", "told", "events", "everyday", "steps", "shared"),
)
"""Imported in this order, which is the order of the registry: another order draws other rows for a seed."""

for _name in MODULES:
    import_module(f"{__name__}.{_name}")
