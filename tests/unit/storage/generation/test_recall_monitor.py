"""The watch on recall: honest, restful, and heard when recall falls."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local import create_local, engine_of, open_local
from samples import make_identity, random_units
from structured import around, make_topical

from indexer.ann.efforts import FIRST, Band, Efforts
from indexer.ann.faiss_index import AnnIndex
from indexer.ann.kinds import INDEX_KINDS, SearchParams
from indexer.ann.recall import Measured, Recall
from indexer.ann.recall_watch import LEAST_QUERIES, Case
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, normalise
from indexer.filters import parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Query
from indexer.storage.ann import index_file
from indexer.storage.generation.recall_monitor import (
    Fall,
    Observation,
    RecallWatch,
    Situation,
    after_fall,
)
from indexer.storage.generation.row_table import Delta, RowTable
from indexer.thresholds import Thresholds

VECTORS = random_units(6_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with a sealed index, to be copied."""
    folder = tmp_path_factory.mktemp("made") / "c"
    with create_local(folder, make_identity()) as collection:
        collection.put(
            [
                EmbeddedDocument(Document(f"d{i}", "t"), (Chunk(0, 0, 1),), VECTORS[i : i + 1])
                for i in range(len(VECTORS))
            ]
        )
        collection.rebuild(IndexChoice(IndexKind.SCAN, target_recall=0.8))
    return folder


@pytest.fixture(scope="module")
def rows(made: Path) -> Iterator[RowTable]:
    """Rows under a sealed index."""
    with open_local(made) as collection:
        yield engine_of(collection)._live.current


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The collection of those rows, this test's own."""
    return Path(shutil.copytree(made, tmp_path / "c"))


