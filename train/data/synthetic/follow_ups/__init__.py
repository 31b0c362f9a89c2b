"""The follow-ups: requests that refer back, one function each, registered by `@follow_up`."""

from importlib import import_module

from train.data.synthetic.script import FOLLOW_UPS

__all__ = ["FOLLOW_UPS", "MODULES"]

MODULES = ("numbers", "dates", "files", "siblings", "seen", "notes", "again", "stated", "corrections")
"""Imported in this order, which is the order of the registry: another order draws other rows for a seed."""

for _name in MODULES:
    import_module(f"{__name__}.{_name}")
