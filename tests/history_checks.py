"""Answers of a collection with a history, held against the oracle and a collection without one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from history import History, draw_condition
from history_oracle import TOLERANCE, Expected, Oracle
from local import create_local
from topics import identity_of

from indexer.analysis.diagnosis import ALIGNED_DOCUMENTS
from indexer.ann.efforts import band_of
from indexer.collection import Collection
from indexer.documents import Change, Document
from indexer.embedding.hashing_engine import open_hashing
from indexer.filters import Filter, parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Answer, Fusion, Mode, Query, Strategy
from indexer.reports import Diagnosis
from indexer.retrieval.search import search

KS: Final = (1, 10, 100)
QUESTIONS: Final = 8
RECALL_QUESTIONS: Final = 20
DIAGNOSED: Final = 0.4
"""The share of checks that look at every pair of vectors, too: these take longest."""

NOTICED_SECONDS: Final = 120
"""A broken index is noticed within some comparisons, and the watch rests between them."""

LEAST_MEAN: Final = 0.9
"""An index that was broken is right again when it finds this share at all k together."""

_STANDARD_ERRORS: Final = 4.0


def least_recall(stated: float, queries: int) -> float:
    """What the mean recall of so many queries must reach, where ``stated`` holds on the whole.

    The share that one query finds lies in [0, 1], so its variance is at most stated * (1 - stated),
    however misses cluster. Four standard errors of the mean are left to chance.
    """
    return stated - _STANDARD_ERRORS * float(np.sqrt(stated * (1 - stated) / queries))


# What is asked


def queries_of(history: History, count: int) -> list[Query]:
    """Searches by meaning, by words and by both, exact, with and without filters."""
    dice, found = history.dice, []
    for place in range(count):
        asked = history.ask(history.rewritten if place % 2 else None)
        condition = parse_filter(draw_condition(dice, asked.topic))
        given = {"filter": condition, "exact": True}
        found += [
            Query(vector=asked.vector, k=dice.choice(KS), **given),
            Query(text=asked.text, k=dice.choice(KS), mode=Mode.LEXICAL, explain=1, **given),
            Query(
                text=asked.text,
                vector=asked.vector,
                k=dice.choice(KS),
                mode=Mode.HYBRID,
                fusion=dice.choice(list(Fusion)),
                **given,
            ),
        ]
    return found


def queries_like(history: History) -> list[Query]:
    """Searches by examples."""
    ids = history.some(3)
    if len(ids) < 3:
        return []
    vector = history.ask().vector
    examples = [((ids[0],), ()), ((ids[1], vector), ()), ((ids[1],), (ids[2],))]
    return [
        Query(like=like, unlike=unlike, strategy=strategy, k=10, exact=True)
        for like, unlike in examples
        for strategy in Strategy
    ]


# What must be answered


def expected(oracle: Oracle, query: Query) -> Expected:
    """What an exact answer to a query must be."""
    if query.mode is Mode.HYBRID:
        return oracle.fused(query)
    passing = oracle.passing(query.filter)
    if query.mode is Mode.LEXICAL:
        scores = oracle.bm25(query.text or "")
        return Expected(scores, passing & (scores > 0))
    assert query.vector is not None
    return Expected(oracle.cosines(query.vector), passing)


def check_answer(history: History, query: Query, answer: Answer) -> None:
    """Raise AssertionError unless an exact answer is the oracle's."""
    wanted = expected(history.oracle, query)
    if wanted.sure:
        scores = [hit.score for hit in answer.hits]
        history.oracle.check_order(ids_of(answer), scores, wanted, query.k)
    for hit in answer.hits:
        assert hit.document == history.held[hit.document.id][0]
        if hit.terms:
            assert abs(sum(term.score for term in hit.terms) - hit.score) < TOLERANCE
    if query.mode is not Mode.LEXICAL:
        assert answer.total == history.oracle.passing(query.filter).sum()


def check_equal(query: Query, one: Answer, other: Answer) -> None:
    """Raise AssertionError unless two answers to a query are equal but for rounding."""
    assert ids_of(one) == ids_of(other), query
    assert (one.total, one.exact, one.candidates) == (other.total, other.exact, other.candidates)
    for a, b in zip(one.hits, other.hits, strict=True):
        assert a.passage == b.passage, (query, a.document.id)
        np.testing.assert_allclose(_figures(a), _figures(b), rtol=0, atol=TOLERANCE)
        assert [term.spans for term in a.terms] == [term.spans for term in b.terms]
        ranks = [(h.scores.dense_rank, h.scores.lexical_rank) for h in (a, b)]
        assert ranks[0] == ranks[1], (query, a.document.id)


def _figures(hit) -> list[float]:
    scores = hit.scores
    found = [hit.score, scores.dense, scores.lexical, scores.fused]
    return [np.nan if one is None else one for one in found]