def wait_until(true: object, seconds: float = 20) -> None:
    """Until a callable is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.0005)


def count_of(watch: RecallWatch) -> int:
    """How many comparisons the estimate is made of."""
    recall = watch.estimate()
    return recall.queries if recall else 0


def show(watch: RecallWatch, rows: RowTable, wrong: int, count: int, seed: int = 3) -> None:
    """Offer answers of which so many of ten rows are others than the best."""
    for query in random_units(count, seed=seed):
        order = np.argsort(-(VECTORS @ query))
        own = np.concatenate([order[: 10 - wrong], order[3_000 : 3_000 + wrong]])
        scores = (VECTORS[own] @ query).astype(np.float32)
        seen = count_of(watch)
        watch.offer([Observation(rows, query, None, scores, own)])
        wait_until(lambda seen=seen: count_of(watch) != seen)


def test_exact_answers_count_as_full_recall(rows: RowTable) -> None:
    """Scores that equal the exact ones give recall 1, with an interval below it."""
    watch = RecallWatch(lambda _: None, rest=0)
    assert watch.estimate() is None
    show(watch, rows, 0, 30)
    recall = watch.estimate()
    watch.close()
    assert recall is not None
    assert recall.mean == 1.0
    assert 0.95 < recall.low < 1.0
    assert recall.queries == 30
    assert list(watch.situations()) == [Situation.SEALED]


@pytest.mark.parametrize(("wrong", "most"), [(10, 8), (5, 20), (3, 200)])
def test_a_fall_below_the_target_is_heard_once(rows: RowTable, wrong: int, most: int) -> None:
    """The less is found the sooner the watch calls; that situation then begins anew."""
    heard: list[Fall] = []
    watch = RecallWatch(heard.append, rest=0)
    for seed in range(most):
        show(watch, rows, wrong, 1, seed)
        if heard:
            break
    watch.close()
    assert len(heard) == 1
    assert heard[0].recall.mean == pytest.approx(1 - wrong / 10)
    assert heard[0].situation is Situation.SEALED
    assert watch.situations() == {}


def test_good_answers_before_are_no_excuse(rows: RowTable) -> None:
    """After hundreds of them a fall is heard as soon as from the beginning."""
    heard: list[Fall] = []
    watch = RecallWatch(heard.append, rest=0)
    show(watch, rows, 0, 300)
    show(watch, rows, 10, 8, seed=8)
    watch.close()
    assert len(heard) == 1


@pytest.mark.parametrize("target", [0.8, 0.99])
def test_what_reaches_the_target_is_never_accused(target: float) -> None:
    """Of 100 indexes whose recall is the target exactly, looked at 500 times, hardly one is."""
    accused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        case = Case()
        for _ in range(500):
            case.add(float(rng.binomial(10, target)) / 10, target)
            if case.is_lost:
                accused += 1
                break
    assert accused <= 5  # 0.05 a run are sure by theory: see ODDS


def test_an_index_that_is_to_find_nearly_all_and_finds_nothing_takes_five_looks() -> None:
    """The higher the target, the less a miss can be chance; five looks are the least."""
    case = Case()
    for _ in range(LEAST_QUERIES):
        assert not case.is_lost
        case.add(0.0, 0.99)
    assert case.is_lost


def test_of_rows_that_tie_any_will_do(rows: RowTable) -> None:
    """An answer that holds others of many copies misses nothing; one that holds worse ones does."""
    copies = np.repeat(VECTORS[:300], 20, axis=0)
    of_copies = replace(rows, vectors=copies)
    watch = RecallWatch(lambda _: None, rest=0)
    for count, wrong in enumerate((0, 5)):
        own = np.concatenate([np.arange(30 + wrong, 40), np.arange(wrong)])
        scores = (copies[own] @ copies[20]).astype(np.float32)
        watch.offer([Observation(of_copies, copies[20], None, scores, own)])
        wait_until(lambda count=count: count_of(watch) == count + 1)
    watch.close()
    assert watch.situations()[Situation.SEALED].mean == 0.75


def test_situations_are_judged_apart(rows: RowTable) -> None:
    """Under a filter nothing is found, and a thousand good answers without one hide it not."""
    heard: list[Fall] = []
    watch = RecallWatch(heard.append, rest=0)
    allowed = np.arange(len(VECTORS)) % 2 == 0
    members = np.flatnonzero(allowed)
    for count, query in enumerate(random_units(16, seed=5)):
        show(watch, rows, 0, 20, seed=count)
        if count % 2:
            far = members[np.argsort(VECTORS[members] @ query)[:10]]
            seen = count_of(watch)
            scores = (VECTORS[far] @ query).astype(np.float32)
            watch.offer([Observation(rows, query, allowed, scores, far)])
            wait_until(lambda seen=seen: count_of(watch) != seen)
    watch.close()
    assert [fall.situation for fall in heard] == [Situation.SEALED_FILTERED]
    assert watch.situations()[Situation.SEALED].mean == 1.0


def test_bands_are_judged_apart(rows: RowTable) -> None:
    """Among the best hundred much is missing, however good the best ten are."""
    heard: list[Fall] = []
    watch = RecallWatch(heard.append, rest=0)
    show(watch, rows, 0, 30)
    for query in random_units(60, seed=6):
        order = np.argsort(-(VECTORS @ query))
        own = np.concatenate([order[:60], order[3_000:3_040]])
        scores, seen = (VECTORS[own] @ query).astype(np.float32), count_of(watch)
        watch.offer([Observation(rows, query, None, scores, own, k=100)])
        wait_until(lambda seen=seen: count_of(watch) != seen)
        if heard:
            break
        assert watch.situations()["sealed@100"].mean == pytest.approx(0.6)
    recall = watch.estimate()
    watch.close()
    assert [fall.band for fall in heard] == [Band(100, filtered=False)]
    assert recall is not None
    assert recall.mean == watch.situations()["sealed"].mean == 1.0


def test_each_query_of_a_batch_may_be_looked_at(rows: RowTable) -> None:
    """One bad query among good ones is drawn sooner or later."""
    watch = RecallWatch(lambda _: None, rest=0)
    queries = random_units(4, seed=3)
    best = [np.argsort(-(VECTORS @ query))[:10] for query in queries]
    offers = [
        Observation(rows, query, None, (VECTORS[own] @ query).astype(np.float32), own)
        for query, own in zip(queries, best, strict=True)
    ]
    worst = np.argsort(VECTORS @ queries[3])[:10]
    scores = (VECTORS[worst] @ queries[3]).astype(np.float32)
    offers[3] = Observation(rows, queries[3], None, scores, worst)
    for count in range(1, 65):
        watch.offer(offers)
        wait_until(lambda count=count: count_of(watch) == count)
    recall = watch.estimate()
    watch.close()
    assert recall is not None
    assert 0.5 < recall.mean < 0.95


def test_a_busy_watch_takes_no_offers_and_costs_no_time(rows: RowTable) -> None:
    """While it rests, queries are passed over, and closing does not wait for the rest's end."""
    watch = RecallWatch(lambda _: None, rest=1e6)
    query = random_units(1)[0]
    for _ in range(50):
        ones = np.ones(10, dtype=np.float32)
        watch.offer([Observation(rows, query, None, ones, np.arange(10))])
        time.sleep(0.002)
    wait_until(watch.estimate)
    closer = threading.Thread(target=watch.close)
    closer.start()
    closer.join(20)
    assert not closer.is_alive()
    recall = watch.estimate()
    assert recall is not None
    assert recall.queries <= 2


