"""The stages of a run: one backbone adapter on every turn, then each role's from a copy of it or over it.

RUN/recipe.json        the resolved recipe and the hashes of what went in, written first
RUN/heldout.jsonl      rows that were not trained on
RUN/backbone/          the stage-1 adapter and `stage.json`; a folder that exists is finished
RUN/merged_base/       with hand_over = merge16: the base and stage 1 as one checkpoint, the roles' base
RUN/planner/ caller/ summarizer/
RUN/checkpoints/       of the stage at work, removed when it is finished
RUN/metrics.jsonl, curves.png, tensorboard/   the course of the run (`train/run/metrics_log.py`)
RUN/README.md          the model card
RUN/manifest.json      recipe and metrics of all stages, written last
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.prompting import Tokenize
from agent.transcript import ROLES, Row
from agent.transcript.rows import read_rows
from train.data.rows import write_rows
from train.data.splits import count_trained, rows_to_train, split
from train.loop.held_out import HeldOutEvaluation, stage_view
from train.loop.loop import Loop
from train.loop.processes import Processes
from train.loop.progress import Say
from train.model.alora import role_headers
from train.model.lora import LoraModel, load_adapter
from train.model.merge import merge_base
from train.model.special_tokens import marked_tokenize
from train.recipe import STAGES, Recipe
from train.run.card import write_card
from train.run.folder import (
    ADAPTER_FILES,
    base_files,
    claim,
    read_json,
    same_source,
    sha256,
    tell_of_full_disk,
    trained_on,
    write_json,
)
from train.run.metrics_log import MetricsLog, draw

BACKBONE = STAGES[0]
MERGED_BASE = "merged_base"
"""The folder of a run's new base where stage 1 is merged; `export.run` reads it."""


@tell_of_full_disk
def train(
    recipe: Recipe, say: Say, only: str | None = None, *, again: bool = False, tensorboard: bool = False
) -> Path:
    """Train what is not finished yet, stage 1 before the roles, and return the run folder.

    `only` names one stage. A role that is trained alone may have other data than the run; `again` trains it
    anew from stage 1, and its old folder stays until then. Several processes, as `accelerate launch` starts
    them, share the work. Raises InputError where the folder holds a run of another recipe or other data,
    UmiError where the disk is full.
    """
    check_stage(recipe, only, again=again)
    processes = Processes(recipe.device)
    say = say if processes.first else _silent
    run = Path(recipe.out)
    rows = rows_to_train([Path(path) for path in recipe.data])
    tokenize = marked_tokenize(Path(recipe.base), recipe.markers)
    with processes.first_before_others():
        about = claim(run, recipe, only) if processes.first else read_json(run / "recipe.json")
        kept = run / "heldout.jsonl"
        if kept.exists() and not data_of_run(recipe, about):
            learnt, held_out = split(rows, recipe.heldout_rows, list(read_rows(kept)))
        else:
            learnt, held_out = split(rows, recipe.heldout_rows)
            if processes.first:
                write_rows(kept, held_out)
    if known := count_trained(learnt, held_out):
        say(f"{known:,} of {len(held_out):,} held-out rows are trained on too: scores on them flatter")
    course = MetricsLog(run, tensorboard=tensorboard and processes.first)
    model: LoraModel | None = None
    for stage in [only] if only else recipe.stages:
        if is_finished(run, stage, recipe, only, again=again):
            say(f"{stage}: finished before")
            continue
        if stage != BACKBONE and BACKBONE in recipe.stages and not (run / BACKBONE).is_dir():
            raise InputError(f"{run} has no backbone to start {stage} from", "train the backbone first")
        with processes.first_before_others():
            base = base_of(recipe, stage, say)
        if model is None or model.base != base:
            model = None  # the old one's memory is free before the next base is read
            model = LoraModel(dataclasses.replace(recipe, base=str(base)))
        train_stage(model, stage, learnt, held_out, recipe, tokenize, say, course, processes)
    course.close()
    if processes.first and all((run / stage).is_dir() for stage in recipe.stages):
        stages = {stage: read_json(run / stage / "stage.json") for stage in recipe.stages}
        draw(run)
        write_card(run, {**about, "stages": stages})
        files = {f"{stage}/{name}": sha256(run / stage / name) for stage in stages for name in ADAPTER_FILES}
        write_json(run / "manifest.json", {**about, "stages": stages, "files": files})
        say(f"finished: {run}")
    return run


def check_stage(recipe: Recipe, only: str | None, *, again: bool) -> None:
    """Raise InputError where the recipe's method has no stage `only`, or it is not one to train `again`."""
    if only and only not in recipe.stages:
        raise InputError(
            f"method = {recipe.method} trains no {only}", f"it trains {', '.join(recipe.stages)}"
        )
    if again and only not in ROLES:
        raise InputError("--again is for one role", "name it with --only; a new backbone takes a new out")


def is_finished(run: Path, stage: str, recipe: Recipe, only: str | None, *, again: bool) -> bool:
    """Whether a stage needs no training.

    Raises InputError where a role is finished, but not on the data and settings that are given for it alone.
    """
    if again or not (run / stage).is_dir():
        return False
    said = read_json(run / stage / "stage.json")
    if only in ROLES and not same_source(trained_on(recipe, stage), said):
        raise InputError(
            f"{run / stage} was trained on other data or with other settings",
            "add --again to train it anew from the backbone",
        )
    return True


