"""Verification: each way in which a collection can be wrong is told, and nothing else is."""

from __future__ import annotations

import re
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local import create_local, open_local
from samples import DIMENSION, make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.embedding import Backend, open_embedder
from indexer.errors import Damaged, ModelError, NotFound
from indexer.index_choice import IndexChoice, IndexKind
from indexer.reports import Step, Verification
from indexer.storage.maintenance.case import MOST_FINDINGS
from indexer.storage.maintenance.verification import verify
from indexer.storage.vector_file import BLOCK_ROWS

VECTORS = Path("generations") / "1" / "vectors.f32"
METADATA = {"n": 1, "list": ["a", 1, 1.0, True, None, "a", -0.0, 2**60], "none": None, "no": []}


def quiet(_: object) -> None:
    """Hear nothing of progress."""


def embedded(id: str, at: int, text: str = "some text") -> EmbeddedDocument:
    """A document of two chunks."""
    vectors = random_units(2, seed=at)
    chunks = (Chunk(0, 0, 5), Chunk(1, 3, 9))
    return EmbeddedDocument(Document(id, text, f"T\0{at}", METADATA), chunks, vectors, at % 5 == 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection that has seen writes of all kinds, closed; nothing changes it."""
    folder = tmp_path_factory.mktemp("made") / "things"
    with create_local(folder, make_identity()) as collection:
        collection.put([embedded(f"d{i}", i) for i in range(60)])
        collection.put([embedded(f"d{i}", 100 + i, "other text") for i in range(20, 30)])
        collection.delete([f"d{i}" for i in range(25, 35)])
        document = collection.get(["d5"])[0]
        collection.amend([replace(document, metadata={"x": -1.5, "n": [True, 0]})])
        collection.put([embedded(f"d{i}", 200 + i) for i in range(30, 40)])
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of that collection."""
    return Path(shutil.copytree(made, tmp_path / "things"))


def check(folder: Path) -> Verification:
    """What is wrong, the model left out."""
    return verify(folder, None, quiet)


def change(folder: Path, *statements: str) -> None:
    """Change the store behind the collection's back."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as store, store:
        for statement in statements:
            store.execute(statement)


def test_a_sound_collection_has_no_findings(folder: Path) -> None:
    """Updates, deletes, lists, nulls and zeros in titles are all as they should be."""
    report = check(folder)
    assert report.sound, report.findings
    assert (report.documents, report.chunks, report.vectors) == (55, 110, 160)
    assert (report.collection, report.index, report.model) == ("things", "none", "not checked")


def test_an_empty_collection_is_sound(tmp_path: Path) -> None:
    """There is nothing to be wrong."""
    create_local(tmp_path / "things", make_identity()).close()
    assert check(tmp_path / "things").sound


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    """A folder without a store is no collection."""
    with pytest.raises(NotFound, match="nothing"):
        check(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("statement", "place", "problem"),
    [
        ("UPDATE documents SET text = 'changed' WHERE id = 'd7'", "'d7'", "text or title"),
        ("UPDATE documents SET title = NULL WHERE id = 'd7'", "'d7'", "text or title"),
        ("UPDATE documents SET hash = x'00' WHERE id = 'd7'", "'d7'", "text or title"),
        ("UPDATE chunks SET position = 'x' WHERE row = 14", "store.sqlite", "never written"),
        ("UPDATE documents SET text = x'ff' WHERE id = 'd7'", "'d7'", "cannot be read"),
        ("UPDATE documents SET metadata = '{' WHERE id = 'd7'", "'d7'", "cannot be read"),
        ("UPDATE documents SET metadata = '[1]' WHERE id = 'd7'", "'d7'", "cannot be read"),
        ("UPDATE documents SET metadata = '{\"n\":2}' WHERE id = 'd7'", "'d7'", "filters read"),
        ("DELETE FROM facets WHERE document = 8 AND kind = 3 AND value = 1", "'d7'", "filters"),
        ("UPDATE facets SET value = -2 WHERE document = 6 AND value = -1.5", "'d5'", "filters"),
        ("UPDATE facets SET kind = 2 WHERE document = 6 AND value = -1.5", "'d5'", "filters"),
        ("UPDATE fields SET name = 'm' WHERE name = 'x'", "'d5'", "filters read"),
        ("INSERT INTO facets VALUES (1, 3, 7, 27)", "store.sqlite", "filters read"),
        ("INSERT INTO facets VALUES (1, 3, 7, 999)", "store.sqlite", "never written"),
        ("UPDATE facts SET value = 54 WHERE name = 'documents'", "store.sqlite", "54 documents"),
        ("UPDATE facts SET value = 7 WHERE name = 'truncated'", "store.sqlite", "7 truncated"),
        ("UPDATE facts SET value = 1 WHERE name = 'chunks'", "store.sqlite", "1 chunks"),
        ("UPDATE documents SET truncated = 1 WHERE id = 'd7'", "store.sqlite", "truncated"),
        ("DELETE FROM facts WHERE name = 'chunks'", "store.sqlite", "lacks its 'chunks'"),
        ("DELETE FROM generations", "store.sqlite", "lacks its 1"),
        ("UPDATE generations SET identity = '{}'", "store.sqlite", "nothing readable"),
        ("UPDATE generations SET rows = 161", "store.sqlite", "160 rows of 161"),
        ("DELETE FROM blocks", "store.sqlite", "0 rows of 160"),
        ("UPDATE blocks SET owners = zeroblob(640)", "store.sqlite", "row 0 and 159 more"),
        ("UPDATE blocks SET owners = zeroblob(639)", "store.sqlite", "never written"),
        ("UPDATE chunks SET document = 9 WHERE row = 14", "store.sqlite", "row 14 and 0 more"),
        ('UPDATE chunks SET "end" = 10 WHERE row = 14', "'d7'", "outside its text"),
        ('UPDATE chunks SET "start" = 8 WHERE row = 14', "'d7'", "outside its text"),
        ("UPDATE chunks SET position = 1 WHERE row = 14", "'d7'", r"numbered \[1, 1\]"),
        ('UPDATE chunks SET "end" = 4 WHERE row = 14', "'d7'", "by its checksum"),
        ('UPDATE chunks SET "start" = 1 WHERE row = 14', "'d7'", "by its checksum"),
        ("UPDATE chunks SET checksum = 4 WHERE row = 14", "'d7'", "by its checksum"),
        ("UPDATE chunks SET position = 1 - position WHERE document = 8", "'d7'", "checksum"),
        ("DELETE FROM chunks WHERE document = 8", "'d7'", r"numbered \[\]"),
        ("DELETE FROM documents WHERE id = 'd7'", "store.sqlite", "number 8, which does not"),
        ("UPDATE chunks SET generation = 3 WHERE row = 14", "store.sqlite", "of no generation"),
    ],
)
def test_each_change_of_the_store_is_told(
    folder: Path, statement: str, place: str, problem: str
) -> None:
    """What was changed is named, with what it means and what to do."""
    change(folder, statement)
    report = check(folder)
    told = [one for one in report.findings if place in one.place]
    assert any(re.search(problem, one.problem) for one in told), report.findings
    assert all(one.meaning and one.remedy for one in report.findings)


def flip_vectors(folder: Path) -> None:
    """One bit of row 12."""
    data = bytearray((folder / VECTORS).read_bytes())
    data[12 * DIMENSION * 4] ^= 1  # too little for its length to show
    (folder / VECTORS).write_bytes(data)


def lengthen_a_vector(folder: Path) -> None:
    """Row 12 twice as long, with a checksum to match."""
    vectors = np.fromfile(folder / VECTORS, "<f4").reshape(-1, DIMENSION)
    vectors[12] *= 2
    (folder / VECTORS).write_bytes(vectors.tobytes())
    change(folder, f"UPDATE blocks SET checksum = {zlib.crc32(vectors.tobytes())}")


def make_a_vector_infinite(folder: Path) -> None:
    """The same with a component that is no number."""
    vectors = np.fromfile(folder / VECTORS, "<f4").reshape(-1, DIMENSION)
    vectors[12, 3] = np.inf
    (folder / VECTORS).write_bytes(vectors.tobytes())
    change(folder, f"UPDATE blocks SET checksum = {zlib.crc32(vectors.tobytes())}")


def cut_vectors(folder: Path) -> None:
    """The last row and a half."""
    data = (folder / VECTORS).read_bytes()
    (folder / VECTORS).write_bytes(data[: -DIMENSION * 6])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (flip_vectors, "rows 0 to 159 are not what was written, by their checksum"),
        (lengthen_a_vector, "row 12 has length 2, not 1"),
        (make_a_vector_infinite, "row 12 has length inf, not 1"),
        (cut_vectors, "it ends before or within rows 0 to 159: it was cut"),
        (lambda folder: (folder / VECTORS).unlink(), "it cannot be read"),
    ],
)
def test_each_damage_to_the_vectors_is_told(
    folder: Path, damage: Callable[[Path], None], problem: str
) -> None:
    """Only the vector file is blamed, and the stored texts are said to be the way out."""
    damage(folder)
    (found,) = check(folder).findings
    assert found.place == str(VECTORS)
    assert problem in found.problem
    assert "reindex" in found.remedy


def test_vectors_of_no_document_need_no_length(folder: Path) -> None:
    """Rows that were deleted may hold anything, as long as it is what was written."""
    vectors = np.fromfile(folder / VECTORS, "<f4").reshape(-1, DIMENSION)
    vectors[40] = 0  # of d20, which was replaced
    (folder / VECTORS).write_bytes(vectors.tobytes())
    change(folder, f"UPDATE blocks SET checksum = {zlib.crc32(vectors.tobytes())}")
    assert check(folder).sound


def test_the_damaged_block_is_named_among_many(tmp_path: Path) -> None:
    """Each block has its own checksum, so that what is wrong can be told apart."""
    vectors = random_units(2 * BLOCK_ROWS + 50)
    with create_local(tmp_path / "things", make_identity()) as collection:
        for part in np.split(vectors, [5000]):
            chunks = tuple(Chunk(i, 0, 1) for i in range(len(part)))
            document = Document(f"d{len(part)}", "x")
            collection.put([EmbeddedDocument(document, chunks, part)])
    path = tmp_path / "things" / VECTORS
    for row, rows in ((0, "0 to 4095"), (5000, "4096 to 8191"), (8241, "8192 to 8241")):
        spoilt = vectors.copy()
        spoilt[row, 0] += 1e-6
        path.write_bytes(spoilt.tobytes())
        (found,) = check(tmp_path / "things").findings
        assert rows in found.problem


def test_damaged_vectors_are_not_compacted(folder: Path) -> None:
    """Compacting would give what was not written a checksum of its own."""
    flip_vectors(folder)
    with open_local(folder) as collection, pytest.raises(Damaged, match="by their checksum"):
        collection.compact()
    assert len(check(folder).findings) == 1


def test_many_findings_are_bounded(folder: Path) -> None:
    """A disk full of errors does not fill the screen."""
    change(folder, "UPDATE documents SET text = 'other'")
    assert len(check(folder).findings) == MOST_FINDINGS


def test_a_store_that_is_none_is_told(folder: Path) -> None:
    """A file of rubbish is a finding, not a crash."""
    for path in folder.glob("store.sqlite-*"):
        path.unlink()
    (folder / "store.sqlite").write_bytes(b"rubbish" * 2000)
    (found,) = check(folder).findings
    assert found.place == "store.sqlite" and "backup" in found.remedy


def test_a_draft_without_its_vectors_is_told(folder: Path) -> None:
    """A move to another model that lost its file cannot go on; the collection itself is well."""
    with open_local(folder) as collection:
        other = replace(make_identity(), weights="o" * 64)
        with collection.migrate(other) as migration:
            documents = migration.pending(10)
            vectors = random_units(2)
            chunks = (Chunk(0, 0, 1), Chunk(1, 0, 1))
            migration.put([EmbeddedDocument(one, chunks, vectors) for one in documents])
    assert check(folder).sound
    (folder / "generations" / "2" / "vectors.f32").write_bytes(b"")
    (found,) = check(folder).findings
    assert found.place == "generations/2/vectors.f32"
    assert "searches are not touched" in found.meaning


def test_a_sound_index_is_described(tmp_path: Path) -> None:
    """The kind and rows of an index that finds what is stored."""
    vectors = random_units(3000)
    with create_local(tmp_path / "things", make_identity()) as collection:
        chunks = tuple(Chunk(i, 0, 1) for i in range(3000))
        collection.put([EmbeddedDocument(Document("d", "x"), chunks, vectors)])
        collection.rebuild(IndexChoice(IndexKind.PARTITIONED))
    assert check(tmp_path / "things").index == "partitioned over 3000 rows"


def test_progress_is_told_step_by_step(folder: Path) -> None:
    """Each step is named and comes to its end."""
    steps: list[Step] = []
    verify(folder, None, steps.append)
    last = {step.name: step for step in steps}
    assert last.keys() == {"pages of the store", "rows", "documents", "vectors", "words"}
    assert all(step.done == step.total for step in last.values())


def test_the_model_is_held_to_the_texts_it_embedded(tmp_path: Path) -> None:
    """The model that filled a collection passes; another, or none, is told."""
    hashing = open_embedder("hashing-16", cache=tmp_path, backend=Backend.HASHING)
    wider = open_embedder("hashing-32", cache=tmp_path, backend=Backend.HASHING)
    identity = hashing.identity
    create_local(tmp_path / "right", identity).close()
    report = verify(tmp_path / "right", lambda _: hashing, quiet)
    assert report.sound and "gives the vectors it gave" in report.model
    for name, spoilt in (
        ("wider", wider.identity),
        ("turned", replace(identity, canaries=np.roll(identity.canaries, 1, axis=0))),
    ):
        create_local(tmp_path / name, spoilt).close()
        report = verify(tmp_path / name, lambda _: hashing, quiet)
        assert report.model == "another"
        assert [one.place for one in report.findings] == ["model"]


def test_a_model_that_is_not_at_hand_is_no_finding(folder: Path) -> None:
    """What could not be checked is said, and is not held against the collection."""

    def missing(name: str) -> object:
        raise ModelError(f"there is no {name}")

    report = verify(folder, missing, quiet)
    assert report.sound
    assert report.model == "not checked: there is no test-model"
