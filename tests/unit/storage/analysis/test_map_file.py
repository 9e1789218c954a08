"""The map that a collection keeps: drawn when somebody looks, one process at a time, never lost."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from local import create_local, open_local
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.errors import StorageFailed
from indexer.reports import Map, MapState, Step
from indexer.storage.analysis import map_file

WAIT_SECONDS = 60


def put(collection: Collection, first: int, count: int, **metadata: object) -> None:
    """Documents of one chunk each."""
    vectors = random_units(count, seed=first)
    collection.put(
        [
            EmbeddedDocument(
                Document(f"d{first + i}", f"text {first + i}", metadata=metadata),
                (Chunk(0, 0, 1),),
                vectors[i : i + 1],
            )
            for i in range(count)
        ]
    )


def ignore(_: Step) -> None:
    """Progress."""


def wait_for(collection: Collection, state: MapState = MapState.READY) -> Map:
    """The map, once it is in a state."""
    return wait_until(collection.map, lambda found: found.state is state)


def wait_until(look: Callable[[], Map], is_there: Callable[[Map], bool]) -> Map:
    """What is seen once it is as wished."""
    end = time.monotonic() + WAIT_SECONDS
    while not is_there(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of 300 documents without a map, to be copied."""
    folder = tmp_path_factory.mktemp("made") / "c"
    with create_local(folder, make_identity()) as collection:
        put(collection, 0, 300)
    return folder


@pytest.fixture(scope="module")
def made_and_drawn(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a map, to be copied."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("drawn") / "c"))
    with open_local(folder) as collection:
        collection.draw_map(ignore)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A collection of 300 documents without a map."""
    return Path(shutil.copytree(made, tmp_path / "c"))


@pytest.fixture
def drawn(made_and_drawn: Path, tmp_path: Path) -> Path:
    """The same with a map."""
    return Path(shutil.copytree(made_and_drawn, tmp_path / "c"))


@pytest.fixture
def collection(folder: Path) -> Iterator[Collection]:
    """The collection without a map, open."""
    with open_local(folder) as opened:
        yield opened


def test_a_damaged_map_is_reported_and_drawn_anew(
    drawn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost with it: it is derived, and drawn anew it is the same."""
    file = drawn / map_file.FILE
    before = map_file.read(drawn)[0]
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    file.write_bytes(bytes(flipped))
    with caplog.at_level(logging.WARNING), open_local(drawn) as collection:
        assert collection.map().state is MapState.BUILDING
        assert len(wait_for(collection).ids) == 300
    assert "drawn anew" in caplog.text
    after = map_file.read(drawn)[0]
    assert before is not None and after is not None
    assert np.array_equal(before.places, after.places)


@pytest.mark.parametrize("left", [b"", b"x" * 40, None])
def test_without_a_whole_file_there_is_no_map(
    drawn: Path, caplog: pytest.LogCaptureFixture, left: bytes | None
) -> None:
    """Where it is empty, another's or gone, who looks hears that a map is being drawn."""
    file = drawn / map_file.FILE
    with caplog.at_level(logging.WARNING), open_local(drawn) as collection:
        assert collection.map().state is MapState.READY
        if left is None:
            file.unlink()
        else:
            file.write_bytes(left)
        found = collection.map()
    assert (found.state, len(found.ids), found.late) == (MapState.BUILDING, 0, 300)
    assert ("drawn anew" in caplog.text) is (left is not None)


def test_a_map_of_another_store_is_not_shown(drawn: Path, tmp_path: Path) -> None:
    """Though it lies where the collection's own would; that takes its place."""
    with create_local(tmp_path / "other", make_identity()) as other:
        put(other, 0, 30)
        (tmp_path / "other" / map_file.FILE).write_bytes((drawn / map_file.FILE).read_bytes())
        assert len(other.draw_map(ignore).ids) == 30
        (tmp_path / "other" / map_file.FILE).write_bytes((drawn / map_file.FILE).read_bytes())
        found = other.map()
        assert (found.state, len(found.ids), found.late) == (MapState.BUILDING, 0, 30)


def test_a_process_that_is_killed_leaves_the_last_map(drawn: Path) -> None:
    """And another draws: nothing is in its way."""
    with open_local(drawn) as collection:
        put(collection, 300, 100)
        assert collection.map().state is MapState.STALE
        draughtsman = wait_for_draughtsman()
        os.kill(draughtsman, signal.SIGKILL)
        found = collection.map()
        assert found.state is MapState.STALE
        assert len(found.ids) == 300
    left = map_file.read(drawn)[0]
    assert left is not None and len(left.numbers) == 300
    with open_local(drawn) as collection:
        assert len(collection.draw_map(ignore).ids) == 400


def wait_for_draughtsman() -> int:
    """The process that draws, which this one has started."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        for children in Path("/proc/self/task").glob("*/children"):
            for child in children.read_text().split():
                with suppress(FileNotFoundError):
                    if b"draw_job" in Path(f"/proc/{child}/cmdline").read_bytes():
                        return int(child)
        time.sleep(0.01)
    raise AssertionError("no process draws")


def test_closing_does_not_wait_for_a_map(folder: Path) -> None:
    """The process that draws ends with the collection, and has written nothing by halves."""
    with open_local(folder) as collection:
        put(collection, 300, 1_000)
        collection.map()
        process = wait_for_draughtsman()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    found = map_file.read(folder)[0]
    assert found is None or len(found.numbers) == 1_300


def test_a_map_survives_being_compacted(drawn: Path) -> None:
    """Places are of documents, not of rows; what is not changed need not be drawn again."""
    with open_local(drawn) as collection:
        collection.delete(["d5"])
        before = collection.map()
        collection.compact()
        found = collection.map()
        assert found.state is MapState.READY
        assert found.ids == before.ids
        assert np.array_equal(found.places, before.places)


def test_any_first_documents_are_a_fair_sample(drawn: Path) -> None:
    """Their order has nothing to do with the order in which they came."""
    with open_local(drawn) as collection:
        numbers = [int(id[1:]) for id in collection.map().ids]
    for part in (numbers[:100], numbers[100:200], numbers[200:]):
        assert 100 < np.mean(part) < 200


def test_a_folder_that_may_not_be_written_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the lock cannot be had, no map is drawn, and the reason is told."""
    (folder / map_file.LOCK).mkdir()
    with (
        open_local(folder) as collection,
        pytest.raises(StorageFailed, match="cannot write"),
    ):
        wait_for(collection)
    assert "no map was drawn" in caplog.text


def test_the_least_value_of_a_list_stands_for_it(folder: Path) -> None:
    """Of each kind of value a column gives what was stored."""
    values = {"d0": ["b", "a"], "d1": True, "d2": None, "d3": 2.5, "d4": []}
    with open_local(folder) as collection:
        collection.amend(
            [Document(id, f"text {id[1:]}", metadata={"f": one}) for id, one in values.items()]
        )
        found = collection.column("f")
        assert found == {"d0": "a", "d1": True, "d2": None, "d3": 2.5}
        assert found["d1"] is True
        assert collection.column("nothing") == {}


def test_a_step_is_read_only_while_it_is_drawn(drawn: Path) -> None:
    """What a process that died was at is not told as progress."""
    (drawn / map_file.LOCK).write_text(json.dumps({"name": "places", "done": 3, "total": 9}))
    with open_local(drawn) as collection:
        assert collection.map().progress is None
