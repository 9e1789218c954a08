"""Text queries to ranked answers: the queries' texts are embedded, then a collection answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from indexer.collection import Collection
from indexer.documents import Answer, Mode, Query
from indexer.embedding.embedder import Embedder, Role


def needs_vector(query: Query) -> bool:
    """Whether the query's text must be embedded before a collection can answer it."""
    return query.text is not None and query.vector is None and query.mode is not Mode.LEXICAL


def embed_queries(embedder: Embedder, queries: Sequence[Query]) -> tuple[list[Query], list[bool]]:
    """The queries with the vectors of their texts, and which of the texts were truncated."""
    waiting = [place for place, query in enumerate(queries) if needs_vector(query)]
    embedded = embedder.embed([queries[place].text or "" for place in waiting], Role.QUERY)
    model = embedder.identity.fingerprint
    ready, truncated = list(queries), [False] * len(queries)
    for index, place in enumerate(waiting):
        ready[place] = replace(queries[place], vector=embedded.vectors[index], model=model)
        truncated[place] = index in embedded.truncated
    return ready, truncated


def search(collection: Collection, embedder: Embedder, queries: Sequence[Query]) -> list[Answer]:
    """The answer to each query, in order."""
    ready, truncated = embed_queries(embedder, queries)
    answers = collection.search(ready)
    return [replace(answer, truncated=cut) for answer, cut in zip(answers, truncated, strict=True)]
