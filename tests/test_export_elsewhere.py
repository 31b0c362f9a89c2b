"""What other programs read of our files: chat templates, Modelfiles, provenance."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import gguf
import jinja2.sandbox
import pytest
import torch
from safetensors.torch import save_file
from tiny_base import make_base, tiny_rows

from agent.bundle import Bundle, RoleFile, Sampling, load_bundle
from agent.bundle.files import GgufFile
from agent.errors import InputError
from agent.paths import SHIPPED, sha256_of
from agent.prompting import CHATML, Markers, prompt_ids, segments
from agent.prompting.encoding import load_tokenize
from agent.transcript import ROLES, Role, Transcript, UserTurn
from export.card.modelfile import modelfiles, role_template
from export.card.provenance import hub_id, provenance
from export.gguf.adapter import write_adapter
from export.gguf.convert import convert
from export.quantize.quantize import quantize
from train.model.weights.adapter import read_adapter
from train.run.finished import Run, require_own_adapters

HOSTILE = Markers("{% raw %}'<\\o>\"{{", " }}\r\n{#\t", "„Ende\u201d {%- endif", "\\n \U0001f600")
MARKERS = (
    CHATML,
    HOSTILE,
    Markers("<start_of_turn>", "\n", "<end_of_turn>", "\n"),
    Markers("[T]", "", "[/T]", ""),
    Markers("\n\n", " \n ", " ", "\n"),
)
PROGRAMS = ({"trim_blocks": True, "lstrip_blocks": True}, {})
"""How transformers and llama-cpp-python set Jinja up, and how it is by itself."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("elsewhere") / "base")


def messages(transcript: Transcript) -> list[dict[str, str]]:
    """A transcript as a client of another program sends it."""
    return [{"role": piece.role, "content": piece.content} for piece in segments(transcript)]


def render(template: str, chat: list[dict[str, str]], *, program: int = 0, **variables: Any) -> str:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(**PROGRAMS[program])
    return environment.from_string(template).render(
        **{"messages": chat, "add_generation_prompt": True, "tools": None, **variables}
    )


def text(transcript: Transcript, role: Role | None, markers: Markers) -> str:
    turns = "".join(
        markers.header(piece.role) + piece.content + markers.end for piece in segments(transcript)
    )
    return turns + (markers.header(role) if role else "")


@pytest.mark.parametrize("program", range(len(PROGRAMS)))
@pytest.mark.parametrize("markers", MARKERS)
def test_a_template_writes_the_prompt(markers: Markers, program: int) -> None:
    for row in tiny_rows(4):
        for length in range(len(row.transcript.turns) + 1):
            so_far = dataclasses.replace(row.transcript, turns=row.transcript.turns[:length])
            for role in ROLES:
                template = role_template(markers, role)
                assert render(template, messages(so_far), program=program) == text(so_far, role, markers)


@pytest.mark.parametrize("role", ROLES)
def test_the_ids_of_a_rendered_template_are_umis_prompt(base: Path, role: Role) -> None:
    tokenize = load_tokenize(base)
    for row in tiny_rows(8):
        rendered = render(role_template(CHATML, role), messages(row.transcript))
        assert tokenize(rendered, True) == prompt_ids(row.transcript, role, tokenize)


def test_without_a_system_message_the_list_of_tools_is_empty() -> None:
    template = role_template(CHATML, "planner")
    transcript = Transcript(turns=(UserTurn("hi {{ 7 * 7 }}"),))
    assert render(template, messages(transcript)[1:]) == text(transcript, "planner", CHATML)
    assert render(template, []) == text(Transcript(), "planner", CHATML)


def test_an_instruction_is_a_system_turn_of_its_own() -> None:
    instructed = dataclasses.replace(tiny_rows(1)[0].transcript, instruction="Be brief.")
    rendered = render(role_template(CHATML, "caller"), messages(instructed))
    assert rendered == text(instructed, "caller", CHATML)
    assert rendered.count("<|im_start|>system\n") == 2


def test_the_assistant_is_the_role_of_the_file() -> None:
    chat = [{"role": "system", "content": ""}, {"role": "assistant", "content": "Next: caller"}]
    expected = "<|im_start|>system\n<|im_end|>\n<|im_start|>{role}\nNext: caller<|im_end|>\n"
    for role in ROLES:
        rendered = render(role_template(CHATML, role), chat, add_generation_prompt=False)
        assert rendered == expected.format(role=role)
    other = render(role_template(CHATML, "planner"), chat, umi_role="caller")
    assert other == expected.format(role="caller") + "<|im_start|>caller\n"