def ids_of(answer: Answer) -> list[str]:
    """Those of the hits, in order."""
    return [hit.document.id for hit in answer.hits]


# Small: after each step


def look(history: History) -> None:
    """A question or two, asked in every mode, and the counts."""
    collection = history.collection if history.dice.random() < 0.8 else history.look_elsewhere()
    queries = queries_of(history, 2)
    for query, answer in zip(queries, collection.search(queries), strict=True):
        check_answer(history, query, answer)
    measure_recall(history, collection, 1)
    described = collection.describe()
    assert described.documents == len(history.held)
    assert described.chunks == history.oracle.chunks
    assert described.truncated == sum(c.number % 13 == 0 for _, c in history.held.values())


# Large: now and then, and at the end


def check(history: History) -> None:
    """Everything that is asked of a collection is what one without a history answers."""
    with fresh(history) as plain:
        check_searches(history, plain)
        check_facets(history, plain)
        if history.dice.random() < DIAGNOSED:
            check_diagnosis(history, plain)
    check_heads(history)
    check_totals(history)
    check_pages(history)
    check_documents(history)
    check_recall(history)


@contextmanager
def fresh(history: History) -> Iterator[Collection]:
    """A collection of the same documents, which came at once and in another order."""
    with tempfile.TemporaryDirectory() as folder:
        identity = identity_of(history.model)
        with create_local(Path(folder) / "things", identity) as collection:
            collection.put(history.embedded())
            if history.dice.random() < 0.5:  # its words in an index, else unindexed
                collection.rebuild(IndexChoice(IndexKind.EXACT))
            yield collection


def check_searches(history: History, plain: Collection) -> None:
    """Alone, in a batch, and from a collection without a history: the same answer."""
    queries = queries_of(history, QUESTIONS)
    for query, answer in zip(queries, plain.search(queries), strict=True):
        check_answer(history, query, answer)
    queries += queries_like(history)
    answers = plain.search(queries)
    together = history.collection.search(queries)
    for query, wanted, own in zip(queries, answers, together, strict=True):
        (alone,) = history.collection.search([query])
        for answer in (own, alone):
            if query.vector is not None or query.text is not None:
                check_answer(history, query, answer)
            check_equal(query, answer, wanted)


def check_heads(history: History) -> None:
    """The first hits do not depend on how many are asked for."""
    for query in queries_of(history, 3):
        answers = [history.collection.search([replace(query, k=k)])[0] for k in (3, 50)]
        assert ids_of(answers[0]) == ids_of(answers[1])[:3], query


