"""The text of every layout is the same with and without caches on disk and in memory, and drafts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from chat_templates import CHATML
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf
from tiny_mamba import write_tiny_mamba

from agent.bundle import Bundle, load_bundle
from agent.bundle.assemble import assemble
from agent.bundle.manifest import Dialect
from agent.config import EngineSettings
from agent.engine import Engine, Generated
from agent.errors import BundleError, InputError
from agent.llama.binding.context import Adapter, Context
from agent.llama.binding.model import Model
from agent.llama.engine import LlamaEngine
from agent.llama.prompt_cache import PromptCache
from agent.llama.sampling import ForcedDecoding
from agent.paths import cache_folder
from agent.prompting import prompt_ids
from agent.prompting.dialects import DIALECTS
from agent.transcript import (
    ROLES,
    Call,
    CallerTurn,
    PlannerTurn,
    Role,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)

EXACT = EngineSettings(threads=1, cache="f32", flash_attention="off", disk=False, speculate=False)
WORDS = ("one", "two", "three", "forty-two", "x=1", "file.txt", "naïve", "17.5")
TOOLS = tuple(
    ToolSpec(name, f"The tool that does {name}.", {"type": "object", "properties": {"x": {"type": "string"}}})
    for name in ("alpha", "beta", "gamma")
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("gguf")
    made = {"backbone": write_tiny_gguf(folder / "b.gguf", seed=7)}
    for seed, role in enumerate(ROLES):
        made[role] = write_tiny_gguf(folder / f"{role}.gguf", seed=seed)
        header = header_ids(made["backbone"], role)
        made[f"{role}+"] = write_tiny_adapter(folder / f"{role}-a.gguf", header, seed=seed)
    return made


@pytest.fixture(scope="module")
def bundles(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    adapters: dict[Role, Path] = {role: files[f"{role}+"] for role in ROLES}
    models: dict[Role, Path] = {role: files[role] for role in ROLES}
    stock = write_tiny_gguf(folder / "stock.gguf", seed=9, chat_template=CHATML)
    return {
        "merged": assemble(folder / "merged", models),
        "chat": assemble(folder / "chat", {}, backbone=stock, dialect="chat"),
        "shared": assemble(folder / "shared", adapters, backbone=files["backbone"]),
        "single": assemble(folder / "single", {}, backbone=files["backbone"]),
    }


def test_every_dialect_of_a_manifest_is_registered() -> None:
    assert set(DIALECTS) == set(get_args(Dialect))


def write(engine: Engine, role: Role, transcript: Transcript) -> Generated:
    *_, last = engine.generate(role, transcript, cancelled=lambda: False)
    assert isinstance(last, Generated)
    return last


def conversation(seed: int, length: int) -> list[tuple[Role, Transcript]]:
    """Questions and steps as a loop would ask of an engine, now and then going back to an earlier point."""
    rng = random.Random(seed)
    words = [rng.choice(WORDS) for _ in range(200)]
    transcript, asked, kept = Transcript(TOOLS), [], []
    for _ in range(length):
        kept.append(transcript)
        transcript = transcript.plus(UserTurn(" ".join(rng.sample(words, 4))))
        for _ in range(rng.randint(0, 2)):
            asked += [("planner", transcript)]
            transcript = transcript.plus(PlannerTurn("I will use a tool.", "caller"))
            asked += [("caller", transcript)]
            transcript = transcript.plus(CallerTurn((Call("alpha", {"x": rng.choice(words)}),)))
            transcript = transcript.plus(ToolTurn("alpha", " ".join(rng.sample(words, 6))))
        asked += [("planner", transcript)]
        transcript = transcript.plus(PlannerTurn("Done.", "summarizer"))
        asked += [("summarizer", transcript)]
        transcript = transcript.plus(SummarizerTurn(" ".join(rng.sample(words, 5))))
        if rng.random() < 0.3:
            transcript = rng.choice(kept)
    return asked


@pytest.mark.parametrize("layout", ["merged", "shared", "single", "chat"])
def test_the_prompt_cache_does_not_change_the_text(layout: str, bundles: dict[str, Bundle]) -> None:
    bundle = bundles[layout]
    kept = LlamaEngine(short(bundle), EXACT)
    reused = 0
    differing = []
    for at, (role, transcript) in enumerate(conversation(3, 5)):
        fresh = LlamaEngine(short(bundle), EXACT)
        expected, generated = write(fresh, role, transcript), write(kept, role, transcript)
        fresh.close()
        reused += generated.usage.prompt_reused
        if generated.text != expected.text:
            differing.append((at, role, generated.text, expected.text))
    kept.close()
    assert reused > 500
    assert not differing


@pytest.mark.parametrize("layout", ["merged", "shared", "single", "chat"])
def test_a_conversation_that_was_saved_is_read_by_no_process_again(
    layout: str, bundles: dict[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, settings = short(bundles[layout]), replace(EXACT, disk=True)
    said = Transcript(TOOLS, (UserTurn("one two three " * 12), PlannerTurn("Done.", "summarizer")))
    said = said.plus(SummarizerTurn("forty-two file.txt " * 12))
    question = said.plus(UserTurn("And now?"))
    monkeypatch.setenv("UMI_HOME", str(tmp_path / "other"))
    alone = LlamaEngine(bundle, settings)
    expected = write(alone, "planner", question)
    alone.close()
    monkeypatch.setenv("UMI_HOME", str(tmp_path / "shared"))
    first = LlamaEngine(bundle, settings)
    first.read_ahead(said.plus(UserTurn("And what else")), cancelled=lambda: False)
    for _ in range(2):  # the second time it is there
        first.save_state(said)
    first.close()
    second = LlamaEngine(bundle, settings)
    again = write(second, "planner", question)
    longer = question.plus(PlannerTurn("Done.", "summarizer"), SummarizerTurn("x=1 naïve " * 12))
    before = set(PromptCache().keys())
    second.read_ahead(longer, cancelled=lambda: False)
    second.save_state(longer)
    second.close()
    assert again.text == expected.text
    read = expected.usage.prompt_evaluated
    assert again.usage.prompt_reused + again.usage.prompt_evaluated == read
    assert again.usage.prompt_evaluated < 40 < read / 4, "the question and the header"
    models = 3 if layout == "merged" else 1
    assert len(before) == len(set(PromptCache().keys()))
    assert len(before - set(PromptCache().keys())) == models, "the longer state takes the place of the other"


@pytest.mark.parametrize("layout", ["merged", "shared", "single"])
def test_one_decode_hands_over_to_the_summarizer_of_the_same_model(
    layout: str, bundles: dict[str, Bundle]
) -> None:
    bundle, settings = short(bundles[layout], 40), replace(EXACT, speculate=True)
    plan = PlannerTurn("Done here.", "summarizer")
    said = Transcript(TOOLS, (UserTurn("What?"), plan, SummarizerTurn("Yes."), UserTurn("And now?")))
    engine, fresh = LlamaEngine(bundle, settings), LlamaEngine(bundle, settings)
    expected = write(fresh, "summarizer", said.plus(plan))
    forced = ForcedDecoding("Done here.\nNext: summarizer", jump_forward=True)
    *_, planned = engine.generate("planner", said, cancelled=lambda: False, forced=forced)
    assert isinstance(planned, Generated)
    assert planned.usage.accepted > 0
    answer = write(engine, "summarizer", said.plus(plan))
    engine.close()
    fresh.close()
    assert answer.text == expected.text
    assert (answer.usage.prompt_evaluated == 0) == (layout == "single")


@pytest.mark.parametrize("dialect", ["umi", "chat"])
def test_a_recurrent_state_is_restored_where_prompts_diverge(dialect: Dialect, tmp_path: Path) -> None:
    model = write_tiny_mamba(tmp_path / "m.gguf", chat_template=CHATML if dialect == "chat" else "")
    bundle = short(assemble(tmp_path / "x", {}, backbone=model, dialect=dialect))
    kept = LlamaEngine(bundle, EXACT)
    generated = []
    for role, transcript in conversation(3, 5):
        fresh = LlamaEngine(bundle, EXACT)
        expected = write(fresh, role, transcript)
        generated.append(write(kept, role, transcript))
        fresh.close()
        assert generated[-1].text == expected.text
    kept.close()
    read = sum(each.usage.prompt_evaluated for each in generated[1:])
    assert sum(each.usage.prompt_reused for each in generated[1:]) > read


def short(bundle: Bundle, max_tokens: int = 12) -> Bundle:
    roles = {
        role: replace(file, sampling=replace(file.sampling, max_tokens=max_tokens))
        for role, file in bundle.roles.items()
    }
    return replace(bundle, roles=roles)


def test_the_backbone_decodes_again_only_what_a_role_generated(bundles: dict[str, Bundle]) -> None:
    engine = LlamaEngine(bundles["shared"], EXACT)
    question = Transcript(TOOLS, (UserTurn("What?"),))
    planned = question.plus(PlannerTurn("I will use a tool.", "caller"))
    first = write(engine, "planner", question).usage
    second = write(engine, "caller", planned).usage
    tokenize = engine._sessions["backbone.gguf"].vocabulary.tokenize
    engine.close()
    assert first.prompt_reused == 0
    assert second.prompt_reused == len(prompt_ids(question, None, tokenize))
    written = len(prompt_ids(planned, None, tokenize)) - second.prompt_reused
    header = len(tokenize("<|im_start|>caller\n", True))
    assert second.prompt_evaluated == written + header


def test_an_adapter_applies_from_its_header_on(bundles: dict[str, Bundle], files: dict[str, Path]) -> None:
    """The engine's logits are those of a context whose adapter is switched on by hand."""
    transcript = Transcript(TOOLS, (UserTurn("What?"),))
    model = Model(files["backbone"])
    context = Context(model, 1024, threads=1, cache="f32", flash_attention="off")
    adapter = Adapter(model, files["caller+"])
    tokenize = model.vocabulary.tokenize
    history, header = prompt_ids(transcript, None, tokenize), tokenize("<|im_start|>caller\n", True)
    context.decode(history)
    context.set_adapter(adapter)
    context.decode(header)
    by_hand = context.logits().copy()
    context.truncate(0)
    context.decode([*history, *header])
    always_on = context.logits().copy()
    engine = LlamaEngine(bundles["shared"], EXACT)
    session = engine._sessions["backbone.gguf"]
    for _ in range(2):  # the second time from the cache
        session.reader.read_whole("caller", session.prompt("caller", transcript), 64)
        np.testing.assert_allclose(session.context.logits(), by_hand, atol=1e-3)
    engine.close()
    context.close()
    model.close()
    assert abs(by_hand - always_on).max() > 0.1


