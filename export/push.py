"""`umi export push`: a finished bundle into a repository of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.bundle import MANIFEST, Bundle, load_bundle
from agent.bundle.hub import parse_repository, upload
from agent.extras import Parser, say

BESIDE = ("README.md", "LICENSE*", "*Modelfile*")
"""What may lie in a bundle's folder beside what its manifest names, and is worth having elsewhere."""


def push(argv: Sequence[str]) -> int:
    """Upload a finished bundle to the Hugging Face hub, in one commit."""
    parser = Parser(prog="umi export push", description=push.__doc__)
    parser.add_argument("bundle", type=Path, help="folder that umi export bundle made")
    parser.add_argument("repository", metavar="OWNER/NAME", help="made where it is not there")
    parser.add_argument("--private", action="store_true", help="only for those you let in")
    given = parser.parse_args(argv)
    repo = parse_repository(given.repository, revisions=False)[0]
    bundle = load_bundle(given.bundle, verify=True)
    print(upload(repo, bundle_files(bundle), private=given.private, say=say))
    return 0


def bundle_files(bundle: Bundle) -> dict[str, Path]:
    """The files of a bundle that are uploaded: manifest, models, and the texts beside them. Nothing else."""
    names = [MANIFEST, *(file.file for file in bundle.files)]
    beside = {path.name for pattern in BESIDE for path in bundle.folder.glob(pattern) if path.is_file()}
    return {name: bundle.folder / name for name in [*names, *sorted(beside - set(names))]}
