"""One state of a local collection, where what is in memory and on disk could show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local import create_local, engine_of
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import InvalidQuery
from indexer.storage.query.filter_cache import FEW_UNKNOWN


def fill(collection: Collection, count: int) -> None:
    """Documents of one chunk each."""
    vectors = random_units(count)
    collection.put(
        [
            EmbeddedDocument(Document(f"d{i}", "t"), (Chunk(0, 0, 1),), vectors[i : i + 1])
            for i in range(count)
        ]
    )


def test_a_sample_is_of_living_rows_and_always_the_same(tmp_path: Path) -> None:
    """Without replacement, also where most rows are of no document."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 500)
        collection.delete([f"d{i}" for i in range(400)])
        with engine_of(collection).reading() as state:
            for count in (20, 60, 1_000):
                drawn, same = state.sample(count, 5), state.sample(count, 5)
                assert len(set(drawn.keys.tolist())) == len(drawn.keys) == min(count, 100)
                ids = state.ids(drawn.keys.tolist())
                assert {ids[key] for key in drawn.keys.tolist()} <= {
                    f"d{i}" for i in range(400, 500)
                }
                np.testing.assert_array_equal(drawn.vectors, same.vectors)


def test_a_scan_is_of_living_rows(tmp_path: Path) -> None:
    """Every one once, in parts of any size."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 300)
        collection.delete([f"d{i}" for i in range(0, 300, 3)])
        with engine_of(collection).reading() as state:
            keys = np.concatenate([part.keys for part in state.scan(64)])
            assert len(keys) == len(set(keys.tolist())) == 200


@pytest.mark.parametrize("token", ["", "x", "-1", "1e3", "٣", "9" * 11])
def test_a_token_that_was_never_given_is_refused(tmp_path: Path, token: str) -> None:
    """Whatever a forged cursor holds."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 3)
        with engine_of(collection).reading() as state, pytest.raises(InvalidQuery):
            state.scope(None, (), token)


def test_keys_of_no_document_cost_nothing(tmp_path: Path) -> None:
    """However large a forged cursor says they are."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, 3)
        with engine_of(collection).reading() as state:
            scope = state.scope(None, [2**32 - 1, -5, 1], state.token)
            assert scope.total == 2
            (found,) = state.nearest(random_units(1), 5, scope, exact=True)
            assert [one.key for one in found if one.key == 1] == []
            assert len(found) == 2


@pytest.mark.parametrize("unknown", [0, 3, FEW_UNKNOWN, FEW_UNKNOWN + 1])
def test_chunks_of_no_known_word_are_those_that_say_so(tmp_path: Path, unknown: int) -> None:
    """However many there are; documents that are replaced or gone no longer count."""
    count = unknown + 4
    vectors = random_units(2 * count)
    documents = [
        EmbeddedDocument(
            Document(f"d{i}", "ab"),
            (Chunk(0, 0, 1), Chunk(1, 1, 2, unknown=i < unknown)),
            vectors[2 * i : 2 * i + 2],
        )
        for i in range(count)
    ]
    with create_local(tmp_path / "c", make_identity()) as collection:
        collection.put(documents)
        collection.delete(["d1"])
        collection.put([replace(documents[2], chunks=(Chunk(0, 0, 1), Chunk(1, 1, 2)))])
        with engine_of(collection).reading() as state:
            asked = list(state.keys(f"d{i}" for i in (0, 1, 2, count - 1)).values())
            silent = {
                chunk
                for own in state.chunks(asked).values()
                for chunk, place in own
                if place.unknown
            }
            assert state.unknown_chunks(asked) == silent
            assert len(silent) == min(unknown, 1)
