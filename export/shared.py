"""The shared layout: one backbone, and for each role an activated adapter that is on from the role's header.

The backbone is base + stage 1, merged; the adapters were trained over just that. Each is compared with peft's
own activated adapter: the history is read without it, the header and what follows with it.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Mapping
from typing import Any

from agent.encoding import load_tokenize
from agent.errors import InputError
from agent.transcript import ROLES, Role
from export.adapter import Adapter, load_adapter, write_adapter
from export.check import Activated, compare, require_agreement, role_prompts
from export.fingerprint import sign
from export.merged import agreement, describe, make_full, make_quantized, size_of, told
from export.options import Layout, Made, Options, Say
from export.run import BACKBONE, Run
from export.work import Work


def export_shared(run: Run, work: Work, options: Options, say: Say) -> Made:
    """Make the backbone and the three adapters of a run of activated adapters.

    Raises InputError where several quantizations are asked for or an adapter is not its role's, and UmiError
    where a file does not say what its model says.
    """
    kind = one_type(options.types, "shared")
    adapters: dict[Role, Adapter] = {role: role_adapter(run, role) for role in ROLES}
    full = make_full(run, BACKBONE, ["planner"], work, options, say)
    mark = sign(full.file)
    backbone, found = make_quantized(full, kind, work, say)
    exact_backbone = full.file if full.file.exists() else backbone
    made: dict[str, Any] = {BACKBONE: describe(full, backbone, kind, found)}
    tokenize, rows = load_tokenize(run.base), run.held_out()
    adapted = with_adapters(full.model, adapters)
    for role, adapter in adapters.items():
        adapted.set_adapter(role)
        prompts = role_prompts(rows, role, tokenize, run.markers, options.prompts)
        file, header = f"{role}-adapter-f32.gguf", len(adapter.invocation)
        exact = write_adapter(adapter, run.base, work.scratch / file, "f32", backbone=mark)
        same = compare(exact_backbone, adapted, prompts, full.end, activated=Activated(exact, header))
        require_agreement(same, exact)
        say(f"{role}: adapter of {size_of(exact)} equals peft's on {told(same)}")
        found = same
        if kind == "f32":
            exact.replace(work.bundle / file)
        else:
            file = f"{role}-adapter-f16.gguf"
            small = write_adapter(adapter, run.base, work.bundle / file, "f16", backbone=mark)
            found = compare(backbone, adapted, prompts, full.end, activated=Activated(small, header))
            say(f"{role}: f16, {size_of(small)}, over the {kind} backbone {agreement(found)}")
        made[role] = {
            "file": file,
            "type": "f32" if kind == "f32" else "f16",
            "f32": dataclasses.asdict(same),
            "quantized": dataclasses.asdict(found),
        }
    models = dict.fromkeys(ROLES, backbone.name)
    return Made(models, {role: made[role]["file"] for role in ROLES}, made)


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
