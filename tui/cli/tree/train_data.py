"""`umi train data …`: rows of training data made, imported, checked, shown and mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tui.cli.terminal.progress import say
from tui.cli.tree.options import PLAIN, Split, Stage
from tui.cli.tree.usage import ListOptionsCommand

data = typer.Typer(
    help="Rows of training data: JSON lines of schema 1, plain or gzip, in files or folders.", **PLAIN
)

RowFiles = Annotated[list[Path], typer.Argument(metavar="FILE", help="Rows, or a folder of them.")]
Format = Literal["toolbench", "alpha-umi", "toolalpaca", "openai", "sharegpt", "xlam", "bfcl"]
Seed = Annotated[int, typer.Option(metavar="N", help="Of the random numbers.")]


@data.command(cls=ListOptionsCommand, short_help="Make synthetic rows, to train on or held out.")
def make(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Schema-1 file to write.")],
    count: Annotated[int, typer.Option(metavar="N", help="Rows.")] = 1000,
    split: Annotated[Split, typer.Option(help="The split of the rows.")] = "train",
    seed: Seed = 1,
    plain: Annotated[
        float, typer.Option(metavar="P", help="Share of tool lists with the built-in names.")
    ] = 0.6,
    foreign: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE...", help="Public data with unseen tools to mix in, or a folder of it."),
    ] = None,
) -> int:
    """Make training or held-out data."""
    from train.data.make import make as make_rows

    return make_rows(out, say, count=count, split=split, seed=seed, plain=plain, foreign=foreign or [])


@data.command(short_help="Run dialogues written by hand, and write the rows.")
def demonstrate(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Schema-1 file to write.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="Worlds with dialogues (TOML), or a folder of them; default: umi's own."
        ),
    ] = None,
) -> int:
    """Run the calls of dialogues written by hand with the built-in tools, and write the rows."""
    from train.data.demonstrations.reading import WORLDS, write_demonstrations

    return write_demonstrations(files or [WORLDS], out, say)


@data.command("import", short_help="Turn data of another format into rows.")
def import_data(
    format: Annotated[Format, typer.Argument(metavar="FORMAT", help="The format of the files.")],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="JSON or JSON lines, gzip or not, or a folder."),
    ],
    out: Annotated[Path, typer.Option(metavar="OUT", help="Schema-1 file to write.")],
    split: Annotated[Split, typer.Option(help="Of rows that belong to no test set.")] = "train",
    limit: Annotated[int | None, typer.Option(metavar="N", help="Stop after so many rows.")] = None,
    dropped: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all that is dropped there.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="What rows say they come from; default: the format.")
    ] = None,
) -> int:
    """Make schema-1 rows of data in another format."""
    from train.data.importing import import_rows

    return import_rows(format, files, out, say, split=split, limit=limit, dropped_file=dropped, source=source)


@data.command(
    cls=ListOptionsCommand,
    short_help="Find invalid, duplicate, overlong and overlapping rows.",
)
def check(
    files: RowFiles,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one object of JSON.")] = False,
    base: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A base model: measure tokens with its tokenizer."),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(metavar="N", help="Count the rows that training would shorten or leave out."),
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option(metavar="FILE...", help="Other rows to look for overlap with.")
    ] = None,
) -> int:
    """Check rows line by line. The exit code is 2 where a line is not valid; warnings do not change it."""
    from train.data.checks.check import check as check_rows

    return check_rows(files, say, against=against or [], base=base, max_length=max_length, as_json=json)


@data.command(short_help="Print rows as the models see them.")
def show(
    files: RowFiles,
    role: Annotated[
        Stage, typer.Option(help="Whose turns are the targets (backbone: all three roles').")
    ] = "backbone",
    count: Annotated[int, typer.Option(metavar="N", help="Rows to print.")] = 3,
    line: Annotated[
        int | None, typer.Option(metavar="N", help="Only the row in this line of a file.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A base model: count tokens with its tokenizer.")
    ] = None,
    color: Annotated[
        Literal["auto", "always", "never"], typer.Option(help="Whether to dim what is no target of the loss.")
    ] = "auto",
) -> int:
    """Print rows as the models see them. All but the targets of the loss is dimmed; without colour, targets
    stand between « and ». Rows end where the last target turn ends, since nothing after it is read."""
    from train.data.show import show as show_rows

    return show_rows(files, say, role=role, count=count, line=line, base=base, color=color)


@data.command(short_help="Draw rows from several files and shuffle them.")
def mix(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE[=WEIGHT][@CAP]", help="Where rows come from.")],
    out: Annotated[Path, typer.Option(metavar="OUT", help="Schema-1 file to write.")],
    count: Annotated[int | None, typer.Option(metavar="N", help="Rows of the result.")] = None,
    seed: Seed = 1,
    allow_test: Annotated[
        bool, typer.Option("--allow-test", help="Take rows of the test split too.")
    ] = False,
) -> int:
    """Draw rows from several files and shuffle them into one.

    Each FILE is rows or a folder of them; =WEIGHT and @CAP may follow it: old.jsonl=0.5@2000.

    \b
      without --count  the weight is a multiple of the rows there are: =1 (the default) takes
                       each row once, =0.5 a random half of them, =3 each row three times
      with --count N   the weight is a share of the N rows: a.jsonl=3 b.jsonl=1 gives three
                       quarters and one quarter; where a file has fewer rows than its share,
                       they are repeated, each as often as the others
      @CAP             takes at most so many rows of that file, repeats included; with
                       --count, the other files make up for what it holds back

    Rows keep their source, split and id. The same seed and files give the same result.
    """
    from train.data.mix import mix as mix_rows

    return mix_rows(inputs, out, say, count=count, seed=seed, allow_test=allow_test)
