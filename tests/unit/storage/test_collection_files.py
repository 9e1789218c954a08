"""What a collection leaves on disk, and what it makes of damaged, torn and shared files."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
from local import create_local, engine_of, open_local
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.errors import AlreadyExists, CollectionBusy, Damaged, NotFound
from indexer.queries import Query
from indexer.storage.vector_file import BLOCK_ROWS

VECTORS = Path("generations") / "1" / "vectors.f32"


def put(collection: Collection, vectors: Vectors, prefix: str = "d") -> None:
    """One document with one chunk for each vector."""
    collection.put(
        [
            EmbeddedDocument(
                Document(f"{prefix}{i}", "text"), (Chunk(0, 0, 4),), vectors[i : i + 1]
            )
            for i in range(len(vectors))
        ]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection of 100 documents, closed."""
    with create_local(tmp_path / "things", make_identity()) as collection:
        put(collection, random_units(100))
    return tmp_path / "things"


def test_row_r_lies_at_r_times_dimension_times_four(folder: Path) -> None:
    """The vector file is the rows as little-endian float32 and nothing else."""
    held = np.fromfile(folder / VECTORS, dtype="<f4").reshape(-1, DIMENSION)
    np.testing.assert_array_equal(held, random_units(100))


def test_blocks_know_owners_and_checksums_across_their_borders(tmp_path: Path) -> None:
    """However rows arrive, a block's checksum is the CRC-32 of its vectors."""
    vectors = random_units(2 * BLOCK_ROWS + 100)
    with create_local(tmp_path / "c", make_identity()) as collection:
        for number, part in enumerate(np.split(vectors, [10, 4000, 4100, 4101, 8192])):
            put(collection, part, prefix=f"{number}-")
        assert collection.delete(["2-1", "0-3"]) == 2
        for row in (0, 4095, 4096, 8191, 8192, 8291):
            hit = collection.search([Query(vector=vectors[row], k=1)])[0].hits[0]
            assert hit.score == pytest.approx(1, abs=1e-6)
        assert len(collection.search([Query(vector=vectors[0], k=9000)])[0].hits) == 8290
    with sqlite3.connect(tmp_path / "c" / "store.sqlite") as store:
        blocks = store.execute("SELECT block, checksum, owners FROM blocks").fetchall()
        owned = dict(store.execute("SELECT row, document FROM chunks"))
    store.close()
    assert [block for block, _, _ in blocks] == [0, 1, 2]
    for block, checksum, owners in blocks:
        rows = vectors[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]
        assert checksum == zlib.crc32(rows.tobytes())
        expected = [owned.get(block * BLOCK_ROWS + i, -1) for i in range(len(rows))]
        assert np.frombuffer(owners, "<i4").tolist() == expected


def test_a_torn_tail_is_cut_off_before_the_next_write(folder: Path) -> None:
    """Vectors without a commit never existed: they are not searched, and are overwritten."""
    with (folder / VECTORS).open("ab") as file:
        file.write(b"\x00\xff" * 333)
    with open_local(folder) as collection:
        assert collection.describe().chunks == 100
        assert len(collection.search([Query(vector=random_units(1)[0], k=999)])[0].hits) == 100
        put(collection, random_units(1, seed=7), prefix="new")
    assert (folder / VECTORS).stat().st_size == 101 * DIMENSION * 4
    held = np.fromfile(folder / VECTORS, dtype="<f4").reshape(-1, DIMENSION)
    np.testing.assert_array_equal(held[100:], random_units(1, seed=7))


def test_a_cut_vector_file_is_named(folder: Path) -> None:
    """Fewer vectors than were committed are an error that names the file, never a guess."""
    os.truncate(folder / VECTORS, 99 * DIMENSION * 4 + 3)
    with pytest.raises(Damaged, match=r"vectors\.f32 holds 99 vectors, but 100"):
        open_local(folder)


def test_a_missing_vector_file_is_named(folder: Path) -> None:
    """A store without its vectors does not open."""
    (folder / VECTORS).unlink()
    with pytest.raises(Damaged, match=r"vectors\.f32"):
        open_local(folder)


def test_a_store_that_is_no_store_is_named(folder: Path) -> None:
    """A store overwritten by something else is an error that names it."""
    for path in folder.glob("store.sqlite-*"):
        path.unlink()
    (folder / "store.sqlite").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(Damaged, match=r"store\.sqlite"):
        open_local(folder)


