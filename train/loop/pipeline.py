"""The stages of a run: one backbone adapter on every turn, then each role's from a copy of it or over it.

A stage whose folder exists is finished; `train.run.files` lists what a run folder holds.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.errors import InputError, UmiError
from agent.paths import replacing
from agent.prompting import Tokenize
from agent.transcript import ROLES, Row
from agent.transcript.rows import read_rows
from train.data.rows import write_rows
from train.data.splits import count_trained, rows_to_train, split
from train.loop.held_out import HeldOutEvaluator, stage_view
from train.loop.processes import Processes
from train.loop.progress import Say
from train.loop.trainer import Trainer
from train.model.alora import role_headers
from train.model.lora import LoraModel, half_precision, load_adapter
from train.model.special_tokens import marked_tokenize
from train.model.weights.adapter import read_adapter
from train.model.weights.merge import merge_into_base
from train.recipe import STAGES, Recipe
from train.run.card import write_card
from train.run.files import (
    ADAPTER_FILES,
    BACKBONE,
    CHECKPOINTS,
    HELD_OUT,
    MANIFEST,
    MERGED_BASE,
    RECIPE,
    STAGE,
    hash_file,
)
from train.run.folder import (
    base_files,
    open_run_folder,
    read_json,
    report_full_disk,
    same_inputs,
    stage_inputs,
    start_files,
    write_json,
)
from train.run.metrics_log import MetricsLog, draw
from train.stored.rows import Rows


@report_full_disk
def train(
    recipe: Recipe, say: Say, only: str | None = None, *, again: bool = False, tensorboard: bool = False
) -> Path:
    """Train the stages that are not finished, stage 1 before the roles; return the run folder.

    `only` names one stage. A role that is trained alone may have other data than the run; `again` trains it
    again from stage 1, and its folder stays until then. Several processes, as `accelerate launch` starts
    them, share the work. Raise InputError where the folder holds a run of another recipe or other data,
    UmiError where the disk is full.
    """
    check_stage(recipe, only, again=again)
    processes = Processes(recipe.device)
    say = say if processes.is_main else _silent
    run = Path(recipe.out)
    rows = rows_to_train([Path(path) for path in recipe.data])
    tokenize = marked_tokenize(Path(recipe.base), recipe.markers)
    with processes.main_process_first():
        record = open_run_folder(run, recipe, only) if processes.is_main else read_json(run / RECIPE)
        held_out_file = run / HELD_OUT
        if held_out_file.exists() and not has_data_of_run(recipe, record):
            train_rows, held_out = split(rows, recipe.heldout_rows, list(read_rows(held_out_file)))
        else:
            train_rows, held_out = split(rows, recipe.heldout_rows)
            if processes.is_main:
                write_rows(held_out_file, held_out)
    if known := count_trained(train_rows, held_out):
        say(f"{known:,} of {len(held_out):,} held-out rows are trained on too: their scores are inflated")
    metrics_log = MetricsLog(run, tensorboard=tensorboard and processes.is_main)
    model: LoraModel | None = None
    for stage in [only] if only else recipe.stages:
        if is_finished(run, stage, recipe, only, again=again):
            say(f"{stage}: finished before")
            continue
        if stage != BACKBONE and BACKBONE in recipe.stages and not (run / BACKBONE).is_dir():
            raise InputError(f"{run} has no backbone to start {stage} from", "train the backbone first")
        with processes.main_process_first():
            base = base_of(recipe, stage, say)
        if model is None or model.base != base:
            model = None  # its memory is free before the next base is read
            model = LoraModel(dataclasses.replace(recipe, base=str(base)), shard=processes.is_sharded)
        train_stage(model, stage, train_rows, held_out, recipe, tokenize, say, metrics_log, processes)
    metrics_log.close()
    if processes.is_main and all((run / stage).is_dir() for stage in recipe.stages):
        stages = {stage: read_json(run / stage / STAGE) for stage in recipe.stages}
        draw(run)
        write_card(run, {**record, "stages": stages})
        files = {
            f"{stage}/{name}": hash_file(run / stage / name) for stage in stages for name in ADAPTER_FILES
        }
        write_json(run / MANIFEST, {**record, "stages": stages, "files": files})
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
    """Return whether a stage needs no training.

    Raise InputError where a role is finished, but on other data or settings than are given for it alone.
    """
    if again or not (run / stage).is_dir():
        return False
    finished = read_json(run / stage / STAGE)
    if only in ROLES and not same_inputs(stage_inputs(recipe, stage), finished):
        raise InputError(
            f"{run / stage} was trained on other data or with other settings",
            "add --again to train it anew from the backbone",
        )
    return True


def has_data_of_run(recipe: Recipe, record: Mapping[str, Any]) -> bool:
    """Return whether the recipe's data is that of the run whose `recipe.json` is `record`."""
    others = set(map(str, [*base_files(recipe), *start_files(recipe)]))
    data_of_run = [sha for path, sha in record["inputs"].items() if path not in others]
    return sorted(data_of_run) == sorted(stage_inputs(recipe, BACKBONE)["data"].values())