@pytest.mark.parametrize("layout", ["merged", "shared", "single", "chat"])
def test_speculative_decoding_does_not_change_the_text(layout: str, bundles: dict[str, Bundle]) -> None:
    plain = LlamaEngine(bundles[layout], EXACT)
    guessing = LlamaEngine(bundles[layout], replace(EXACT, speculate=True))
    for role, transcript in conversation(5, 3):
        assert write(guessing, role, transcript).text == write(plain, role, transcript).text
    plain.close()
    guessing.close()


@pytest.mark.parametrize("layout", ["merged", "shared", "chat"])
def test_a_new_process_does_not_read_the_tools_again(layout: str, bundles: dict[str, Bundle]) -> None:
    on_disk = replace(EXACT, disk=True)
    question = Transcript(TOOLS, (UserTurn("What?"),))
    generated: list[Generated] = []
    for _ in range(2):
        engine = LlamaEngine(bundles[layout], on_disk)
        generated.append(write(engine, "caller", question))
        engine.close()
    assert generated[0].usage.prompt_reused == 0
    assert generated[1].usage.prompt_reused > 100
    assert generated[1].usage.prompt_evaluated < (300 if layout == "chat" else 40)
    assert generated[0].text == generated[1].text


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff"),
    ],
)
def test_a_damaged_state_is_replaced(damage: Callable[[Path], None], bundles: dict[str, Bundle]) -> None:
    on_disk = replace(EXACT, disk=True)
    question = Transcript(TOOLS, (UserTurn("What?"),))
    engine = LlamaEngine(bundles["shared"], on_disk)
    expected = write(engine, "caller", question)
    engine.close()
    (file,) = (cache_folder() / "states").iterdir()
    whole = file.read_bytes()
    damage(file)
    engine = LlamaEngine(bundles["shared"], on_disk)
    generated = write(engine, "caller", question)
    engine.close()
    assert generated.usage.prompt_reused == 0
    assert generated.text == expected.text
    assert file.read_bytes() == whole


