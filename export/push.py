"""`umi export push`: upload a bundle to a repository of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from agent.bundle import MANIFEST, Bundle, load_bundle
from agent.bundle.download.hub import parse_repository, upload
from export.options import Say

EXTRA_FILES = ("README.md", "LICENSE*", "*Modelfile*")
"""Patterns of further files to upload, beside the manifest and the files that it names."""


def push(folder: Path, repository: str, say: Say, *, private: bool = False) -> int:
    """Upload the bundle in `folder` to `repository` (OWNER/NAME) and print the URL; return 0.

    Raise UmiError if a file of the bundle is missing or damaged, or if the upload fails.
    """
    repo = parse_repository(repository, revisions=False)[0]
    bundle = load_bundle(folder, verify=True)
    print(upload(repo, bundle_files(bundle), private=private, say=say))
    return 0


def bundle_files(bundle: Bundle) -> dict[str, Path]:
    """Return the files to upload, by name: the manifest, the files it names, and `EXTRA_FILES`."""
    names = [MANIFEST, *(file.file for file in bundle.files)]
    extra = {path.name for pattern in EXTRA_FILES for path in bundle.folder.glob(pattern) if path.is_file()}
    return {name: bundle.folder / name for name in [*names, *sorted(extra - set(names))]}
