"""`umi models …`: the model bundles on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from agent.errors import InputError
from tui.cli import completion
from tui.cli.tree.options import PLAIN

models = typer.Typer(help="The model bundles at hand.", **PLAIN)

BundleName = Annotated[
    str | None,
    typer.Argument(
        metavar="[B]",
        help="A folder or name (default: the one in use).",
        autocompletion=completion.model_names,
    ),
]
RoleModel = Annotated[
    Path | None, typer.Option(metavar="F", help="Its model, or its adapter beside --backbone.")
]


@models.command("list", short_help="List the bundles and bases on this machine.")
def list_models() -> None:
    """The bundles at hand (a star marks the one in use) and the bases that were pulled."""
    from tui.cli.models.bundles import print_models

    print_models()


@models.command("show")
def show_model(
    bundle: BundleName = None,
    everything: Annotated[bool, typer.Option("--all", help="Metrics and recipe in full.")] = False,
) -> None:
    """What a bundle's manifest says, on one screen."""
    from tui.cli.models.bundles import print_bundle

    print_bundle(bundle, everything=everything)


@models.command("assemble", short_help="Make a bundle of GGUF files.")
def assemble_model(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    planner: RoleModel = None,
    caller: RoleModel = None,
    summarizer: RoleModel = None,
    backbone: Annotated[Path | None, typer.Option(metavar="F", help="One model for all three roles.")] = None,
    dialect: Annotated[str, typer.Option(help="umi, or chat for a stock instruct model.")] = "umi",
    context: Annotated[int, typer.Option(metavar="TOKENS", help="Default: the model's own, up to 8192.")] = 0,
) -> None:
    """Make a bundle of GGUF files: three models, a backbone with three adapters, or one stock model."""
    from tui.cli.models.bundles import assemble_bundle

    files = {"planner": planner, "caller": caller, "summarizer": summarizer}
    assemble_bundle(out, files, backbone, dialect, context)


@models.command("verify")
def verify_model(bundle: BundleName = None) -> None:
    """Compare every file of a bundle with its manifest."""
    from tui.cli.models.bundles import verify_bundle

    verify_bundle(bundle)


@models.command("catalogue", short_help="List the models that `pull` knows by name.")
def show_catalogue() -> None:
    """The models that `pull` knows by name, with size, licence, memory and the speed expected here."""
    from tui.cli.models.bases import print_catalogue

    print_catalogue()


@models.command("pull", short_help="Download a base or a bundle.")
def pull_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME|OWNER/NAME[@REVISION]",
            help="A base of the catalogue, or a bundle's repository.",
            autocompletion=completion.catalogue_names,
        ),
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call a bundle here.")] = None,
    source: Annotated[
        Literal["index", "hub"] | None,
        typer.Option("--from", help="Where to get a base (default: the first that answers)."),
    ] = None,
) -> None:
    """Download a base of the catalogue, or a bundle from the Hugging Face hub."""
    if "/" not in model:
        from tui.cli.models.bases import pull_catalogued_base

        if name:
            raise InputError("--name is for bundles, and a base keeps its name", "leave it out")
        pull_catalogued_base(model, source)
    else:
        from tui.cli.models.bundles import pull_bundle

        if source:
            raise InputError("--from is for bases, and a bundle comes from the hub", "leave it out")
        pull_bundle(model, name)


@models.command("build", short_help="Build a bundle of deltas from its base.")
def build_model(
    bundle: Annotated[str, typer.Argument(metavar="B", help="The folder or name of a bundle of deltas.")],
) -> None:
    """Build a bundle of deltas from its adapters and its base, once; goes on where it stopped."""
    from tui.cli.models.build import build_models

    build_models(bundle)


@models.command("remove")
def remove_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A bundle or base among your own.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete a bundle or base of your own."""
    from tui.cli.models.bundles import remove_bundle

    return remove_bundle(name, yes=yes)


@models.command("use", short_help="Choose the bundle or base to run from now on.")
def use_model(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="B", help="A bundle's folder or name, or a base.", autocompletion=completion.model_names
        ),
    ],
) -> None:
    """Run this bundle from now on; a base runs as a stock model in all three roles."""
    from tui.cli.models.bundles import use_bundle

    use_bundle(bundle)
