"""What a model must have to be used, and that it is freed where it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import pytest
import tiny_gguf
from chat_templates import CHATML
from llama_cpp import llama_cpp as native
from tiny_gguf import header_ids, write_tiny_adapter, write_tiny_gguf
from tiny_mamba import write_tiny_mamba

import agent.setup
import tui.setup
from agent.bundle import Bundle
from agent.bundle.assemble import assemble
from agent.config import EngineSettings
from agent.errors import BundleError, EngineError, UmiError
from agent.llama.binding.context import Context
from agent.llama.binding.model import Model
from agent.llama.engine import LlamaEngine
from agent.llama.session import ModelSession
from agent.tools.toolbox import Toolbox
from agent.transcript import ROLES, Role

ONE = EngineSettings(threads=1, disk=False)


def adapters_of(backbone: Path, folder: Path) -> dict[Role, Path]:
    return {role: write_tiny_adapter(folder / f"{role}.gguf", header_ids(backbone, role)) for role in ROLES}


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many models and contexts are in memory."""
    count = {"models": 0, "contexts": 0}

    def counted(name: str, what: str, by: int) -> None:
        function = getattr(native, name)

        def call(*given: object) -> object:
            count[what] += by
            return function(*given)

        monkeypatch.setattr(native, name, call)

    counted("llama_model_load_from_file", "models", 1)
    counted("llama_model_free", "models", -1)
    counted("llama_init_from_model", "contexts", 1)
    counted("llama_free", "contexts", -1)
    return count


def test_models_are_freed_where_threads_cannot_be_measured(
    tiny_bundle: Bundle, alive: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: ModelSession, threads: int) -> None:
        raise EngineError("llama.cpp failed to compute")

    monkeypatch.setattr(ModelSession, "_measure", fails)
    with pytest.raises(EngineError, match="failed to compute"):
        LlamaEngine(tiny_bundle, EngineSettings(disk=False))
    assert alive == {"models": 0, "contexts": 0}


def test_models_are_freed_where_the_prompt_cannot_be_rendered(
    tiny_bundle: Bundle, alive: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: LlamaEngine, role: Role, transcript: object) -> int:
        raise EngineError("the template failed")

    monkeypatch.setattr(LlamaEngine, "room", fails)
    with pytest.raises(EngineError, match="the template failed"):
        tui.setup.open_agent(tui.setup.Options(models=str(tiny_bundle.folder)))
    assert alive == {"models": 0, "contexts": 0}


def test_models_are_not_loaded_where_the_tools_are_wrong(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> None:
        raise UmiError("two tools have one name")

    monkeypatch.setattr(Toolbox, "__init__", fails)
    monkeypatch.setattr(agent.setup, "open_engine", lambda bundle: pytest.fail("loaded"))
    with pytest.raises(UmiError, match="two tools"):
        tui.setup.open_agent(tui.setup.Options(models=str(tiny_bundle.folder)))


def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes only UTF-8")
    backbone = write_tiny_gguf(tmp_path / "b.gguf")
    assert assemble(folder / "x", adapters_of(backbone, tmp_path), backbone=backbone).layout == "shared"


def test_recurrent_models_are_recognized_without_computing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mamba, usual = write_tiny_mamba(tmp_path / "mamba.gguf"), write_tiny_gguf(tmp_path / "usual.gguf")
    monkeypatch.setattr(Context, "decode", lambda *given, **named: pytest.fail("computed"))
    for name, path, able in (("a", mamba, False), ("b", usual, True)):
        engine = LlamaEngine(assemble(tmp_path / name, {}, backbone=path), ONE)
        assert {session.can_truncate for session in engine._sessions.values()} == {able}
        engine.close()
    with pytest.raises(BundleError):
        assemble(tmp_path / "c", adapters_of(usual, tmp_path), backbone=mamba)


def test_a_refused_cache_type_is_not_in_the_hint(tmp_path: Path) -> None:
    model = Model(write_tiny_gguf(tmp_path / "m.gguf"))  # heads of 16, and q8_0 needs 32
    with pytest.raises(EngineError, match="q8_0 cache") as caught:
        Context(model, 256, threads=1, cache="q8_0", flash_attention="auto")
    model.close()
    assert "f16" in caught.value.hint
    assert "q8_0" not in caught.value.hint


@pytest.mark.parametrize(("write", "left"), [(write_tiny_gguf, 3), (write_tiny_mamba, 0)])
def test_truncating_returns_the_length_left(write: type, left: int, tmp_path: Path) -> None:
    model = Model(write(tmp_path / "m.gguf"))
    context = Context(model, 256, threads=1)
    context.decode([1, 2, 3, 4, 5])
    assert context.truncate(5) == 5
    assert context.truncate(3) == left == len(context.tokens)
    context.close()
    model.close()


def test_a_chat_needs_an_end_of_turn_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = write_tiny_gguf(tmp_path / "stock.gguf", chat_template=CHATML)
    assert assemble(tmp_path / "good", {}, backbone=stock, dialect="chat").dialect == "chat"
    # llama.cpp makes control tokens of the usual names, so this model's are others.
    tokens, merges, kinds = tiny_gguf._vocabulary()
    others = [*tokens[:-3], "<pad1>", "<pad2>", "<|im_end|>x"]
    monkeypatch.setattr(tiny_gguf, "_vocabulary", lambda: (Tokens(others), merges, [1] * len(kinds)))
    stock = write_tiny_gguf(tmp_path / "text.gguf", chat_template=CHATML)
    with pytest.raises(
        BundleError, match=r"ends a turn with '<.im_end.>x', which is text: it would not stop"
    ):
        assemble(tmp_path / "x", {}, backbone=stock, dialect="chat")
    monkeypatch.setattr(
        gguf.GGUFWriter, "add_eos_token_id", lambda self, token: self.add_uint32(EOS, 2**32 - 1)
    )
    stock = write_tiny_gguf(tmp_path / "none.gguf", chat_template=CHATML)
    with pytest.raises(BundleError, match=r"none\.gguf ends .*: it would not stop"):
        assemble(tmp_path / "x", {}, backbone=stock, dialect="chat")


EOS = "tokenizer.ggml.eos_token_id"


class Tokens(list[str]):
    """A vocabulary whose last token takes the place of the end of a turn."""

    def index(self, value: str, *given: int) -> int:  # type: ignore[override]
        return len(self) - 1 if value == "<|im_end|>" else super().index(value, *given)
