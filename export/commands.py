"""`umi export bundle` and `umi export convert`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from agent.errors import InputError, cannot_write
from agent.extras import Parser, say
from agent.transcript import ROLES


def bundle(argv: Sequence[str]) -> int:
    """Make a bundle of a finished run."""
    from export.options import Limits, Options
    from export.pipeline import export_bundle
    from export.quantize.quantize import types_by_role

    parser = Parser(prog="umi export bundle", description=bundle.__doc__)
    parser.add_argument("run", type=Path, help="run folder that umi train glpft wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--quant",
        action="append",
        default=[],
        metavar="TYPE|ROLE=TYPE",
        help="f16, q8_0, q6_k, q5_k_m, q4_k_m, iq4_xs, …; default auto: by size, finer if too much is lost",
    )
    parser.add_argument(
        "--layout", choices=("merged", "shared", "single"), help="default: what the run's adapters are for"
    )
    parser.add_argument(
        "--merge-base",
        choices=("auto", "dequant", "original"),
        default="auto",
        help="add adapters to what the 4-bit base holds, or to its own weights; auto: what does better",
    )
    parser.add_argument(
        "--imatrix",
        type=_imatrix,
        default="auto",
        metavar="auto|FILE|none",
        help="what K-quants weigh errors by; auto: the role's own data",
    )
    parser.add_argument("--name", help="default: the folder's name")
    parser.add_argument(
        "--grounded",
        action="append",
        default=[],
        choices=ROLES,
        help="in use, bind the digits that this role writes to those it has read; may be given for several",
    )
    parser.add_argument(
        "--context", type=int, default=0, metavar="TOKENS", help="default: the base's, 32,768 at most"
    )
    parser.add_argument(
        "--license", default="", metavar="NAME", help="such as Apache-2.0; default: none named"
    )
    parser.add_argument(
        "--prompts",
        type=int,
        default=Options.prompts,
        metavar="N",
        help=f"held-out turns that each role's files are compared on; default {Options.prompts}",
    )
    limits = Limits()
    parser.add_argument(
        "--max-kl",
        type=float,
        metavar="NATS",
        default=limits.kl,
        help=f"most KL divergence a quantized file may have, in nats a token; default {limits.kl}",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="SHARE",
        default=limits.drop,
        help=f"most that a role's score may fall by quantizing; default {limits.drop}",
    )
    given = parser.parse_args(argv)
    if given.context < 0:
        raise InputError(f"--context is {given.context}", "give a number of tokens above 0")
    if given.prompts < 1:
        raise InputError(f"--prompts is {given.prompts}", "give at least 1")
    options = Options(
        types=types_by_role(given.quant),
        name=given.name or given.out.resolve().name,
        layout=given.layout,
        merge_base=given.merge_base,
        grounded=tuple(given.grounded),
        context_length=given.context,
        license=given.license,
        imatrix=given.imatrix,
        prompts=given.prompts,
        limits=Limits(given.max_kl, given.max_drop),
    )
    print(export_bundle(given.run, given.out, options, say).folder)
    return 0


def _imatrix(choice: str) -> Any:
    """`auto`, `none` or the path of a file."""
    return choice if choice in ("auto", "none") else Path(choice)


def convert(argv: Sequence[str]) -> int:
    """Write a checkpoint folder, or a LoRA adapter's, as one GGUF file."""
    import tempfile

    from export.gguf.convert import convert as to_gguf
    from export.gguf.convert import require_replaceable
    from export.gguf.tensors import TYPES

    parser = Parser(prog="umi export convert", description=convert.__doc__)
    parser.add_argument(
        "checkpoint", type=Path, help="folder of a checkpoint (safetensors, tokenizer.json) or an adapter"
    )
    parser.add_argument("out", type=Path, help="GGUF file to make")
    parser.add_argument(
        "--type", default="f16", help="f32, f16, bf16, q8_0 or a K-quant such as q5_k_m; default f16"
    )
    parser.add_argument("--base", type=Path, help="checkpoint folder that an adapter was trained on")
    given = parser.parse_args(argv)
    kind = given.type.lower()
    require_replaceable(given.out)
    if (given.checkpoint / "adapter_config.json").is_file():
        _convert_adapter(given.checkpoint, given.base, given.out, kind)
    elif kind in TYPES:
        to_gguf(given.checkpoint, given.out, kind, say=say)
    else:
        from export.quantize.quantize import known_type, quantize

        kind = known_type(kind)
        try:
            given.out.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=given.out.parent, prefix=".umi-") as folder:
                full = to_gguf(given.checkpoint, Path(folder) / "f32.gguf", "f32", say=say)
                quantize(full, Path(folder) / "out.gguf", kind).replace(given.out)
        except OSError as error:
            raise cannot_write(given.out, error) from None
    print(given.out)
    return 0


def _convert_adapter(folder: Path, base: Path | None, out: Path, kind: str) -> None:
    """Write a peft adapter as a GGUF adapter. Raises InputError where its base is not known or differs."""
    from export.gguf.adapter import load_adapter, write_adapter

    kinds: dict[str, Literal["f32", "f16", "bf16"]] = {"f32": "f32", "f16": "f16", "bf16": "bf16"}
    if kind not in kinds:
        raise InputError(f"an adapter cannot be {kind}", f"choose one of {', '.join(kinds)}")
    adapter = load_adapter(folder)
    named = base or adapter.base
    if named is None or not (named / "config.json").is_file():
        which = f"{named}, the base of {folder}," if named else f"the base of {folder}"
        raise InputError(f"{which} is not there", "name its folder with --base")
    write_adapter(adapter, named, out, kinds[kind])
