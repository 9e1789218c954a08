"""What every collection says of itself: figures, columns, what was learned of it, a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from samples import DIMENSION, LEARNED, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.errors import ModelChanged, Unsupported
from indexer.queries import Grade, Mode, Query
from indexer.ranking.grades import SHIPPED, grade_of


def ignore(_: object) -> None:
    """Progress is not what is tested."""


def embedded(
    id: str, text: str, vectors: Vectors, metadata: dict[str, object] | None = None
) -> EmbeddedDocument:
    """A document with a chunk for each vector."""
    chunks = tuple(Chunk(i, 0, 1) for i in range(len(vectors)))
    return EmbeddedDocument(Document(id, text, None, metadata or {}), chunks, vectors, id == "cut")


@pytest.mark.usefixtures("background")
def test_figures_are_those_of_the_vectors(collection: Collection) -> None:
    """Against NumPy over all of them, with what was deleted and replaced left out."""
    firsts = random_units(300)
    seconds = normalise(firsts + 0.2 * random_units(300, seed=5))
    collection.put(
        [embedded(f"d{i}", f"text {i}", np.stack([firsts[i], seconds[i]])) for i in range(300)]
    )
    alone = random_units(4, seed=6)
    collection.put(
        [
            embedded("copy", "text 7", firsts[7:8]),
            embedded("near", "near", normalise(firsts[9:10] + 0.01 * alone[:1])),
            embedded("cut", "cut", alone[1:2]),
            embedded("gone", "gone", firsts[11:12]),
        ]
    )
    collection.put([embedded("d20", "another", alone[2:3])])
    collection.delete(["gone"])
    figures = collection.diagnose(ignore)
    kept = [i for i in range(300) if i != 20]
    pairs = np.square(firsts[kept] - seconds[kept]).sum(axis=1)
    assert (figures.collection, figures.model) == ("things", "test-model")
    assert (figures.documents, figures.chunks, figures.truncated) == (303, 602, 1)
    assert (figures.dimension, figures.sampled) == (DIMENSION, 602)
    assert figures.shortest == pytest.approx(1, abs=1e-6)
    assert figures.longest == pytest.approx(1, abs=1e-6)
    assert figures.aligned_pairs == 299
    assert figures.alignment == pytest.approx(pairs.mean(), rel=1e-4)
    assert (figures.copies, [set(pair) for pair in figures.copied]) == (1, [{"d7", "copy"}])
    assert (figures.near.looked, figures.near.equal) == (602, 2)
    assert {frozenset(pair[:2]) for pair in figures.near.examples} >= {
        frozenset({"d7", "copy"}),
        frozenset({"d9", "near"}),
    }
    everything = np.concatenate([collection.vectors([f"d{i}"])[0].vectors for i in range(300)])
    assert figures.mean_cosine == pytest.approx(float((everything @ everything.T).mean()), abs=0.01)
    assert 1 < figures.effective_rank <= DIMENSION
    assert figures.background == collection.background() is not None


@pytest.mark.usefixtures("background")
@pytest.mark.parametrize("documents", [0, 1, 2])
def test_hardly_anything_is_said_of_hardly_any_documents(
    collection: Collection, documents: int
) -> None:
    """What cannot be said is None, and is no error."""
    vectors = random_units(2)
    collection.put([embedded(f"d{i}", "same", vectors[i : i + 1]) for i in range(documents)])
    figures = collection.diagnose(ignore)
    assert figures.documents == documents
    assert figures.background is None
    assert figures.copies == max(documents - 1, 0)
    assert (figures.mean_cosine is None) == (documents < 2)


def test_a_column_holds_one_value_a_document(collection: Collection) -> None:
    """Of a list its least; what is replaced, amended or deleted counts as it is now."""
    held: list[dict[str, object]] = [
        {"v": 3},
        {"v": [5, 2, "x"]},
        {"v": []},
        {"w": 1},
        {"v": None},
        {"v": "text"},
        {"v": True},
        {"v": 9},
    ]
    units = random_units(len(held))
    collection.put(
        [embedded(f"d{i}", "t", units[i : i + 1], metadata) for i, metadata in enumerate(held)]
    )
    collection.delete(["d7"])
    collection.amend([Document("d3", "t", None, {"v": 2.5})])
    assert collection.column("v") == {
        "d0": 3, "d1": 2, "d3": 2.5, "d4": None, "d5": "text", "d6": True,
    }  # fmt: skip
    assert collection.column("nothing") == {}


def test_a_sample_is_another_by_another_seed(collection: Collection) -> None:
    """And the same by the same; of all there is in the end."""
    vectors = random_units(50)
    collection.put([embedded(f"d{i}", "t", vectors[i : i + 1]) for i in range(50)])
    first, same, other = (collection.sample(10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert {row.tobytes() for row in first} != {row.tobytes() for row in other}


def test_what_was_learned_is_used_for_its_kind_of_ranking(collection: Collection) -> None:
    """At once, each kind by itself, the last that was kept."""
    vectors = random_units(20)
    collection.put([embedded(f"d{i}", "word", vectors[i : i + 1]) for i in range(20)])
    query = Query(vector=random_units(1, seed=7)[0], k=3)
    assert {hit.relevance for hit in collection.search([query])[0].hits} == {None}
    halved = replace(LEARNED, curve=replace(LEARNED.curve, values=(0.0, 0.5)))
    for learned, high in ((halved, 0.5), (LEARNED, 1.0)):
        collection.keep_calibration(learned)
        assert collection.calibrations() == {"dense": learned}
        hits = collection.search([query])[0].hits
        assert [hit.relevance for hit in hits] == pytest.approx(
            [high * (1 + hit.score) / 2 for hit in hits]
        )
    collection.keep_calibration(replace(LEARNED, ranking="lexical"))
    assert set(collection.calibrations()) == {"dense", "lexical"}


@pytest.mark.usefixtures("background")
@pytest.mark.parametrize("mode", [Mode.DENSE, Mode.HYBRID])
def test_a_hit_has_a_grade_where_the_model_is_known(
    make: Callable[..., Collection], mode: Mode
) -> None:
    """By its cosine's margin and its place; not by words, reranked, or with another model."""
    known = make("known", replace(make_identity(), weights=next(iter(SHIPPED))))
    unknown = make("unknown")
    vectors = random_units(60)
    documents = [embedded(f"d{i}", "word", vectors[i : i + 1]) for i in range(60)]
    known.put(documents)
    unknown.put(documents)
    query = Query(text="word", vector=vectors[4], k=10, mode=mode)
    hits = known.search([query])[0].hits
    typical = known.background().typical
    margins = np.array([hit.scores.dense - typical for hit in hits])
    (curve,) = SHIPPED.values()
    relevance = curve.relevance(margins, np.arange(1, 11))
    assert [hit.grade for hit in hits] == [grade_of(one) for one in relevance]
    assert hits[-1].grade is Grade.WEAK
    assert {hit.relevance for hit in hits} == {None}
    for other in (
        replace(query, mode=Mode.LEXICAL),
        replace(query, rerank=5),
        replace(query, unknown=True),
        Query(like=("d4",), k=10),
    ):
        assert {hit.grade for hit in known.search([other])[0].hits} == {None}
    assert {hit.grade for hit in unknown.search([query])[0].hits} == {None}


