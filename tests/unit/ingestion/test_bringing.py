"""Vectors that records bring along: which are taken, and which are refused, by their places."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embedders import Unused
from local import create_local

from indexer.collection import Collection
from indexer.documents import BroughtVectors, Document
from indexer.embedding.embedder import Embedder
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import InvalidVector
from indexer.ingestion.changes import store
from indexer.ingestion.pipeline import Summary, ingest
from indexer.readers import USUAL, Fields, Rejection, read_paths
from indexer.readers.reading import VectorTrust

DIMENSION = 32
TRUSTED = Fields(vectors=VectorTrust.TRUSTED)


@pytest.fixture
def embedder() -> Embedder:
    """A small embedder."""
    return open_hashing(DIMENSION)


@pytest.fixture
def collection(tmp_path: Path, embedder: Embedder) -> Iterator[Collection]:
    """An empty collection of its vectors."""
    collection = create_local(tmp_path / "c", embedder.identity)
    yield collection
    collection.close()


@pytest.fixture
def take(
    tmp_path: Path, collection: Collection, embedder: Embedder
) -> Callable[..., tuple[Summary, list[Rejection]]]:
    """Reads a file into the collection."""

    def take_file(
        name: str, content: bytes, fields: Fields = USUAL, *, embeds: bool = False
    ) -> tuple[Summary, list[Rejection]]:
        path = tmp_path / name
        path.write_bytes(content)
        rejections: list[Rejection] = []
        model = embedder if embeds else Unused(embedder)
        reads = read_paths([str(path)], fields)
        done = ingest(collection, model, reads, on_reject=rejections.append)
        return done, rejections

    return take_file


def lines(*records: object) -> bytes:
    """Records as JSON Lines."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def vectors_of(collection: Collection, *ids: str) -> list[np.ndarray | None]:
    """The stored vectors of these documents."""
    return [None if one is None else one.vectors for one in collection.vectors(ids)]


def some_vectors(count: int, seed: int = 1) -> np.ndarray:
    """Vectors of no particular length."""
    return np.random.default_rng(seed).normal(size=(count, DIMENSION)) * 3


