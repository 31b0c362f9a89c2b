"""`umi export bundle --for vllm`: a folder that vLLM serves, with the command that does.

model/                            a checkpoint: config.json, safetensors, tokenizer, chat template
planner/ caller/ summarizer/      adapters in peft's format, where roles have them
vllm.yaml                         the configuration, written last
README.md                         how to serve it, and to ask it
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.bundle.store import find_bundle
from agent.errors import InputError, cannot_write
from agent.paths import replacing
from agent.transcript import Role
from export.options import MergeBase, Say
from export.vllm.adapters import join_adapters
from export.vllm.sources import Served, served_bundle, served_run
from train.model.weights.adapter import save_adapter
from train.run.files import RECIPE

CONFIG = "vllm.yaml"
MODEL = "model"
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that vLLM makes room for."""
_README = """\
# {name}, for vLLM

In this folder:

```
vllm serve --config {config}
```

and then, where the bundle {name} is known to umi:

```
umi --engine http://127.0.0.1:8000/v1 --models {name}
```

{what} `{config}` sets the backend of structured outputs to the one that umi's grammars are written for.
"""
_ADAPTERS = (
    "The roles are the LoRA adapters `planner`, `caller` and `summarizer` over one model; each has a prompt"
    " cache of its own."
)
_ONE = "One model plays all three roles, and what it has read serves each of them."


def export_for_vllm(
    source: Path,
    out: Path,
    say: Say,
    *,
    name: str = "",
    context_length: int = 0,
    merge_base: MergeBase = "auto",
) -> Path:
    """Write what vLLM serves of `source` to the folder `out`, replacing one of these; return `out`.

    `source` is a run folder, a bundle folder, or the name of a bundle. `name` is what the model is called on
    the server: by default as the bundle, or as `out`. Raise InputError where vLLM does not run it or `out`
    holds something else, UmiError where a file cannot be written.
    """
    if out.exists() and not (out / CONFIG).is_file():
        raise InputError(f"{out} exists and was not made for vLLM", "give another --out, or remove it")
    if (source / RECIPE).is_file():
        served = served_run(source, name or out.resolve().name, context_length, merge_base, say)
    else:
        served = served_bundle(find_bundle(str(source)), name, say)
    try:
        with replacing(out, out.with_name(f".{out.name}.part")) as partial:
            partial.mkdir(parents=True)
            _write(served, partial, say)
    except OSError as error:
        raise cannot_write(error.filename or out, error) from None
    return out


def _write(served: Served, folder: Path, say: Say) -> None:
    model = folder / MODEL
    served.write_model(model)
    ranks: dict[Role, int] = {}
    for role, adapters in served.read_adapters(model).items():
        adapter = join_adapters(adapters)
        save_adapter(adapter, folder / role)
        ranks[role] = adapter.rank
        say(f"{role}: an adapter of rank {ranks[role]}")
    what = _ADAPTERS if ranks else _ONE
    readme = _README.format(name=served.name, config=CONFIG, what=what)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    lines = [f"{key}: {json.dumps(value)}" for key, value in configuration(served, ranks).items()]
    (folder / CONFIG).write_text("\n".join(lines) + "\n", encoding="utf-8")


def configuration(served: Served, ranks: dict[Role, int]) -> dict[str, Any]:
    """Return vLLM's options for `served`, whose adapters have `ranks`.

    JSON values are YAML too. Raise InputError for a rank that vLLM has no room for.
    """
    options: dict[str, Any] = {
        "model": MODEL,
        "served-model-name": served.name,
        "max-model-len": served.context_length,
        "enable-prefix-caching": True,
        "enable-prompt-tokens-details": True,
        "structured-outputs-config": {"backend": "guidance"},
        "generation-config": "vllm",
    }
    if ranks:
        room = next((rank for rank in LORA_RANKS if rank >= max(ranks.values())), None)
        if room is None:
            raise InputError(
                f"an adapter has rank {max(ranks.values())}", f"vLLM takes {LORA_RANKS[-1]} at most"
            )
        options |= {
            "enable-lora": True,
            "max-loras": len(ranks),
            "max-lora-rank": room,
            "lora-modules": [f"{role}={role}" for role in ranks],
        }
    return options