def base_of(recipe: Recipe, stage: str, say: Say) -> Path:
    """Return the checkpoint that a stage's adapter is trained on; with merge16, write it for the roles."""
    if stage == BACKBONE or recipe.hand_over != "merge16":
        return Path(recipe.base)
    merged = Path(recipe.out) / MERGED_BASE
    if not merged.is_dir():
        say(f"adding stage 1 to {recipe.base}")
        try:
            merge_into_base(Path(recipe.base), read_adapter(Path(recipe.out) / BACKBONE), merged)
        except OSError as error:
            raise UmiError(
                f"{merged} cannot be written: {error}",
                "make room and give the same command again; it goes on there",
            ) from None
    return merged


def initialize_adapter(model: LoraModel, stage: str, recipe: Recipe, tokenize: Tokenize) -> None:
    """Set the adapter that a stage starts with; the model is new, or has trained the stage before."""
    if stage == BACKBONE:
        if recipe.start:
            model.set_adapter(load_adapter(Path(recipe.start) / BACKBONE))
        return
    seed = recipe.seed + STAGES.index(stage)
    if BACKBONE not in recipe.stages or recipe.hand_over == "merge16":
        model.restart(seed)
        return
    backbone = load_adapter(Path(recipe.out) / BACKBONE)
    if recipe.hand_over == "stack":
        is_alora = recipe.adapter == "alora"
        header = role_headers(tokenize, recipe.markers)[stage] if is_alora else None
        model.stack(backbone, header, seed)
    else:
        model.set_adapter(backbone)


def train_stage(
    model: LoraModel,
    stage: str,
    train_rows: Rows,
    held_out: Sequence[Row],
    recipe: Recipe,
    tokenize: Tokenize,
    say: Say,
    metrics_log: MetricsLog,
    processes: Processes,
) -> None:
    """Train one stage and write its folder, which appears whole."""
    run = Path(recipe.out)
    stage_rows = stage_view(train_rows, stage, stage, recipe, tokenize)
    if not stage_rows.rows:
        raise InputError(
            f"no training row of {stage} fits",
            f"raise max_length above {recipe.max_length}, or add rows with turns of that role",
        )
    kind = "turns" if recipe.by_turn(stage) else "rows"
    say(
        f"{stage}: {len(stage_rows.rows):,} {kind}, {stage_rows.targets:,} target tokens;"
        f" {stage_rows.trimmed} truncated;"
        f" dropped: {stage_rows.too_long} too long, {stage_rows.without_targets} without a turn of the role"
    )
    initialize_adapter(model, stage, recipe, tokenize)
    # A sharded base gathers every layer for every token that it writes.
    evaluator = HeldOutEvaluator(model, stage, held_out, recipe, tokenize, generates=not processes.is_sharded)
    inputs = stage_inputs(recipe, stage)
    checkpoint = run / CHECKPOINTS / f"{stage}.pt"
    with processes.main_process_first():
        recorded = prepare_checkpoint(checkpoint, inputs, run / stage)
    before: dict[str, float] = recorded.get("heldout_loss_before", {})
    if processes.runs_model and not before:
        before = evaluator.losses()
        if processes.is_main:
            write_json(checkpoint.with_suffix(".json"), {**inputs, "heldout_loss_before": before})
    result = Trainer(
        model,
        stage_rows.rows,
        stage,
        recipe,
        checkpoint,
        say,
        processes=processes,
        metrics_log=metrics_log,
        evaluate=evaluator.evaluate if evaluator.can_score else None,
    ).run()
    after: dict[str, float] = {}
    if processes.runs_model:
        model.set_adapter(half_precision(model.adapter()))
        after = evaluator.losses()
    if processes.is_main:
        for part, loss in after.items():
            say(f"{stage}: held-out loss of {part} {before[part]:.4f} -> {loss:.4f}")
        metrics = {
            "rows": len(stage_rows.rows),
            "trimmed": stage_rows.trimmed,
            "too_long": stage_rows.too_long,
            "device": model.device.type,
            "targets": stage_rows.targets,
            "sources": dict(Counter(row.source for row in train_rows)),
            **dataclasses.asdict(result),
            "heldout_loss_before": before,
            "heldout_loss": after,
            "baselines": evaluator.baselines(),
        }
        write_stage(model, run / stage, checkpoint, inputs, metrics)
    processes.wait()


def write_stage(
    model: LoraModel, folder: Path, checkpoint: Path, inputs: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    """Write the folder of a finished stage, which appears whole, and remove its checkpoint."""
    record = checkpoint.with_suffix(".json")
    with replacing(folder) as partial:
        model.save_adapter(partial)
        write_json(partial / STAGE, {**metrics, **inputs})
        write_json(record, {**inputs, "finished": True})
    checkpoint.unlink(missing_ok=True)
    record.unlink(missing_ok=True)


def prepare_checkpoint(checkpoint: Path, inputs: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Record beside a stage's checkpoint that it is of `inputs`, and return what is recorded.

    A checkpoint of other data or settings is removed first, and one of a stage that is finished in `folder`.
    """
    file = checkpoint.with_suffix(".json")
    if file.exists():
        recorded = read_json(file)
        if same_inputs(recorded, inputs) and not (recorded.get("finished") and folder.is_dir()):
            return recorded
        checkpoint.unlink(missing_ok=True)
    write_json(file, inputs)
    return inputs


def _silent(_: str) -> None:
    """Print nothing: only the first process does."""
