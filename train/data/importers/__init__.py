"""Importers of training data in other formats, one module each, and their registry.

To add a format, write a module with a function `convert_records` and add it to `IMPORTERS`. In
`agent.transcript.formats`, `reading` streams records out of files, `schemas` normalizes the tools that an
importer found, and `coercion` the arguments of their calls.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.transcript.formats.conversion import ConvertRecords
from train.data.importers import alpha_umi, bfcl, openai, sharegpt, toolalpaca, toolbench, xlam

IMPORTERS: Mapping[str, ConvertRecords] = {
    "toolbench": toolbench.convert_records,
    "alpha-umi": alpha_umi.convert_records,
    "toolalpaca": toolalpaca.convert_records,
    "openai": openai.convert_records,
    "sharegpt": sharegpt.convert_records,
    "xlam": xlam.convert_records,
    "bfcl": bfcl.convert_records,
}
