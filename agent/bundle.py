"""A bundle: a folder with the models of the three roles and `bundle.json`, the manifest that describes them.

This module knows nothing of llama.cpp: it reads, checks and writes manifests. A manifest is written last, so
a folder with one is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import BundleError
from agent.places import SHIPPED, write_atomically
from agent.prompts import CHATML, PROMPT_VERSION, Markers
from agent.transcript import ROLES, Role

FORMAT = 1
MANIFEST = "bundle.json"
ALWAYS_HASHED_BYTES = 64 * 1024 * 1024
"""Files up to this size are hashed at every load (well under 0.1 s each); larger ones only when asked."""
LONGEST_CONTEXT = 2**31 - 1
"""Tokens; llama.cpp counts positions in 32 bits."""
_MAGIC = b"GGUF"


@dataclass(frozen=True)
class Sampling:
    """How a role picks its tokens; at temperature 0 the likeliest, whatever `top_p` and `seed` say."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0


@dataclass(frozen=True)
class RoleFile:
    """A role's model: a GGUF file in the bundle's folder, `size` in bytes.

    `grounded` binds the digits a summarizer writes to those of the question and its observations.
    """

    file: str
    sha256: str
    size: int
    sampling: Sampling = field(default_factory=Sampling)
    grounded: bool = False


@dataclass(frozen=True)
class Bundle:
    """A manifest that was read and checked, and the folder it lies in. `context_length` is in tokens."""

    folder: Path
    format: int
    name: str
    dialect: str
    prompt_version: int
    layout: str
    context_length: int
    markers: Markers
    roles: Mapping[Role, RoleFile]
    license: str
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]

    def path(self, role: Role) -> Path:
        """The GGUF file of `role`."""
        return self.folder / self.roles[role].file


def load_bundle(folder: Path, *, verify: bool = False) -> Bundle:
    """Read `folder`'s manifest and check its files against it.

    Files up to ALWAYS_HASHED_BYTES are hashed; with `verify` all. Raises BundleError naming what is wrong.
    """
    if not folder.is_dir():
        raise BundleError(
            f"{folder} is {'a file, not a folder of models' if folder.exists() else 'not there'}",
            mend(folder),
        )
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{folder} has no {MANIFEST}, so it is not a model bundle", mend(folder)) from None
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}", mend(folder)) from None
    except ValueError:
        raise BundleError(f"{path} is damaged: it is not JSON", mend(folder)) from None
    bundle = _parse(folder, manifest)
    _check_version(bundle)
    for file in {(role.file, role.sha256, role.size): role for role in bundle.roles.values()}.values():
        _check_file(folder, file, verify=verify)
    return bundle