def unit(vectors: np.ndarray) -> np.ndarray:
    """The same of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_vector_with_its_models_fingerprint_is_taken(take, collection, embedder) -> None:
    """It is made a unit vector and stored; nothing is embedded, and the fields are no metadata."""
    given = some_vectors(2)
    model = embedder.identity.mark
    done, rejections = take(
        "a.jsonl",
        lines(
            {"id": "a", "text": "one", "kind": "x", "vector": given[0].tolist(), "model": model},
            {"id": "b", "text": "two", "vector": given[1].tolist(), "model": model},
        ),
    )
    assert (done.written, done.tokens, rejections) == (2, 0, [])
    np.testing.assert_allclose(
        np.concatenate(vectors_of(collection, "a", "b")), unit(given), atol=1e-6
    )
    assert [one.metadata for one in collection.get(["a", "b"])] == [{"kind": "x"}, {}]


def test_a_unit_vector_stays_as_it_is(take, collection) -> None:
    """To the last bit, so that what is moved gives the same scores."""
    given = unit(some_vectors(50)).astype(np.float32)
    records = [
        {"id": str(n), "text": f"t{n}", "vector": [float(x) for x in row]}
        for n, row in enumerate(given)
    ]
    take("a.jsonl", lines(*records), TRUSTED)
    stored = np.concatenate(vectors_of(collection, *map(str, range(50))))
    assert np.array_equal(stored, given)


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([0.0] * DIMENSION, "is zero"),
        ([1e400] * DIMENSION, "JSON"),
        ([1.0] * (DIMENSION + 1), f"{DIMENSION + 1} numbers"),
        ([1.0, "x"], "list of numbers"),
        ([], "list of numbers"),
        ("AAAA", "list of numbers"),
    ],
)
def test_what_is_no_direction_of_the_model_is_refused(take, collection, vector, words) -> None:
    """By its line; the documents around it are stored."""
    good = some_vectors(1)[0].tolist()
    body = lines(
        {"id": "a", "text": "x", "vector": good},
        {"id": "b", "text": "x", "vector": vector},
        {"id": "c", "text": "x", "vector": good},
    ).replace(b"Infinity", b"1e400")
    done, rejections = take("a.jsonl", body, TRUSTED)
    assert (done.written, done.rejected) == (2, 1)
    assert rejections[0].place.endswith("a.jsonl:2")
    assert words in rejections[0].reason
    assert collection.get(["b"]) == [None]


def test_a_vector_of_another_model_is_refused(take, embedder) -> None:
    """The message names both fingerprints and what to do."""
    other = open_hashing(DIMENSION * 2).identity.mark
    record = {"id": "a", "text": "x", "vector": some_vectors(1)[0].tolist(), "model": other}
    done, (rejection,) = take("a.jsonl", lines(record))
    assert done.written == 0
    for word in (other, embedder.identity.mark, "--ignore-vectors"):
        assert word in rejection.reason


def test_a_vector_that_nobody_vouches_for_is_left_out(take, collection, embedder) -> None:
    """The text is embedded, the field told once, and the model of a car stays metadata."""
    vector = np.random.default_rng(2).normal(size=100).tolist()
    records = [
        {"id": name, "text": "a car", "vector": vector, "model": "Volvo 240"} for name in "ab"
    ]
    done, rejections = take("a.jsonl", lines(*records), embeds=True)
    assert (done.written, len(rejections)) == (2, 1)
    assert "--trust-vectors" in rejections[0].reason
    assert collection.get(["a"])[0].metadata == {"model": "Volvo 240"}
    np.testing.assert_array_equal(vectors_of(collection, "a")[0], embedder.embed(["a car"]).vectors)


def test_vectors_are_ignored_when_told(take, collection, embedder) -> None:
    """Texts are embedded, and nothing is reported."""
    record = {
        "id": "a",
        "text": "x y",
        "vector": some_vectors(1)[0].tolist(),
        "model": embedder.identity.mark,
    }
    fields = Fields(vectors=VectorTrust.IGNORED)
    done, rejections = take("a.jsonl", lines(record), fields, embeds=True)
    assert (done.written, rejections) == (1, [])
    np.testing.assert_array_equal(vectors_of(collection, "a")[0], embedder.embed(["x y"]).vectors)
    assert collection.get(["a"])[0].metadata == {}


def test_a_long_document_needs_vectors_of_its_passages(take, collection, embedder) -> None:
    """One vector for what the model cannot read at once is refused; those of passages are taken."""
    text = "word " * (embedder.room * 2)
    whole = {"id": "a", "text": text, "vector": some_vectors(1)[0].tolist()}
    done, (rejection,) = take("a.jsonl", lines(whole), TRUSTED)
    assert done.written == 0
    assert "as chunks" in rejection.reason
    given, half = some_vectors(2), len(text) // 2
    chunks = [
        {"start": 0, "end": half, "vector": given[0].tolist()},
        {"start": half, "end": len(text), "vector": given[1].tolist(), "unknown": True},
    ]
    done, rejections = take("b.jsonl", lines({"id": "a", "text": text, "chunks": chunks}), TRUSTED)
    assert (done.written, done.chunks, done.unknown, rejections) == (1, 2, ("a",), [])
    (stored,) = collection.vectors(["a"])
    assert [(one.start, one.end, one.unknown) for one in stored.chunks] == [
        (0, half, False),
        (half, len(text), True),
    ]
    np.testing.assert_allclose(stored.vectors, unit(given), atol=1e-6)


def test_passages_outside_of_the_text_are_refused(take) -> None:
    """They could not be shown."""
    vector = some_vectors(1)[0].tolist()
    for start, end in ((0, 5), (-1, 2), (2, 1)):
        chunk = {"start": start, "end": end, "vector": vector}
        record = {"id": "a", "text": "four", "chunks": [chunk]}
        done, (rejection,) = take("a.jsonl", lines(record), TRUSTED)
        assert done.written == 0
        assert f"from {start} to {end}" in rejection.reason


@pytest.mark.parametrize("told", ["column", "trusted"])
@pytest.mark.parametrize("kind", ["list", "fixed"])
def test_columns_of_vectors_in_parquet(take, collection, embedder, told, kind, tmp_path) -> None:
    """Of any kind of list; rows without one are embedded, and those of zeros refused by row."""
    given = some_vectors(3).astype(np.float32)
    rows = [given[0].tolist(), None, [0.0] * DIMENSION]
    size = (DIMENSION,) if kind == "fixed" else ()
    columns = {
        "id": ["a", "b", "c"],
        "text": ["one", "two", "three"],
        "vector": pa.array(rows, pa.list_(pa.float32(), *size)),
    }
    if told == "column":
        columns["model"] = [embedder.identity.mark, None, embedder.identity.mark]
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    fields = TRUSTED if told == "trusted" else Fields()
    done, rejections = take("a.parquet", content, fields, embeds=True)
    assert done.written == 2
    assert [one.place.rpartition(":")[2] for one in rejections] == ["row 3"]
    stored = np.concatenate(vectors_of(collection, "a", "b"))
    np.testing.assert_allclose(stored[:1], unit(given[:1]), atol=1e-6)
    np.testing.assert_array_equal(stored[1:], embedder.embed(["two"]).vectors)


def test_a_column_of_another_name(take, collection, tmp_path) -> None:
    """``--vector-field`` names it."""
    given = some_vectors(1)
    table = pa.table({"id": ["a"], "text": ["one"], "emb": pa.array(given.tolist())})
    pq.write_table(table, tmp_path / "t.parquet")
    fields = Fields(vector="emb", vectors=VectorTrust.TRUSTED)
    done, rejections = take("a.parquet", (tmp_path / "t.parquet").read_bytes(), fields)
    assert (done.written, rejections) == (1, [])
    np.testing.assert_allclose(vectors_of(collection, "a")[0], unit(given), atol=1e-6)


def test_a_parquet_row_of_an_unknown_model_is_embedded(take, embedder, tmp_path) -> None:
    """The column is told as left out, and the other model is metadata."""
    wide = np.random.default_rng(3).normal(size=(1, 100))
    table = pa.table({"id": ["a"], "text": ["x"], "vector": wide.tolist(), "model": ["Volvo"]})
    pq.write_table(table, tmp_path / "t.parquet")
    done, (rejection,) = take("a.parquet", (tmp_path / "t.parquet").read_bytes(), embeds=True)
    assert done.written == 1
    assert "--trust-vectors" in rejection.reason


def test_an_array_of_records_brings_vectors_too(take, collection) -> None:
    """As an array of objects, and as Chroma's answer with a named field."""
    given = some_vectors(2)
    answer = {
        "ids": ["a", "b"],
        "documents": ["one", "two"],
        "metadatas": [{"n": 1}, {"n": 2}],
        "embeddings": np.concatenate([given] * 2, axis=1).tolist(),
    }
    array = [{"id": "c", "text": "x", "vector": given[0].tolist()}, {"id": "d", "text": 1}]
    done, rejections = take("a.json", json.dumps(array).encode(), TRUSTED)
    assert (done.written, len(rejections)) == (1, 1)
    fields = Fields(vector="embeddings", vectors=VectorTrust.TRUSTED)
    done, rejections = take("b.json", json.dumps(answer).encode(), fields)
    assert [f"{2 * DIMENSION} numbers" in one.reason for one in rejections] == [True, True]


def test_a_store_refuses_some_or_all(collection, embedder) -> None:
    """Of a batch, what brings no direction is told by its position, or nothing is written."""
    documents = [Document(id, "text") for id in "abc"]
    good = BroughtVectors(some_vectors(1), None, "first")
    bad = BroughtVectors(np.zeros((1, DIMENSION)), None, "second")
    brought = [good, bad, None]
    with pytest.raises(InvalidVector, match=r"second: .*zero"):
        store(collection, embedder, documents, brought=brought, whole=True)
    assert collection.get(["a"]) == [None]
    stored = store(collection, embedder, documents, brought=brought)
    assert (stored.written, [place for place, _ in stored.refused]) == (2, [1])
    assert [one is None for one in collection.get(["a", "b", "c"])] == [False, True, False]
