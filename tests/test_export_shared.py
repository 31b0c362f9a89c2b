"""A run of activated adapters becomes one backbone and three adapters with the logits of peft's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from fakes import run_export as main
from safetensors.torch import load_file, save_file
from tiny_base import make_base, make_run, tiny_rows

import export.layouts.unquantized
from agent.bundle import load_bundle
from agent.errors import EngineError, InputError, UmiError
from agent.llama.binding.gguf_model import open_gguf
from agent.prompting import CHATML, prompt_ids
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, CallerTurn, PlannerTurn, SummarizerTurn, Transcript
from export.gguf.adapter import write_adapter
from export.gguf.convert import convert
from export.merge.selection import load_model
from export.proof.parity import Parity
from train.model.alora import role_headers
from train.model.weights.adapter import read_adapter

LOUD = {"learning_rate": 2e-2, "max_steps": 12}
"""Enough for a role to say clearly something else than its backbone."""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    return make_run(folder, adapter="alora", planner=LOUD, caller=LOUD, summarizer=LOUD)


@pytest.fixture(scope="module")
def exact(run_folder: Path) -> Path:
    """The bundle in f32, its backbone merged into the weights that were trained on."""
    out = run_folder.parent / "exact"
    argv = ["bundle", str(run_folder), "--out", str(out), "--quant", "f32", "--merge-base", "dequant"]
    assert main(argv) == 0
    return out


def test_a_run_of_activated_roles_becomes_a_shared_bundle(run_folder: Path, exact: Path) -> None:
    bundle = load_bundle(exact, verify=True)
    assert bundle.layout == "shared"
    assert {bundle.roles[role].file for role in ROLES} == {"backbone-f32.gguf"}
    headers = role_headers(load_tokenize(run_folder.parent / "base"), CHATML)
    for role in ROLES:
        path = bundle.adapter_path(role)
        assert path
        assert path == exact / f"{role}-adapter-f32.gguf"
        fields = gguf.GGUFReader(path).fields
        assert fields["general.type"].contents() == "adapter"
        assert fields["adapter.type"].contents() == "lora"
        assert fields["adapter.lora.alpha"].contents() == 8
        tokens = fields["adapter.alora.invocation_tokens"]
        assert tokens.types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32]
        assert tokens.contents() == headers[role]
        made = bundle.metrics["export"][role]
        assert made["f32"]["agreed"] + made["f32"]["near_ties"] == made["f32"]["positions"] > 0
    assert bundle.metrics["export"]["backbone"]["merge_base"] == "dequant"
    assert len(list(exact.glob("*.gguf"))) == 4


def pefts_own(run_folder: Path, role: str) -> Any:
    """The 4-bit base's values, stage 1 on for every token, and the role's adapter, as peft loads them."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    from peft import PeftModel

    base = load_model(run_folder.parent / "base")
    with torch.no_grad():
        for module in base.model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.copy_(dequantize_4bit(*quantize_4bit(module.weight, quant_type="nf4")))
    model: Any = PeftModel.from_pretrained(base, run_folder / "backbone", "backbone")
    model.load_adapter(run_folder / role, role)
    model.set_adapter(role)
    model.base_model.set_adapter(["backbone", role])
    return model.eval()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft 0.21 reads a renamed attribute