def test_a_message_without_content_is_empty() -> None:
    chat: list[Any] = [{"role": "system", "content": ""}, {"role": "assistant", "content": None}]
    assert "None" not in render(role_template(CHATML, "planner"), chat)


def bundle(**changes: Any) -> Bundle:
    return dataclasses.replace(load_bundle(SHIPPED), **changes)


def parse(modelfile: str) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """(commands, parameters, comments) as Ollama reads them: three quotes before whitespace end a text."""
    commands: dict[str, str] = {}
    parameters: dict[str, str] = {}
    comments: list[str] = []
    rest = modelfile
    while rest := rest.lstrip():
        if rest.startswith("#"):
            comment, _, rest = rest.partition("\n")
            comments.append(comment)
            continue
        name, rest = rest.split(" ", 1)
        into = commands
        if name == "PARAMETER":
            name, rest = rest.split(" ", 1)
            into = parameters
        assert name not in into
        if rest.startswith('"""'):
            into[name], rest = re.split(r'"""(?=\s)', rest[3:], maxsplit=1)
            assert rest[0] == "\n"
        else:
            into[name], _, rest = rest.partition("\n")
            assert '"' not in into[name]
    return commands, parameters, comments


def test_a_modelfile_for_each_role() -> None:
    files = modelfiles(bundle(context_length=4096))
    assert list(files) == [f"{role}.Modelfile" for role in ROLES]
    for role in ROLES:
        commands, parameters, _ = parse(files[f"{role}.Modelfile"])
        assert commands["FROM"] == f"./{role}-q8_0.gguf"
        assert commands["LICENSE"] == "Apache-2.0"
        assert commands["TEMPLATE"].endswith('{{ "<|im_start|>" }}{{ "' + role + '" }}{{ "\\u000a" }}')
        assert parameters["stop"] == "<|im_end|>"
        assert float(parameters["temperature"]) == 0.0
        assert float(parameters["repeat_penalty"]) == 1.0
        assert parameters["num_ctx"] == "4096"
        assert parameters["num_predict"] == str(load_bundle(SHIPPED).roles[role].sampling.max_tokens)


@pytest.mark.parametrize("markers", MARKERS)
def test_texts_cannot_add_commands_to_a_modelfile(markers: Markers) -> None:
    licence = 'You may """\nPARAMETER stop x\n"""and\x00 may not \'""""'
    made = modelfiles(bundle(markers=markers, license=licence, name="a\nFROM /etc/passwd\r\nb"))
    commands, parameters, comments = parse(made["caller.Modelfile"])
    assert commands["FROM"] == "./caller-q8_0.gguf"
    assert "PARAMETER stop x" in commands["LICENSE"]
    assert set(commands) == {"FROM", "TEMPLATE", "LICENSE"}
    assert parameters.get("stop") == markers.close
    assert commands["TEMPLATE"].isascii()
    assert commands["TEMPLATE"].isprintable()
    assert "a FROM /etc/passwd b" in comments[0]


def test_a_marker_that_a_modelfile_cannot_hold_is_left_to_the_file() -> None:
    for close in ('<""">', "<\x00>"):
        markers = dataclasses.replace(CHATML, close=close)
        _, parameters, _ = parse(modelfiles(bundle(markers=markers))["planner.Modelfile"])
        assert "stop" not in parameters


def test_sampling_is_the_roles_own() -> None:
    roles = dict(load_bundle(SHIPPED).roles)
    roles["planner"] = dataclasses.replace(roles["planner"], sampling=Sampling(0.7, 0.9, 64))
    _, parameters, _ = parse(modelfiles(bundle(roles=roles))["planner.Modelfile"])
    assert [parameters[key] for key in ("temperature", "top_p", "num_predict")] == ["0.7", "0.9", "64"]


def shared() -> Bundle:
    adapter = GgufFile("a-adapter-f16.gguf", "0" * 64, 1)
    roles = {role: RoleFile("backbone-q8_0.gguf", "0" * 64, 1, adapter=adapter) for role in ROLES}
    return bundle(layout="shared", roles=roles)


def test_a_shared_bundles_modelfile_takes_the_backbone_alone_and_says_so() -> None:
    for modelfile in modelfiles(shared()).values():
        commands, _, comments = parse(modelfile)
        assert commands["FROM"] == "./backbone-q8_0.gguf"
        assert "ADAPTER" not in commands
        assert "this is the backbone alone" in " ".join(comments)


