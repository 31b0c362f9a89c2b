"""Progressive ranking of tools: what a tool serves is subtracted from the need before the next is picked.

After ProTIP (arXiv 2312.10332), which subtracts a picked tool's embedding from the query's, without the
training that it takes: a need is the terms of a request, each with a weight, and its static embedding. A tool
takes from each term's weight in proportion to what the term adds to its BM25 score, and from the embedding
what lies in its own direction. So a request of several parts gets tools for each of them, and one that was
half done gets those of the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.tools.selection.bm25 import BM25
from agent.tools.selection.embedding import Embed
from agent.transcript import ToolSpec


@dataclass(frozen=True)
class Weights:
    """What decides between tools; `scripts/many_tools.py choose` tries others."""

    embedding: float = 0.5
    """Of the embedding's part in a score; each part counts in its standard deviations over all tools."""
    picked: tuple[float, float] = (0.3, 0.1)
    """What a picked tool takes of a term's weight and of the embedding: little, since it may be the wrong
    one."""
    served: tuple[float, float] = (0.5, 0.3)
    """What a tool that was called takes of them."""


class ToolRanking:
    """Ranks a fixed set of tools by requests."""

    def __init__(
        self, tools: Sequence[ToolSpec], embed: Embed | None = None, weights: Weights | None = None
    ) -> None:
        """Index `tools`, of which there is at least one. Without `embed`, terms alone decide."""
        self.weights = weights or Weights()
        self._names = [tool.name for tool in tools]
        texts = [tool_text(tool) for tool in tools]
        self._bm25 = BM25(texts)
        self._embed = embed
        self._vectors = embed(texts) if embed else None

    def rank(
        self, need: str, count: int, served: Iterable[str] = (), *, progressive: bool = True
    ) -> list[str]:
        """Return the names of at most `count` tools for what `need` asks and the tools `served` did not do.

        The best comes first. One of `served` may be among them: a question can need it twice. Tools that
        `need` has nothing in common with are left out. Unless `progressive`, picked tools subtract nothing.
        """
        vector = self._embed([need])[0] if self._embed else None
        state = _Need(self._bm25.contributions(need), self._vectors, vector, self.weights.embedding)
        called = set(served)
        for index, name in enumerate(self._names):
            if name in called:
                state.subtract(index, *self.weights.served)
        picked: list[int] = []
        while len(picked) < min(count, len(self._names)):
            scores = state.scores()
            scores[picked] = -np.inf
            best = int(np.argmax(scores))
            if scores[best] <= 0:
                break
            picked.append(best)
            if progressive:
                state.subtract(best, *self.weights.picked)
        return [self._names[index] for index in picked]


def tool_text(tool: ToolSpec) -> str:
    """Return what a tool is found by: its name, its description, and its parameters with theirs."""
    properties = tool.parameters.get("properties")
    described = properties.items() if isinstance(properties, dict) else ()
    parameters = [
        f"{name} {schema.get('description', '') if isinstance(schema, dict) else ''}"
        for name, schema in described
    ]
    return " ".join([tool.name, tool.description, *parameters])


class _Need:
    """What is left of a request: a weight for each of its terms, and a vector."""

    def __init__(
        self,
        contributions: NDArray[np.float64],
        vectors: NDArray[np.float32] | None,
        vector: NDArray[np.float32] | None,
        embedding_weight: float,
    ) -> None:
        self._contributions, self._vectors, self._vector = contributions, vectors, vector
        self._embedding_weight = embedding_weight
        self._weights = np.ones(len(contributions))
        highest = contributions.max(axis=1, keepdims=True, initial=0.0)
        self._shares = np.divide(contributions, highest, where=highest > 0, out=np.zeros_like(contributions))
        self._lexical_scale = _scale(contributions.sum(axis=0))
        self._vector_scale = 1.0 if vectors is None or vector is None else _scale(vectors @ vector)

    def scores(self) -> NDArray[np.float64]:
        """Return the score of each tool; above 0 where it has something in common with the need."""
        lexical = self._weights @ self._contributions / self._lexical_scale
        if self._vectors is None or self._vector is None:
            return lexical
        similar = self._vectors @ self._vector / self._vector_scale
        return (1 - self._embedding_weight) * lexical + self._embedding_weight * similar

    def subtract(self, index: int, terms: float, embedding: float) -> None:
        """Take what the tool at `index` serves from the need, by these fractions."""
        self._weights = self._weights * (1 - terms * self._shares[:, index])
        if self._vectors is not None and self._vector is not None:
            along = self._vectors[index]
            self._vector = self._vector - embedding * float(self._vector @ along) * along


def _scale(scores: NDArray[np.floating]) -> float:
    return float(scores.std()) or 1.0