def data_of_run(recipe: Recipe, about: Mapping[str, Any]) -> bool:
    """Whether the recipe's data is what the run was begun with. `about` is its `recipe.json`."""
    base = set(map(str, base_files(recipe)))
    begun = [sha for path, sha in about["inputs"].items() if path not in base]
    return sorted(begun) == sorted(trained_on(recipe, BACKBONE)["data"].values())


def base_of(recipe: Recipe, stage: str, say: Say) -> Path:
    """The checkpoint that a stage's adapter is trained on; merged first where stage 1 is to be part of it."""
    if stage == BACKBONE or recipe.hand_over != "merge16":
        return Path(recipe.base)
    merged = Path(recipe.out) / MERGED_BASE
    if not merged.is_dir():
        say(f"adding stage 1 to {recipe.base}")
        backbone = load_adapter(Path(recipe.out) / BACKBONE)
        merge_base(Path(recipe.base), backbone, recipe.lora.alpha / recipe.lora.rank, merged)
    return merged


def begin(model: LoraModel, stage: str, recipe: Recipe, tokenize: Tokenize) -> None:
    """Give the model the adapter that a stage starts with. The model is new, or has done the stage before."""
    if stage == BACKBONE:
        return
    seed = recipe.seed + STAGES.index(stage)
    if BACKBONE not in recipe.stages or recipe.hand_over == "merge16":
        model.restart(seed)
        return
    backbone = load_adapter(Path(recipe.out) / BACKBONE)
    if recipe.hand_over == "stack":
        activated = recipe.adapter == "alora"
        model.stack(backbone, role_headers(tokenize, recipe.markers)[stage] if activated else None, seed)
    else:
        model.set_adapter(backbone)


def train_stage(
    model: LoraModel,
    stage: str,
    learnt: Sequence[Row],
    held_out: Sequence[Row],
    recipe: Recipe,
    tokenize: Tokenize,
    say: Say,
    course: MetricsLog,
    processes: Processes,
) -> None:
    """Train one stage and move its finished folder into place."""
    run = Path(recipe.out)
    seen = stage_view(learnt, stage, stage, recipe, tokenize)
    if not seen.rows:
        raise InputError(
            f"no training row of {stage} fits",
            f"raise max_length above {recipe.max_length}, or add rows with turns of that role",
        )
    kind = "turns" if recipe.by_turn(stage) else "rows"
    say(
        f"{stage}: {len(seen.rows):,} {kind}, {seen.targets:,} tokens to learn; {seen.trimmed} shortened;"
        f" left out: {seen.too_long} too long, {seen.nothing_to_learn} without a turn of the role"
    )
    begin(model, stage, recipe, tokenize)
    trial = HeldOutEvaluation(model, stage, held_out, recipe, tokenize)
    before = trial.losses() if processes.first else {}
    source = trained_on(recipe, stage)
    checkpoint = run / "checkpoints" / f"{stage}.pt"
    with processes.first_before_others():
        keep_checkpoint(checkpoint, source, run / stage)
    outcome = Loop(
        model,
        seen.rows,
        stage,
        recipe,
        checkpoint,
        say,
        processes=processes,
        course=course,
        evaluate=trial.scored if trial.can_score else None,
    ).run()
    if processes.first:
        after = trial.losses()
        for part, loss in after.items():
            say(f"{stage}: held-out loss of {part} {before[part]:.4f} -> {loss:.4f}")
        finished = run / f"{stage}.part"
        shutil.rmtree(finished, ignore_errors=True)
        model.save_adapter(finished)
        counts = {"rows": len(seen.rows), "trimmed": seen.trimmed, "too_long": seen.too_long}
        counts |= {
            "device": model.device.type,
            "targets": seen.targets,
            "sources": dict(Counter(row.source for row in learnt)),
        }
        losses = {"heldout_loss_before": before, "heldout_loss": after, "baselines": trial.baselines()}
        write_json(finished / "stage.json", {**counts, **dataclasses.asdict(outcome), **losses, **source})
        write_json(checkpoint.with_suffix(".json"), {**source, "finished": True})
        put_in_place(finished, run / stage)
        for file in (checkpoint, checkpoint.with_suffix(".json")):
            file.unlink(missing_ok=True)
    processes.wait()


def keep_checkpoint(checkpoint: Path, source: Mapping[str, Any], folder: Path) -> None:
    """Note that a stage's checkpoint is of `source`.

    One of other data or settings is removed, and one of a stage that was finished: its `folder` holds it.
    """
    note = checkpoint.with_suffix(".json")
    if note.exists():
        noted = read_json(note)
        if not same_source(noted, source) or (noted.get("finished") and folder.is_dir()):
            checkpoint.unlink(missing_ok=True)
    write_json(note, source)


def put_in_place(finished: Path, folder: Path) -> None:
    """Move `finished` to `folder`; what was there stays until then."""
    old = folder.with_name(f"{folder.name}.old.part")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(finished, folder)
    shutil.rmtree(old, ignore_errors=True)


def _silent(_: str) -> None:
    """What the processes after the first one say."""
