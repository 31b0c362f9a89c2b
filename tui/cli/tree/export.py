"""`umi export …`: turn trained models into bundles and GGUF files, prove them, upload them.

Nothing of `export` is imported until one of the commands runs.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent.errors import InputError
from tui.cli.terminal.progress import say
from tui.cli.tree.options import PLAIN, Private, Repository

export = typer.Typer(help="Make a bundle of trained models (needs the extra `export`).", **PLAIN)


class Role(StrEnum):
    """A role as a choice; typer takes no list of a Literal."""

    planner = "planner"
    caller = "caller"
    summarizer = "summarizer"


Prompts = Annotated[
    int, typer.Option(metavar="N", help="Held-out turns that each role's files are compared on.")
]
BundleFolder = Annotated[Path, typer.Argument(help="Folder that umi export bundle made.")]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--quant",
        metavar="TYPE|ROLE=TYPE",
        help="f16, q8_0, q6_k, q5_k_m, q4_k_m, iq4_xs, …; default auto: by size, finer if too much is"
        " lost. May be given for each role.",
    ),
]
Layout = Annotated[
    Literal["merged", "shared", "single"] | None,
    typer.Option(help="Default: what the run's adapters are for."),
]
MergeBase = Annotated[
    Literal["auto", "dequant", "original"],
    typer.Option(
        help="Add adapters to what the 4-bit base holds, or to its own weights; auto: what does better."
    ),
]
Imatrix = Annotated[
    str,
    typer.Option(metavar="auto|FILE|none", help="What K-quants weigh errors by; auto: the role's own data."),
]
Grounded = Annotated[
    list[Role] | None,
    typer.Option(
        help="In use, bind the digits that this role writes to those it has read; may be given for several."
    ),
]
Deltas = Annotated[
    bool,
    typer.Option(
        "--deltas", help="Keep the adapters only: models are built of them and the run's base elsewhere."
    ),
]
AdapterType = Annotated[
    Literal["auto", "f16", "q8_0", "q4_0"],
    typer.Option(
        help="With --deltas: the type of the adapters; auto: the smallest that costs no role a part of its"
        " score."
    ),
]
For = Annotated[
    Literal["umi", "vllm"],
    typer.Option("--for", help="Who runs it: umi, or vLLM, which gets a checkpoint and LoRA adapters."),
]
MaxKl = Annotated[
    float,
    typer.Option(metavar="NATS", help="Most KL divergence a quantized file may have, in nats a token."),
]
MaxDrop = Annotated[
    float, typer.Option(metavar="SHARE", help="Most that a role's score may fall by quantizing.")
]


@export.command(short_help="Make a bundle of a finished run.")
def bundle(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder that umi train glpft wrote; with --for vllm, also a bundle or its name."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    server: For = "umi",
    quant: Types = None,
    layout: Layout = None,
    merge_base: MergeBase = "auto",
    imatrix: Imatrix = "auto",
    name: Annotated[str | None, typer.Option(help="Default: the folder's name.")] = None,
    grounded: Grounded = None,
    context: Annotated[
        int, typer.Option(metavar="TOKENS", help="Default: the base's, 32,768 at most.", show_default=False)
    ] = 0,
    license: Annotated[
        str, typer.Option(metavar="NAME", help="Such as Apache-2.0; default: none named.", show_default=False)
    ] = "",
    deltas: Deltas = False,
    adapter_type: AdapterType = "auto",
    prompts: Prompts = 16,
    max_kl: MaxKl = 0.02,
    max_drop: MaxDrop = 0.02,
) -> None:
    """Make a bundle of a finished run, or what vLLM serves of a run or a bundle.

    --for vllm takes --name, --context and --merge-base.
    """
    if server == "vllm":
        from export.vllm.folder import export_for_vllm

        if quant or layout or grounded or deltas or license:
            raise InputError(
                "--quant, --layout, --grounded, --deltas and --license are for umi's bundles",
                "leave them out with --for vllm",
            )
        print(export_for_vllm(run, out, say, name=name or "", context_length=context, merge_base=merge_base))
        return
    from export.options import Limits, Options
    from export.pipeline import export_bundle
    from export.quantize.quantize import types_by_role

    options = Options(
        types=types_by_role(quant or []),
        name=name or out.resolve().name,
        layout=layout,
        merge_base=merge_base,
        grounded=[role.value for role in grounded or ()],
        context_length=context,
        license=license,
        imatrix=imatrix if imatrix == "auto" or imatrix == "none" else Path(imatrix),
        prompts=prompts,
        limits=Limits(max_kl, max_drop),
        deltas=deltas,
        adapter_type=adapter_type,
    )
    print(export_bundle(run, out, options, say).folder)


@export.command(short_help="Write a checkpoint folder as one GGUF file.")
def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="Folder of a checkpoint (safetensors, tokenizer.json) or an adapter.")
    ],
    out: Annotated[Path, typer.Argument(help="GGUF file to make.")],
    type: Annotated[
        str, typer.Option(help="f32, f16, bf16, q8_0 or a K-quant such as q5_k_m.", metavar="TYPE")
    ] = "f16",
    base: Annotated[
        Path | None, typer.Option(help="Checkpoint folder that an adapter was trained on.")
    ] = None,
) -> None:
    """Write a checkpoint folder, or a LoRA adapter's, as one GGUF file."""
    from export.convert import convert as convert_to_gguf

    print(convert_to_gguf(checkpoint, out, type.lower(), say, base=base))


@export.command(short_help="Prove a bundle again, alone or against its run.")
def verify(
    bundle: BundleFolder,
    against: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Make the models of RUN again and compare.")
    ] = None,
    prompts: Prompts = 16,
    max_kl: Annotated[
        float | None, typer.Option(metavar="NATS", help="Default: what the bundle was made with.")
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Default: what the bundle was made with.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Prove a bundle again: its files, its tokenizer and its answers; with its run, every figure."""
    from export.proof.verify import verify as verify_bundle

    return verify_bundle(
        bundle, say, against=against, prompts=prompts, max_kl=max_kl, max_drop=max_drop, as_json=json
    )


@export.command(short_help="Make the n-gram tables that draft a bundle's turns.")
def tables(
    bundle: BundleFolder,
    rows: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Rows that the roles were trained on, or like them."),
    ],
) -> None:
    """Make the n-gram tables of a bundle of rows, and write them into it.

    They are guessed from while the roles write; what is written stays the same.
    """
    from export.tables import add_tables

    print(add_tables(bundle, rows, say).folder)


@export.command(short_help="Upload a finished bundle to the Hugging Face hub.")
def push(bundle: BundleFolder, repository: Repository, private: Private = False) -> int:
    """Upload a finished bundle to the Hugging Face hub, in one commit."""
    from export.push import push as push_bundle

    return push_bundle(bundle, repository, say, private=private)