def test_a_small_fall_is_answered_by_slower_search_and_a_great_one_by_distrust(
    rows: RowTable,
) -> None:
    """Slower parameters while there are some; where none are, or little is found, no index."""
    small, great = Recall(0.9, 0.85, 0.95, 10, 20), Recall(0.1, 0.0, 0.2, 10, 20)
    harder = after_fall(rows, Fall(rows, Situation.SEALED_FILTERED, small))
    assert harder.index is not None
    assert rows.index is not None
    band = Band(10, filtered=True)
    now, then = harder.index.efforts.measured, rows.index.efforts.measured
    assert now[band].params.rescore > then[band].params.rescore
    assert all(now[other] == then[other] for other in then if other != band)
    assert after_fall(rows, Fall(rows, Situation.SEALED, great)).compares_all
    while not harder.compares_all:
        harder = after_fall(harder, Fall(harder, Situation.SEALED, small))
    assert harder.index is not None
    assert harder.index.measured.params == INDEX_KINDS[IndexKind.SCAN].params_for(10)[-1]


def ask_until(collection: Collection, distrusted: list[str]) -> int:
    """Search by other vectors until an index is no longer trusted; how many searches it took."""
    rng, end = np.random.default_rng(1), time.monotonic() + 60
    for count in itertools.count(1):
        queries = normalise(rng.normal(size=(3, 16)))
        collection.search([Query(vector=query, k=10) for query in queries])
        if collection.describe().index["distrusted"] == distrusted:
            return count
        assert time.monotonic() < end, collection.describe().index
        time.sleep(0.005)
    raise AssertionError


def assert_right(collection: Collection) -> None:
    """Answers are the exact ones."""
    for query in random_units(20, seed=44):
        exact, other = collection.search(
            [Query(vector=query, k=10, exact=True), Query(vector=query, k=10)]
        )
        assert [hit.document.id for hit in other.hits] == [hit.document.id for hit in exact.hits]


LOW = Thresholds(gather_rows=64, delta_rows=1_000, unindexed_rows=10**6, unindexed_share=1e6)


