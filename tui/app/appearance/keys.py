"""The key bindings that a user may change: their names in the config file, and the keys in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from textual.binding import Binding, BindingType

from agent.errors import InputError

_NAMES = {"ctrl": "Ctrl", "shift": "Shift", "alt": "Alt", "escape": "Esc", "pageup": "Page Up"}
_NAMES |= {"pagedown": "Page Down", "tab": "Tab", "enter": "Enter"}

APP_BINDINGS: list[BindingType] = [
    Binding("ctrl+p", "command_palette", "find a command", priority=True, id="palette"),
    Binding("f1", "command('help')", "keys and commands", priority=True, id="help"),
    Binding("f3", "command('sessions')", "find and resume sessions", priority=True, id="sessions"),
    Binding("escape", "cancel", "stop, and edit the question", id="stop"),
    Binding("ctrl+c", "interrupt", "quit", priority=True, id="interrupt"),
    Binding("ctrl+q", "quit", "quit", priority=True, id="quit"),
    Binding("ctrl+y", "copy", "copy the selected block or the answer", priority=True, id="copy"),
    Binding("shift+tab", "mode", "next mode", priority=True, id="mode"),
    Binding("ctrl+r", "command('retry')", "ask the last question once more", priority=True, id="retry"),
    Binding(
        "ctrl+up,ctrl+t", "select", "select a block: copy, edit, retry, mark", priority=True, id="select"
    ),
    Binding("f4", "command('times')", "time per role", priority=True, id="times"),
    Binding(
        "f8", "command('context')", "what the models see, what was left out", priority=True, id="context"
    ),
    Binding("f9", "command('mark')", "mark the last answer: good, wrong, neither", priority=True, id="mark"),
    Binding("ctrl+o", "fold", "show or fold long results", priority=True, id="fold"),
    Binding("pageup", "page(-1)", "scroll", priority=True, id="page_up"),
    Binding("pagedown", "page(1)", "scroll", priority=True, id="page_down"),
]
"""The bindings of the app, in the order in which the help screen shows them."""


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
