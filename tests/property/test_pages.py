"""Pages of a search while documents are added, changed and deleted between them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from local import create_local
from samples import DIMENSION, make_identity, random_units
from tries import tries

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.embedding.hashing_engine import open_hashing
from indexer.filters import parse_filter
from indexer.queries import Answer, Query, Strategy
from indexer.retrieval.search import search

DOCUMENTS = 30

WRITES = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.integers(0, DOCUMENTS + 15)), max_size=6
)


def document(number: int, seed: int) -> EmbeddedDocument:
    """A document with one chunk or two, in directions of the seed's."""
    vectors = random_units(1 + number % 2, seed=1000 * seed + number)
    chunks = tuple(Chunk(i, i, i + 1) for i in range(len(vectors)))
    return EmbeddedDocument(Document(f"d{number}", "ab", metadata={"n": number}), chunks, vectors)


@contextmanager
def filled() -> Iterator[Collection]:
    """A collection of DOCUMENTS documents, and one that is gone."""
    with (
        tempfile.TemporaryDirectory() as folder,
        create_local(Path(folder) / "things", make_identity()) as collection,
    ):
        collection.put([document(number, seed=0) for number in range(DOCUMENTS + 1)])
        collection.delete([f"d{DOCUMENTS}"])
        yield collection


def queries() -> st.SearchStrategy[Query]:
    """Searches by a vector or by examples, with and without a filter."""
    vectors = st.integers(0, 50).map(lambda seed: random_units(1, seed=seed)[0])
    plain = vectors.map(lambda vector: Query(vector=vector))
    kinds = st.sampled_from(Strategy)
    examples = st.builds(lambda v, kind: Query(like=("d0", v), strategy=kind), vectors, kinds)
    filters = st.sampled_from([None, parse_filter({"n": {"$gte": 7}})])
    searches = st.one_of(plain, examples)
    return st.builds(lambda query, own: replace(query, filter=own), searches, filters)


def ids(answer: Answer) -> list[str]:
    """Those of the hits."""
    return [hit.document.id for hit in answer.hits]


@given(queries(), st.integers(1, 12), st.lists(WRITES, min_size=30, max_size=30))
@settings(max_examples=tries(10), deadline=None)
def test_each_document_of_the_first_page_s_moment_comes_once(
    query: Query, k: int, writes: list[list[tuple[str, int]]]
) -> None:
    """None twice, none that came later, and none left out but those that were deleted."""
    with filled() as collection, open_hashing(DIMENSION) as embedder:
        numbers = {one.id: one.metadata["n"] for one in collection.page(limit=99).documents}
        allowed = {id for id, n in numbers.items() if query.filter is None or n >= 7}
        given, gone, asked = [], set(), replace(query, k=k)
        for between in writes:
            (answer,) = search(collection, embedder, [asked])
            given += ids(answer)
            assert answer.total is not None and answer.total >= len(given)
            if answer.cursor is None:
                break
            asked = replace(asked, cursor=answer.cursor)
            for seed, (kind, number) in enumerate(between, start=1):
                if kind == "put":
                    collection.put([document(number, seed)])
                elif number or not query.like:  # an example is to stay
                    gone |= {f"d{number}"} if collection.delete([f"d{number}"]) else set()
        else:
            raise AssertionError("the pages do not end")
    allowed -= set(query.example_ids)
    assert len(given) == len(set(given))
    assert allowed - gone <= set(given) <= allowed


@given(queries(), st.integers(1, 12))
@settings(max_examples=tries(10), deadline=None)
def test_pages_in_peace_are_one_long_search(query: Query, k: int) -> None:
    """While nothing is written, all pages together are the answer for a large k, totals too."""
    with filled() as collection, open_hashing(DIMENSION) as embedder:
        (whole,) = search(collection, embedder, [replace(query, k=99)])
        pages, asked = [], replace(query, k=k)
        while True:
            (answer,) = search(collection, embedder, [asked])
            pages.append(answer)
            if answer.cursor is None:
                break
            asked = replace(asked, cursor=answer.cursor)
    assert [hit for page in pages for hit in ids(page)] == ids(whole)
    assert {page.total for page in pages} == {len(whole.hits)} == {whole.total}
    scores = [hit.score for page in pages for hit in page.hits]
    np.testing.assert_allclose(scores, [hit.score for hit in whole.hits], atol=1e-6)
    assert all(len(page.hits) == k for page in pages[:-1])
