"""`umi train …`: make a base, train the stages of a recipe, measure training, upload a run.

Nothing of `train` or `export` is imported until one of the commands runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.cli.terminal.progress import say
from tui.cli.tree.options import PLAIN, Json, Private, Repository, Stage
from tui.cli.tree.train_data import data

train = typer.Typer(help="Make models: data, base, the two stages (needs the extra `train`).", **PLAIN)
bench = typer.Typer(help="Measure training on random weights, without a download.", **PLAIN)
base = typer.Typer(help="Make a base from scratch, or import one from a GGUF file.", **PLAIN)
train.add_typer(base, name="base", short_help="Make or import a base.")
train.add_typer(data, name="data", short_help="Make, import, check, show and mix rows.")

RecipeFile = Annotated[Path, typer.Argument(help="TOML recipe.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="key=value", help="Fields of the recipe to override.", show_default=False),
]
Only = Annotated[
    Stage | None,
    typer.Option(
        help="Train only this stage; a role of a finished backbone may be given other data (data=FILE)."
    ),
]
Again = Annotated[bool, typer.Option("--again", help="With --only ROLE: train it anew from the backbone.")]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Write loss, learning rate and scores to OUT/tensorboard too.")
]
Plan = Annotated[
    bool, typer.Option("--plan", help="Estimate parameters, memory, steps and time; train nothing.")
]
PlanJson = Annotated[bool, typer.Option("--json", help="With --plan: as one JSON object.")]


@base.command(short_help="Make a small base from scratch, or go on making it.")
def make(recipe: RecipeFile, overrides: Overrides = None) -> int:
    """Make a small base model from scratch, or go on making it."""
    from train.commands import make_base

    return make_base(recipe, overrides or [], say)


@base.command("import", short_help="Make a checkpoint to train of a GGUF file.")
def import_base(
    source: Annotated[
        str, typer.Argument(metavar="FILE.gguf|NAME", help="A GGUF file, or a base that was pulled.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to make; default: among your models.", show_default=False),
    ] = None,
) -> None:
    """Make a checkpoint to train of a GGUF file, and compare it with llama.cpp (needs the extra `export`)."""
    from agent.llama.gguf.trial import TrialLoad, require_loadable
    from export.base_import import find_gguf
    from export.base_import import import_base as import_gguf

    require_loadable([TrialLoad(find_gguf(source))], "get the file again")
    print(import_gguf(source, out, say))


@train.command(short_help="Train the unfinished stages of a recipe, or one.")
def run(
    recipe: RecipeFile,
    overrides: Overrides = None,
    only: Only = None,
    again: Again = False,
    tensorboard: Tensorboard = False,
    plan: Plan = False,
    json: PlanJson = False,
) -> int:
    """Train the stages of a recipe that are not finished, or one of them."""
    from train.commands import train_recipe

    return train_recipe(
        recipe,
        overrides or [],
        say,
        only=only,
        again=again,
        tensorboard=tensorboard,
        plan_only=plan,
        as_json=json,
    )


@train.command()
def glpft(
    recipe: RecipeFile,
    overrides: Overrides = None,
    only: Only = None,
    again: Again = False,
    tensorboard: Tensorboard = False,
    plan: Plan = False,
    json: PlanJson = False,
) -> int:
    """Train both stages and all roles of a recipe."""
    return run(recipe, overrides, only, again, tensorboard, plan, json)


@train.command(short_help="Write a bundle's adapter as a run to go on from.")
def start(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="Folder or name of a bundle, such as umi-135m.")
    ],
    base: Annotated[Path, typer.Option(metavar="FOLDER", help="Its base, made with umi train base import.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Run folder to write.")],
) -> None:
    """Write the adapter of a bundle as a run: a recipe with start=FOLDER goes on training from it.

    The bundle is one of deltas whose roles share one adapter.
    """
    from export.start import import_start

    print(import_start(bundle, base, out))


@train.command(short_help="Average runs that went on from each other.")
def average(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Finished run, then the one that it started from, or others."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Run folder to write.")],
    weights: Annotated[
        str,
        typer.Option(metavar="N,N...", help="A weight a run, in order (default: all the same)."),
    ] = "",
) -> None:
    """Write the mean of runs' stage-1 adapters as a run, and measure it on the first one's held-out rows.

    For runs of one adapter for all roles that started from each other, or from the same run.
    """
    from train.commands import average as average_command

    average_command(runs, weights, out, say)


train.add_typer(bench, name="bench")


@train.command(short_help="Upload a finished run to the Hugging Face hub.")
def push(
    run: Annotated[Path, typer.Argument(help="Folder that umi train glpft wrote.")],
    repository: Repository,
    private: Private = False,
) -> int:
    """Upload a finished run to the Hugging Face hub: adapters, recipe, metrics and model card, in one commit.

    No data: no checkpoints and no held-out rows. The recipe names the files that the run was made from.
    """
    from train.run.push import push as push_run

    return push_run(run, repository, say, private=private)


@bench.command("trl", short_help="Training throughput, beside TRL's SFTTrainer.")
def bench_trl(
    overrides: Overrides = None,
    rows: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Schema-1 rows (default: synthetic ones).")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many rows.")] = 40,
    tools: Annotated[int, typer.Option(metavar="N", help="Tools on a synthetic list, at least.")] = 20,
    layers: Annotated[int, typer.Option(metavar="N", help="Layers of the model.")] = 6,
    hidden: Annotated[int, typer.Option(metavar="N", help="Its width, a multiple of 128.")] = 256,
    vocabulary: Annotated[int, typer.Option(metavar="N", help="Rows of its embedding.")] = 2048,
    rounds: Annotated[int, typer.Option(metavar="N", help="Turns that each system has.")] = 3,
    seconds: Annotated[float, typer.Option(metavar="S", help="A turn's length, at least.")] = 10.0,
    systems: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Of umi, trl-steps, trl-conversations (default: all)."),
    ] = None,
    arrangement: Annotated[
        Literal["single", "grouped", "packed"] | None,
        typer.Option(
            help="How TRL reads rows: one a pass, those of similar length padded, or whole ones in one"
            " sequence (default: what a trial finds fastest)."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Measure training throughput, in target tokens per second, beside TRL's SFTTrainer."""
    from train.benchmark.speed import speed

    return speed(
        overrides or [],
        say,
        rows=rows,
        count=count,
        tools=tools,
        layers=layers,
        hidden=hidden,
        vocabulary=vocabulary,
        rounds=rounds,
        seconds=seconds,
        systems=systems,
        arrangement=arrangement,
        as_json=json,
    )


@bench.command("memory", short_help="Peak memory of training a model of a known shape.")
def bench_memory(
    shape: Annotated[
        Literal["tiny", "0.5b", "1.5b", "3b"], typer.Option(help="Qwen2.5 of this size, or tiny.")
    ] = "1.5b",
    quantization: Annotated[Literal["nf4", "none"], typer.Option(help="Of the base's weights.")] = "nf4",
    length: Annotated[int, typer.Option(metavar="N", help="Tokens of a row.")] = 4096,
    micro_batch: Annotated[int, typer.Option(metavar="N", help="Rows of a micro-batch.")] = 1,
    target_share: Annotated[
        float, typer.Option(metavar="P", help="Share of the tokens that are targets of the loss.")
    ] = 0.15,
    steps: Annotated[int, typer.Option(metavar="N", help="Optimizer steps.")] = 3,
    json: Json = False,
) -> int:
    """Train a model of a known shape for a few steps and print the peak memory."""
    from train.benchmark.memory import memory

    return memory(
        say,
        shape=shape,
        quantization=quantization,
        length=length,
        micro_batch=micro_batch,
        target_share=target_share,
        steps=steps,
        as_json=json,
    )