@pytest.mark.usefixtures("background")
def test_a_grade_is_of_the_relevance_that_was_learned(collection: Collection) -> None:
    """Whatever the model; hits that are to be reranked have neither."""
    vectors = random_units(20)
    collection.put([embedded(f"d{i}", "word", vectors[i : i + 1]) for i in range(20)])
    collection.keep_calibration(replace(LEARNED, curve=replace(LEARNED.curve, values=(-0.5, 1.0))))
    query = Query(text="word", vector=vectors[3], k=20)
    hits = collection.search([query])[0].hits
    assert [hit.grade for hit in hits] == [grade_of(hit.relevance) for hit in hits]
    assert {hit.grade for hit in hits} == set(Grade)
    for hit in collection.search([replace(query, rerank=5)])[0].hits:
        assert (hit.relevance, hit.grade) == (None, None)


def test_what_was_learned_is_of_one_model(collection: Collection) -> None:
    """Of another it is refused, and it is left behind when another takes over."""
    collection.keep_calibration(LEARNED)
    with pytest.raises(ModelChanged):
        collection.keep_calibration(replace(LEARNED, model="another"))
    with collection.migrate(replace(make_identity(), weights="z" * 64)) as migration:
        assert migration.finish()
    assert collection.calibrations() == {}


def test_a_map_shows_every_document_or_is_refused(collection: Collection) -> None:
    """As the engine promises: each once, or with an error that says who can."""
    vectors = random_units(60)
    collection.put([embedded(f"d{i}", f"text {i}", vectors[i : i + 1]) for i in range(60)])
    if not collection.capabilities.maps:
        for refused in (collection.map, lambda: collection.draw_map(ignore)):
            with pytest.raises(Unsupported, match="--data"):
                refused()
        return
    drawn = collection.draw_map(ignore)
    assert sorted(drawn.ids) == sorted(f"d{i}" for i in range(60))
    assert drawn.places.shape == (60, 2)
    assert np.abs(drawn.places).max() <= 1
