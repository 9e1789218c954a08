"""Text queries to ranked answers: the queries' texts are embedded, then a collection answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexer.collection import Collection
from indexer.documents import Answer, ExampleText, Mode, Query, Vector
from indexer.embedding.embedder import Embedder, Role


def needs_vector(query: Query) -> bool:
    """Whether texts of the query must be embedded before a collection can answer it."""
    return _is_text_alone(query) or bool(query.example_texts)


def _is_text_alone(query: Query) -> bool:
    return query.text is not None and query.vector is None and query.mode is not Mode.LEXICAL


def embed_queries(embedder: Embedder, queries: Sequence[Query]) -> tuple[list[Query], list[bool]]:
    """The queries with the vectors of their texts, and of which a text was truncated.

    A text that is an example is embedded as a document: it stands for one.
    """
    texts = [query.text or "" for query in queries if _is_text_alone(query)]
    examples = [text for query in queries for text in query.example_texts]
    of_texts = _embedded(embedder, texts, Role.QUERY)
    of_examples = _embedded(embedder, examples, Role.DOCUMENT)
    ready, truncated = [], []
    for query in queries:
        filled, cut = _with_vectors(query, of_texts, of_examples)
        if filled is not query:
            filled = replace(filled, model=embedder.identity.fingerprint)
        ready.append(filled)
        truncated.append(cut)
    return ready, truncated


def _embedded(
    embedder: Embedder, texts: Sequence[str], role: Role
) -> Iterator[tuple[Vector, bool]]:
    """Each text's vector, and whether the text was truncated."""
    if not texts:
        return iter(())
    embedded = embedder.embed(texts, role)
    cut = frozenset(embedded.truncated)
    return iter([(vector, place in cut) for place, vector in enumerate(embedded.vectors)])


def _with_vectors(
    query: Query,
    of_texts: Iterator[tuple[Vector, bool]],
    of_examples: Iterator[tuple[Vector, bool]],
) -> tuple[Query, bool]:
    """The query with the next of these vectors for its texts, and whether one was truncated."""
    if _is_text_alone(query):
        vector, cut = next(of_texts)
        return replace(query, vector=vector), cut
    if not query.example_texts:
        return query, False
    found = [next(of_examples) for _ in query.example_texts]
    vectors = iter([vector for vector, _ in found])
    like, unlike = (
        tuple(next(vectors) if isinstance(one, ExampleText) else one for one in side)
        for side in (query.like, query.unlike)
    )
    return replace(query, like=like, unlike=unlike), any(cut for _, cut in found)


def search(collection: Collection, embedder: Embedder, queries: Sequence[Query]) -> list[Answer]:
    """The answer to each query, in order."""
    ready, truncated = embed_queries(embedder, queries)
    answers = collection.search(ready)
    return [replace(answer, truncated=cut) for answer, cut in zip(answers, truncated, strict=True)]