def check_totals(history: History) -> None:
    """There are as many hits at or above a score as the total says, asked in any company."""
    k = max(1, len(history.held))
    queries = [query for query in queries_of(history, 4) if query.mode is Mode.DENSE]
    bounded = []
    for query, answer in zip(queries, history.collection.search(queries), strict=True):
        scores = [hit.score for hit in answer.hits]
        bounded += [
            replace(query, k=k, min_score=scores[rank])
            for rank in {0, len(scores) // 2, len(scores) - 1}
            if scores
        ]
    batches = [bounded, *[[query] for query in bounded]]
    for batch in batches:
        for query, answer in zip(batch, history.collection.search(batch), strict=True):
            assert answer.total == len(answer.hits) > 0, query
            assert min(hit.score for hit in answer.hits) >= query.min_score


def check_pages(history: History) -> None:
    """Pages of documents are in the order they came; pages of hits are one long answer."""
    asked = history.ask()
    for condition in (None, parse_filter(draw_condition(history.dice, asked.topic))):
        passing = history.oracle.passing(condition)
        wanted = [id for id in history.held if passing[history.oracle.place[id]]]
        found = [one.id for one in _all_documents(history.collection, condition)]
        assert found == wanted
        query = Query(vector=asked.vector, k=7, filter=condition, exact=True)
        (whole,) = history.collection.search([replace(query, k=35)])
        pages = list(islice(_pages(history, query), 5))
        assert [id for page in pages for id in ids_of(page)] == ids_of(whole)
        assert {page.total for page in pages} == {len(wanted)}


def _all_documents(collection: Collection, condition: Filter | None) -> Iterator[Document]:
    cursor = None
    while True:
        page = collection.page(condition, cursor, 701)
        yield from page.documents
        cursor = page.cursor
        if cursor is None:
            return


def _pages(history: History, query: Query) -> Iterator[Answer]:
    """The answers that follow one another by their cursors."""
    with open_hashing(32) as embedder:
        while True:
            (answer,) = search(history.collection, embedder, [query])
            yield answer
            if answer.cursor is None:
                return
            query = replace(query, cursor=answer.cursor)


def check_documents(history: History) -> None:
    """Documents and vectors are as they were put."""
    ids = list(history.held)
    held = [document for document, _ in history.held.values()]
    assert history.collection.get([*ids, "nobody"]) == [*held, None]
    assert set(history.collection.changes(held)) <= {Change.NOTHING}
    wanted = {one.document.id: one for one in history.embedded()}
    some = history.some(100)
    for id, stored in zip(some, history.collection.vectors(some), strict=True):
        assert stored is not None and stored.chunks == wanted[id].chunks
        np.testing.assert_array_equal(stored.vectors, wanted[id].vectors)


def check_facets(history: History, plain: Collection) -> None:
    """Fields and their values are counted alike."""
    assert history.collection.fields() == plain.fields()


def check_diagnosis(history: History, plain: Collection) -> None:
    """What is counted is equal; what is measured on samples is near."""
    one, other = (side.diagnose(lambda _: None) for side in (history.collection, plain))
    assert _counts(one) == _counts(other), (_counts(one), _counts(other))
    np.testing.assert_allclose(_measures(one), _measures(other), rtol=1e-3, atol=1e-3)
    if one.near.looked == one.chunks:
        least, most = (history.oracle.chunks_near(one.near.least + s * TOLERANCE) for s in (1, -1))
        assert least <= one.near.near <= most


def _counts(one: Diagnosis) -> tuple[object, ...]:
    """All that is counted; pairs of chunks only where they are not of a sample of documents."""
    counted = one.documents, one.chunks, one.truncated, one.dimension, one.copies
    pairs = one.aligned_pairs if one.documents <= ALIGNED_DOCUMENTS else None
    return *counted, one.sampled, pairs, one.near.looked, one.near.equal


def _measures(one: Diagnosis) -> list[float]:
    if not one.documents:
        return []
    return [one.shortest, one.longest, one.participation_ratio, one.effective_rank]


# Approximate answers


def check_recall(history: History) -> None:
    """What the index misses is within what it states, alone and in a batch, at every k."""
    shares = measure_recall(history, history.collection, RECALL_QUESTIONS)
    index = history.collection.describe().index
    if index["kind"] == "exact":
        return
    for k, found in shares.items():
        low = index["bands"][str(band_of(k))]["recall_interval"][0]
        least = least_recall(min(index["target_recall"], low), len(found))
        assert np.mean(found) >= least, (
            f"recall@{k} is {np.mean(found):.3f} over {len(found)} queries, and must be {least:.3f}"
            f": {index}, the rewritten topic is {history.rewritten}"
        )


def check_watch(history: History) -> None:
    """Where recall is broken on purpose, it is noticed, and what is answered is right again."""
    history.settle()
    history.break_index()
    end = time.monotonic() + NOTICED_SECONDS
    while _mean_recall(history) < LEAST_MEAN:
        assert time.monotonic() < end, history.collection.describe().index
        time.sleep(0.02)
    history.rebuild(None)


def _mean_recall(history: History) -> float:
    shares = measure_recall(history, history.collection, 10)
    return float(np.mean([share for found in shares.values() for share in found]))


def measure_recall(history: History, collection: Collection, count: int) -> dict[int, list[float]]:
    """What share of the best each query finds; raises AssertionError unless hits are as scored."""
    shares: dict[int, list[float]] = {k: [] for k in KS}
    for k in KS:
        queries = []
        for place in range(count):
            asked = history.ask(None if place % 3 == 0 else history.rewritten)
            condition = draw_condition(history.dice, asked.topic) if place % 2 else None
            queries.append(Query(vector=asked.vector, k=k, filter=parse_filter(condition)))
        answers = [*collection.search(queries), *[collection.search([q])[0] for q in queries]]
        for query, answer in zip([*queries, *queries], answers, strict=True):
            shares[k].append(share_found(history, query, answer))
    return shares


def share_found(history: History, query: Query, answer: Answer) -> float:
    """The share of the k best that are hits, told by score: ties are not misses.

    A document of several chunks may be found by one that is not its best; its score is that one's.
    """
    assert query.vector is not None
    oracle, ids = history.oracle, ids_of(answer)
    passing = oracle.passing(query.filter)
    wanted = np.sort(oracle.cosines(query.vector)[passing])[::-1][: query.k]
    assert len(ids) == len(wanted) == len({*ids}), "an answer is short"
    assert answer.total == passing.sum()
    assert all(passing[oracle.place[id]] for id in ids)
    scores = np.array([hit.score for hit in answer.hits])
    assert (np.diff(scores) <= 0).all()
    for id, score in zip(ids, scores.tolist(), strict=True):
        cosines = oracle.cosines_of(id, query.vector)
        assert np.abs(cosines - score).min() <= TOLERANCE, f"{id!r}: {score}, not of {cosines}"
    return float(np.mean(scores >= wanted[-1] - TOLERANCE)) if len(ids) else 1.0
