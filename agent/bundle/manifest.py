"""What `bundle.json` says: dataclasses, and the reading of them from JSON with every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from agent.errors import BundleError
from agent.paths import SHIPPED
from agent.prompting import CHATML, Markers
from agent.transcript import ROLES, Role

FORMAT = 1
MANIFEST = "bundle.json"
SHORTEST_CONTEXT = 256
"""Tokens: a shorter context holds neither a question nor an answer, and llama.cpp does not run with less."""
LONGEST_CONTEXT = 2**31 - 1
"""Tokens; llama.cpp counts positions in 32 bits."""
BACKBONE_KEY = "umi.backbone"
"""Metadata of GGUF files: a hash of the backbone's weights, in the backbone and in adapters made for it."""

Layout = Literal["merged", "shared", "single"]
"""Three models; one backbone with three activated adapters; one stock model for every role."""
Dialect = Literal["umi", "chat"]
"""How a transcript is written for the models: umi's own turns, or the model's chat template."""


@dataclass(frozen=True)
class Sampling:
    """How a role picks its tokens; at temperature 0 the likeliest, whatever `top_p` and `seed` say."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file in the bundle's folder, `size` in bytes."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class RoleFile(GgufFile):
    """A role's model, and the adapter that makes the role of it in the shared layout.

    `grounded` binds the digits a summarizer writes to those of the question and its observations.
    """

    sampling: Sampling = field(default_factory=Sampling)
    grounded: bool = False
    adapter: GgufFile | None = None


@dataclass(frozen=True)
class Bundle:
    """A manifest that was read and checked, and the folder it lies in. `context_length` is in tokens."""

    folder: Path
    format: int
    name: str
    dialect: Dialect
    prompt_version: int
    layout: Layout
    context_length: int
    markers: Markers
    roles: Mapping[Role, RoleFile]
    license: str
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]

    def path(self, role: Role) -> Path:
        """The GGUF file of `role`'s model."""
        return self.folder / self.roles[role].file

    def adapter_path(self, role: Role) -> Path | None:
        """The GGUF file of `role`'s adapter, where the layout has adapters."""
        adapter = self.roles[role].adapter
        return self.folder / adapter.file if adapter else None

    @property
    def files(self) -> tuple[GgufFile, ...]:
        """Every file once, models before adapters."""
        adapters = [role.adapter for role in self.roles.values() if role.adapter]
        models = [GgufFile(role.file, role.sha256, role.size) for role in self.roles.values()]
        return tuple(dict.fromkeys([*models, *adapters]))


def mend(folder: Path) -> str:
    """The next step for a person whose bundle in `folder` is unusable."""
    if folder.resolve() == SHIPPED:
        return "reinstall umi: these are the models it ships"
    return "get or export that bundle again (umi export bundle), or go back with: umi models use umi-mini"


def parse_manifest(folder: Path, manifest: Any) -> Bundle:
    """The bundle that a manifest describes. Raises BundleError naming the first field that is wrong."""
    if not isinstance(manifest, dict):
        raise _damaged(folder, "it is not a JSON object")
    if _take(folder, manifest, "format", int) != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST} has format {manifest['format']} and this umi reads format {FORMAT}",
            "update umi, or go back with: umi models use umi-mini",
        )
    if not SHORTEST_CONTEXT <= _take(folder, manifest, "context_length", int) <= LONGEST_CONTEXT:
        raise _damaged(
            folder,
            f"context_length is {manifest['context_length']}, not {SHORTEST_CONTEXT} to {LONGEST_CONTEXT}",
        )
    marks = _take(folder, manifest, "markers", dict)
    rows = _take(folder, manifest, "roles", dict)
    roles: dict[Role, RoleFile] = {
        role: _role(folder, _take(folder, rows, role, dict, "roles."), f"roles.{role}.") for role in ROLES
    }
    bundle = Bundle(
        folder=folder,
        format=manifest["format"],
        name=_take(folder, manifest, "name", str),
        dialect=_choice(folder, manifest, "dialect", get_args(Dialect)),
        prompt_version=_take(folder, manifest, "prompt_version", int),
        layout=_choice(folder, manifest, "layout", get_args(Layout)),
        context_length=manifest["context_length"],
        markers=Markers(**{key: _take(folder, marks, key, str, "markers.") for key in asdict(CHATML)}),
        roles=roles,
        license=_take(folder, manifest, "license", str),
        recipe=_take(folder, manifest, "recipe", dict),
        metrics=_take(folder, manifest, "metrics", dict),
    )
    _check_layout(bundle)
    return bundle


def _check_layout(bundle: Bundle) -> None:
    models = {role.file for role in bundle.roles.values()}
    adapted = [role for role, file in bundle.roles.items() if file.adapter]
    if bundle.layout == "shared" and (len(models) > 1 or len(adapted) < len(ROLES)):
        raise _damaged(bundle.folder, "a shared layout has one model and an adapter for each role")
    if bundle.layout == "single" and len(models) > 1:
        raise _damaged(bundle.folder, "a single layout has one model")
    if bundle.layout != "shared" and adapted:
        raise _damaged(bundle.folder, f"a {bundle.layout} layout has no adapters")


def _role(folder: Path, row: Mapping[str, Any], inside: str) -> RoleFile:
    drawn = _take(folder, row, "sampling", dict, inside)
    numbers = (int, float)
    sampling = Sampling(
        temperature=float(_take(folder, drawn, "temperature", numbers, f"{inside}sampling.")),
        top_p=float(_take(folder, drawn, "top_p", numbers, f"{inside}sampling.")),
        max_tokens=_take(folder, drawn, "max_tokens", int, f"{inside}sampling."),
        seed=_take(folder, {"seed": 0, **drawn}, "seed", int, f"{inside}sampling."),
    )
    model = _file(folder, row, inside)
    grounded = _take(folder, {"grounded": False, **row}, "grounded", bool, inside)
    adapter = row.get("adapter")
    if adapter is not None:
        adapter = _file(folder, _take(folder, row, "adapter", dict, inside), f"{inside}adapter.")
    return RoleFile(model.file, model.sha256, model.size, sampling, grounded, adapter)


def _file(folder: Path, row: Mapping[str, Any], inside: str) -> GgufFile:
    file = _take(folder, row, "file", str, inside)
    # A bundle may come from anyone: its files are its own, never some other path of this machine.
    if file != Path(file).name or file in ("", ".", ".."):
        raise _damaged(folder, f"{inside}file is not the name of a file beside it")
    return GgufFile(file, _take(folder, row, "sha256", str, inside), _take(folder, row, "size", int, inside))


def _choice(folder: Path, row: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> Any:
    value = _take(folder, row, key, str)
    if value not in choices:
        raise BundleError(
            f"{folder / MANIFEST} has the {key} {value}, and this umi knows {', '.join(choices)}",
            "update umi, or go back with: umi models use umi-mini",
        )
    return value


def _take(
    folder: Path, row: Mapping[str, Any], key: str, kind: type | tuple[type, ...], inside: str = ""
) -> Any:
    value = row.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _damaged(folder, f"{inside}{key} {'is of the wrong type' if key in row else 'is missing'}")
    return value


def _damaged(folder: Path, how: str) -> BundleError:
    return BundleError(f"{folder / MANIFEST} is damaged: {how}", mend(folder))
