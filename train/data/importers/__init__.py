"""Formats of training data that others use, one module each, and the registry of them.

`reading` streams records out of files, a format's `read` makes drafts of them, `schemas` makes their tools
proper, and `fitting` the arguments of their calls.
"""

from __future__ import annotations

from collections.abc import Mapping

from train.data.importers import alpha_umi, bfcl, openai, sharegpt, toolalpaca, toolbench, xlam
from train.data.importers.common.draft import Read

FORMATS: Mapping[str, Read] = {
    "toolbench": toolbench.read,
    "alpha-umi": alpha_umi.read,
    "toolalpaca": toolalpaca.read,
    "openai": openai.read,
    "sharegpt": sharegpt.read,
    "xlam": xlam.read,
    "bfcl": bfcl.read,
}
