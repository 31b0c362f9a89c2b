"""How other programs write a role's prompt: a Jinja template for GGUF files, a Modelfile for Ollama.

Both make the text whose ids are `agent.prompting.prompt_ids`, of messages in place of turns:

    system                        the tools, one compact JSON line each, sorted by name; nothing without tools
    user, tool                    as in a transcript
    planner, caller, summarizer   as in a transcript; `assistant` is the role that the file is for

These programs tokenize the whole text at once, with markers wherever they stand. So the ids are the same as
long as no message holds a marker and none begins with whitespace that joins the marker before it.
"""

from __future__ import annotations

import re

from agent.bundle import Bundle
from agent.prompting import Markers
from agent.transcript import ROLES, Role

_JINJA_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
"""Those that Jinja, llama.cpp's engine and the hub's JavaScript engine all read."""
_FENCE = '"""'
_WITHOUT_ADAPTERS = """\
# Ollama applies an adapter to every token, and those beside this file are on only from a role's header. So
# this is the backbone alone: it was trained on all three roles, but lacks what the {role}'s adapter learnt.
"""
_ABOUT = """\
# The {role} of {name}. It answers one turn: what plans, calls tools and loops is umi.
# Messages: the first has the role system and holds the tools, one compact JSON line each, sorted by name;
# then user, planner, caller, tool and summarizer. Ollama joins system messages that follow each other, and
# umi's models know a standing instruction as a system turn of its own, so leave that out here.
"""


def role_template(markers: Markers, role: Role) -> str:
    """A Jinja chat template that writes umi's turns, and `role`'s header where a turn is to be written.

    The variable `umi_role` names another role in its place. Tools are not rendered from `tools`: how JSON is
    spelled differs from program to program; the system message carries their lines. Without a system message
    first, an empty one is written, as for an empty list of tools.
    """
    opens, middle, end, empty = map(_jinja, _pieces(markers))
    template = """\
{% if umi_role is defined %}{% set speaker = umi_role %}{% else %}{% set speaker = ROLE %}{% endif %}
{% if not messages or messages[0]['role'] != 'system' %}{{ EMPTY }}{% endif %}
{% for message in messages %}{{ OPEN }}
{% if message['role'] == 'assistant' %}{{ speaker }}{% else %}{{ message['role'] }}{% endif %}{{ MIDDLE }}
{% if message['content'] %}{{ message['content'] }}{% endif %}{{ END }}{% endfor %}
{% if add_generation_prompt %}{{ OPEN }}{{ speaker }}{{ MIDDLE }}{% endif %}"""
    return _filled(template, OPEN=opens, MIDDLE=middle, END=end, EMPTY=empty, ROLE=_jinja(role))


def ollama_template(markers: Markers, role: Role) -> str:
    """The same for Ollama, in the syntax of Go's text/template."""
    opens, middle, end, empty = map(_go, _pieces(markers))
    template = """\
{{ if .Messages }}{{ if ne (index .Messages 0).Role "system" }}{{ EMPTY }}{{ end }}
{{ else }}{{ EMPTY }}{{ end }}
{{ range .Messages }}{{ OPEN }}{{ if eq .Role "assistant" }}{{ ROLE }}{{ else }}{{ .Role }}{{ end }}
{{ MIDDLE }}{{ .Content }}{{ END }}{{ end }}{{ OPEN }}{{ ROLE }}{{ MIDDLE }}"""
    return _filled(template, OPEN=opens, MIDDLE=middle, END=end, EMPTY=empty, ROLE=_go(role))


def modelfiles(bundle: Bundle) -> dict[str, str]:
    """A Modelfile for each role, by the name of its file; none for a bundle of a stock model (dialect chat).

    `ollama create` reads it beside the bundle's files. Raises ValueError where a file's name cannot stand
    in a Modelfile.
    """
    if bundle.dialect == "chat":
        return {}
    return {f"{role}.Modelfile": _modelfile(bundle, role) for role in ROLES}


def _modelfile(bundle: Bundle, role: Role) -> str:
    file, sampling = bundle.roles[role], bundle.roles[role].sampling
    source = _quoted(f"./{file.file}")
    if source is None:
        raise ValueError(f"{file.file!r} cannot be named in a Modelfile")
    name = " ".join(bundle.name.split())
    lines = [
        _ABOUT.format(role=role, name=name) + (_WITHOUT_ADAPTERS.format(role=role) if file.adapter else "")
    ]
    lines[0] += f"FROM {source}"
    lines.append(f"TEMPLATE {_FENCE}{ollama_template(bundle.markers, role)}{_FENCE}")
    stop = _quoted(bundle.markers.close)
    if stop is not None:  # else the file's own end-of-turn token has to do
        lines.append(f"PARAMETER stop {stop}")
    lines.append(f"PARAMETER temperature {sampling.temperature:g}")
    if sampling.temperature:
        lines.append(f"PARAMETER top_p {sampling.top_p:g}")
    # Ollama lowers the odds of words that were said before; names and numbers are copied from the prompt.
    lines.append("PARAMETER repeat_penalty 1.0")
    lines.append(f"PARAMETER num_ctx {bundle.context_length}")
    lines.append(f"PARAMETER num_predict {sampling.max_tokens}")
    if bundle.license:
        lines.append(f"LICENSE {_quoted(_writable(bundle.license))}")
    return "\n".join(lines) + "\n"


def _pieces(markers: Markers) -> tuple[str, str, str, str]:
    """What opens, divides and ends a turn, and the system turn of an empty list of tools."""
    return markers.open, markers.middle, markers.end, markers.header("system") + markers.end


def _filled(template: str, **literals: str) -> str:
    """A template in one line, as engines differ in what they make of line ends, its names filled in."""
    line = template.replace("\n", "")
    return re.sub("|".join(literals), lambda found: literals[found[0]], line)


def _jinja(text: str) -> str:
    """`text` as a string literal of Jinja, in one line."""
    return "'" + "".join(_JINJA_ESCAPES.get(character, character) for character in text) + "'"


def _go(text: str) -> str:
    """`text` as a string literal of Go in plain ASCII, without three quotes in a row."""

    def escaped(character: str) -> str:
        if character.isascii() and character.isprintable() and character not in '"\\':
            return character
        return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"

    return '"' + "".join(map(escaped, text)) + '"'


def _writable(text: str) -> str:
    """`text` with what a Modelfile cannot hold replaced."""
    return "".join(c if _kept(c) else " " for c in text.replace(_FENCE, "'''"))


def _quoted(text: str) -> str | None:
    """`text` as an argument in a Modelfile, which knows no escapes; None where it cannot be written.

    Ollama's parser drops what cannot be printed, and ends a text at three quotes before whitespace.
    """
    if re.fullmatch(r"[\w./<>|-]+", text, re.ASCII):
        return text
    return f"{_FENCE}{text}{_FENCE}" if _FENCE not in text and all(map(_kept, text)) else None


def _kept(character: str) -> bool:
    """Whether Ollama's parser keeps a character."""
    return character.isprintable() or character in "\n\t"
