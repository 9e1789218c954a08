"""A part of a collection, against a collection that holds nothing else."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from samples import random_units

from indexer.collection import Collection
from indexer.collection.feedback import Judgement
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.errors import Conflict, Forbidden, InvalidDocument, NotFound, Unsupported
from indexer.facets import Count
from indexer.filters import matches, parse_filter
from indexer.ordering import Order
from indexer.queries import Mode, Query, Strategy
from indexer.reports import MapState

COUNT = 60
ROUNDS = 20
FILTER = {"tenant": "acme", "year": {"$gte": 2003}}
CONDITION = parse_filter(FILTER)


def facts(number: int) -> dict[str, Any]:
    """The metadata of a document: a tenant's, with a field that only its tenant has."""
    tenant = random.Random(number).choice(["acme", "zeta"])
    found: dict[str, Any] = {"tenant": tenant, "year": 2000 + number % 9, f"of {tenant}": number}
    return found if number % 5 else found | {"tags": [tenant, "all"]}


DOCUMENTS = [
    Document(f"d{n}", f"the moon {'rises' if n % 2 else 'sets'}", f"Night {n}", facts(n))
    for n in range(COUNT)
]
OWN = [one for one in DOCUMENTS if matches(CONDITION, one.metadata)]
FOREIGN = [one for one in DOCUMENTS if one not in OWN]


def embedded(document: Document, vectors: Vectors) -> EmbeddedDocument:
    """A document with its vector, and for some a second one."""
    number = int(document.id[1:])
    chunks = (Chunk(0, 0, 8), Chunk(1, 4, 9))[: 1 + number % 2]
    rows = [number, (number + 7) % COUNT][: len(chunks)]
    return EmbeddedDocument(document, chunks, vectors[rows])


@pytest.fixture
def vectors() -> Vectors:
    """One for each document, and some to ask by."""
    return random_units(COUNT + 3)


@pytest.fixture
def whole(make, vectors: Vectors) -> Collection:
    """All documents."""
    collection: Collection = make("whole")
    collection.put([embedded(one, vectors) for one in DOCUMENTS])
    return collection


@pytest.fixture
def alone(make, vectors: Vectors) -> Collection:
    """The oracle: the documents that pass, and no others."""
    collection: Collection = make("alone")
    collection.put([embedded(one, vectors) for one in OWN])
    return collection


def test_a_part_answers_as_a_collection_that_holds_nothing_else(
    whole: Collection, alone: Collection, vectors: Vectors
) -> None:
    """Hits, scores, totals, counts, fields, pages and what is said of unknown fields are the same.

    Scores by words are not compared: words are weighed by all documents.
    """
    part = whole.restricted(CONDITION)
    first, second = OWN[0].id, OWN[1].id
    asked = [
        Query(vector=vectors[COUNT], k=COUNT, facets=("of zeta", "tenant", "tags")),
        Query(vector=vectors[COUNT + 1], k=3, filter=parse_filter({"of zeta": {"$gte": 0}})),
        Query(vector=vectors[COUNT + 1], k=3, filter=parse_filter({"tenant": "zeta"})),
        Query(vector=vectors[COUNT + 2], k=5, min_score=0.0, exact=True),
        Query(like=(first,), unlike=(second,), k=4),
        Query(like=(first, second), k=4, strategy=Strategy.BEST),
    ]
    for query, found, expected in zip(asked, part.search(asked), alone.search(asked), strict=True):
        assert [(one.document, one.score) for one in found.hits] == [
            (one.document, pytest.approx(one.score, abs=1e-6)) for one in expected.hits
        ], query
        assert (found.total, found.facets, found.unknown_fields) == (
            (expected.total, expected.facets, expected.unknown_fields)
        )
    for order in (Order(descending=True), Order("year"), Order()):
        pages = [
            each.page(None, None, COUNT, order, count=Count(("tenant", "of zeta")))
            for each in (part, alone)
        ]
        assert pages[0] == pages[1]
    assert part.fields() == alone.fields()
    assert part.describe().documents == alone.describe().documents == len(OWN)
    assert len(part.sample(10_000)) == len(alone.sample(10_000))
    assert sorted(part.examples(20)) == sorted(alone.examples(20))
    ids = [one.id for one in DOCUMENTS]
    assert part.get(ids) == alone.get(ids)
    assert [one is None for one in part.vectors(ids)] == [one is None for one in alone.get(ids)]
    assert [one is None for one in part.embedded(ids)] == [one is None for one in alone.get(ids)]


def test_words_find_no_foreign_document(whole: Collection, vectors: Vectors) -> None:
    """By BM25 alone and by both, as many hits as pass, though many more hold the words."""
    part = whole.restricted(CONDITION)
    asked = [
        Query(text="moon rises", mode=Mode.LEXICAL, k=COUNT, facets=("tenant",)),
        Query(text="moon", vector=vectors[COUNT], mode=Mode.HYBRID, k=COUNT),
    ]
    for answer in part.search(asked):
        assert {one.document.id for one in answer.hits} == {one.id for one in OWN}
    assert part.search(asked[:1])[0].facets.documents == len(OWN)


def test_foreign_ids_are_ids_of_none(whole: Collection) -> None:
    """As examples, for judgements and for pictures, a foreign document is one that is not there."""
    part, foreign = whole.restricted(CONDITION), FOREIGN[0].id
    for call in (
        lambda one: part.search([Query(like=(one,))]),
        lambda one: part.feedback.add(Judgement("moon", one, clicked=True), most=9),
    ):
        refusals = []
        for id in (foreign, "nowhere"):
            with pytest.raises(NotFound) as refusal:
                call(id)
            refusals.append(str(refusal.value).replace(id, "ID"))
        assert refusals[0] == refusals[1]
    assert part.thumbnail(foreign) is None
    assert part.original(foreign) is None


