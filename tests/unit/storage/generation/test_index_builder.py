"""When an index is sealed, and what of a collection's promises survives it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from local import create_local, engine_of, open_local
from samples import make_identity, random_units

from indexer.background_task import NICENESS
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.errors import Damaged, InvalidInput
from indexer.filters import parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.queries import Query
from indexer.subprocess_job import command
from indexer.thresholds import DEFAULT, Thresholds

FEW = Thresholds(
    least_rows=500, subprocess_rows=2_000, unindexed_rows=1_000, delta_rows=500, gather_rows=250
)
"""As by default, at a tenth of the rows or fewer; the least at half of them."""

FIRST_ROWS = 1_000
APART_ROWS, LATE_ROWS, UNCOVERED_ROWS = FEW.subprocess_rows, FEW.unindexed_rows, FEW.delta_rows
SCAN = IndexChoice(IndexKind.SCAN, target_recall=0.9)


def put(collection: Collection, vectors: Vectors, first: int = 0) -> None:
    """Documents with their number as metadata."""
    collection.put(
        [
            EmbeddedDocument(
                Document(f"d{first + i}", "text", None, {"n": first + i}),
                (Chunk(0, 0, 4),),
                vectors[i : i + 1],
            )
            for i in range(len(vectors))
        ]
    )


def index_of(collection: Collection) -> dict[str, object]:
    """What the collection says of its index."""
    return dict(collection.describe().index)


def wait_for(collection: Collection, rows: int) -> None:
    """Until an index over so many rows is in place."""
    end = time.monotonic() + 60
    while index_of(collection).get("rows") != rows or index_of(collection)["kind"] == "exact":
        assert time.monotonic() < end, index_of(collection)
        time.sleep(0.02)


def test_late_rows_are_sealed_in_the_background(tmp_path: Path) -> None:
    """Once enough rows came, an index appears by itself, and takes in what comes later."""
    vectors = random_units(LATE_ROWS + 500)
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, vectors[: LATE_ROWS - 1])
        collection.rebuild(SCAN)
        assert index_of(collection)["rows"] == LATE_ROWS - 1
        put(collection, vectors[LATE_ROWS - 1 :], LATE_ROWS - 1)
        assert index_of(collection)["late_rows"] == 501
        put(collection, random_units(LATE_ROWS, seed=5), len(vectors))
        wait_for(collection, len(vectors) + LATE_ROWS)
        for row in (0, LATE_ROWS, len(vectors) - 1):
            hit = collection.search([Query(vector=vectors[row], k=1)])[0].hits[0]
            assert (hit.document.id, round(hit.score, 5)) == (f"d{row}", 1.0)


def test_late_rows_are_compared_one_by_one_only_while_they_are_few(tmp_path: Path) -> None:
    """Before they are sealed, an index in memory takes them in, and each is found as before."""
    vectors = random_units(FIRST_ROWS + 3 * UNCOVERED_ROWS)
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, vectors[:FIRST_ROWS])
        collection.rebuild(SCAN)
        with collection.writing("fill"):
            for start in range(FIRST_ROWS, len(vectors), UNCOVERED_ROWS // 2):
                put(collection, vectors[start : start + UNCOVERED_ROWS // 2], start)
                end = time.monotonic() + 60
                while int(str(index_of(collection)["compared_rows"])) >= UNCOVERED_ROWS:
                    collection.search([Query(vector=vectors[0], k=1)])
                    assert time.monotonic() < end, index_of(collection)
            unindexed = len(vectors) - FIRST_ROWS
            assert index_of(collection)["late_rows"] == unindexed
            for row in (0, FIRST_ROWS, FIRST_ROWS + UNCOVERED_ROWS, len(vectors) - 1):
                hit = collection.search([Query(vector=vectors[row], k=1)])[0].hits[0]
                assert (hit.document.id, round(hit.score, 5)) == (f"d{row}", 1.0)
        wait_for(collection, len(vectors))
        assert index_of(collection)["compared_rows"] == 0


def test_a_bulk_write_is_sealed_at_its_end(tmp_path: Path) -> None:
    """While the right to write is held, nothing is sealed; then all of it at once."""
    choice = IndexChoice(IndexKind.SCAN, 0.9)
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW):
        pass
    with open_local(tmp_path / "c", choice, FEW) as collection:
        with collection.writing("fill"):
            for start in range(0, 3 * LATE_ROWS, LATE_ROWS):
                put(collection, random_units(LATE_ROWS, seed=start), start)
            assert index_of(collection)["kind"] == "exact"
        wait_for(collection, 3 * LATE_ROWS)


def test_the_choice_outlives_the_process(tmp_path: Path) -> None:
    """What rebuild was told holds when the collection is opened again, and can be taken back."""
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, random_units(1_500))
        assert collection.rebuild(SCAN).index["kind"] == "scan"
    with open_local(tmp_path / "c", IndexChoice(IndexKind.EXACT)) as collection:
        assert index_of(collection)["kind"] == "scan"
        assert collection.rebuild().index["kind"] == "scan"
        assert collection.rebuild(IndexChoice(IndexKind.EXACT)).index["kind"] == "exact"
    with open_local(tmp_path / "c") as collection:
        assert index_of(collection)["kind"] == "exact"
        assert list((tmp_path / "c").rglob("*.faiss")) == []


def test_a_damaged_choice_says_what_to_do(tmp_path: Path) -> None:
    """A file that does not say which index to keep is named."""
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW):
        pass
    (tmp_path / "c" / "index.json").write_text('{"kind": "magic"}')
    with pytest.raises(Damaged, match=r"index\.json.*bearing rebuild"):
        open_local(tmp_path / "c")


def test_memory_that_is_too_small_is_refused_with_the_need(tmp_path: Path) -> None:
    """A budget below every kind's need names the need."""
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, random_units(1_500))
        with pytest.raises(InvalidInput, match="more than the budget of 100 B"):
            collection.rebuild(IndexChoice(IndexKind.SCAN, 0.9, memory_bytes=100))


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of 1,500 documents under an index, to be copied."""
    folder = tmp_path_factory.mktemp("sealed") / "c"
    with create_local(folder, make_identity(), thresholds=FEW) as collection:
        put(collection, random_units(1_500))
        collection.rebuild(SCAN)
    return folder


@pytest.mark.parametrize("harm", ["flip", "cut", "delete", "describe", "foreign"])
def test_a_damaged_index_is_left_out_and_built_again(
    sealed: Path, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An index is derived: whatever becomes of its files, answers stay right."""
    vectors = random_units(1_500)
    shutil.copytree(sealed, tmp_path / "c")
    place = tmp_path / "c" / "generations" / "1"
    (file,) = place.glob("*.faiss")
    data = bytearray(file.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif harm == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif harm == "delete":
        file.unlink()
    elif harm == "describe":
        (place / "sealed.json").write_text("{]")
    else:
        (place / "sealed.json").write_text('{"format": 99}')
    with open_local(tmp_path / "c") as collection:
        assert index_of(collection)["kind"] == "exact"
        assert "rows are scanned until rebuilt" in caplog.text
        hits = collection.search([Query(vector=vectors[7], k=3)])[0].hits
        assert hits[0].document.id == "d7"
        assert collection.rebuild().index["kind"] == "scan"


def test_deleted_rows_never_come_back_through_the_index(tmp_path: Path) -> None:
    """What was deleted or replaced after sealing is in no answer, and k hits still come."""
    vectors = random_units(1_900)
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, vectors)
        collection.rebuild(SCAN)
        near = collection.search([Query(vector=vectors[0], k=300)])[0].hits
        gone = [hit.document.id for hit in near[:150]]
        assert collection.delete(gone) == 150
        hits = collection.search([Query(vector=vectors[0], k=300)])[0].hits
        assert len(hits) == 300
        assert not {hit.document.id for hit in hits} & set(gone)
        for condition in ({"n": {"$lt": 1_800}}, {"n": {"$lt": 40}}):
            passing = parse_filter(condition)
            approximate = collection.search([Query(vector=vectors[1], k=30, filter=passing)])[0]
            exact = collection.search([Query(vector=vectors[1], k=30, filter=passing, exact=True)])[
                0
            ]
            assert exact.exact
            assert not approximate.exact
            assert len(approximate.hits) == len(exact.hits) == 30
            np.testing.assert_allclose(
                [hit.score for hit in approximate.hits][:5],
                [hit.score for hit in exact.hits][:5],
                atol=0.05,
            )


