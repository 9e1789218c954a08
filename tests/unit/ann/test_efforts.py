"""Effort by bands of k: what is stated for a k holds for it, whatever became of the rows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from local import create_local, open_local
from samples import make_identity
from structured import DIMENSION, SPREAD, Topical, around, make_topical

from indexer.ann.efforts import BANDS, FIRST, Band, Efforts, band_of, queries_for
from indexer.ann.kinds import INDEX_KINDS, SearchParams
from indexer.ann.recall import Measured, Recall
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.filters import Filter, parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.parts import asked_parts
from indexer.queries import Query
from indexer.thresholds import Thresholds

ROWS = 6_000
TARGET = 0.95
LOW = Thresholds(gather_rows=64, delta_rows=10**6, unindexed_rows=10**6, unindexed_share=1e6)
KS = (10, 60, 100, 400)
FILTERS = (None, parse_filter({"topic": {"$gt": 0}}), parse_filter({"half": 1}))


def document(number: int, topical: Topical) -> EmbeddedDocument:
    """A document of one row, with metadata to filter by."""
    metadata = {"topic": int(topical.topics[number]), "half": number % 2}
    own = Document(f"d{number}", "text", None, metadata)
    return EmbeddedDocument(own, (Chunk(0, 0, 4),), topical.vectors[number : number + 1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection whose rows were replaced and deleted after an index was sealed over them."""
    folder = tmp_path_factory.mktemp("efforts") / "c"
    topical, later = make_topical(ROWS), make_topical(ROWS, seed=4)
    with create_local(folder, make_identity(DIMENSION), thresholds=LOW) as collection:
        collection.put([document(number, topical) for number in range(ROWS)])
        collection.rebuild(IndexChoice(IndexKind.SCAN, TARGET))
        collection.put([document(number, later) for number in range(0, ROWS, 9)])
        collection.delete([f"d{number}" for number in range(0, ROWS, 7)])
    return folder


DIRECTIONS = around(np.arange(30) % 6, SPREAD, np.random.default_rng(2))
IDS_ALONE = asked_parts([])

Nearest = list[list[list[str]]]


@pytest.fixture(scope="module")
def nearest(folder: Path) -> Nearest:
    """The ids of the nearest by exact search, for each filter and direction."""
    with open_local(folder, thresholds=LOW) as collection:
        return [ids_of(collection, condition, max(KS), exact=True) for condition in FILTERS]


def ids_of(
    collection: Collection, condition: Filter | None, k: int, *, exact: bool
) -> list[list[str]]:
    """The ids of the hits of each direction."""
    asked = [
        Query(vector=one, k=k, filter=condition, exact=exact, parts=IDS_ALONE) for one in DIRECTIONS
    ]
    return [[hit.document.id for hit in answer.hits] for answer in collection.search(asked)]


def least_recall(collection: Collection, nearest: Nearest) -> float:
    """The least mean recall at any k, under any filter."""
    found = []
    for condition, best in zip(FILTERS, nearest, strict=True):
        for k in KS:
            ids = ids_of(collection, condition, k, exact=False)
            assert {len(one) for one in ids} == {k}
            shares = [len({*one} & {*two[:k]}) for one, two in zip(ids, best, strict=True)]
            found.append(float(np.mean(shares)) / k)
    return min(found)


def test_recall_holds_at_each_k_after_changes_and_reopening(folder: Path, nearest: Nearest) -> None:
    """With and without filters, at any k of a band; each band's recall reaches the target."""
    with open_local(folder, thresholds=LOW) as collection:
        bands = collection.describe().index["bands"]
        assert bands.keys() == {str(k) for k in BANDS}
        for band in bands.values():
            assert band["recall_interval"][0] >= TARGET
            assert band["filtered"]["recall_interval"][0] >= TARGET
        assert least_recall(collection, nearest) >= TARGET - 0.02


def test_an_index_of_an_earlier_version_is_searched_harder_for_more(
    folder: Path, nearest: Nearest
) -> None:
    """It states what was measured, at 10; for more and under filters it is searched harder."""
    (path,) = folder.rglob("sealed.json")
    fields = json.loads(kept := path.read_text())
    del fields["bands"], fields["digest"]
    fields["digest"] = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
    path.write_text(json.dumps(fields))
    try:
        with open_local(folder, thresholds=LOW) as collection:
            index = collection.describe().index
            assert (index["kind"], list(index["bands"])) == ("scan", ["10"])
            assert least_recall(collection, nearest) >= TARGET - 0.02
    finally:
        path.write_text(kept)


@pytest.mark.parametrize(
    ("k", "band"), [(1, 10), (10, 10), (11, 100), (100, 100), (999, 1_000), (5_000, 1_000)]
)
def test_a_search_takes_the_band_that_has_its_k(k: int, band: int) -> None:
    """The least that is enough; the last for more."""
    assert band_of(k) == band


@pytest.mark.parametrize(
    ("rows", "queries"), [(20_000, 256), (600_000, 600), (999_000, 999), (10_000_000, 1_024)]
)
def test_many_rows_are_measured_with_many_queries(rows: int, queries: int) -> None:
    """In the first band, so that its interval is narrow where effort costs most."""
    assert queries_for(rows) == {10: queries, 100: 64, 1_000: 24}


def efforts(**rescored: int) -> Efforts:
    """Efforts with so many rows rescored, by band."""
    recall = Recall(1.0, 1.0, 1.0, 10, 1)
    return Efforts(
        {
            Band(int(name[1:]), name[0] == "f"): Measured(SearchParams(0, depth), recall, 0.0)
            for name, depth in rescored.items()
        }
    )


def test_beyond_the_last_band_effort_grows_with_k() -> None:
    """Twice the rows take twice the candidates."""
    own = efforts(p10=100, p1000=5_000)
    assert own.params(2_000, filtered=False).rescore == 10_000
    assert own.params(1_000, filtered=False).rescore == 5_000


def test_a_band_gets_harder_by_itself() -> None:
    """Up to its last parameters; the others stay."""
    band = Band(100, filtered=False)
    own = step = efforts(p10=100, p100=400)
    steps = []
    while step := step.harder(IndexKind.SCAN, band):
        steps.append(step.params(100, filtered=False))
        assert step.measured[FIRST] == own.measured[FIRST]
    tried = INDEX_KINDS[IndexKind.SCAN].params_for(100)
    assert steps == list(tried[tried.index(SearchParams(0, 400)) + 1 :])
