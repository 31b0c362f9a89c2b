"""Okapi BM25 over short texts, with what each term of a query adds to each score kept apart.

    score(q, d) = sum over the terms t of q of idf(t) tf (k1 + 1) / (tf + k1 (1 - b + b |d| / mean |d|))
    idf(t) = ln(1 + (N - n + 1/2) / (n + 1/2))

where t stands tf times in d and in n of the N texts (Robertson and Zaragoza 2009, "The Probabilistic
Relevance Framework", section 3; the idf is that of Lucene, which is never negative). Libraries return the sum
alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

K1 = 1.5
B = 0.75
TERM_LENGTH = 6
"""Letters of a word that count: of MetaTool's requests, cutting finds as many tools as Porter's stemmer."""
FUNCTION_WORDS = re.compile(
    "an?|and|are|as|at|be|by|can|do|does|for|from|give|has|have|how|if?|into?|is|its?|me|my|of|on|or|our|please"
    "|that|the|their|them|there|these|this|those|to|us|was|we|what|when|where|which|who|will|with|your?|could"
    "|would|should|shall|any|some|need|want|like|get|find"
)
"""Words of requests in general, which say nothing about a tool."""


def terms(text: str) -> list[str]:
    """Return the words of `text` that count, in lower case and cut.

    Names are split at underscores and before capitals.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", text)
    words = re.findall(r"\w+", spaced.lower())
    return [word[:TERM_LENGTH] for word in words if not FUNCTION_WORDS.fullmatch(word)]


class BM25:
    """An index of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index `texts`, of which there is at least one."""
        counts = [Counter(terms(text)) for text in texts]
        self._size = len(counts)
        length = np.array([count.total() for count in counts], np.float64)
        norm = K1 * (1 - B + B * length / max(1.0, float(length.mean())))
        postings: dict[str, list[tuple[int, int]]] = {}
        for index, count in enumerate(counts):
            for term, frequency in count.items():
                postings.setdefault(term, []).append((index, frequency))
        self._postings: dict[str, tuple[NDArray[np.intp], NDArray[np.float64]]] = {}
        """By term: the texts that hold it, and what it adds to the score of each."""
        for term, found in postings.items():
            at = np.array([index for index, _ in found], np.intp)
            frequency = np.array([times for _, times in found], np.float64)
            idf = math.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
            self._postings[term] = at, idf * frequency * (K1 + 1) / (frequency + norm[at])

    def contributions(self, query: str) -> NDArray[np.float64]:
        """Return what each known term of `query` adds to each text's score, shape (terms, texts)."""
        known = [term for term in dict.fromkeys(terms(query)) if term in self._postings]
        result = np.zeros((len(known), self._size))
        for row, term in enumerate(known):
            at, weights = self._postings[term]
            result[row, at] = weights
        return result
