"""A chat template compiled in Jinja's sandbox, which keeps it from Python's objects but not from using up the
machine: only the child process of `worker` imports this module.

It has what Hugging Face's templates use: `raise_exception`, `strftime_now`, `tojson`, loop controls and the
`generation` block.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

FIXED_DATE = datetime(2025, 1, 1)
"""The date of `strftime_now`: a prompt with today's date would be read again every day."""


class SandboxedTemplate:
    """A compiled template."""

    def __init__(self, source: str, in_json: Callable[[str], str] = str) -> None:
        """Compile `source`; `in_json` is applied to what its filter `tojson` writes.

        Raise TemplateSyntaxError where its syntax is wrong, and anything where it cannot be compiled.
        """
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = lambda value, **options: in_json(_tojson(value, **options))
        environment.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": FIXED_DATE.strftime,
            "namespace": _PlainNamespace,
        }
        self._template = environment.from_string(source)
        self._tree = environment.parse(source)

    @property
    def literals(self) -> list[str]:
        """The text and the string constants of the template, from which it makes its markup."""
        plain = [node.data for node in self._tree.find_all(nodes.TemplateData)]
        constants = [node.value for node in self._tree.find_all(nodes.Const)]
        return plain + [value for value in constants if isinstance(value, str)]

    def render(self, variables: Mapping[str, Any]) -> str:
        """Return the template's text for `variables`. Raise anything where it fails."""
        return self._template.render(variables)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`, which marks text for training, renders as its body."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Return the statements of the block's body."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _PlainNamespace(Namespace):
    """A namespace that refuses names with a leading underscore: Python looks some of those up itself."""

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        attributes = dict(*args, **kwargs)
        for name in attributes:
            _check_name(name)
        super().__init__(attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"a template's own variable cannot be named {name!r}")


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(
    value: Any,
    *,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return JSON without the HTML escapes of Jinja's own filter."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