@pytest.mark.parametrize("role", ROLES)
def test_backbone_and_adapter_have_the_logits_of_peft(run_folder: Path, exact: Path, role: Any) -> None:
    tokenize = load_tokenize(run_folder.parent / "base")
    kind = {"planner": PlannerTurn, "caller": CallerTurn, "summarizer": SummarizerTurn}[role]
    transcript = tiny_rows(6, "test")[2].transcript
    last = max(at for at, turn in enumerate(transcript.turns) if isinstance(turn, kind))
    before = Transcript(transcript.tools, transcript.turns[:last])
    prompt = prompt_ids(before, role, tokenize)
    ids = [*prompt, *tokenize('{"name":"add"} It is 4. Next: caller', False)]
    first, start = len(prompt) - 1, len(prompt) - len(tokenize(CHATML.header(role), True))
    if role == "planner":
        header = ids[start : len(prompt)]
        assert any(ids[at : at + len(header)] == header for at in range(start)), "an earlier planner turn"
    with torch.no_grad():
        theirs = pefts_own(run_folder, role)(input_ids=torch.tensor([ids])).logits[0].numpy()
    bundle = load_bundle(exact)
    with open_gguf(bundle.path(role), len(ids), bundle.adapter_path(role)) as gguf_model:
        ours = gguf_model.logits(ids, 0, adapter_start=start)
        cut = gguf_model.logits(ids, first, chunk=5, adapter_start=start)
        never = gguf_model.logits(ids, 0)
        always = gguf_model.logits(ids, 0, adapter_start=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    np.testing.assert_allclose(cut, theirs[first:], atol=1e-4)
    np.testing.assert_array_equal(never[:start], ours[:start])
    for other in (never, always):
        assert np.abs(other[first:] - ours[first:]).max() > 0.1


def test_a_quantized_bundle_has_adapters_in_f32(run_folder: Path, tmp_path: Path) -> None:
    argv = ["bundle", str(run_folder), "--out", str(tmp_path / "small"), "--layout", "shared"]
    assert main([*argv, "--quant", "q4_k_m", "--grounded", "summarizer"]) == 0
    bundle = load_bundle(tmp_path / "small", verify=True)
    assert {file.file for file in bundle.files} == {
        "backbone-q4_k_m.gguf",
        *(f"{role}-adapter-f32.gguf" for role in ROLES),
        *(f"{role}.ngrams" for role in ROLES),
    }
    assert len(list((tmp_path / "small").glob("*.gguf"))) == 4
    assert bundle.roles["summarizer"].grounded
    assert bundle.metrics["export"]["backbone"]["heldout_loss"].keys() == {"dequant", "original"}
    for tensor in gguf.GGUFReader(tmp_path / "small" / "caller-adapter-f32.gguf").tensors:
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", ["Qwen2", "Llama"])
def test_adapters_of_other_architectures_have_the_logits_of_peft(
    run_folder: Path, tmp_path: Path, kind: str
) -> None:
    import transformers
    from peft import LoraConfig, get_peft_model

    shape: dict[str, Any] = {
        "vocab_size": json.loads((run_folder.parent / "base" / "config.json").read_text())["vocab_size"],
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }
    torch.manual_seed(1)
    base = getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**shape))
    base.save_pretrained(tmp_path / "base")
    for file in (run_folder.parent / "base").glob("tokenizer*"):
        shutil.copy(file, tmp_path / "base")
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules="all-linear",
        use_rslora=True,
        task_type="CAUSAL_LM",
        alora_invocation_tokens=[7, 8],
    )
    model: Any = get_peft_model(base, config).eval()
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path / "adapter")
    ids = [*range(3, 40), 7, 8, *range(60, 80)]
    with torch.no_grad():
        theirs = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    file = write_adapter(read_adapter(tmp_path / "adapter"), tmp_path / "base", tmp_path / "a.gguf", "f32")
    backbone = convert(tmp_path / "base", tmp_path / "base.gguf", "f32")
    with open_gguf(backbone, 64, file) as gguf_model:
        np.testing.assert_allclose(
            gguf_model.logits(ids, 0, adapter_start=ids.index(7, 5)), theirs, atol=1e-4
        )
        assert np.abs(gguf_model.logits(ids, 50) - theirs[50:]).max() > 0.1


