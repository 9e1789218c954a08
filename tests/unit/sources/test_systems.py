"""What other systems hold, moved in: each is filled by its own library, where that is installed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from called import run_bearing
from postgres import postgres

from indexer.config import Config
from indexer.documents import Document, Vectors, normalise
from indexer.errors import InvalidInput, MissingExtra, Unreadable
from indexer.ingestion.moving import Move, Verdict
from indexer.library import Library
from indexer.readers import USUAL, Fields
from indexer.sources.systems.faiss_files import vectors_by_number
from indexer.sources.systems.holding import Entry, Holding, Place, one_vector, only
from indexer.sources.systems.opening import SYSTEMS, open_system

TEXTS = {"1": "the moon", "2": "the sun", "7": "the tide"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library whose model needs no files."""
    folder = tmp_path_factory.mktemp("library")
    with Library(Config(data=str(folder), model="hashing")) as library:
        yield library


@pytest.fixture(scope="module")
def vectors(library: Library) -> Vectors:
    """The vectors of the texts."""
    embedder = library.model("hashing")
    return embedder.embed(list(TEXTS.values())).vectors


def fill_chroma(folder: Path, vectors: Vectors) -> tuple[str, dict[str, Any]]:
    """A folder of Chroma."""
    chromadb = pytest.importorskip("chromadb")
    client = chromadb.PersistentClient(
        str(folder), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    collection = client.create_collection("notes", embedding_function=None)
    collection.add(
        ids=list(TEXTS),
        documents=list(TEXTS.values()),
        embeddings=list(vectors),
        metadatas=[{"title": f"t{id}"} for id in TEXTS],
    )
    return str(folder), {"title": "t1"}


def fill_qdrant(folder: Path, vectors: Vectors) -> tuple[str, dict[str, Any]]:
    """A folder of Qdrant's local mode, with payloads as LangChain makes them."""
    qdrant = pytest.importorskip("qdrant_client")
    models = qdrant.models
    client = qdrant.QdrantClient(path=str(folder))
    size = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    client.create_collection("notes", vectors_config={"dense": size})
    points = [
        models.PointStruct(
            id=int(id),
            vector={"dense": (3 * vector).tolist()},
            payload={"page_content": text, "metadata": {"tags": ["a", "b"]}},
        )
        for (id, text), vector in zip(TEXTS.items(), vectors, strict=True)
    ]
    client.upsert("notes", points)
    client.close()
    return str(folder), {"tags": ["a", "b"]}


def fill_lancedb(folder: Path, vectors: Vectors) -> tuple[str, dict[str, Any]]:
    """A folder of LanceDB."""
    lancedb = pytest.importorskip("lancedb")
    rows = [
        {"id": id, "text": text, "stars": int(id), "vector": vector}
        for (id, text), vector in zip(TEXTS.items(), vectors, strict=True)
    ]
    lancedb.connect(str(folder)).create_table("notes", rows)
    return str(folder), {"stars": 1}


def fill_txtai(folder: Path, vectors: Vectors) -> tuple[str, dict[str, Any]]:
    """A folder of txtai, as its version 9.14 saves one; txtai itself would not be quick to load."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "documents")) as connection, connection:
        connection.execute("CREATE TABLE documents (id TEXT PRIMARY KEY, data JSON)")
        connection.execute(
            "CREATE TABLE sections (indexid INTEGER PRIMARY KEY, id TEXT, text TEXT, tags TEXT)"
        )
        for number, (id, text) in enumerate(TEXTS.items()):
            connection.execute("INSERT INTO sections VALUES (?, ?, ?, null)", (number, id, text))
        connection.execute("INSERT INTO documents VALUES ('1', ?)", ('{"text": "x", "stars": 1}',))
    index = faiss.IndexIDMap(faiss.IndexFlatIP(vectors.shape[1]))
    order = np.array([2, 0, 1])
    index.add_with_ids(vectors[order], order)
    faiss.write_index(index, str(folder / "embeddings"))
    return str(folder), {"stars": 1}


FILLED: dict[str, Callable[[Path, Vectors], tuple[str, dict[str, Any]]]] = {
    "chroma": fill_chroma,
    "lancedb": fill_lancedb,
    "qdrant": fill_qdrant,
    "txtai": fill_txtai,
}


@pytest.mark.parametrize("system", FILLED)
def test_a_system_moves_in_with_its_vectors(
    system: str, library: Library, vectors: Vectors, tmp_path: Path
) -> None:
    """Ids, texts, metadata and vectors are there, and no text was embedded."""
    place, metadata = FILLED[system](tmp_path / "theirs", vectors)
    with open_system(system, Place(place)) as holding:
        assert holding.name == ("theirs" if system == "txtai" else "notes")
        assert holding.count == 3
        entries = {entry.id or entry.record["id"]: entry for entry in holding.entries()}
    found = np.asarray([entries[id].vector for id in TEXTS])
    assert np.allclose(normalise(found), vectors, atol=1e-6)
    figures = moved(tmp_path, system, place)
    assert (figures["written"], figures["tokens"], figures["vectors"]["kept"]) == (3, 0, True)
    assert moved(tmp_path, system, place)["unchanged"] == 3
    with Library(Config(data=str(tmp_path / "data"))) as ours:
        documents = {one.id: one for one in ours.open("default").page().documents}
    assert {id: one.text for id, one in documents.items()} == TEXTS
    assert documents["1"] == Document("1", "the moon", metadata=metadata)


def moved(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """The figures of moving in."""
    given = ["import", *words, "--data", str(folder / "data"), "--model", "hashing", "--json"]
    done = run_bearing(given)
    assert done.exit_code == code, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_pgvector_moves_in(library: Library, vectors: Vectors) -> None:
    """A table's columns are fields; it is found by its column of vectors."""
    psycopg = pytest.importorskip("psycopg")
    with postgres(Path(tempfile.mkdtemp(prefix="bearing-postgres-"))) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            size = vectors.shape[1]
            connection.execute("CREATE TABLE other (id int)")
            connection.execute(f'CREATE TABLE "No tes" (id int, text text, v vector({size}))')
            for (id, text), vector in zip(TEXTS.items(), vectors, strict=True):
                row = int(id), text, str(vector.tolist())
                connection.execute('INSERT INTO "No tes" VALUES (%s, %s, %s)', row)
            connection.execute('INSERT INTO "No tes" VALUES (8, null, null)')
        with open_system("pgvector", Place(url)) as holding:
            entries = list(holding.entries())
            assert holding.name == "public.No tes"
            assert [entry.record for entry in entries[2:]] == [
                {"id": 7, "text": "the tide"},
                {"id": 8},
            ]
            assert np.allclose(np.asarray([one.vector for one in entries[:3]]), vectors)
            assert entries[3].vector is None
            move = Move(holding, USUAL, library.model("hashing"))
            assert move.verdict().kept
            assert move.survey().texts == 3


def test_faiss_goes_with_its_records(vectors: Vectors, tmp_path: Path) -> None:
    """The n-th vector is that of the n-th record; another number of them is refused."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "i.faiss"))
    lines = [json.dumps({"_id": id, "text": text}) for id, text in TEXTS.items()]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    words = "faiss", str(tmp_path / "i.faiss"), "--texts"
    figures = moved(tmp_path, *words, str(tmp_path / "texts.jsonl"))
    assert (figures["written"], figures["tokens"]) == (3, 0)
    for wrong in (lines[:2], [*lines, '{"text": "more"}']):
        (tmp_path / "wrong.jsonl").write_text("\n".join(wrong))
        told = moved(tmp_path, *words, str(tmp_path / "wrong.jsonl"), code=1)["error"]
        assert "do not belong together" in told
    lossy = faiss.index_factory(vectors.shape[1], "SQ8")
    lossy.train(vectors)
    faiss.write_index(lossy, str(tmp_path / "lossy.faiss"))
    place = Place(str(tmp_path / "lossy.faiss"), texts=str(tmp_path / "texts.jsonl"))
    with pytest.raises(Unreadable, match="keeps no vectors"), open_system("faiss", place):
        pass


def test_vectors_are_found_by_their_numbers(tmp_path: Path) -> None:
    """Whatever kind of index keeps them; none of one that keeps them roughly, or is none."""
    rows = np.random.default_rng(1).standard_normal((300, 8)).astype(np.float32)
    numbers = np.arange(300)[::-1] * 2
    for kind, exact in (("IDMap,Flat", True), ("IVF4,Flat", True), ("IDMap,SQ8", False)):
        index = faiss.index_factory(8, kind)
        index.train(rows)
        index.add_with_ids(rows, numbers)
        faiss.write_index(index, str(tmp_path / "index"))
        found = vectors_by_number(tmp_path / "index")
        if exact:
            assert np.array_equal(np.asarray([found(int(one)) for one in numbers]), rows)
        assert found(1) is None
        assert (found(0) is None) is not exact
    (tmp_path / "index").write_bytes(b"nothing")
    assert vectors_by_number(tmp_path / "index")(0) is None


def held(*entries: Entry) -> Holding:
    """A collection of a system that is only told."""
    return Holding("theirs", len(entries), lambda: iter(entries))


def test_vectors_of_another_model_are_embedded_anew(library: Library, vectors: Vectors) -> None:
    """One of another length, or far from what the model makes of its text, decides for all."""
    embedder = library.model("hashing")

    def verdict(*given: Any) -> Any:
        rows = zip(TEXTS.items(), given, strict=False)
        entries = [Entry(id, {"text": text}, vector) for (id, text), vector in rows]
        return Move(held(*entries), USUAL, embedder).verdict()

    assert verdict(*vectors).kept
    assert verdict(*vectors).least == pytest.approx(1)
    assert not verdict(*(one[:-1] for one in vectors)).kept
    assert "numbers" in verdict(*(one[:-1] for one in vectors)).reason
    turned = verdict(vectors[0], vectors[1], vectors[0])
    assert not turned.kept
    assert "of 3 texts 2 have" in turned.reason
    assert not verdict(None, np.zeros_like(vectors[0])).kept
    assert not verdict().kept


def test_titles_stay_metadata_if_vectors_are_of_texts_alone(
    library: Library, vectors: Vectors
) -> None:
    """Else their vectors could not be kept; with titles embedded, too, they are titles."""
    embedder = library.model("hashing")
    records = [{"text": text, "title": f"title {id}"} for id, text in TEXTS.items()]
    with_titles = embedder.embed([f"{one['title']} {one['text']}" for one in records]).vectors
    for given, document in (
        (vectors, Document("1", "the moon", metadata={"title": "title 1"})),
        (with_titles, Document("1", "the moon", "title 1")),
    ):
        entries = [Entry(id, one, row) for id, one, row in zip(TEXTS, records, given, strict=True)]
        move = Move(held(*entries), USUAL, embedder)
        verdict = move.verdict()
        first = next(move.reads(verdict))
        assert verdict.kept
        assert first.item == document
        assert first.brought is not None


def test_a_vector_that_cannot_stand_for_its_text_is_left_out(
    library: Library, vectors: Vectors
) -> None:
    """The text is embedded instead, and the reason counted."""
    embedder = library.model("hashing")
    long = "moon " * 2 * embedder.room
    entries = [
        Entry("a", {"text": "the moon"}, vectors[0]),
        Entry("b", {"text": long}, vectors[1]),
        Entry("c", {"text": "the sun"}, np.zeros_like(vectors[1])),
        Entry("d", {"text": "the sun"}, None),
        Entry("e", {"text": "the sun"}, vectors[1][:3]),
        Entry("f", {"words": "none"}, vectors[1]),
    ]
    move = Move(held(*entries), USUAL, embedder)
    reads = list(move.reads(Verdict(True, "told")))
    assert [read.brought is not None for read in reads] == [True] + [False] * 5
    assert not isinstance(reads[-1].item, Document)
    assert sorted(move.left.counts.values()) == [1, 1, 1, 1]


def test_a_dry_run_stores_nothing(vectors: Vectors, tmp_path: Path) -> None:
    """It counts what is there, and says what would become of the vectors."""
    place, _ = fill_qdrant(tmp_path / "theirs", vectors)
    figures = moved(tmp_path, "qdrant", place, "--dry-run")
    assert figures["found"] == {
        "entries": 3,
        "texts": 3,
        "vectors": 3,
        "dimension": vectors.shape[1],
        "fields": {"page_content": 3, "metadata.tags": 3},
    }
    assert figures["vectors"]["kept"]
    assert not (tmp_path / "data" / "default").exists()


def snapshot(path: Path, shards: dict[str, list[Any]], names: tuple[str, ...] = ("",)) -> Path:
    """A snapshot as Qdrant lays it out: the files of each shard below its number, if it has one."""
    edge = pytest.importorskip("qdrant_edge")
    size = edge.EdgeVectorParams(size=3, distance=edge.Distance.Dot)
    with tarfile.open(path, "w") as packed:
        for prefix, points in shards.items():
            folder = path.parent / f"made-{prefix.strip('/')}"
            folder.mkdir()
            config = edge.EdgeConfig(vectors=dict.fromkeys(names, size))
            shard = edge.EdgeShard.create(str(folder), config)
            shard.update(edge.UpdateOperation.upsert_points([edge.Point(*one) for one in points]))
            shard.close()
            (folder / "edge_config.json").unlink()
            for segment in list((folder / "segments").iterdir()):
                with tarfile.open(folder / "segments" / f"{segment.name}.tar", "w") as inner:
                    inner.add(segment, "snapshot/files")
                shutil.rmtree(segment)
            for file in folder.rglob("*"):
                packed.add(file, f"{prefix}{file.relative_to(folder)}", recursive=False)
        packed.addfile(tarfile.TarInfo(f"{'x/' if '' in shards else ''}version.info"))
    return path


def test_a_snapshot_of_qdrant_is_read(tmp_path: Path) -> None:
    """Of a collection with all its shards, without a Qdrant; as often as asked."""
    uuid = "5e6a2bd8-7c0c-4a5b-9b44-4b5a1bb0c001"
    moon = (1, [1.0, 2.0, 3.0], {"text": "moon", "deep": {"n": [1, 2]}})
    sun = (uuid, [3.0, 2.0, 1.0], {"text": "sun"})
    expected = {"1": (moon[2], moon[1]), uuid: (sun[2], sun[1])}
    path = snapshot(tmp_path / "notes.snapshot", {"0/": [moon], "12/": [sun]})
    before = path.read_bytes()
    with open_system("qdrant", Place(str(path))) as found:
        assert (found.name, found.count) == ("notes", 2)
        next(iter(found.entries()))
        told = {one.id: (one.record, one.vector.tolist()) for one in found.entries()}
    assert told == expected
    assert path.read_bytes() == before


def test_one_of_the_vectors_of_a_snapshot_is_named(tmp_path: Path) -> None:
    """Unless there is but one; points without it have none. The snapshot is of one shard."""
    given = {"a": [1.0, 2.0, 3.0], "b": [3.0, 2.0, 1.0]}
    points = [(1, given, {"text": "moon"}), (2, {"a": given["a"]}, {"text": "sun"})]
    path = snapshot(tmp_path / "n.snapshot", {"": points}, ("a", "b"))
    with open_system("qdrant", Place(str(path), vector="b")) as found:
        assert (found.name, found.count) == ("n", 2)
        vectors = {one.id: one.vector for one in found.entries()}
    assert vectors["1"].tolist() == given["b"]
    assert vectors["2"] is None
    with (
        pytest.raises(InvalidInput, match="--vector-field"),
        open_system("qdrant", Place(str(path))),
    ):
        pass


def test_what_is_no_snapshot_is_told(tmp_path: Path) -> None:
    """Text, an archive of something else, one with links, and what was cut."""
    text, other, linked, cut = (tmp_path / f"{name}.snapshot" for name in "abcd")
    text.write_text("words")
    for path, kind in ((other, tarfile.REGTYPE), (linked, tarfile.SYMTYPE)):
        with tarfile.open(path, "w") as packed:
            member = tarfile.TarInfo("0/segments/x" if kind == tarfile.SYMTYPE else "notes.txt")
            member.type, member.linkname = kind, "/etc/passwd"
            packed.addfile(member)
    whole = snapshot(tmp_path / "whole.snapshot", {"0/": [(1, [1.0, 2.0, 3.0], {})]})
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for path in (text, other, linked, cut):
        with pytest.raises(Unreadable), open_system("qdrant", Place(str(path))):
            pass
    (unpacked := tmp_path / "e.snapshot").mkdir()
    with (
        pytest.raises(Unreadable, match="a snapshot is a file"),
        open_system("qdrant", Place(str(unpacked))),
    ):
        pass


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_not_there_is_told(system: str, tmp_path: Path) -> None:
    """Nothing is made at the place that was named."""
    place = Place(str(tmp_path / "nothing"), texts="x")
    with pytest.raises((InvalidInput, Unreadable, MissingExtra)), open_system(system, place):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_of_several_is_to_be_named() -> None:
    """The error names all there are."""
    assert only("table", ["a"], None) == "a"
    assert one_vector([], None) is None
    with pytest.raises(InvalidInput, match="say which table by --from-name; there are: 'a', 'b'"):
        only("table", ["b", "a"], None)
    with pytest.raises(InvalidInput, match="no table 'c'; there are: 'a'"):
        only("table", ["a"], "c")
    with pytest.raises(InvalidInput, match="--vector-field; there are: 'a', 'b'"):
        one_vector(["a", "b"], None)
    with pytest.raises(InvalidInput, match="no such system"), open_system("x", Place("y")):
        pass


def test_the_field_of_the_text_can_be_named(library: Library, vectors: Vectors) -> None:
    """Without it, the usual ones of systems are tried."""
    entry = Entry("a", {"body": "the moon", "content": "x", "about": "y"}, vectors[0])
    embedder = library.model("hashing")
    for fields, text in ((USUAL, "x"), (Fields(text="about"), "y")):
        move = Move(held(entry), fields, embedder)
        item = next(move.reads(move.verdict())).item
        assert isinstance(item, Document)
        assert item.text == text
