"""What figures mean: each is said in words, and asks for something only where it should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from local import create_local
from samples import DIMENSION, make_identity, random_units

from indexer.analysis.diagnostics import Diagnostic, Verdict, explain, report
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.reports import Diagnosis


def quietly(_: object) -> None:
    """Progress is not what is tested."""


def embedded(id: str, text: str, vectors: Vectors, truncated: bool = False) -> EmbeddedDocument:
    """A document with a chunk for each vector."""
    chunks = tuple(Chunk(i, 0, 1) for i in range(len(vectors)))
    return EmbeddedDocument(Document(id, text), chunks, vectors, truncated)


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """An empty collection."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        yield collection


def diagnosed(collection: Collection) -> tuple[Diagnosis, dict[str, Diagnostic]]:
    """The figures, and what they mean by name."""
    figures = collection.diagnose(quietly)
    json.dumps(report(figures), allow_nan=False)
    return figures, {one.name: one for one in explain(figures)}


def test_a_sound_collection_asks_for_nothing(collection: Collection) -> None:
    """Random vectors, two to a document, the second near the first."""
    firsts = random_units(400)
    seconds = normalise(firsts + 0.2 * random_units(400, seed=5))
    collection.put(
        [embedded(f"d{i}", f"text {i}", np.stack([firsts[i], seconds[i]])) for i in range(400)]
    )
    figures, found = diagnosed(collection)
    assert {one.verdict for one in found.values()} == {Verdict.FINE}, found
    assert all(one.remedy is None and one.meaning for one in found.values())
    assert figures.aligned_pairs == 400
    assert figures.alignment == pytest.approx(np.square(firsts - seconds).sum(axis=1).mean())
    assert figures.near.looked == figures.sampled == 800
    assert abs(figures.mean_cosine) < 0.02
    assert figures.effective_rank == pytest.approx(DIMENSION, rel=0.05)
    assert found["significance_fit"].details["p"] > 0.01


def test_passages_that_say_nothing_are_told(collection: Collection) -> None:
    """With their share, and what to do."""
    chunk = Chunk(0, 0, 1, unknown=True)
    silent = EmbeddedDocument(Document("s", "---"), (chunk,), random_units(1, seed=3))
    others = [embedded(f"d{i}", f"t{i}", random_units(1, seed=i)) for i in range(3)]
    collection.put([silent, *others])
    figures, found = diagnosed(collection)
    assert figures.unknown == 1
    assert found["unknown_documents"].verdict is Verdict.LOOK
    assert found["unknown_documents"].details["share"] == 0.25
    assert "hybrid" in str(found["unknown_documents"].remedy)


def test_copies_hubs_and_truncation_are_found(collection: Collection) -> None:
    """Each with the documents it is about, and what to do."""
    vectors = random_units(300)
    hub = normalise(vectors.mean(axis=0, keepdims=True))
    near = normalise(vectors[7:8] + 0.02 * random_units(1, seed=9))
    collection.put(
        [
            *(embedded(f"d{i}", f"text {i}", vectors[i : i + 1]) for i in range(300)),
            embedded("copy", "text 3", vectors[3:4]),
            embedded("near", "another", near),
            embedded("hub", "everything", hub),
            embedded("long", "long", random_units(1, seed=8), truncated=True),
        ]
    )
    figures, found = diagnosed(collection)
    assert figures.copies == 1
    assert set(figures.copied[0]) == {"copy", "d3"}
    assert figures.near.near == 4
    assert figures.near.equal == 2
    assert {frozenset(pair[:2]) for pair in figures.near.examples} == {
        frozenset({"copy", "d3"}),
        frozenset({"near", "d7"}),
    }
    assert figures.truncated == 1
    for name in ("exact_duplicates", "near_duplicates", "truncated_documents"):
        assert found[name].verdict is Verdict.LOOK
        assert found[name].remedy


def test_a_hub_is_named(tmp_path: Path) -> None:
    """What is in the middle of all others is near to them all."""
    middle = normalise(np.ones((1, 128)))
    around = normalise(middle + 1.2 * random_units(300, 128))
    with create_local(tmp_path / "many", make_identity(128)) as collection:
        collection.put(
            [
                *(embedded(f"d{i}", f"text {i}", around[i : i + 1]) for i in range(300)),
                embedded("hub", "everything", middle),
            ]
        )
        figures, found = diagnosed(collection)
    assert figures.hubs[0].id == "hub"
    assert figures.hubs[0].occurrences > 290
    assert found["hubness"].verdict is Verdict.LOOK


def test_chunks_of_one_document_are_no_duplicates_of_each_other(
    collection: Collection,
) -> None:
    """However alike they are."""
    vectors = random_units(60)
    collection.put([embedded(f"d{i}", f"text {i}", np.stack([vectors[i]] * 3)) for i in range(60)])
    figures, _ = diagnosed(collection)
    assert figures.near.near == 0
    assert figures.alignment == 0


@pytest.mark.parametrize("documents", [0, 1, 2])
def test_hardly_anything_is_said_of_hardly_any_documents(
    collection: Collection, documents: int
) -> None:
    """What cannot be said is null, and is no error."""
    vectors = random_units(2)
    collection.put([embedded(f"d{i}", "same", vectors[i : i + 1]) for i in range(documents)])
    figures, found = diagnosed(collection)
    assert figures.documents == documents
    assert found["significance_fit"].value is None
    assert found["participation_ratio"].value is None
    assert (found["mean_cosine"].value is None) == (documents < 2)
    assert figures.copies == max(documents - 1, 0)


def test_deleted_documents_are_not_looked_at(collection: Collection) -> None:
    """Their rows are there until the collection is compacted."""
    vectors = random_units(50)
    collection.put([embedded(f"d{i}", f"t{i}", vectors[i : i + 1]) for i in range(50)])
    collection.put([embedded("twin", "twin", vectors[:1])])
    collection.delete(["twin"])
    figures, _ = diagnosed(collection)
    assert figures.near.near == 0
    assert figures.sampled == 50
