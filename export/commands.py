"""`umi export bundle` and `umi export convert`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors import InputError
from agent.extras import Parser, say
from agent.transcript import ROLES


def bundle(argv: Sequence[str]) -> int:
    """Make a bundle of a finished run."""
    from export.bundle import export_bundle
    from export.options import Options
    from export.quantize import types_by_role

    parser = Parser(prog="umi export bundle", description=bundle.__doc__)
    parser.add_argument("run", type=Path, help="run folder that umi train glpft wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--quant", action="append", default=[], metavar="TYPE|ROLE=TYPE", help="default q8_0")
    parser.add_argument(
        "--layout", choices=("merged", "shared", "single"), help="default: what the run's adapters are for"
    )
    parser.add_argument("--merge-base", choices=("auto", "dequant", "original"), default="auto")
    parser.add_argument("--name", help="default: the folder's name")
    parser.add_argument("--grounded", action="append", default=[], choices=ROLES)
    parser.add_argument("--context", type=int, default=0, metavar="TOKENS")
    parser.add_argument("--license", default="")
    given = parser.parse_args(argv)
    if given.context < 0:
        raise InputError(f"--context is {given.context}", "give a number of tokens above 0")
    options = Options(
        types=types_by_role(given.quant),
        name=given.name or given.out.resolve().name,
        layout=given.layout,
        merge_base=given.merge_base,
        grounded=tuple(given.grounded),
        context_length=given.context,
        license=given.license,
    )
    print(export_bundle(given.run, given.out, options, say).folder)
    return 0


def convert(argv: Sequence[str]) -> int:
    """Write a checkpoint folder as one GGUF file."""
    import tempfile

    from export.convert import convert as to_gguf
    from export.tensors import TYPES

    parser = Parser(prog="umi export convert", description=convert.__doc__)
    parser.add_argument(
        "checkpoint", type=Path, help="folder with config.json, safetensors and tokenizer.json"
    )
    parser.add_argument("out", type=Path, help="GGUF file to make")
    parser.add_argument(
        "--type", default="f16", help="f32, f16, bf16, q8_0 or a K-quant such as q5_k_m; default f16"
    )
    given = parser.parse_args(argv)
    kind = given.type.lower()
    if kind in TYPES:
        to_gguf(given.checkpoint, given.out, kind, say=say)
    else:
        from export.quantize import known_type, quantize

        kind = known_type(kind)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=given.out.parent, prefix=".umi-") as folder:
            full = to_gguf(given.checkpoint, Path(folder) / "f32.gguf", "f32", say=say)
            quantize(full, Path(folder) / "out.gguf", kind).replace(given.out)
    print(given.out)
    return 0
