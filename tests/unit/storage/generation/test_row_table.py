"""The rows in memory follow the store, and what a search has in hand stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from local import create_local, engine_of, open_local
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.index_choice import IndexChoice, IndexKind
from indexer.storage.generation.row_table import RowTable
from indexer.storage.vector_file import BLOCK_ROWS, VectorFile
from indexer.thresholds import Thresholds


def put(collection: Collection, first: int, count: int, seed: int = 0) -> RowTable:
    """Documents of one row each; the rows then."""
    vectors = random_units(count, seed=seed or first)
    collection.put(
        [
            EmbeddedDocument(Document(f"d{first + i}", "t"), (Chunk(0, 0, 1),), vectors[i : i + 1])
            for i in range(count)
        ]
    )
    return engine_of(collection)._live.newest()


def state_of(rows: RowTable) -> tuple[bytes, bytes, bytes, bytes | None]:
    """Everything that a search reads of rows."""
    live = None if rows.live is None else rows.live.tobytes()
    return rows.owners.tobytes(), rows.spans.tobytes(), rows.vectors.tobytes(), live


def test_rows_in_hand_stay_as_they_were(tmp_path: Path) -> None:
    """Whatever is put, replaced or deleted later, earlier rows do not change."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        seen: list[tuple[RowTable, object]] = []
        for step in range(6):
            seen.append((rows := put(collection, 900 * step, 900), state_of(rows)))
            if step % 2:
                collection.delete([f"d{900 * step + i}" for i in range(3)])
                seen.append((rows := engine_of(collection)._live.newest(), state_of(rows)))
                seen.append((rows := put(collection, 5, 2, seed=77 + step), state_of(rows)))
        assert all(state_of(rows) == before for rows, before in seen)
        with open_local(tmp_path / "c") as other:
            assert state_of(engine_of(other)._live.current) == state_of(seen[-1][0])


def test_rows_that_come_copy_nothing(tmp_path: Path) -> None:
    """Owners and vectors of known rows are the same memory as long as there is room."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        put(collection, 0, 500)
        before = put(collection, 500, 100)
        collection.delete(["d7"])
        marked = put(collection, 600, 100)
        after = put(collection, 700, BLOCK_ROWS // 2)
    assert np.shares_memory(before.vectors, after.vectors)
    assert np.shares_memory(marked.owners, after.owners)
    assert marked.live is not None
    assert after.live is not None
    assert np.shares_memory(marked.live, after.live)
    assert np.flatnonzero(~after.live).tolist() == [7]


def test_a_map_has_room_for_rows_that_come(tmp_path: Path) -> None:
    """A view of more rows serves itself of the map that there is, until that has no room."""
    (path := tmp_path / "v").touch()
    file = VectorFile(path, DIMENSION)
    whole = random_units(4 * BLOCK_ROWS)
    file.append(0, whole[:100])
    first = file.view(100)
    file.append(100, whole[100:BLOCK_ROWS])
    second = file.view(BLOCK_ROWS, first)
    file.append(BLOCK_ROWS, whole[BLOCK_ROWS:])
    third = file.view(len(whole), second)
    assert np.shares_memory(first, second)
    assert not np.shares_memory(second, third)
    for view in (first, second, third):
        np.testing.assert_array_equal(view, whole[: len(view)])
        assert not view.flags.writeable


def test_a_delta_index_that_grows_finds_as_much(tmp_path: Path) -> None:
    """It is measured anew only when it has grown much; in between it is searched harder."""
    few = Thresholds(
        gather_rows=64, delta_rows=400, delta_rescore=60, unindexed_rows=10**6, unindexed_share=1e6
    )
    vectors, asked, target = random_units(5_000, seed=3), random_units(50, seed=4), 0.95
    measured, effort = [], []
    with create_local(tmp_path / "c", make_identity(), thresholds=few) as collection:
        live = engine_of(collection)._live
        put(collection, 0, 2_000)
        collection.rebuild(IndexChoice(IndexKind.SCAN, target))
        for first in range(2_000, len(vectors), 500):
            put(collection, first, 500)
            live._delta_builder.wait()
            rows = live.current
            assert rows.delta is not None
            assert rows.compared == 0
            measured.append(rows.delta.measured_rows)
            effort.append(rows.delta.layer(10, filtered=False).params.rescore)
            found = [own for _, own in rows.nearest(asked, 10, None, exact=False)]
            exact = np.argsort(-(asked @ rows.vectors.T), axis=1)[:, :10]
            hits = [len(np.intersect1d(*pair)) / 10 for pair in zip(found, exact, strict=True)]
            assert np.mean(hits) >= target
    assert measured == [500, 500, 1_500, 1_500, 1_500, 1_500]
    assert effort[1] == 2 * effort[0]
    assert effort[5] > effort[4] > effort[3] > effort[2]