def test_an_adapter_that_differs_leaves_no_bundle(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compare(_reference: Any, _file: Path, _say: Any, adapter: Path | None) -> Parity:
        return Parity(3, 9, 8 if adapter else 9, 0, 1e-5, 1e-5, 2.0)

    monkeypatch.setattr(export.layouts.unquantized, "measure_parity", compare)
    assert main(["bundle", str(run_folder), "--out", str(tmp_path / "mine")]) == UmiError.exit_code
    assert "planner-adapter-f32.gguf differs from its model at 1 of 9 tokens" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_unsupported_combinations_are_refused_with_the_reason(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Path(shutil.copytree(run_folder, tmp_path / "plain"))
    manifest = json.loads((plain / "manifest.json").read_text())
    manifest["recipe"] |= {"adapter": "lora", "hand_over": "continue"}
    (plain / "manifest.json").write_text(json.dumps(manifest))
    out = ["--out", str(tmp_path / "mine")]
    for argv, message in (
        ([str(run_folder), *out, "--layout", "merged"], "does not make a merged bundle: its adapters are on"),
        ([str(plain), *out, "--layout", "shared"], "does not make a shared bundle: its adapters are on"),
        ([str(plain), *out], "uses alora_invocation_tokens, which cannot be merged"),
        (
            [str(run_folder), *out, "--quant", "caller=f16"],
            "makes the roles auto and f16, and in a",
        ),
        ([str(run_folder), *out, "--layout", "single"], "does not make a single bundle: its adapters are on"),
    ):
        assert main(["bundle", *argv]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.splitlines()[-1].startswith("umi: ")
    assert not (tmp_path / "mine").exists()


def test_adapters_that_cannot_be_exported_are_refused(run_folder: Path, tmp_path: Path) -> None:
    more = Path(shutil.copytree(run_folder / "backbone", tmp_path / "more"))
    tensors = load_file(more / "adapter_model.safetensors")
    save_file(tensors | {"base_model.model.lm_head.bias": torch.ones(3)}, more / "adapter_model.safetensors")
    with pytest.raises(InputError, match=r"more holds base_model\.model\.lm_head\.bias, which cannot be"):
        read_adapter(more)
    with pytest.raises(InputError, match="cannot be read"):
        read_adapter(tmp_path)
    from export.layouts.shared import read_role_adapter
    from train.run.finished import load_run

    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    file = copy / "caller" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "alora_invocation_tokens": [5]}))
    with pytest.raises(InputError, match=r"switched on by tokens \[5\], and the header of caller is"):
        read_role_adapter(load_run(copy), "caller")


def test_the_command_converts_adapters(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain one and an activated one; their base is named by them, or by hand."""
    base, out = run_folder.parent / "base", tmp_path / "new" / "a.gguf"
    assert main(["convert", str(run_folder / "backbone"), str(out), "--type", "f32"]) == 0
    fields = gguf.GGUFReader(out).fields
    assert fields["general.type"].contents() == "adapter"
    assert "adapter.alora.invocation_tokens" not in fields
    pairs = read_adapter(run_folder / "backbone").pairs
    made = {tensor.name: tensor.data for tensor in gguf.GGUFReader(out).tensors}
    np.testing.assert_array_equal(
        made["blk.0.ffn_up.weight.lora_a"], pairs["model.layers.0.mlp.up_proj.weight"][0]
    )
    assert main(["convert", str(run_folder / "caller"), str(out), "--base", str(base)]) == 0
    assert "adapter.alora.invocation_tokens" in gguf.GGUFReader(out).fields
    other = make_base(tmp_path / "other", hidden_size=96)
    for argv, message in (
        (
            [str(run_folder / "caller"), str(out), "--base", str(tmp_path)],
            "does not exist; name its folder with",
        ),
        ([str(run_folder / "caller"), str(out), "--base", str(other)], "is not an adapter of"),
        ([str(run_folder / "caller"), str(out), "--type", "q4_k_m"], "choose one of f32, f16, bf16"),
    ):
        capsys.readouterr()
        assert main(["convert", *argv]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1


def test_an_adapter_of_another_model_is_an_error_not_a_crash(exact: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.gguf").write_bytes((exact / "caller-adapter-f32.gguf").read_bytes()[:300])
    backbone = exact / "backbone-f32.gguf"
    with pytest.raises(EngineError, match="cannot load"), open_gguf(backbone, 64, tmp_path / "damaged.gguf"):
        pass
    with pytest.raises(EngineError, match="cannot load"), open_gguf(backbone, 64, backbone):
        pass
