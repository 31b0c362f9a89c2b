"""Random values of the parameters and results of foreign tools, after their names, types and examples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from train.data.phrasings import names
from train.data.synthetic.actions import json_number
from train.data.synthetic.sampler import Sampler

_EXAMPLES = re.compile(r"(?:e\.g\.,?|such as|for example,?|like)\s*:?\s*([^)]{3,120})", re.IGNORECASE)
_NAMED: tuple[tuple[str, str], ...] = (
    (r"date|day|deadline", "date"),
    (r"mail", "email"),
    (r"(^|_| )id$|code|number|identifier", "code"),
    (r"city|location|place|destination|origin|address|region|country", "place"),
    (r"name|author|artist|person|user|patient|customer|player|student", "person"),
    (r"year", "year"),
    (r"url|link|website", "url"),
    (r"message|text|content|comment|description|title|query|keyword|topic", "phrase"),
    (r"file|path|image", "file"),
)


def value_of(sample: Sampler, name: str, schema: Mapping[str, Any]) -> Any:
    """Return a value for a parameter: one of its choices or examples, or one that suits its name and type."""
    if schema.get("enum"):
        return sample.rng.choice(list(schema["enum"]))
    for options in (schema.get("anyOf"), schema.get("oneOf")):
        if isinstance(options, list) and (typed := [one for one in options if _kind(one)]):
            return value_of(sample, name, typed[0])
    match _kind(schema):
        case "integer":
            return sample.rng.randint(1, 40) if sample.chance(0.5) else sample.rng.randint(41, 2500)
        case "number":
            return json_number(sample.number(1, 400))
        case "boolean":
            return sample.chance(0.6)
        case "array":
            items = schema.get("items") if isinstance(schema.get("items"), Mapping) else {}
            return [value_of(sample, name, items or {}) for _ in range(sample.rng.randint(1, 3))]
        case "object":
            return {}
    return _text(sample, name, str(schema.get("description", "")))


def _kind(schema: Any) -> str | None:
    """Return the JSON type of a schema; of a union of types, the first that is not null."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = kind if isinstance(kind, list) else [kind]
    return next((one for one in kinds if isinstance(one, str) and one != "null"), None)


def _text(sample: Sampler, name: str, description: str) -> str:
    if (found := examples(description)) and sample.chance(0.75):
        return sample.rng.choice(found)
    kind = next((kind for pattern, kind in _NAMED if re.search(pattern, name.lower())), "")
    match kind:
        case "date":
            return sample.day().isoformat()
        case "email":
            return f"{sample.rng.choice(names.FIRST_NAMES).lower()}@{sample.pseudo_word().lower()}.com"
        case "code":
            letters = "".join(
                sample.rng.choice("ABCDEFGHKLMNPRSTUVWXYZ") for _ in range(sample.rng.randint(0, 3))
            )
            joint = "-" if letters and sample.chance(0.4) else ""
            return f"{letters}{joint}{sample.rng.randint(10, 99999)}"
        case "place":
            return sample.pick([city for city, _ in names.CITIES])
        case "person":
            return sample.person()
        case "year":
            return str(sample.rng.randint(1950, 2030))
        case "url":
            return f"https://{sample.pseudo_word().lower()}.org"
        case "phrase":
            return sample.phrase()
        case "file":
            return sample.file_name()
    return sample.word()


def examples(description: str) -> list[str]:
    """Return the examples that the description of a parameter names."""
    found = _EXAMPLES.search(description)
    if not found:
        return []
    parts = re.split(r",\s*(?:or\s+|and\s+)?|\s+or\s+", found[1])
    kept = [part.strip(" \"'.`") for part in parts]
    return [part for part in kept if 1 < len(part) < 40 and part.lower() not in ("etc", "and so on")]


def result_of(sample: Sampler, name: str, kind: str) -> Any:
    """Return a value that a tool returns under a name, of a JSON Schema type."""
    if kind in ("integer", "number", "boolean"):
        return value_of(sample, name, {"type": kind})
    if re.search(r"status|state|success", name):
        return sample.rng.choice(("active", "done", "pending", "confirmed", "open", "success"))
    if re.search(r"date", name):
        return sample.day().isoformat()
    return sample.phrase() if sample.chance(0.5) else f"{sample.word()} {sample.word()}"
