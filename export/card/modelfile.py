"""Prompt templates of a role for other programs: a Jinja template for GGUF files, a Modelfile for Ollama.

Both render messages to the text whose ids are `agent.prompting.prompt_ids`:

    system                        the tools, one compact JSON line each, sorted by name; nothing without tools
    user, tool                    as in a transcript
    planner, caller, summarizer   as in a transcript; `assistant` is the role that the file is for

These programs tokenize the whole text at once, control tokens in messages too. So the ids are the same as
long as no message holds a marker and none begins with whitespace that joins the marker before it.
"""

from __future__ import annotations

import re

from agent.bundle import Bundle
from agent.prompting import Markers
from agent.transcript import ROLES, Role

_JINJA_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
"""Escapes that Jinja, llama.cpp's engine and the hub's JavaScript engine all support."""
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
    """Return a Jinja chat template that writes umi's turns, with `role`'s header as the generation prompt.

    The variable `umi_role` names another role in its place. `tools` is not rendered, since programs format
    JSON differently; the system message holds the tools' lines. Without a system message first, an empty one
    is written, as for an empty list of tools.
    """
    opens, middle, end, empty = map(_jinja, _turn_parts(markers))
    template = """\
{% if umi_role is defined %}{% set header_role = umi_role %}{% else %}{% set header_role = ROLE %}{% endif %}
{% if not messages or messages[0]['role'] != 'system' %}{{ EMPTY }}{% endif %}
{% for message in messages %}{{ OPEN }}
{% if message['role'] == 'assistant' %}{{ header_role }}{% else %}{{ message['role'] }}{% endif %}{{ MIDDLE }}
{% if message['content'] %}{{ message['content'] }}{% endif %}{{ END }}{% endfor %}
{% if add_generation_prompt %}{{ OPEN }}{{ header_role }}{{ MIDDLE }}{% endif %}"""
    return _filled(template, OPEN=opens, MIDDLE=middle, END=end, EMPTY=empty, ROLE=_jinja(role))


def ollama_template(markers: Markers, role: Role) -> str:
    """Return the same template for Ollama, in the syntax of Go's text/template."""
    opens, middle, end, empty = map(_go, _turn_parts(markers))
    template = """\
{{ if .Messages }}{{ if ne (index .Messages 0).Role "system" }}{{ EMPTY }}{{ end }}
{{ else }}{{ EMPTY }}{{ end }}
{{ range .Messages }}{{ OPEN }}{{ if eq .Role "assistant" }}{{ ROLE }}{{ else }}{{ .Role }}{{ end }}
{{ MIDDLE }}{{ .Content }}{{ END }}{{ end }}{{ OPEN }}{{ ROLE }}{{ MIDDLE }}"""
    return _filled(template, OPEN=opens, MIDDLE=middle, END=end, EMPTY=empty, ROLE=_go(role))


def modelfiles(bundle: Bundle) -> dict[str, str]:
    """Return a Modelfile for each role by file name; none for a stock model (dialect chat) or deltas.

    `ollama create` reads it beside the bundle's files. Raise ValueError where a file's name cannot be written
    in a Modelfile.
    """
    if bundle.dialect == "chat" or bundle.base:
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
    # Ollama penalizes repeated tokens by default, but names and numbers are copied from the prompt.
    lines.append("PARAMETER repeat_penalty 1.0")
    lines.append(f"PARAMETER num_ctx {bundle.context_length}")
    lines.append(f"PARAMETER num_predict {sampling.max_tokens}")
    if bundle.license:
        lines.append(f"LICENSE {_quoted(_writable(bundle.license))}")
    return "\n".join(lines) + "\n"


def _turn_parts(markers: Markers) -> tuple[str, str, str, str]:
    """Return what opens, divides and ends a turn, and the system turn of an empty list of tools."""
    return markers.open, markers.middle, markers.end, markers.header("system") + markers.end


def _filled(template: str, **literals: str) -> str:
    """Return a template with its names filled in, in one line, since engines treat line ends differently."""
    line = template.replace("\n", "")
    return re.sub("|".join(literals), lambda found: literals[found[0]], line)


def _jinja(text: str) -> str:
    """Return `text` as a string literal of Jinja, in one line."""
    return "'" + "".join(_JINJA_ESCAPES.get(character, character) for character in text) + "'"


def _go(text: str) -> str:
    """Return `text` as a string literal of Go in ASCII, without three quotes in a row."""

    def escaped(character: str) -> str:
        if character.isascii() and character.isprintable() and character not in '"\\':
            return character
        return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"

    return '"' + "".join(map(escaped, text)) + '"'


def _writable(text: str) -> str:
    """Return `text` with what a Modelfile cannot hold replaced by spaces."""
    return "".join(c if _is_writable(c) else " " for c in text.replace(_FENCE, "'''"))


def _quoted(text: str) -> str | None:
    """Return `text` as an argument in a Modelfile, which has no escapes; None where it cannot be written.

    Ollama's parser drops unprintable characters, and ends a text at three quotes before whitespace.
    """
    if re.fullmatch(r"[\w./<>|-]+", text, re.ASCII):
        return text
    return f"{_FENCE}{text}{_FENCE}" if _FENCE not in text and all(map(_is_writable, text)) else None


def _is_writable(character: str) -> bool:
    """Return whether Ollama's parser keeps a character."""
    return character.isprintable() or character in "\n\t"