def test_a_sealed_index_that_is_of_other_vectors_is_noticed(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says that its recall is good; once it is found out, rows are compared, until it is new."""
    place = folder / "generations" / "1"
    permuted = VECTORS[np.random.default_rng(0).permutation(len(VECTORS))]
    index_file.write(place, index_file.build((IndexKind.SCAN,), permuted, None, 0.8, LOW))
    with open_local(folder, thresholds=LOW) as collection:
        assert collection.describe().index["recall"] >= 0.8
        ask_until(collection, ["sealed"])
        assert "below the target of 0.8000: rows are compared one by one" in caplog.text
        assert_right(collection)
        (answer,) = collection.search([Query(vector=VECTORS[0], k=10)])
        assert answer.exact
        index = collection.rebuild().index
        assert (index["kind"], index["distrusted"]) == ("scan", [])
        (answer,) = collection.search([Query(vector=VECTORS[0], k=10)])
        assert not answer.exact
        assert answer.hits[0].document.id == "d0"


def test_an_index_over_late_rows_that_is_of_other_vectors_is_noticed(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It alone is dropped; the sealed one goes on, and unindexed rows are compared."""
    unindexed = random_units(3_000, seed=12)
    with open_local(folder, thresholds=LOW) as collection:
        collection.put(
            [
                EmbeddedDocument(Document(f"late{i}", "t"), (Chunk(0, 0, 1),), unindexed[i : i + 1])
                for i in range(len(unindexed))
            ]
        )
        wait_until(lambda: collection.describe().index["compared_rows"] == 0)
        broken = AnnIndex.build(IndexKind.SCAN, np.ascontiguousarray(unindexed[::-1]))
        quick = Efforts({FIRST: Measured(SearchParams(0, 50), Recall(1, 1, 1, 10, 1), 0.0)})
        engine_of(collection)._live.current = replace(
            engine_of(collection)._live.current, delta=Delta(broken, quick, broken.rows)
        )
        ask_until(collection, ["late"])
        assert "unindexed rows are compared one by one until the next sealing" in caplog.text
        assert collection.describe().index["compared_rows"] == 3_000
        hits = collection.search([Query(vector=unindexed[7], k=10)])[0].hits
        assert hits[0].document.id == "late7"


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))]
)
def test_a_sound_index_is_trusted(tmp_path: Path, seed: int) -> None:
    """Whatever is asked, under filters too, with unindexed rows and dead ones."""
    topical = make_topical(4_000, seed=seed)
    create_local(tmp_path / "t", make_identity(32)).close()
    choice = IndexChoice(IndexKind.SCAN, 0.9)
    with open_local(tmp_path / "t", choice, replace(LOW, delta_rows=500)) as collection:
        documents = [
            EmbeddedDocument(
                Document(f"d{i}", "t", None, {"topic": int(topical.topics[i])}),
                (Chunk(0, 0, 1),),
                topical.vectors[i : i + 1],
            )
            for i in range(4_000)
        ]
        collection.put(documents[:3_000])
        collection.rebuild()
        collection.put(documents[3_000:])
        collection.delete([f"d{i}" for i in range(0, 3_000, 7)])
        rng = np.random.default_rng(seed)
        condition = parse_filter({"topic": {"$lt": 3}})
        watched = 0
        while watched < 40:
            time.sleep(0.002)  # else nothing is left for the thread that compares
            topics = rng.integers(24, size=4)
            queries = around(topics, 0.12, rng)
            passing = condition if rng.random() < 0.5 else None
            collection.search([Query(vector=q, k=10, filter=passing) for q in queries])
            index = collection.describe().index
            assert index["distrusted"] == []
            watched = index["watched_queries"]


def test_parameters_get_slower_until_none_are_left(rows: RowTable) -> None:
    """Each step is the next of the index's kind; after the last there is none."""
    assert rows.index is not None
    search_params = []
    step = rows.index
    while (better := index_file.searched_harder(step)) is not None:
        assert better.measured.params.rescore > step.measured.params.rescore
        search_params.append(better.measured.params)
        step = better
    assert search_params
    assert step.index is rows.index.index


def test_a_collection_tells_what_was_watched(folder: Path) -> None:
    """Real searches feed the estimate that the description shows."""
    with open_local(folder) as collection:
        assert collection.describe().index["watched_queries"] == 0
        for query in random_units(3, seed=9):
            assert len(collection.search([Query(vector=query, k=10)])[0].hits) == 10
        wait_until(lambda: collection.describe().index["watched_queries"])
        index = collection.describe().index
        assert 0 <= index["watched_recall"] <= 1
        assert index["kind"] == "scan"


def test_the_warning_says_its_k(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged when real queries find too little is recall@10."""
    with open_local(folder) as collection:
        little, live = Recall(0.1, 0.0, 0.2, 10, 20), engine_of(collection)._live
        live._heed(Fall(live.current, Situation.SEALED, little))
    assert "recall@10 of real queries (sealed) is 0.1000" in caplog.text
