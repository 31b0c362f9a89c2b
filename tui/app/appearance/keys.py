"""The key bindings that a user may change: their names in the config file, and the keys in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from textual.binding import Binding, BindingType

from agent.errors import InputError

_NAMES = {"ctrl": "Ctrl", "shift": "Shift", "alt": "Alt", "escape": "Esc", "pageup": "Page Up"}
_NAMES |= {"pagedown": "Page Down", "tab": "Tab", "enter": "Enter"}


@dataclass(frozen=True)
class KeyHelp:
    """One binding as the help screen shows it."""

    shown: tuple[str, ...]
    """Its keys as they are printed on a keyboard."""
    help: str


def keymap(bindings: Iterable[BindingType], changes: Mapping[str, str]) -> dict[str, str]:
    """Return `changes` (name of a binding -> keys, separated by commas) for `App.set_keymap`.

    Raise InputError for a name that no binding has, and for a key that two bindings would have.
    """
    known = {binding.id or "": binding.key for binding in _named(bindings)}
    for name in changes:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise InputError(f"there is no key binding {name}", hint)
    owner: dict[str, str] = {}
    for name, keys in {**known, **changes}.items():
        for key in _split(keys):
            if owner.setdefault(key, name) != name:
                raise InputError(f"the key {key} is bound to {owner[key]} and {name}", "give one another key")
    return dict(changes)


def key_help(bindings: Iterable[BindingType], changes: Mapping[str, str]) -> list[KeyHelp]:
    """Return the bindings with the keys in force, in their order."""
    return [
        KeyHelp(
            tuple(map(_shown, _split(changes.get(binding.id or "", binding.key)))),
            binding.description,
        )
        for binding in _named(bindings)
    ]


def _named(bindings: Iterable[BindingType]) -> list[Binding]:
    """Return the bindings that have a name."""
    return [binding for binding in bindings if isinstance(binding, Binding) and binding.id]


def _split(keys: str) -> list[str]:
    return [key.strip().lower() for key in keys.split(",") if key.strip()]


def _shown(key: str) -> str:
    return "+".join(_NAMES.get(part, part.upper() if len(part) < 3 else part) for part in key.split("+"))
