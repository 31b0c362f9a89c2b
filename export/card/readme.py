"""The model card of a bundle: README.md as the Hugging Face hub shows it, from the bundle's manifest alone.

A figure that the manifest lacks is left out. Names and texts in it are the users', so they are escaped in
YAML and Markdown.
"""

from __future__ import annotations

import json

from agent.bundle import Bundle
from agent.bundle.files import TableFile
from export.card.markdown import argument, code, paragraphs, section, slug, table, text
from export.card.metrics import comparison, export_report, string, training
from export.card.provenance import hub_id

_HUB_LICENSES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0", "unlicense", "cc0-1.0"),
        *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gemma"),
        *("llama3", "llama3.1", "llama3.2", "llama3.3", "openrail"),
    )
)
"""Licence names that the hub accepts; any other is declared as `other`."""
_ABOUT = """\
Models for the terminal agent umi, in three roles: a planner says what to do next, a caller writes the tool
call, a summarizer writes the answer. This is {layout}, as GGUF, for {context:,} tokens of context. The method
is that of [arXiv 2401.07324](https://arxiv.org/abs/2401.07324)."""
_USE = """\
umi runs the three roles and the tools:

```
umi models pull OWNER/NAME
umi ask --models FOLDER "…"    # where the files are in a folder already
```
"""
_DELTAS = """\
The files are adapters. umi builds the models of them and of the base {base} when they are first used, or with
`umi models build NAME`; the base comes with `umi models pull`."""
_ELSEWHERE = """\
Other programs answer one turn in one role; what calls tools and goes on is left to you. The files hold a
chat template: the message with the role `system` comes first and holds the tools, one compact JSON line
each (`{"name":…,"description":…,"parameters":…}`), sorted by name; then come `user`, `planner`, `caller`,
`tool` and `summarizer`. llama-completion reads it with `--jinja` only. No message may hold the models' own
control tokens: these programs do not keep them apart from text, as umi does.
"""
_SINGLE = """\
The template writes the planner's turn; with `"chat_template_kwargs": {"umi_role": "caller"}` in a request to
llama-server it writes the caller's, and likewise the summarizer's."""
_SHARED = """\
Each request to llama-server has to name the role and its adapter, as
`"lora": [{"id": 1, "scale": 1.0}], "chat_template_kwargs": {"umi_role": "caller"}` does for the caller; `id`
counts the adapters as they are given, from 0. It switches an adapter on one token before its role's header,
so its answers can differ a little from umi's. Programs that apply an adapter to every token get these wrong,
so the Modelfiles take the model without them."""


def bundle_readme(bundle: Bundle) -> str:
    """Return the text of a bundle's README.md."""
    parts = [
        _metadata(bundle),
        f"# {text(bundle.name) or 'A bundle of umi'}",
        _about(bundle),
        "## Files\n\n" + _files(bundle),
        "## Use\n\n" + _use(bundle),
        section("How it was trained", training(bundle)),
        section("What export compared", comparison(bundle)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(bundle: Bundle) -> str:
    lines = []
    if bundle.license:
        known = bundle.license.strip().lower()
        lines.append(f"license: {known}" if known in _HUB_LICENSES else "license: other")
        if known not in _HUB_LICENSES:
            lines.append(f"license_name: {slug(bundle.license)}")
    hub = hub_id(string(bundle.recipe.get("base")))
    if hub:
        lines.append(f"base_model: {json.dumps(hub)}")
    lines += ["library_name: gguf", "pipeline_tag: text-generation", "tags: [umi, gguf, agent, tool-use]"]
    return "\n".join(["---", *lines, "---"])


def _about(bundle: Bundle) -> str:
    layout = {
        "merged": "a model for each role",
        "shared": "one model and three activated adapters, each of which is on only from its role's header",
        "single": "one model that plays all three roles",
    }[bundle.layout]
    about = _ABOUT.format(layout=layout, context=bundle.context_length)
    return about + (f"\n\nLicence: {text(bundle.license)}." if bundle.license else "")


def _files(bundle: Bundle) -> str:
    report = export_report(bundle)
    types = {row.get("file"): row.get("type") for row in report.values()}
    roles_of: dict[str, list[str]] = {}
    for role, file in bundle.roles.items():
        for entry in (*(file.deltas or (file,)), file.adapter, file.table):
            if entry:
                roles_of.setdefault(entry.file, []).append(role)
    rows = [
        (
            code(file.file),
            ", ".join(roles_of[file.file]),
            "table of n-grams" if isinstance(file, TableFile) else text(types.get(file.file)),
            f"{file.size / 1e6:,.1f} MB",
        )
        for file in bundle.files
    ]
    return table(("file", "for", "type", "size"), rows)


def _use(bundle: Bundle) -> str:
    if bundle.dialect == "chat":
        return _USE
    if bundle.base:
        return paragraphs(_USE.strip(), _DELTAS.format(base=code(bundle.base.name)).strip())
    adapters = [argument(file.adapter.file) for file in bundle.roles.values() if file.adapter]
    options = "".join(f" --lora {file}" for file in adapters)
    options += " --lora-init-without-apply" if adapters else ""
    commands = [
        f"llama-server -m {argument(bundle.roles['planner'].file)}{options} --temp 0",
        f"ollama create {slug(bundle.name)}-planner -f planner.Modelfile",
    ]
    listing = "\n".join(["```", *commands, "```"])
    notes = {"single": _SINGLE, "shared": _SHARED}.get(bundle.layout, "")
    return paragraphs(_USE.strip(), _ELSEWHERE.strip(), listing, notes)