def write_bundle(
    folder: Path,
    *,
    name: str,
    context_length: int,
    files: Mapping[Role, str],
    sampling: Mapping[Role, Sampling] | None = None,
    grounded: Collection[Role] = (),
    markers: Markers = CHATML,
    license: str = "",
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Bundle:
    """Describe the GGUF files that lie in `folder` in a manifest, and return the bundle as it loads.

    `files` names each role's file (several roles may name one). Raises BundleError where a file is unusable.
    """
    roles: dict[Role, RoleFile] = {}
    for role in ROLES:
        path = folder / files[role]
        if not path.is_file():
            raise BundleError(f"the {role}'s model {path} is not there", "export it first")
        roles[role] = RoleFile(
            files[role],
            _sha256(path),
            path.stat().st_size,
            (sampling or {}).get(role, Sampling()),
            role in grounded,
        )
    manifest = {
        "format": FORMAT,
        "name": name,
        "dialect": "umi",
        "prompt_version": PROMPT_VERSION,
        "layout": "merged",
        "context_length": context_length,
        "markers": asdict(markers),
        "roles": {role: asdict(file) for role, file in roles.items()},
        "license": license,
        "recipe": dict(recipe or {}),
        "metrics": dict(metrics or {}),
    }
    bundle = _parse(folder, manifest)
    for file in roles.values():
        _check_file(folder, file, verify=False)
    write_atomically(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
    return bundle


def mend(folder: Path) -> str:
    """The next step for a person whose bundle in `folder` is unusable."""
    if folder.resolve() == SHIPPED:
        return "reinstall umi: these are the models it ships"
    return "get or export that bundle again (umi export bundle), or go back with: umi models use umi-mini"


def _parse(folder: Path, manifest: Any) -> Bundle:
    """The bundle in a manifest, its fields' types checked."""
    where = folder / MANIFEST

    def take(row: Mapping[str, Any], key: str, kind: type | tuple[type, ...], inside: str = "") -> Any:
        value = row.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            state = "is of the wrong type" if key in row else "is missing"
            raise BundleError(f"{where} is damaged: {inside}{key} {state}", mend(folder))
        return value

    if not isinstance(manifest, dict):
        raise BundleError(f"{where} is damaged: it is not a JSON object", mend(folder))
    if take(manifest, "format", int) != FORMAT:
        raise BundleError(
            f"{where} has format {manifest['format']} and this umi reads format {FORMAT}",
            "update umi, or go back with: umi models use umi-mini",
        )
    if not 0 < take(manifest, "context_length", int) <= LONGEST_CONTEXT:
        raise BundleError(f"{where} is damaged: context_length is {manifest['context_length']}", mend(folder))
    marks = take(manifest, "markers", dict)
    roles: dict[Role, RoleFile] = {}
    for role in ROLES:
        inside = f"roles.{role}."
        row = take(take(manifest, "roles", dict), role, dict, "roles.")
        drawn = take(row, "sampling", dict, inside)
        sampling = Sampling(
            temperature=float(take(drawn, "temperature", (int, float), f"{inside}sampling.")),
            top_p=float(take(drawn, "top_p", (int, float), f"{inside}sampling.")),
            max_tokens=take(drawn, "max_tokens", int, f"{inside}sampling."),
            seed=take({"seed": 0} | drawn, "seed", int, f"{inside}sampling."),
        )
        file = take(row, "file", str, inside)
        # A bundle may come from anyone: its files are its own, never some other path of this machine.
        if file != Path(file).name or file in ("", ".", ".."):
            raise BundleError(
                f"{where} is damaged: {inside}file is not the name of a file beside it", mend(folder)
            )
        sha256, size = take(row, "sha256", str, inside), take(row, "size", int, inside)
        grounded = take({"grounded": False} | row, "grounded", bool, inside)
        roles[role] = RoleFile(file, sha256, size, sampling, grounded)
    return Bundle(
        folder=folder,
        format=manifest["format"],
        name=take(manifest, "name", str),
        dialect=take(manifest, "dialect", str),
        prompt_version=take(manifest, "prompt_version", int),
        layout=take(manifest, "layout", str),
        context_length=manifest["context_length"],
        markers=Markers(**{key: take(marks, key, str, "markers.") for key in asdict(CHATML)}),
        roles=roles,
        license=take(manifest, "license", str),
        recipe=take(manifest, "recipe", dict),
        metrics=take(manifest, "metrics", dict),
    )


def _check_version(bundle: Bundle) -> None:
    back = "go back with: umi models use umi-mini"
    if bundle.dialect != "umi":
        raise BundleError(
            f"{bundle.name} speaks the {bundle.dialect} dialect and this umi speaks umi's own", back
        )
    if bundle.layout != "merged":
        raise BundleError(
            f"{bundle.name} has the {bundle.layout} layout and this version runs merged bundles", back
        )
    if bundle.prompt_version != PROMPT_VERSION:
        raise BundleError(
            f"{bundle.name} was trained with prompt version {bundle.prompt_version}"
            f" and this umi speaks version {PROMPT_VERSION}",
            f"train and export it again (umi export bundle), or {back}",
        )


def _check_file(folder: Path, file: RoleFile, *, verify: bool) -> None:
    path = folder / file.file
    try:
        size = path.stat().st_size
        if size != file.size:
            raise BundleError(
                f"{path} is {'truncated' if size < file.size else 'not the file it was'}:"
                f" {size} bytes, and {file.size} were written",
                mend(folder),
            )
        with path.open("rb") as opened:
            if opened.read(len(_MAGIC)) != _MAGIC:
                raise BundleError(f"{path} is damaged: it is not a GGUF file", mend(folder))
        if (verify or size <= ALWAYS_HASHED_BYTES) and _sha256(path) != file.sha256:
            raise BundleError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}", mend(folder))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing", mend(folder)) from None
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}", mend(folder)) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