def test_a_stock_model_has_no_modelfile() -> None:
    assert modelfiles(bundle(dialect="chat")) == {}


def metadata(file: Path) -> dict[str, Any]:
    return {field.name: field.contents() for field in gguf.GGUFReader(file).fields.values()}


def make_adapter(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 2, **config}))
    target = "base_model.model.model.layers.0.mlp.up_proj"
    pair = {f"{target}.lora_A.weight": torch.ones(2, 64), f"{target}.lora_B.weight": torch.ones(128, 2)}
    save_file(pair, folder / "adapter_model.safetensors")
    return folder


def a_run(base: Path, folder: Path, **recipe: Any) -> Run:
    for name in ("backbone", *ROLES):
        make_adapter(folder / name, alora_invocation_tokens=[1, 5] if name in ROLES else None)
    fields = {"base": str(base), "hand_over": "continue", "markers": dataclasses.asdict(CHATML), **recipe}
    names = ("adapter_config.json", "adapter_model.safetensors")
    files = {
        f"{stage}/{name}": sha256_of(folder / stage / name)
        for stage in ("backbone", *ROLES)
        for name in names
    }
    return Run(folder, fields, {role: {} for role in ROLES}, {}, files)


def test_a_files_provenance_survives_quantizing(base: Path, tmp_path: Path) -> None:
    run = a_run(base, tmp_path / "run")
    extra = provenance(run, "caller", {"config.json": "ab" * 32}, "original", "MIT")
    template = role_template(HOSTILE, "caller")
    full = convert(base, tmp_path / "full.gguf", name="x", template=template, extra=extra)
    for file in (full, quantize(full, tmp_path / "small.gguf", "q8_0")):
        fields = metadata(file)
        assert fields["tokenizer.chat_template"] == template
        assert fields["general.base_model.count"] == 1
        assert fields["general.base_model.0.name"] == "base"
        assert fields["general.license"] == "MIT"
        assert fields["umi.roles"] == ["caller"]
        assert fields["umi.merge_base"] == "original"
        assert fields["umi.base_files"] == ["ab" * 32 + "  config.json"]
        assert [line.split("  ")[1] for line in fields["umi.adapter_files"]] == [
            "caller/adapter_config.json",
            "caller/adapter_model.safetensors",
        ]
        assert not [key for key, value in fields.items() if str(tmp_path) in str(value)]


def test_an_adapters_provenance(base: Path, tmp_path: Path) -> None:
    run = a_run(base, tmp_path / "run", hand_over="stack")
    extra = provenance(run, "planner", {}, "dequant")
    out = write_adapter(read_adapter(run.folder / "planner"), base, tmp_path / "a.gguf", "f16", extra=extra)
    fields = metadata(out)
    assert [line.split("  ")[1].split("/")[0] for line in fields["umi.adapter_files"]] == ["backbone"] * 2 + [
        "planner"
    ] * 2
    assert "umi.base_files" not in fields
    assert provenance(run, "backbone", {}, "dequant")["umi.roles"] == list(ROLES)


def test_provenance_differs_between_runs(base: Path, tmp_path: Path) -> None:
    one, two = (a_run(base, tmp_path / name, seed=seed) for name, seed in (("one", 1), ("two", 2)))
    config = tmp_path / "two" / "caller" / "adapter_config.json"
    config.write_text("{}")
    with pytest.raises(InputError, match="is not what the run trained"):
        require_own_adapters(two)
    two = dataclasses.replace(two, files={**two.files, "caller/adapter_config.json": sha256_of(config)})
    require_own_adapters(two)
    first, second = (provenance(run, "caller", {}, "dequant") for run in (one, two))
    assert {key for key in first if first[key] != second[key]} == {"umi.recipe_sha256", "umi.adapter_files"}
    config.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        require_own_adapters(two)


@pytest.mark.parametrize(
    ("base", "named"),
    [
        ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"),
        (f"/home/a/.cache/huggingface/hub/models--Qwen--Qwen3-0.6B/snapshots/{'a' * 40}", "Qwen/Qwen3-0.6B"),
        ("models/Qwen2.5-0.5B", None),
        ("runs/umi-mini/base", None),
        ("/data/Qwen/Qwen2.5-0.5B", None),
        ("./Qwen/x", None),
        ("base", None),
        ("a/b: c\n", None),
    ],
)
def test_a_repository_is_named_only_if_the_path_contains_it(base: str, named: str | None) -> None:
    assert hub_id(base) == named
