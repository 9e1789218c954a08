"""Hard negatives from a collection's own index: hits of a query that are near, yet not its answer.

Hits that score nearly as much as the answer itself may be answers that nobody judged, so they are
passed over (Moreira et al., "NV-Retriever: Improving text embedding models with effective
hard-negative mining", 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from indexer.collection import Collection
from indexer.embedding.embedder import Embedder, TextRole
from indexer.learning.examples import TEXT_CHARACTERS, Example, Examples
from indexer.queries import Hit, Query

BLOCK: Final = 64
"""Queries that are searched together."""

SPARE: Final = 8
"""Hits beyond those wanted, since some are passed over."""


def mine(
    examples: Examples, collection: Collection, embedder: Embedder, *, count: int, below: float
) -> Iterator[Example]:
    """The examples with ``count`` more negatives each, as far as there are so many.

    They are the best hits of documents that answer the query in no example, and that score less
    than ``below`` times as much as the example's own text.
    """
    answers = _answers(examples)
    for start in range(0, len(examples), BLOCK):
        block = examples[start : start + BLOCK]
        queries = embedder.embed([one.query for one in block], TextRole.QUERY).vectors
        texts = embedder.embed([one.positive for one in block], TextRole.DOCUMENT).vectors
        bounds = (queries * texts).sum(axis=1) * below
        wanted = [Query(vector=vector, k=2 * count + SPARE) for vector in queries]
        found = collection.search(wanted)
        for one, answer, bound in zip(block, found, bounds.tolist(), strict=True):
            hits = [hit for hit in answer.hits if hit.document.id not in answers[one.query_id]]
            negatives = _texts(one, hits, bound)[:count]
            yield replace(one, negatives=(*one.negatives, *negatives))


def _answers(examples: Examples) -> dict[str, set[str]]:
    """The documents that answer each query, by the query's id."""
    answers: dict[str, set[str]] = {}
    for one in examples:
        answers.setdefault(one.query_id, set()).add(one.document)
    return answers


def _texts(example: Example, hits: Sequence[Hit], bound: float) -> list[str]:
    known = {example.positive, *example.negatives}
    texts = (hit.document.content[:TEXT_CHARACTERS] for hit in hits if hit.score < bound)
    return [text for text in texts if text and text not in known and example.positive not in text]
