"""Generate the parts of docs/ that come from the code: the map of files, and the fields of a recipe.

Each page has one generated section, which begins at a comment; the rest of the page is written by hand.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from agent.transcript.validation import schema_of
from train.recipe import Lora, Recipe, Stage

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("umi", "agent", "serve", "train", "export", "tui")
BEGIN, END = "<!-- made by `make docs` -->\n", "<!-- end of what is made -->\n"


def summary(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def file_map() -> Iterator[str]:
    """Yield the lines of the map: a section for each folder, a row for each module."""
    for package in PACKAGES:
        for folder in sorted({path.parent for path in (ROOT / package).rglob("*.py")}):
            files = sorted(folder.glob("*.py"))
            yield from (f"### {folder.relative_to(ROOT).as_posix()}/", "")
            yield from (summary(path) for path in files if path.name == "__init__.py")
            rows = [f"| `{path.name}` | {summary(path)} |" for path in files if path.name != "__init__.py"]
            yield from ("", "| | |", "|---|---|", *rows, "") if rows else ("",)


def recipe_fields() -> Iterator[str]:
    """Yield the lines of the tables of a recipe's fields."""
    tables = (
        ("", Recipe),
        ("`[lora]`", Lora),
        ("`[backbone]`, `[planner]`, `[caller]`, `[summarizer]`", Stage),
    )
    for title, table in tables:
        schema = schema_of(table)
        required = schema.get("required", ())
        yield from (*([f"### {title}", ""] if title else []), "| field | default | |", "|---|---|---|")
        for name, field in schema["properties"].items():
            yield f"| `{name}` | {default(name, field, required)} | {' '.join(description(field).split())} |"
        yield ""


def description(field: Mapping[str, object]) -> str:
    """Return the description of a field of a JSON Schema."""
    return str(field.get("description", ""))


def default(name: str, field: Mapping[str, object], required: object) -> str:
    """Return a field's default as TOML, `required`, or nothing for a table."""
    if isinstance(required, (list, tuple)) and name in required:
        return "required"
    value = field.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "docs/architecture.md": file_map,
    "docs/recipes.md": recipe_fields,
}


def updated(page: str) -> str:
    """Return the text of a page of PAGES with its generated section brought up to date."""
    before, _, rest = (ROOT / page).read_text(encoding="utf-8").partition(BEGIN)
    return "".join([before, BEGIN, "\n", "\n".join(PAGES[page]()), "\n", END, rest.partition(END)[2]])


def main() -> int:
    """Write all pages."""
    for page in PAGES:
        (ROOT / page).write_text(updated(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
