"""`bundle.json`: the models of its fields, and the reading of it with every field checked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from agent.bundle.files import CONFIG, BaseFile, BundleFile, GgufFile, TableFile
from agent.errors import BundleError
from agent.paths import SHIPPED, SHIPPED_DELTAS
from agent.prompting import Markers
from agent.transcript import ROLES, Role
from agent.transcript.validation import FieldError, InvalidFieldsError, MissingKeyError, validate

FORMAT = 1
MANIFEST = "bundle.json"
SHORTEST_CONTEXT = 256
"""Tokens: a shorter context holds neither a question nor an answer, and llama.cpp does not run with less."""
LONGEST_CONTEXT = 2**31 - 1
"""Tokens; llama.cpp counts positions in 32 bits."""
DELTAS = "deltas"
"""The folder in a bundle that was built, with the deltas that it was built from and their manifest."""
BACKBONE_KEY = "umi.backbone"
"""Metadata of GGUF files: a hash of the backbone's weights, in the backbone and in adapters made for it."""

Layout = Literal["merged", "shared", "single"]
"""Three models; one backbone with three activated adapters; one stock model for every role."""
Dialect = Literal["umi", "chat"]
"""How a transcript is written for the models: umi's own turns, or the model's chat template."""

_UPDATE = "update umi, or go back with: umi models use umi-mini"


def _required(*keys: str) -> BeforeValidator:
    """Return a validator that raises MissingKeyError for a mapping without one of `keys`.

    The constructors have defaults; a manifest must have every key.
    """

    def check(value: Any) -> Any:
        if isinstance(value, Mapping) and (missing := [key for key in keys if key not in value]):
            raise MissingKeyError(missing[0])
        return value

    return BeforeValidator(check)