def test_a_part_is_written_to_within_its_bounds(whole: Collection, vectors: Vectors) -> None:
    """No foreign document is replaced, amended or deleted, and none is made; the rest goes."""
    part, own, foreign = whole.restricted(CONDITION), OWN[0], FOREIGN[0]
    before = whole.get([foreign.id])
    mine = dict(own.metadata)
    taken = Document(foreign.id, "mine now", None, mine)
    outside = Document("d1000", "new", None, {"tenant": "zeta", "year": 2004})
    moved = Document(own.id, own.text, own.title, {**mine, "tenant": "zeta"})
    for wrong, error in ((taken, Conflict), (outside, InvalidDocument), (moved, InvalidDocument)):
        written = EmbeddedDocument(wrong, (Chunk(0, 0, 3),), vectors[:1])
        with pytest.raises(error):
            part.changes([wrong])
        with pytest.raises(error):
            part.put([embedded(own, vectors), written])
        with pytest.raises(error):
            part.amend([wrong])
    assert part.delete([foreign.id, "nowhere"]) == 0
    assert part.delete_matching(parse_filter({"tenant": {"$ne": "acme"}})) == 0
    assert whole.get([foreign.id]) == before
    assert whole.describe().documents == COUNT
    part.amend([Document(own.id, own.text, own.title, {**mine, "seen": True})])
    fresh = Document("new", "x", None, mine)
    part.put([EmbeddedDocument(fresh, (Chunk(0, 0, 1),), vectors[:1])])
    assert part.get([own.id])[0].metadata["seen"] is True
    assert part.delete([own.id]) == 1
    assert part.delete_matching(parse_filter({"year": {"$gte": 0}})) > 0
    assert part.describe().documents == 0
    assert {one.id for one in whole.page(limit=COUNT).documents} == {one.id for one in FOREIGN}


def test_of_two_parts_that_make_one_id_at_once_one_is_refused(make) -> None:
    """Whoever is first has it: no later one replaces a document that it does not see."""
    whole: Collection = make("whole")
    tenants = ("acme", "zeta", "omega")
    rows = random_units(1)
    start = threading.Barrier(len(tenants))
    refused: dict[str, set[str]] = {tenant: set() for tenant in tenants}

    def write(tenant: str) -> None:
        part = whole.restricted(parse_filter({"tenant": tenant}))
        for number in range(ROUNDS):
            one = Document(f"new{number}", f"of {tenant}", None, {"tenant": tenant})
            start.wait()
            try:
                part.put([EmbeddedDocument(one, (Chunk(0, 0, 4),), rows)])
            except Conflict:
                refused[tenant].add(one.id)

    with ThreadPoolExecutor(len(tenants)) as pool:
        list(pool.map(write, tenants))
    kept = whole.get([f"new{number}" for number in range(ROUNDS)])
    for one in kept:
        owner = one.metadata["tenant"]
        assert one.text == f"of {owner}"
        assert {tenant for tenant in tenants if one.id in refused[tenant]} == {*tenants} - {owner}


def test_what_only_the_whole_has_is_refused(whole: Collection) -> None:
    """Diagnostics, sources, judgements and the care of an index are of all documents."""
    part = whole.restricted(CONDITION)
    for call in (
        part.rebuild,
        part.compact,
        part.feedback.read,
        part.feedback.clear,
        lambda: part.diagnose(print),
        lambda: part.migrate(part.identity),
        lambda: part.adapt(None),
        lambda: part.move(part.identity, forced=False),
        part.adapt_as_before,
        lambda: part.origins,
    ):
        with pytest.raises(Forbidden):
            call()


def test_a_map_of_a_part_has_its_own_documents(whole: Collection) -> None:
    """Where the map of all has them, scaled; clusters, words and counts are of these alone."""
    part = whole.restricted(CONDITION)
    years = {one.id: one.metadata["year"] for one in OWN}
    assert dict(part.column("year")) == years
    assert part.column("of zeta") == {}
    if not whole.capabilities.maps:
        with pytest.raises(Unsupported):
            part.map()
        return
    drawn = whole.draw_map(lambda _: None)
    found = part.map()
    assert (found.state, found.late, found.fitted) == (MapState.READY, 0, len(OWN))
    assert sorted(found.ids) == sorted(years)
    where = dict(zip(drawn.ids, drawn.places, strict=True))
    expected = np.array([where[id] for id in found.ids])
    span = (expected.max(axis=0) - expected.min(axis=0)).max()
    scaled = (expected - (expected.max(axis=0) + expected.min(axis=0)) / 2) * 2 / span
    np.testing.assert_allclose(found.places, scaled, atol=1e-5)
    assert sum(one.documents for one in found.labels) == len(OWN)
    assert np.bincount(found.clusters).tolist() == [one.documents for one in found.labels]
    foreign = FOREIGN[0]
    whole.amend([replace(foreign, metadata={**foreign.metadata, "more": 1})])
    assert part.map().version == found.version
    own = OWN[0]
    whole.amend([replace(own, metadata={**own.metadata, "more": 1})])
    assert part.map().version != found.version
    nobody = whole.restricted(parse_filter({"tenant": "nobody"})).map()
    assert (nobody.state, len(nobody.ids), nobody.labels) == (MapState.READY, 0, ())


def test_a_part_of_what_is_not_drawn_yet_has_no_map(whole: Collection) -> None:
    """Who looks at it hears how many documents are missing, and nothing of all others."""
    if not whole.capabilities.maps:
        return
    found = whole.restricted(CONDITION).map()
    assert (found.state, found.late, len(found.ids)) == (MapState.BUILDING, len(OWN), 0)
    assert found.progress is None
