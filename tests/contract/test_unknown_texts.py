"""Passages of which the model knows no word come behind all others, and are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples import DIMENSION, make_identity

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, normalise
from indexer.filters import parse_filter
from indexer.queries import Answer, Fusion, Mode, Query

COUNT = 30
SILENT = {f"d{i:02}" for i in range(0, COUNT, 3)}
QUERY = np.eye(1, DIMENSION, dtype=np.float32)[0]


def embedded(number: int, *, unknown: bool) -> EmbeddedDocument:
    """A document that is the nearer to the query the lower its number is."""
    direction = QUERY + np.eye(1, DIMENSION, 1)[0] * (number + 1) / COUNT
    text = f"word number{number}"
    chunk = Chunk(0, 0, len(text), unknown=unknown)
    vectors = normalise(direction[None])
    return EmbeddedDocument(Document(f"d{number:02}", text), (chunk,), vectors)


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """A collection of which every third document says nothing, the nearest among them."""
    collection.put([embedded(i, unknown=i % 3 == 0) for i in range(COUNT)])
    return collection


def asked(filled: Collection, **how: object) -> Answer:
    """The answer to a text of which the model knows words, unless said otherwise."""
    query = Query(text="hello", vector=QUERY, unknown=False)
    return filled.search([replace(query, **how)])[0]  # type: ignore[arg-type]


def ids(answer: Answer) -> list[str]:
    """Its hits."""
    return [hit.document.id for hit in answer.hits]


BY_COSINE = [f"d{i:02}" for i in range(COUNT)]
KNOWN_FIRST = [one for one in BY_COSINE if one not in SILENT] + sorted(SILENT)


@pytest.mark.parametrize("exact", [False, True])
def test_what_says_nothing_comes_last(filled: Collection, exact: bool) -> None:
    """K hits come whenever k exist; among either sort the nearer is first."""
    for k in (1, 2, 5, 19, 20, 21, 29, 30, 50):
        answer = asked(filled, k=k, exact=exact)
        assert ids(answer) == KNOWN_FIRST[:k]
        assert {hit.document.id for hit in answer.hits if hit.unknown} == SILENT & {*ids(answer)}
        assert answer.total == COUNT


def test_so_it_does_in_a_hybrid_search(filled: Collection) -> None:
    """Unless it holds a word that is asked for: then that speaks for it."""
    for fusion in Fusion:
        order = ids(asked(filled, k=COUNT, mode=Mode.HYBRID, fusion=fusion))
        assert {*order[-len(SILENT) :]} == SILENT
        found = ids(asked(filled, k=COUNT, mode=Mode.HYBRID, fusion=fusion, text="number9"))
        assert found[0] == "d09" and "d09" in SILENT
        assert {*found[-len(SILENT) + 1 :]} == SILENT - {"d09"}


def test_so_it_does_in_a_part(collection: Collection) -> None:
    """Which answers as a collection that holds nothing else."""
    documents = [embedded(i, unknown=i % 3 == 0) for i in range(COUNT)]
    collection.put(
        replace(one, document=replace(one.document, metadata={"even": i % 2 == 0}))
        for i, one in enumerate(documents)
    )
    part = collection.restricted(parse_filter({"even": True}))
    expected = [one for one in KNOWN_FIRST if int(one[1:]) % 2 == 0]
    for k in (1, 5, 11, len(expected)):
        assert ids(asked(part, k=k)) == expected[:k]
    silent = {one for one in SILENT if int(one[1:]) % 2 == 0}
    assert {*ids(asked(part, k=COUNT, mode=Mode.HYBRID))[-len(silent) :]} == silent


def test_the_cosine_alone_counts_where_the_query_says_nothing_or_was_not_asked(
    filled: Collection,
) -> None:
    """A vector comes from anywhere, and what says nothing is near to what says nothing."""
    for unknown in (True, None):
        assert ids(asked(filled, k=7, unknown=unknown)) == BY_COSINE[:7]


def test_several_queries_at_once_are_each_answered_as_alone(filled: Collection) -> None:
    """A query that says nothing is not ordered by its neighbour's rule."""
    queries = [Query(text="x", vector=QUERY, k=9, unknown=one) for one in (False, True, None)]
    assert [ids(one) for one in filled.search(queries)] == [
        KNOWN_FIRST[:9],
        BY_COSINE[:9],
        BY_COSINE[:9],
    ]


def test_they_are_counted_as_long_as_they_are_there(filled: Collection) -> None:
    """Written, replaced by what is known, and deleted; amending changes nothing of it."""
    assert filled.describe().unknown == len(SILENT)
    filled.amend([Document("d00", "word number0", None, {"n": 1})])
    filled.put([embedded(3, unknown=False)])
    filled.delete(["d06", "d07"])
    assert filled.describe().unknown == len(SILENT) - 2
    assert filled.diagnose(lambda _: None).unknown == len(SILENT) - 2


def test_another_model_may_know_more(filled: Collection) -> None:
    """What is unknown belongs to a model's vectors, and goes with them."""
    other = replace(make_identity(name="another"), weights="x" * 64)
    with filled.migrate(other) as migration:
        while pending := migration.pending(10):
            numbers = [int(one.id[1:]) for one in pending]
            migration.put([embedded(number, unknown=number == 5) for number in numbers])
        assert migration.finish()
    assert filled.describe().unknown == 1
    assert ids(asked(filled, k=COUNT))[-1] == "d05"