def _known_roles(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {role: value[role] for role in ROLES if role in value}


_AllSampling = _required("temperature", "top_p", "max_tokens")
_AllMarkers = _required(*(one.name for one in fields(Markers)))


@dataclass(frozen=True, config=CONFIG)
class Sampling:
    """How the tokens of a role are drawn."""

    temperature: Annotated[StrictFloat, Field(ge=0)] = 0.0
    """0 is greedy decoding, whatever `top_p` and `seed` are."""
    top_p: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """Nucleus sampling: draw from the most probable tokens that together have this probability."""
    max_tokens: Annotated[StrictInt, Field(ge=1)] = 256
    """Maximum length of a turn, in tokens."""
    seed: Annotated[StrictInt, Field(ge=0)] = 0
    """Seed of the random generator."""


DEFAULT_SAMPLING: Mapping[Role, Sampling] = {
    "planner": Sampling(max_tokens=256),
    "caller": Sampling(max_tokens=512),
    "summarizer": Sampling(max_tokens=512),
}
"""The sampling that a new bundle gets: greedy, with turns of at most so many tokens."""


@dataclass(frozen=True, config=CONFIG)
class RoleFile(GgufFile):
    """The model of a role; in a bundle of deltas it is to be built, and `sha256` is that of the export's."""

    sampling: Annotated[Sampling, _AllSampling] = field(default_factory=Sampling)
    """How its tokens are picked."""
    grounded: StrictBool = False
    """Whether the digits of the answer are limited to those of what the user and the tools said."""
    adapter: GgufFile | None = None
    """The role's adapter over the model, in the shared layout."""
    table: TableFile | None = None
    """The n-gram table that drafts the role's turns."""
    deltas: tuple[GgufFile, ...] = ()
    """The adapters that are added to the base, in this order, where the bundle has one."""
    type: str = ""
    """The quantization in which the file is built, such as q8_0, where the bundle has a base."""


@dataclass(frozen=True, config=CONFIG)
class Bundle:
    """A manifest and the folder it lies in."""

    folder: Path
    """Where the manifest and the files are; not a field of the manifest."""
    format: StrictInt
    """Version of the manifest's format."""
    name: str
    """The bundle's name."""
    dialect: Dialect
    """How a transcript is written for the models."""
    prompt_version: StrictInt
    """Version of the prompts that the models were trained with."""
    layout: Layout
    """How the three roles are made of the files."""
    context_length: Annotated[StrictInt, Field(ge=SHORTEST_CONTEXT, le=LONGEST_CONTEXT)]
    """In tokens."""
    markers: Annotated[Markers, _AllMarkers]
    """What opens, divides and closes a turn."""
    roles: Annotated[
        Mapping[Role, Annotated[RoleFile, _required("sampling")]],
        _required(*ROLES),
        BeforeValidator(_known_roles),
    ]
    """The model of each role."""
    license: str
    """Of the models; may be empty."""
    recipe: Mapping[str, Any]
    """The recipe that the models were trained with; may be empty."""
    metrics: Mapping[str, Any]
    """What was measured of the models, the report of their export included; may be empty."""
    call_bias: StrictFloat = 0.0
    """In nats, for the dialect `chat`: how much likelier a call than an answer must be to be made."""
    result_bias: StrictFloat = 0.0
    """The same where the result of a call was just read."""
    least_margins: Mapping[str, StrictFloat] = field(default_factory=dict)
    """In nats, by tool: a call chosen with less than that is asked about (`umi eval margins`)."""
    base: Annotated[BaseFile | None, _required("name")] = None
    """What the models are built over, in a bundle of deltas."""

    def __post_init__(self) -> None:
        models = {role.file for role in self.roles.values()}
        adapted = [role for role, file in self.roles.items() if file.adapter]
        if self.layout == "shared" and (len(models) > 1 or len(adapted) < len(ROLES)):
            raise ValueError("a shared layout has one model and an adapter for each role")
        if self.layout == "single" and len(models) > 1:
            raise ValueError("a single layout has one model")
        if self.layout != "shared" and adapted:
            raise ValueError(f"a {self.layout} layout has no adapters")
        if self.base is None and any(role.deltas for role in self.roles.values()):
            raise ValueError("deltas need a base")
        if self.base is not None:
            _check_deltas(self.roles)

    def path(self, role: Role) -> Path:
        """The GGUF file of `role`'s model."""
        return self.folder / self.roles[role].file

    def adapter_path(self, role: Role) -> Path | None:
        """The GGUF file of `role`'s adapter, where the layout has adapters."""
        adapter = self.roles[role].adapter
        return self.folder / adapter.file if adapter else None

    def table_path(self, role: Role) -> Path | None:
        """The n-gram table of `role`, where it has one."""
        table = self.roles[role].table
        return self.folder / table.file if table else None

    @property
    def files(self) -> tuple[BundleFile, ...]:
        """Every file in the folder once: models, or the deltas of which they are built, adapters, tables."""
        adapters = [role.adapter for role in self.roles.values() if role.adapter]
        if self.base is not None:
            models = [delta for role in self.roles.values() for delta in role.deltas]
        else:
            models = [GgufFile(role.file, role.sha256, role.size) for role in self.roles.values()]
        tables = [role.table for role in self.roles.values() if role.table]
        return tuple(dict.fromkeys([*models, *adapters, *tables]))


def _check_deltas(roles: Mapping[Role, RoleFile]) -> None:
    """Raise ValueError where the files of a bundle with a base cannot be built from its deltas."""
    builds: dict[str, tuple[GgufFile | str, ...]] = {}
    given = {
        file.file for role in roles.values() for file in (*role.deltas, role.adapter, role.table) if file
    }
    for role in roles.values():
        if not role.deltas or not role.type:
            raise ValueError("over a base each role has deltas and a type")
        if role.file.startswith(".") or not role.file.endswith(".gguf") or role.file in given:
            raise ValueError("a file that is built has a name of its own that ends in .gguf")
        if builds.setdefault(role.file, (*role.deltas, role.type)) != (*role.deltas, role.type):
            raise ValueError("a file is built in one way")


def repair_hint(folder: Path) -> str:
    """Return the next step for a user whose bundle in `folder` is unusable."""
    if (folder / DELTAS / MANIFEST).is_file():
        return f"build it again: umi models build {shlex.quote(folder.name)}"
    if folder.resolve() in (SHIPPED, SHIPPED_DELTAS):
        return "reinstall umi: these are the models it ships"
    return "get or export that bundle again (umi export bundle), or go back with: umi models use umi-mini"


def parse_manifest(folder: Path, manifest: Any) -> Bundle:
    """Return the bundle that a manifest describes. Raise BundleError naming the first field that is wrong."""
    if not isinstance(manifest, dict):
        raise _damaged(folder, "it is not a JSON object")
    version = manifest.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST} has format {version} and this umi reads format {FORMAT}", _UPDATE
        )
    try:
        return validate(Bundle, {**manifest, "folder": folder})
    except InvalidFieldsError as invalid:
        raise _refusal(folder, invalid.errors[0]) from None


def _refusal(folder: Path, error: FieldError) -> BundleError:
    if error.path in (("dialect",), ("layout",)) and isinstance(error.value, str):
        known = error.wanted.removeprefix("one of ")
        what = f"has the {error.name} {_shortened(error.value)}, and this umi knows {known}"
        return BundleError(f"{folder / MANIFEST} {what}", _UPDATE)
    return _damaged(folder, str(error))


def _shortened(text: str) -> str:
    return text if text.isprintable() and len(text) <= 40 else ascii(text[:40])


def _damaged(folder: Path, how: str) -> BundleError:
    return BundleError(f"{folder / MANIFEST} is damaged: {how}", repair_hint(folder))
