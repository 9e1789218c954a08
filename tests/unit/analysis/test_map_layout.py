"""A collection on a plane: all of it, as it is now, and what of its neighbourhoods it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from local import create_local, engine_of
from samples import make_identity

from indexer.analysis.map_drawing import Drawing
from indexer.analysis.map_layout import Sizes, draw
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.reports import Map, Step
from indexer.storage.analysis.map_subject import RowMeans, subject_of
from indexer.storage.generation.row_table import load_rows

GROUPS = ("heart blood", "wing lift", "star orbit", "stock price")


def grouped(count: int, seed: int = 0) -> Vectors:
    """Rows around four directions, each of a group by its place."""
    rng = np.random.default_rng(seed)
    directions = np.eye(16)[: len(GROUPS)] * 8
    return normalise(directions[np.arange(count) % len(GROUPS)] + rng.normal(size=(count, 16)))


def put(collection: Collection, vectors: Vectors, first: int = 0) -> None:
    """A document of one chunk for each row, about what its group is about."""
    collection.put(
        [
            EmbeddedDocument(
                Document(f"d{i}", f"the {GROUPS[i % len(GROUPS)]} of number {i}"),
                (Chunk(0, 0, 1),),
                vectors[i - first : i - first + 1],
            )
            for i in range(first, first + len(vectors))
        ]
    )


def ignore(_: Step) -> None:
    """Progress."""


def by_id(found: Map) -> dict[str, np.ndarray]:
    """Where each document is."""
    return dict(zip(found.ids, found.places, strict=True))


def shares_kept(vectors: Vectors, places: Sequence[np.ndarray], k: int) -> np.ndarray:
    """Of each row, the share of its k nearest by cosine that are of its k nearest on the plane."""
    cosines = vectors.astype(np.float64) @ vectors.T
    squares = np.square(np.array(places)[:, None] - np.array(places)[None]).sum(axis=2)
    np.fill_diagonal(cosines, -np.inf)
    np.fill_diagonal(squares, np.inf)
    near, beside = np.argsort(-cosines)[:, :k], np.argsort(squares)[:, :k]
    return np.array([len(set(a) & set(b)) / k for a, b in zip(near, beside, strict=True)])


def draw_with(collection: Collection, sizes: Sizes) -> Drawing:
    """What is drawn of a collection; row i is of its i-th document."""
    engine = engine_of(collection)
    return draw(subject_of(engine._folder, engine._store, None), None, ignore, sizes=sizes)


@pytest.fixture
def collection(tmp_path: Path):
    """A collection without documents."""
    with create_local(tmp_path / "c", make_identity()) as made:
        yield made


def test_the_share_of_neighbours_kept_is_the_true_one(collection: Collection) -> None:
    """Of few documents it is measured on all, and is what all pairs give."""
    vectors = grouped(300)
    put(collection, vectors)
    found = collection.draw_map(ignore)
    places = by_id(found)
    truth = shares_kept(vectors, [places[f"d{i}"] for i in range(300)], 10).mean()
    assert found.kept is not None
    assert found.kept.mean == pytest.approx(truth, abs=0.005)
    assert (found.kept.k, found.kept.documents) == (10, 300)
    assert found.kept.low == found.kept.mean == found.kept.high
    assert truth > 0.3


def test_of_many_documents_the_share_is_estimated_with_an_interval(
    collection: Collection,
) -> None:
    """Which holds the true one."""
    vectors = grouped(600)
    put(collection, vectors)
    drawn = draw_with(collection, Sizes(measured=150))
    truth = shares_kept(vectors, list(drawn.places), 10).mean()
    assert drawn.kept is not None
    assert drawn.kept.documents == 150
    assert drawn.kept.low < truth < drawn.kept.high
    assert drawn.kept.high - drawn.kept.low < 0.15


def test_a_map_whose_neighbours_an_index_finds_keeps_as_many(collection: Collection) -> None:
    """All pairs give 0.37 of them, and neighbours at random 0.02."""
    put(collection, grouped(640))
    drawn = draw_with(collection, Sizes(indexed=640))
    assert drawn.kept is not None
    assert drawn.kept.mean > 0.3


def test_new_documents_are_placed_among_their_neighbours(collection: Collection) -> None:
    """The others stay where they are, and the map says that these were only placed."""
    vectors = grouped(460)
    put(collection, vectors[:400])
    before = by_id(collection.draw_map(ignore))
    put(collection, vectors[400:], first=400)
    found = collection.draw_map(ignore)
    after = by_id(found)
    assert all(np.array_equal(after[id], before[id]) for id in before)
    assert (len(after), found.fitted, found.late) == (460, 400, 0)
    known = np.array([after[f"d{i}"] for i in range(400)])
    for i in range(400, 460):
        beside = np.argsort(np.square(known - after[f"d{i}"]).sum(axis=1))[:5]
        assert np.mean(beside % len(GROUPS) == i % len(GROUPS)) > 0.5
    kept = shares_kept(vectors, [after[f"d{i}"] for i in range(460)], 10)
    assert kept[400:].mean() > 0.6 * kept[:400].mean()


def test_many_new_documents_let_all_be_drawn_again(collection: Collection) -> None:
    """Beginning from where they were, so that the map is turned neither round nor over."""
    vectors = grouped(320)
    put(collection, vectors[:160])
    before = by_id(collection.draw_map(ignore))
    put(collection, vectors[160:], first=160)
    found = collection.draw_map(ignore)
    assert found.fitted == 320
    after = by_id(found)
    old = np.array([before[f"d{i}"] for i in range(160)])
    new = np.array([after[f"d{i}"] for i in range(160)])
    for axis in (0, 1):
        assert np.corrcoef(old[:, axis], new[:, axis])[0, 1] > 0.5


def test_a_document_that_changed_moves_and_one_that_is_gone_is_left_out(
    collection: Collection,
) -> None:
    """Also before the map is drawn again those that are gone are not on it."""
    put(collection, grouped(200))
    before = by_id(collection.draw_map(ignore))
    collection.delete(["d7"])
    turned = grouped(200)[1:2]
    changed = Document("d0", "another text")
    collection.put([EmbeddedDocument(changed, (Chunk(0, 0, 1),), turned)])
    assert "d7" not in collection.map().ids
    after = by_id(collection.draw_map(ignore))
    assert "d7" not in after
    assert len(after) == 199
    known = np.array([after[f"d{i}"] for i in range(1, 200) if i != 7])
    beside = int(np.argsort(np.square(known - after["d0"]).sum(axis=1))[0])
    groups = [i % len(GROUPS) for i in range(1, 200) if i != 7]
    assert groups[beside] == 1
    assert not np.array_equal(after["d0"], before["d0"])


def test_too_many_for_one_layout_are_placed_among_a_sample(collection: Collection) -> None:
    """All are on the map."""
    put(collection, grouped(400))
    drawn = draw_with(collection, Sizes(fitted=120))
    assert len(drawn.numbers) == 400
    assert np.count_nonzero(drawn.fitted) == 120
    squares = np.square(drawn.places[:, None] - drawn.places[None]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    groups = np.arange(400) % len(GROUPS)
    assert np.mean(groups[np.argmin(squares, axis=1)] == groups) > 0.9


def test_the_same_documents_give_the_same_map(tmp_path: Path) -> None:
    """In another collection too, but for what they are called inside."""
    found = []
    for name in ("a", "b"):
        with create_local(tmp_path / name, make_identity()) as collection:
            put(collection, grouped(150))
            found.append(collection.draw_map(ignore))
    assert found[0].ids == found[1].ids
    assert np.array_equal(found[0].places, found[1].places)
    assert np.array_equal(found[0].clusters, found[1].clusters)
    assert found[0].labels == found[1].labels


def test_clusters_are_labelled_by_the_words_that_mark_them(collection: Collection) -> None:
    """As their documents spell them, and without words that all have; counts are of documents."""
    put(collection, grouped(200))
    found = collection.draw_map(ignore)
    assert sum(one.documents for one in found.labels) == 200
    labels = {frozenset(one.words[:2]) for one in found.labels}
    assert labels == {frozenset(group.split()) for group in GROUPS}
    for place, one in enumerate(found.labels):
        assert one.documents == np.count_nonzero(found.clusters == place)
        assert -1 <= one.x <= 1 and -1 <= one.y <= 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 17])
def test_few_documents_have_a_map_too(collection: Collection, count: int) -> None:
    """Of which it may be too early to say what it is worth."""
    if count:
        put(collection, grouped(count))
    found = collection.draw_map(ignore)
    assert len(found.ids) == count == len(found.places)
    assert np.isfinite(found.places).all()
    assert (found.kept is None) == (count < 5)


def test_a_document_is_where_the_mean_of_its_chunks_is(collection: Collection) -> None:
    """Of unit length; where they cancel out, the first stands for it."""
    vectors, chunks = grouped(7), tuple(Chunk(i, i, i + 1) for i in range(3))
    collection.put(
        [
            EmbeddedDocument(Document("long", "t"), chunks[:3], vectors[:3]),
            EmbeddedDocument(Document("short", "t"), chunks[:1], vectors[3:4]),
            EmbeddedDocument(Document("torn", "t"), chunks[:2], np.outer([1, -1], vectors[4])),
        ]
    )
    collection.put([EmbeddedDocument(Document("short", "u"), (Chunk(0, 0, 1),), vectors[5:6])])
    with engine_of(collection)._store.reading() as snapshot:
        means = RowMeans(load_rows(engine_of(collection)._folder, snapshot, None))
    expected = normalise(vectors[:3].mean(axis=0)[None])
    found = means.of(np.arange(3))
    assert found[0] == pytest.approx(expected[0], abs=1e-6)
    assert found[1] == pytest.approx(vectors[5])
    assert found[2] == pytest.approx(vectors[4])
    assert means.of(np.array([2, 0]))[1] == pytest.approx(expected[0], abs=1e-6)
