"""`umi export push`: a finished bundle into a repository of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from agent.bundle import MANIFEST, Bundle, load_bundle
from agent.bundle.hub import parse_repository, upload
from export.options import Say

BESIDE = ("README.md", "LICENSE*", "*Modelfile*")
"""What may lie in a bundle's folder beside what its manifest names, and is worth having elsewhere."""


def push(folder: Path, repository: str, say: Say, *, private: bool = False) -> int:
    """Upload the finished bundle in `folder` to `repository` (OWNER/NAME) and print its address.

    Returns the exit code. Raises UmiError where the bundle is not whole or the hub refuses.
    """
    repo = parse_repository(repository, revisions=False)[0]
    bundle = load_bundle(folder, verify=True)
    print(upload(repo, bundle_files(bundle), private=private, say=say))
    return 0


def bundle_files(bundle: Bundle) -> dict[str, Path]:
    """The files of a bundle that are uploaded: manifest, models, and the texts beside them. Nothing else."""
    names = [MANIFEST, *(file.file for file in bundle.files)]
    beside = {path.name for pattern in BESIDE for path in bundle.folder.glob(pattern) if path.is_file()}
    return {name: bundle.folder / name for name in [*names, *sorted(beside - set(names))]}
