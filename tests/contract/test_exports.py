"""What is exported indexes to an equal collection, on every engine, and nothing is embedded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from embedders import Unused

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.embedder import Embedder, TextRole
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import AlreadyExists, InvalidInput
from indexer.export.files import export
from indexer.filters import parse_filter
from indexer.ingestion.changes import store
from indexer.ingestion.pipeline import ingest
from indexer.queries import Mode, Query
from indexer.readers import read_paths

EMBEDDER = open_hashing(32)


def documents() -> list[Document]:
    """Documents of all kinds: long, empty, without a word; with metadata that look like fields."""
    odd = {"text": "a", "vector": "b", "model": "c", "id": 7, "a.b": [1, "two", None, True, 2.5]}
    words = ["whale", "captain", "ship", "harbour", "storm", "island", "letter", "winter"]
    many = [
        Document(f"n/{n}", " ".join(words[n % 5 : n % 5 + 3]) + f" {n}", f"Title {n}", {"n": n})
        for n in range(30)
    ]
    return [
        *many,
        Document("long", "\n\n".join(f"{word} " * 90 for word in words), "A long one"),
        Document("empty", ""),
        Document("dashes", "---", "", {"floats": [n + 0.5 for n in range(80)]}),
        Document("odd ☃", "snow\u2028man", None, odd),
        Document("large", "x", None, {"n": 2**62, "tiny": 5e-324, "third": 1 / 3}),
    ]


@pytest.fixture
def filled(make) -> Collection:
    """A collection of these documents."""
    collection = make("filled", EMBEDDER.identity)
    store(collection, EMBEDDER, documents())
    return collection


def taken(collection: Collection, file: str) -> list[str]:
    """Index a file without embedding anything; the reasons of rejections."""
    rejected: list[str] = []
    embedder: Embedder = Unused(EMBEDDER)  # type: ignore[assignment]
    reads = read_paths([file])
    ingest(collection, embedder, reads, on_reject=lambda one: rejected.append(one.reason))
    return rejected


def everything(collection: Collection) -> list[tuple[object, ...]]:
    """All that is stored, in order."""
    stored = collection.embedded([one.id for one in collection.page(None, None, 1000).documents])
    return [
        (one.document, one.chunks, one.truncated, one.vectors.tobytes())
        for one in stored
        if one is not None
    ]


def answers(collection: Collection) -> list[list[tuple[str, float]]]:
    """Hits with scores, by vectors and by words, for several k."""
    found = []
    for text in ("captain of a whale", "winter letter", "7"):
        vector = EMBEDDER.embed([text], TextRole.QUERY).vectors[0]
        for k in (1, 5, 100):
            for mode in (Mode.DENSE, Mode.LEXICAL):
                query = Query(text=text, vector=vector, k=k, mode=mode)
                (answer,) = collection.search([query])
                found.append([(hit.document.id, hit.score) for hit in answer.hits])
    return found


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet"])
def test_an_export_indexes_to_an_equal_collection(filled, make, tmp_path: Path, suffix) -> None:
    """Documents, passages, vectors to the last bit, and hits with their scores."""
    file = str(tmp_path / f"out.{suffix}")
    steps = []
    made = export(filled, file, steps.append)
    assert (made.documents, made.chunks) == (35, filled.describe().chunks)
    assert made.bytes == Path(file).stat().st_size
    assert (steps[-1].done, steps[-1].total) == (35, 35)
    copy = make("copy", EMBEDDER.identity)
    assert taken(copy, file) == []
    assert everything(copy) == everything(filled)
    assert len(everything(copy)) == 35
    assert answers(copy) == answers(filled)
    counts = [one.describe() for one in (copy, filled)]
    assert len({(one.chunks, one.truncated, one.unknown) for one in counts}) == 1


def test_an_export_is_read_by_other_programs(filled, tmp_path: Path) -> None:
    """Lines hold plain lists of numbers; rows hold them as fixed lists, metadata as JSON."""
    for suffix in ("jsonl.gz", "parquet"):
        export(filled, str(tmp_path / f"out.{suffix}"), lambda _: None)
    with gzip.open(tmp_path / "out.jsonl.gz") as file:
        lines = [json.loads(line) for line in file]
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    first = filled.embedded(["n/0"])[0].vectors[0]
    for one, metadata in (
        (lines[0], lines[0]["metadata"]),
        (rows[0], json.loads(rows[0]["metadata"])),
    ):
        assert (one["id"], one["title"], metadata) == ("n/0", "Title 0", {"n": 0})
        assert np.array_equal(np.array(one["vector"], np.float32), first)
    assert lines[0]["model"] == filled.identity.mark
    (long,) = (one for one in lines if one["id"] == "long")
    assert long["chunks"][0]["start"] == 0
    assert len(long["chunks"]) > 1
    assert "vector" not in long


def test_a_filter_chooses_what_is_exported(filled, tmp_path: Path) -> None:
    """And nothing else is written."""
    made = export(
        filled, str(tmp_path / "a.jsonl"), lambda _: None, parse_filter({"n": {"$lt": 3}})
    )
    ids = [json.loads(line)["id"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert (made.documents, ids) == (3, ["n/0", "n/1", "n/2"])


def test_nothing_is_left_of_an_export_that_was_cut(filled, tmp_path: Path) -> None:
    """A file that was there stays as it was."""
    file = tmp_path / "a.parquet"
    file.write_text("mine")
    with pytest.raises(AlreadyExists, match="--force"):
        export(filled, str(file), lambda _: None)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(filled, str(file), interrupt, replace=True)
    assert [one.name for one in tmp_path.iterdir() if "parquet" in one.name] == ["a.parquet"]
    assert file.read_text() == "mine"
    export(filled, str(file), lambda _: None, replace=True)
    assert pq.read_metadata(file).num_rows == 35


def test_an_empty_collection_is_exported(make, tmp_path: Path) -> None:
    """As an empty file of lines, and a table without rows."""
    empty, copy = make("empty", EMBEDDER.identity), make("copy", EMBEDDER.identity)
    for suffix in ("jsonl", "parquet"):
        assert export(empty, str(tmp_path / f"e.{suffix}"), lambda _: None).documents == 0
        assert taken(copy, str(tmp_path / f"e.{suffix}")) == []
    with pytest.raises(InvalidInput, match=r"\.parquet"):
        export(empty, str(tmp_path / "e.csv"), lambda _: None)