def test_searches_go_on_while_an_index_is_rebuilt(tmp_path: Path) -> None:
    """Every search during several rebuilds is answered in full."""
    vectors = random_units(1_900)
    counts: list[int] = []
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, vectors)
        done = threading.Event()

        def search() -> None:
            while not done.wait(0.01):  # else nothing is left for the threads that give way
                counts.append(len(collection.search([Query(vector=vectors[3], k=20)])[0].hits))

        threads = [threading.Thread(target=search) for _ in range(2)]
        for thread in threads:
            thread.start()
        for kind in (IndexKind.SCAN, IndexKind.GRAPH, IndexKind.PARTITIONED):
            assert collection.rebuild(IndexChoice(kind, 0.8)).index["kind"] == kind
        done.set()
        for thread in threads:
            thread.join()
    assert set(counts) == {20}


def niceness_of_all() -> list[int]:
    """The priorities of all threads of this process and of those that it started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # processes end at any moment, any that there are
            for stat in place.glob("task/[0-9]*/stat"):
                fields = stat.read_text().rpartition(")")[2].split()
                process, parent, nice = int(stat.parts[2]), int(fields[1]), int(fields[16])
                if os.getpid() in (process, parent):
                    found.append(nice)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
@pytest.mark.parametrize("rows", [APART_ROWS // 2, APART_ROWS])
def test_sealing_gives_way_and_the_caller_keeps_its_priority(tmp_path: Path, rows: int) -> None:
    """Few rows or many, whoever seals them has less priority than others while it does."""
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            seen.update(niceness_of_all())

    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, random_units(rows))
        looking = threading.Thread(target=look)
        looking.start()
        collection.rebuild(IndexChoice(IndexKind.GRAPH, 0.9))
        done.set()
        looking.join()
        assert index_of(collection)["rows"] == rows
    assert max(seen) == max(mine, NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


def test_many_rows_are_sealed_in_a_process_of_their_own(tmp_path: Path) -> None:
    """It answers as one that was sealed here; where no process can be started, that is said."""
    vectors = random_units(APART_ROWS)
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, vectors)
        collection.delete(["d3"])
        assert collection.rebuild(SCAN).index["kind"] == "scan"
        first = [hit.document.id for hit in collection.search([Query(vector=vectors[4])])[0].hits]
        collection.rebuild(IndexChoice(IndexKind.EXACT))
        exact = [hit.document.id for hit in collection.search([Query(vector=vectors[4])])[0].hits]
    assert len(set(first) & set(exact)) >= 8
    assert first[0] == exact[0] == "d4"


def test_without_a_process_many_rows_are_sealed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no process can be started, a thread seals, and the log says so."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no such program"))
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, random_units(APART_ROWS))
        assert collection.rebuild(SCAN).index["rows"] == APART_ROWS
    assert "no process could be started to seal in" in caplog.text


def test_an_error_of_the_process_that_seals_is_raised_here(tmp_path: Path) -> None:
    """What keeps it from sealing comes back as the error that it is."""
    with create_local(tmp_path / "c", make_identity(), thresholds=FEW) as collection:
        put(collection, random_units(APART_ROWS))
        with (tmp_path / "c" / "generations" / "1" / "vectors.f32").open("r+b") as file:
            file.truncate(1_000)
        with pytest.raises(Damaged, match=r"vectors\.f32 .* the file was cut"):
            collection.rebuild(SCAN)


def test_the_process_that_seals_ends_with_who_started_it(tmp_path: Path) -> None:
    """Once its standard input ends, it is gone before it has sealed anything."""
    choice = {"kind": "scan", "target_recall": 0.9, "memory_bytes": None}
    job = {"place": str(tmp_path), "rows": 8, "dimension": 4, "choice": choice, "threads": 1}
    job["thresholds"] = asdict(DEFAULT)
    program = command("indexer.storage.generation.index_builder:seal_job", job, given=1)
    (tmp_path / "vectors.f32").write_bytes(bytes(8 * 4 * 4))
    os.mkfifo(tmp_path / "sealed.json")  # so that it waits where it looks for an index
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        said = process.communicate(b"\xff", timeout=60)
    assert (process.returncode, *said) == (1, b"", b"")


def test_low_thresholds_let_few_rows_take_the_ways_of_many(tmp_path: Path) -> None:
    """Few rows are sealed, covered in memory, and sealed in a process, at once where told to."""
    low = Thresholds(
        least_rows=64,
        seal_rows=64,
        unindexed_rows=200,
        subprocess_rows=300,
        delta_rows=50,
        gather_rows=8,
    )
    vectors = random_units(400)
    with create_local(tmp_path / "c", make_identity(), thresholds=low) as collection:
        put(collection, vectors[:64])
        wait_for(collection, 64)
        put(collection, vectors[64:164], 64)
        end = time.monotonic() + 60
        while index_of(collection)["compared_rows"]:
            assert time.monotonic() < end, index_of(collection)
            time.sleep(0.02)
        assert (index_of(collection)["rows"], index_of(collection)["late_rows"]) == (64, 100)
        put(collection, vectors[164:], 164)
        wait_for(collection, 400)
        for row in (0, 63, 64, 163, 399):
            (answer,) = collection.search([Query(vector=vectors[row], k=1)])
            assert not answer.exact
            assert answer.hits[0].document.id == f"d{row}"


def test_sealing_goes_on_after_another_generation_took_over(tmp_path: Path) -> None:
    """An index that is being sealed when its rows are compacted away is no reason to give up."""
    low = Thresholds(least_rows=200, seal_rows=200, unindexed_rows=200, subprocess_rows=200)
    vectors = random_units(2_500)
    with create_local(tmp_path / "a", make_identity(), thresholds=low) as collection:
        put(collection, vectors[:2_000])  # it takes a process to seal these, and so a while
        collection.delete([f"d{i}" for i in range(1_900)])
        collection.compact()
        engine_of(collection)._live._builder._task.wait()
        put(collection, vectors[2_000:], first=2_000)
        wait_for(collection, 600)


def test_no_delta_index_is_built_over_rows_that_were_sealed_meanwhile(tmp_path: Path) -> None:
    """It is of unindexed rows: none is made where they were sealed just before."""
    with create_local(tmp_path / "a", make_identity()) as collection:
        put(collection, random_units(1_200))
        collection.rebuild(SCAN)
        live = engine_of(collection)._live
        live._delta_builder.start()
        live._delta_builder.wait()
        assert live.current.delta is None