def test_states_of_other_tools_models_and_caches_have_other_keys(bundles: dict[str, Bundle]) -> None:
    for bundle, tools, cache in (
        ("shared", TOOLS, "f32"),
        ("shared", TOOLS[:2], "f32"),
        ("shared", TOOLS, "f16"),
        ("merged", TOOLS, "f32"),
    ):
        engine = LlamaEngine(bundles[bundle], EngineSettings(threads=1, cache=cache))  # type: ignore[arg-type]
        assert write(engine, "planner", Transcript(tools, (UserTurn("What?"),))).usage.prompt_reused == 0
        engine.close()
    assert len(list((cache_folder() / "states").iterdir())) == 4


def test_an_adapter_of_another_model_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not an adapter of"):
        assemble(tmp_path / "x", {role: files[role] for role in ROLES}, backbone=files["backbone"])
    assert not (tmp_path / "x").exists()


def test_an_adapter_with_another_invocation_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    adapters: dict[Role, Path] = {role: files[f"{role}+"] for role in ROLES}
    adapters["caller"] = adapters["planner"]
    with pytest.raises(BundleError, match=r"the caller's adapter begins at .* and its header is"):
        assemble(tmp_path / "x", adapters, backbone=files["backbone"])
    adapters["caller"] = write_tiny_adapter(tmp_path / "plain.gguf", [])
    with pytest.raises(BundleError, match="the caller's adapter is always on"):
        assemble(tmp_path / "x", adapters, backbone=files["backbone"])


def test_a_model_without_a_chat_template_is_no_stock_model(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has no chat template"):
        assemble(tmp_path / "x", {}, backbone=files["backbone"], dialect="chat")


def test_files_that_make_no_bundle_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--caller is not given"):
        assemble(tmp_path / "x", {"planner": files["planner"]})
    with pytest.raises(InputError, match="there is no file"):
        assemble(tmp_path / "x", {}, backbone=tmp_path / "none.gguf")
    with pytest.raises(InputError, match=r"b\.gguf was made for 2048 tokens; give --context 2048 or less"):
        assemble(tmp_path / "x", {}, backbone=files["backbone"], context_length=4096)
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(BundleError):
        assemble(tmp_path / "x", {}, backbone=tmp_path / "text.gguf")
    assert not (tmp_path / "x").exists()


def test_an_assembled_bundle_loads(bundles: dict[str, Bundle]) -> None:
    for bundle in bundles.values():
        assert load_bundle(bundle.folder, verify=True).layout == bundle.layout