def test_a_collection_is_made_once(folder: Path) -> None:
    """A second creation is refused and leaves the first as it was."""
    with pytest.raises(AlreadyExists, match="'things'"):
        create_local(folder, make_identity())
    with open_local(folder) as collection:
        assert collection.describe().documents == 100
    assert [path.name for path in folder.parent.iterdir()] == ["things"]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    """Opening a folder without a store is an error of its own."""
    with pytest.raises(NotFound, match="nothing"):
        open_local(tmp_path / "nothing")


def test_a_closed_collection_says_so(folder: Path) -> None:
    """Use after close is a clear error."""
    collection = open_local(folder)
    collection.close()
    with pytest.raises(NotFound, match="closed"):
        collection.get(["d1"])


def test_it_may_be_deleted_while_it_is_read(folder: Path) -> None:
    """Whoever moves it away under its lock hears nothing of files that are gone."""
    grave = folder.with_name("deleted")
    with open_local(folder) as collection, engine_of(collection)._store.reading():
        with collection.writing("delete"):
            folder.rename(grave)
        assert grave.is_dir()


def test_the_model_is_remembered(folder: Path) -> None:
    """The identity comes back as it was given, canary vectors to the bit."""
    with open_local(folder) as collection:
        stored, given = collection.identity, make_identity()
        assert (stored.name, stored.weights, stored.window) == (
            given.name,
            given.weights,
            given.window,
        )
        np.testing.assert_array_equal(stored.canaries, given.canaries)


_WRITER = """
    import sys
    from pathlib import Path
    from indexer.collection import Collection
    from indexer.storage.engine import LocalEngine
    collection = Collection(LocalEngine(Path(sys.argv[1])))
    with collection, collection.writing("index papers"):
        print("held", flush=True)
        sys.stdin.readline()
"""


def test_a_second_writing_process_is_told_who_writes(folder: Path) -> None:
    """While one process holds the right to write, another's write fails, and reads go on."""
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin and writer.stdout
    try:
        assert writer.stdout.readline() == "held\n"
        with open_local(folder) as collection:
            with pytest.raises(CollectionBusy, match=rf"process {writer.pid} \(index papers"):
                collection.delete(["d1"])
            assert collection.get(["d1"]) != [None]
            writer.communicate("go on\n", timeout=30)
            assert collection.delete(["d1"]) == 1
    finally:
        writer.kill()
        writer.wait()


def _write_from_elsewhere(folder: Path) -> None:
    with open_local(folder) as collection:
        put(collection, random_units(50, seed=3), prefix="other")
        collection.delete(["d0"])


def test_a_reader_follows_another_process(folder: Path) -> None:
    """What another process commits is in the next search of this one."""
    with open_local(folder) as collection:
        before = collection.search([Query(vector=random_units(1)[0], k=999)])[0]
        assert len(before.hits) == 100
        process = multiprocessing.get_context("spawn").Process(
            target=_write_from_elsewhere, args=(folder,)
        )
        process.start()
        process.join(60)
        assert process.exitcode == 0
        after = collection.search([Query(vector=random_units(1, seed=3)[0], k=999)])[0]
        assert len(after.hits) == 149
        assert after.hits[0].document.id == "other0"


def test_compacting_leaves_no_byte_of_a_deleted_text(folder: Path) -> None:
    """After compact, neither texts, titles, metadata nor vectors of what is gone are on disk."""
    secret = "Xylophagous quokkas deliberate"
    with open_local(folder) as collection:
        gone = random_units(1, seed=42)
        collection.put(
            [
                EmbeddedDocument(
                    Document(f"s{i}", f"{secret} {i} " * 300, secret, {"note": secret}),
                    (Chunk(0, 0, 4),),
                    gone,
                )
                for i in range(20)
            ]
        )
        assert collection.delete([f"s{i}" for i in range(20)]) == 20
        assert collection.compact()
        held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert secret.encode() not in held
        assert gone.tobytes() not in held
        assert len(collection.search([Query(vector=gone[0], k=999)])[0].hits) == 100
    assert [path.name for path in (folder / "generations").iterdir()] == ["2"]
