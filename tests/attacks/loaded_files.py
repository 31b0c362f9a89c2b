"""Hostile GGUF files, manifests and chat templates: each is refused in one line, or is harmless."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar
from unittest import mock

from hostile_gguf import hostile_adapters, hostile_files
from hostile_manifests import hostile_texts
from hostile_templates import BROKEN, COSTLY
from load_forks import load_in_forks
from tiny_gguf import write_tiny_adapter, write_tiny_bundle, write_tiny_gguf

from agent.bundle import load_bundle
from agent.errors import BundleError, UmiError
from agent.llama.gguf.rules import require_sound_adapter, require_sound_model
from agent.prompting.chat_template import ChatTemplate
from agent.templates import program
from agent.templates.program import TemplateLimitError
from attacks.result import Result

T = TypeVar("T")
MAX_LINE = 600
"""The most characters of a refusal."""


def _refusal(read: Callable[[], object], result: Result, what: str) -> UmiError | None:
    """Return the error with which `read` refuses; note in `result` one that is not of ours, or not a line."""
    try:
        read()
    except UmiError as error:
        result.also["refused"] += 1
        if "\n" in str(error) or len(str(error)) > MAX_LINE:
            result.fail("refusals not in a line", f"{what}: {str(error)[:200]}")
        return error
    except Exception as error:
        result.fail("crashes", f"{what}: {type(error).__name__}: {error}")
    return None


def attack_gguf(folder: Path, share: float) -> Result:
    """Check a share of the hostile models and adapters; load those that pass in processes of their own."""
    result = Result("hostile GGUF files")
    result.allow_none("crashes", "refusals not in a line")
    model = write_tiny_gguf(folder / "model.gguf")
    adapter = write_tiny_adapter(folder / "adapter.gguf", [1, 2])
    for kind, files, check, base in (
        ("models", hostile_files(model), require_sound_model, None),
        ("adapters", hostile_adapters(adapter), require_sound_adapter, model),
    ):
        passed: dict[str, bytes] = {}
        for name, content in _some(list(files), share):
            path = folder / "hostile.gguf"
            path.write_bytes(content)
            result.count += 1
            if _refusal(lambda path=path, check=check: check(path, "take another"), result, name) is None:
                passed[name] = content
        outcomes = load_in_forks(passed, folder / kind, model=base) if passed else {}
        result.also["given to llama.cpp"] += len(passed)
        for name, outcome in outcomes.items():
            if outcome.startswith(("died", "raised")) or "\n" in outcome:
                result.fail("crashes", f"{name}: {outcome}")
    return result


def attack_manifests(folder: Path, share: float) -> Result:
    """Load a bundle with a share of the hostile manifests."""
    result = Result("hostile manifests")
    result.allow_none("crashes", "refusals not in a line")
    bundle = write_tiny_bundle(folder / "tiny").folder
    path = bundle / "bundle.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for name, text in _some(list(hostile_texts(whole)), share):
        path.write_text(text, encoding="utf-8")
        result.count += 1
        _refusal(lambda: load_bundle(bundle), result, name)
    return result


def attack_templates(folder: Path, share: float) -> Result:
    """Render a share of the templates that would take much, and of those that are broken or reach out."""
    result = Result("hostile chat templates")
    result.allow_none("crashes", "refusals not in a line", "accepted")
    with mock.patch.multiple(program, SECONDS=0.05, ALL_SECONDS=0.1):
        for name, source in _some([*COSTLY.items(), *BROKEN.items()], share):
            result.count += 1
            error = _refusal(lambda source=source: ChatTemplate(source, bos="<s>", eos="</s>"), result, name)
            if not isinstance(error, TemplateLimitError if name in COSTLY else BundleError):
                result.fail("accepted", name)
    program._worker.close()
    return result


def _some(listed: list[T], share: float) -> list[T]:
    """Return a share of a list, at random, at least one; all of it for a share of 1 or more."""
    return Random(14).sample(listed, min(len(listed), max(1, round(len(listed) * share))))
