"""Prompting: a transcript as token ids (markers, dialects, encoding) and how it is shortened (trimming)."""

from __future__ import annotations

from agent.prompting.markers import (
    CHATML,
    PROMPT_VERSION,
    Markers,
    Tokenize,
)
from agent.prompting.umi import (
    Segment,
    prompt_ids,
    segment,
    segment_ids,
    segments,
)

__all__ = [
    "CHATML",
    "PROMPT_VERSION",
    "Markers",
    "Segment",
    "Tokenize",
    "prompt_ids",
    "segment",
    "segment_ids",
    "segments",
]
