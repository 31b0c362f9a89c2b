"""`bundle.json`: the models of its fields, and the reading of it with every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from agent.errors import BundleError
from agent.paths import SHIPPED
from agent.prompting import Markers
from agent.transcript import ROLES, Role
from agent.transcript.validation import FieldError, InvalidFields, MissingKey, validate

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

_UPDATE = "update umi, or go back with: umi models use umi-mini"
_CONFIG = ConfigDict(allow_inf_nan=False, defer_build=True)


def _file_name(value: str) -> str:
    # A bundle may come from anyone: its files are its own, never some other path of this machine.
    if value != Path(value).name or value in ("", ".", ".."):
        raise ValueError("it is not the name of a file beside it")
    return value


def _required(*keys: str) -> BeforeValidator:
    """A validator of mappings that raises MissingKey; the constructors have defaults, and JSON has none."""

    def check(value: Any) -> Any:
        if isinstance(value, Mapping) and (missing := [key for key in keys if key not in value]):
            raise MissingKey(missing[0])
        return value

    return BeforeValidator(check)


def _known_roles(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {role: value[role] for role in ROLES if role in value}


_AllSampling = _required("temperature", "top_p", "max_tokens")
_AllMarkers = _required(*(one.name for one in fields(Markers)))


@dataclass(frozen=True, config=_CONFIG)
class Sampling:
    """How a role picks its tokens."""

    temperature: Annotated[StrictFloat, Field(ge=0)] = 0.0
    """0 takes the likeliest token, whatever `top_p` and `seed` are."""
    top_p: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """Draw from the likeliest tokens that have this probability together."""
    max_tokens: Annotated[StrictInt, Field(ge=1)] = 256
    """Tokens of one turn at most."""
    seed: Annotated[StrictInt, Field(ge=0)] = 0
    """Of the random generator that draws."""


@dataclass(frozen=True, config=_CONFIG)
class GgufFile:
    """A GGUF file in the bundle's folder."""

    file: Annotated[str, AfterValidator(_file_name)]
    """Its name, without folders."""
    sha256: str
    """Hash of its content, in hexadecimal."""
    size: StrictInt
    """In bytes."""


@dataclass(frozen=True, config=_CONFIG)
class RoleFile(GgufFile):
    """The model of a role."""

    sampling: Annotated[Sampling, _AllSampling] = field(default_factory=Sampling)
    """How its tokens are picked."""
    grounded: StrictBool = False
    """Whether the digits of the answer are limited to those of the question and the observations."""
    adapter: GgufFile | None = None
    """The role's adapter over the model, in the shared layout."""


@dataclass(frozen=True, config=_CONFIG)
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

    def __post_init__(self) -> None:
        models = {role.file for role in self.roles.values()}
        adapted = [role for role, file in self.roles.items() if file.adapter]
        if self.layout == "shared" and (len(models) > 1 or len(adapted) < len(ROLES)):
            raise ValueError("a shared layout has one model and an adapter for each role")
        if self.layout == "single" and len(models) > 1:
            raise ValueError("a single layout has one model")
        if self.layout != "shared" and adapted:
            raise ValueError(f"a {self.layout} layout has no adapters")

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
    """Return the next step for a user whose bundle in `folder` is unusable."""
    if folder.resolve() == SHIPPED:
        return "reinstall umi: these are the models it ships"
    return "get or export that bundle again (umi export bundle), or go back with: umi models use umi-mini"


def parse_manifest(folder: Path, manifest: Any) -> Bundle:
    """The bundle that a manifest describes. Raises BundleError naming the first field that is wrong."""
    if not isinstance(manifest, dict):
        raise _damaged(folder, "it is not a JSON object")
    version = manifest.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST} has format {version} and this umi reads format {FORMAT}", _UPDATE
        )
    try:
        return validate(Bundle, {**manifest, "folder": folder})
    except InvalidFields as invalid:
        raise _refusal(folder, invalid.errors[0]) from None


def _refusal(folder: Path, error: FieldError) -> BundleError:
    if error.path in (("dialect",), ("layout",)) and isinstance(error.value, str):
        known = error.wanted.removeprefix("one of ")
        what = f"has the {error.name} {error.value}, and this umi knows {known}"
        return BundleError(f"{folder / MANIFEST} {what}", _UPDATE)
    return _damaged(folder, str(error))


def _damaged(folder: Path, how: str) -> BundleError:
    return BundleError(f"{folder / MANIFEST} is damaged: {how}", mend(folder))
