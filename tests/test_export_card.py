"""The card of a bundle: only what the manifest states, with its texts escaped."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import yaml

from agent.bundle import Bundle, RoleFile, load_bundle
from agent.bundle.files import GgufFile
from agent.paths import SHIPPED
from agent.transcript import ROLES
from export.card.markdown import code, text
from export.card.readme import bundle_readme

EXPORT: dict[str, Any] = {
    "limits": {"kl": 0.02},
    "caller": {
        "file": "caller-q8_0.gguf",
        "type": "q8_0",
        "merge_base": "original",
        "heldout_loss": {"dequant": 1.25, "original": 0.9},
        "f32": {"positions": 300, "agreed": 299, "near_ties": 1, "spread": 1e-5, "largest_difference": 2e-5},
        "quantized": {
            **{"positions": 310, "agreed": 308, "kl": 0.0008, "largest_kl": 0.025, "cases": 16},
            **{"scores": {"act_em": 0.875}, "full_scores": {"act_em": 0.9375}},
        },
        "imatrix": {
            **{"source": "training rows", "tokens": 16000, "used": False},
            "kl": {"without": 0.0008, "with": 0.0009},
        },
        "tried": [{"type": "q4_k_m", "kl": 0.09}],
        "speeds": {"q4_k_m": {"read": 512.25, "write": 61.0}, "q8_0": {"read": 413.0, "write": 79.5}},
    },
}
TRAIN: dict[str, Any] = {
    "caller": {
        **{"rows": 4084, "targets": 127039, "steps": 240, "kept_step": 180},
        **{"scores": {"act_em": 0.75, "loss": 0.1}, "baselines": {"act_em": 0.125}},
        **{"heldout_loss_before": {"caller": 0.5}, "heldout_loss": {"caller": 0.25}},
    }
}
HOSTILE = (
    "x\n---\n# y\n",
    "![a](http://a/b.png)<script>alert(1)</script>",
    "`` ` | **b** | ```",
    '"quoted": {a: [b]}',
    "\u2028\x00\x1b[31m",
    "---",
)


def bundle(**changes: Any) -> Bundle:
    return dataclasses.replace(load_bundle(SHIPPED), **changes)


def head(made: str) -> dict[str, Any]:
    _, front, _ = made.split("---\n", 2)
    return yaml.safe_load(front)


def rows(made: str) -> list[list[str]]:
    """The cells of all lines of tables."""
    lines = [line for line in made.splitlines() if line.startswith("| ")]
    return [re.split(r" \| ", line.strip("| ")) for line in lines]


def test_the_front_matter_is_what_the_hub_expects() -> None:
    made = head(bundle_readme(bundle(recipe={"base": "Qwen/Qwen2.5-0.5B"})))
    assert made == {
        "license": "apache-2.0",
        "base_model": "Qwen/Qwen2.5-0.5B",
        "library_name": "gguf",
        "pipeline_tag": "text-generation",
        "tags": ["umi", "gguf", "agent", "tool-use"],
    }


def test_a_licence_that_the_hub_does_not_know_is_named() -> None:
    made = bundle_readme(bundle(license="My own: licence", recipe={"base": "/home/someone/models/x"}))
    assert head(made)["license"] == "other"
    assert head(made)["license_name"] == "my-own-licence"
    assert "base_model" not in head(made)
    assert "license" not in head(bundle_readme(bundle(license="")))


def test_every_figure_of_the_report_is_there() -> None:
    made = bundle_readme(bundle(metrics={"train": TRAIN, "export": EXPORT}))
    found = rows(made)
    assert ["caller", "`q8_0`", "299 of 300", "1", "2e-05", "308 of 310", "0.0008", "0.025"] in found
    assert ["caller", "`act_em`", "0.938", "0.875", "16"] in found
    assert ["caller", "`act_em`", "0.750", "0.125"] in found
    assert ["caller", "4,084", "127,039", "240", "180", "caller 0.5000", "caller 0.2500"] in found
    assert "- caller: merged into original weights (held-out loss: dequant 1.2500, original 0.9000)" in made
    comparison = "of 16,000 tokens from training rows (mean KL divergence: without it 0.0008, with it 0.0009)"
    assert f"- caller: compared with one made with an importance matrix {comparison}" in made
    assert "- caller: `q4_k_m` was tried and given up: a mean KL divergence of 0.09 nats" in made
    assert ["`q4_k_m`", "512.2", "61.0"] in found
    assert ["`q8_0`", "413.0", "79.5"] in found
    assert "held to: kl 0.02" in made


def test_a_comparison_on_a_greeting_is_stated() -> None:
    row = {**EXPORT["caller"], "quantized": {**EXPORT["caller"]["quantized"], "cases": 0, "scores": {}}}
    assert "compared on a greeting only" in bundle_readme(bundle(metrics={"export": {"caller": row}}))
    assert "greeting" not in bundle_readme(bundle(metrics={"export": EXPORT}))


def test_what_the_manifest_lacks_is_left_out() -> None:
    bare = bundle_readme(bundle(metrics={}, recipe={}, license=""))
    for claim in ("KL", "trained", "compared", "score", "Licence", "None", "nan"):
        assert claim not in bare
    for name in ("f32", "quantized", "imatrix", "tried", "merge_base", "heldout_loss", "type"):
        row = {key: value for key, value in EXPORT["caller"].items() if key != name}
        assert "None" not in bundle_readme(bundle(metrics={"export": {"caller": row}}))


@pytest.mark.parametrize("wrong", [None, 7, "x", [], [None], {"caller": None}, {"caller": {"f32": 3}}])
def test_a_report_of_another_shape_is_no_error(wrong: Any) -> None:
    assert "# umi-mini" in bundle_readme(bundle(metrics={"train": wrong, "export": wrong}))
    assert "# umi-mini" in bundle_readme(
        bundle(recipe={"lora": wrong, "data": wrong, "max_length": wrong, "seed": wrong})
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_of_the_manifest_cannot_add_markup(hostile: str) -> None:
    plain = bundle_readme(bundle(name="n", license="l", metrics={"export": EXPORT}, recipe={"base": "b"}))
    row = {**EXPORT["caller"], "type": hostile, "merge_base": hostile, "imatrix": {"source": hostile}}
    metrics = {"export": {"caller": row}}
    recipe = {"base": hostile, "data": [hostile], "method": hostile, "hand_over": hostile}
    made = bundle_readme(bundle(name=hostile, license=hostile, metrics=metrics, recipe=recipe))
    assert head(made)["license"] == "other"
    headings = [re.findall(r"(?m)^#+ .*", one)[1:] for one in (plain, made)]
    assert headings[0] == headings[1]
    assert not re.search(r"(?<!\\)<script", re.sub(r"`[^`\n]*`", "", made))
    assert "](http" not in re.sub(r"`[^`\n]*`|\(\[arXiv[^)]*\)|\[arXiv[^)]*\)", "", made)
    fences = [re.findall(r"(?m)^ *```", one) for one in (plain, made)]
    assert len(fences[0]) == len(fences[1])
    assert "\x1b" not in made
    assert "\u2028" not in made


def test_text_and_code_are_escaped() -> None:
    assert text("a_b|c <d>\n# e") == r"a\_b\|c \<d\> \# e"
    assert code("a`b|c") == r"`` a`b\|c ``"
    assert text(None) == text(["a"]) == code("") == ""


def test_no_path_of_the_machine_is_in_the_card() -> None:
    recipe = {"base": "/home/someone/base-x", "data": ["/home/someone/rows.jsonl"], "method": "two-stage"}
    made = bundle_readme(bundle(recipe=recipe))
    assert "someone" not in made
    assert "`base-x`" in made
    assert "`rows.jsonl`" in made


def test_the_instructions_fit_the_layout() -> None:
    merged = bundle_readme(bundle())
    assert "llama-server -m planner-q8_0.gguf --temp 0" in merged
    assert "ollama create umi-mini-planner -f planner.Modelfile" in merged
    assert "umi_role" not in merged
    roles = {
        role: RoleFile("b.gguf", "0" * 64, 1, adapter=GgufFile(f"{role} a.gguf", "0" * 64, 1))
        for role in ROLES
    }
    shared = bundle_readme(bundle(layout="shared", roles=roles))
    assert '-m b.gguf --lora "planner a.gguf" --lora "caller a.gguf"' in shared
    assert '"umi_role": "caller"' in shared
    stock = bundle_readme(bundle(dialect="chat"))
    assert "Modelfile" not in stock
    assert "umi ask" in stock
