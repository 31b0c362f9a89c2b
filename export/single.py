"""The single layout of a run whose one adapter plays all roles: one GGUF file, told apart by the headers."""

from __future__ import annotations

from agent.transcript import ROLES
from export.merged import export_model
from export.options import Made, Options, Say
from export.run import BACKBONE, Run
from export.shared import one_type
from export.work import Work


def export_single(run: Run, work: Work, options: Options, say: Say) -> Made:
    """Make the one model of a run.

    Raises InputError where several quantizations are asked for, and UmiError where the file does not say what
    its model says.
    """
    made = export_model(run, BACKBONE, ROLES, one_type(options.types, "single"), work, options, say)
    file: str = made["file"]
    return Made(dict.fromkeys(ROLES, file), None, {BACKBONE: made})
