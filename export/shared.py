"""The shared layout: one backbone, and for each role an activated adapter that is on from the role's header.

The backbone is base + stage 1, merged; the adapters were trained over just that. Each is compared with peft's
own activated adapter: the history is read without it, the header and what follows with it.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.encoding import load_tokenize
from agent.errors import InputError
from agent.transcript import ROLES, Role
from export.adapter import Adapter, load_adapter, write_adapter
from export.check import Activated, compare, marker_id, require_agreement, role_prompts
from export.fingerprint import sign
from export.merge import merge
from export.merged import agreement, size_of, told, write_full
from export.options import Layout, Made, Options, Say
from export.quantize import quantize
from export.run import BACKBONE, Run


def export_shared(run: Run, part: Path, options: Options, say: Say) -> Made:
    """Make the backbone and the three adapters of a run of activated adapters in `part`.

    Raises InputError where several quantizations are asked for or an adapter is not its role's, and UmiError
    where a file does not say what its model says.
    """
    kind = one_type(options.types, "shared")
    adapters: dict[Role, Adapter] = {role: role_adapter(run, role) for role in ROLES}
    merged = merge(run, BACKBONE, options.merge_base)
    full, texts = write_full(merged, run, BACKBONE, part, options, say)
    mark = sign(full)
    tokenize, end = load_tokenize(run.base), marker_id(run.base, run.markers)
    rows = run.held_out()
    prompts = {role: role_prompts(rows, role, tokenize, run.markers, options.prompts) for role in ROLES}
    exact = compare(full, merged.model, prompts["planner"], end)
    require_agreement(exact, full)
    say(f"{BACKBONE}: GGUF equals its model on {told(exact)}; {texts} tokenizations equal")
    model, found = full, exact
    if kind != "f32":
        model = quantize(full, part / f"{BACKBONE}-{kind}.gguf", kind)
        found = compare(model, merged.model, prompts["planner"], end)
        say(f"{BACKBONE}: {kind}, {size_of(model)}, {agreement(found)}")
    made: dict[str, Any] = {
        BACKBONE: {
            "file": model.name,
            "type": kind,
            "merge_base": merged.merge_base,
            "heldout_loss": merged.losses,
            "f32": dataclasses.asdict(exact),
            "quantized": dataclasses.asdict(found),
        }
    }
    adapted = with_adapters(merged.model, adapters)
    for role, adapter in adapters.items():
        adapted.set_adapter(role)
        file = write_adapter(adapter, run.base, part / f"{role}-adapter-f32.gguf", "f32", backbone=mark)
        exact = compare(full, adapted, prompts[role], end, activated=Activated(file, len(adapter.invocation)))
        require_agreement(exact, file)
        say(f"{role}: adapter equals peft's on {told(exact)}")
        found = exact
        if kind != "f32":
            file.unlink()
            file = write_adapter(adapter, run.base, part / f"{role}-adapter-f16.gguf", "f16", backbone=mark)
            activated = Activated(file, len(adapter.invocation))
            found = compare(model, adapted, prompts[role], end, activated=activated)
            say(f"{role}: f16, {size_of(file)}, over the {kind} backbone {agreement(found)}")
        made[role] = {
            "file": file.name,
            "type": "f32" if kind == "f32" else "f16",
            "f32": dataclasses.asdict(exact),
            "quantized": dataclasses.asdict(found),
        }
    if model != full:
        full.unlink()
    return Made(dict.fromkeys(ROLES, model.name), {role: made[role]["file"] for role in ROLES}, made)


def one_type(types: Mapping[Role, str], layout: Layout) -> str:
    """The quantization of the model that roles share. Raises InputError where they are to have several."""
    kinds = sorted(set(types.values()))
    if len(kinds) > 1:
        raise InputError(
            f"--quant names {' and '.join(kinds)}, and in a {layout} bundle the roles share one model",
            "give one --quant TYPE",
        )
    return kinds[0]


def role_adapter(run: Run, role: Role) -> Adapter:
    """A role's adapter. Raises InputError where the role's header is not what switches it on."""
    adapter = load_adapter(run.folder / role)
    header = load_tokenize(run.base)(run.markers.header(role), True)
    if list(adapter.invocation) != header:
        raise InputError(
            f"{adapter.folder} is switched on by tokens {list(adapter.invocation)},"
            f" and the header of {role} is {header}",
            "train that role again with this base",
        )
    return adapter


def with_adapters(model: Any, adapters: Mapping[Role, Adapter]) -> Any:
    """`model` with the saved adapters as peft loads them, named after their roles."""
    # On a CPU bitsandbytes warns of an optional kernel package as soon as peft imports it.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from peft import PeftModel

    adapted: Any = None
    with warnings.catch_warnings():
        # peft 0.21 reads an attribute that transformers 5 renamed.
        warnings.simplefilter("ignore", FutureWarning)
        for role, adapter in adapters.items():
            if adapted is None:
                adapted = PeftModel.from_pretrained(model, adapter.folder, role)
            else:
                adapted.load_adapter(adapter.folder, role)
    return adapted.eval()
