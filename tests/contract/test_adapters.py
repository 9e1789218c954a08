"""A map of queries' vectors that serves a collection, on every engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local import create_local
from samples import DIMENSION, LEARNED, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.embedding.adapter import Adapter
from indexer.engine import Catalogue
from indexer.errors import Damaged, InvalidInput, ModelChanged, NotFound
from indexer.queries import Mode, Query

OTHER = replace(make_identity(8, "other-model"), weights="o" * 64)
EYE = np.eye(DIMENSION, dtype=np.float32)
SWAP = np.roll(EYE, 1, axis=1) - EYE


def turning(name: str = "turn", *, forced: bool = False) -> Adapter:
    """The adapter that moves each component to the next place."""
    return Adapter(name, SWAP, EYE, forced)


def fill(collection: Collection, vectors: Vectors) -> None:
    """A document for each vector."""
    collection.put(
        [
            EmbeddedDocument(
                Document(f"d{i}", f"text {i}"), (Chunk(0, 0, 4),), vector[None], model=None
            )
            for i, vector in enumerate(vectors)
        ]
    )


def asked(collection: Collection, vector: Vectors, **more: object) -> list[tuple[str, float]]:
    """The hits of a text that the collection's model gave this vector."""
    query = Query(text="text", vector=vector, model=collection.identity.mark, **more)
    (answer,) = collection.search([query])
    return [(hit.document.id, hit.score) for hit in answer.hits]


def test_a_text_is_searched_by_its_mapped_vector(collection: Collection) -> None:
    """Scores are the cosines to the mapped vector, in all that have a dense part."""
    vectors, query = random_units(80), random_units(1, seed=5)[0]
    fill(collection, vectors)
    collection.adapt(turning())
    cosines = vectors @ np.roll(query, 1)
    found = asked(collection, query, k=80)
    assert [id for id, _ in found] == [f"d{i}" for i in np.argsort(-cosines)]
    assert [score for _, score in found] == pytest.approx(sorted(cosines)[::-1], abs=1e-6)
    (hybrid,) = collection.search(
        [Query(text="text", vector=query, model=collection.identity.mark, mode=Mode.HYBRID)]
    )
    for hit in hybrid.hits:
        assert hit.scores.dense == pytest.approx(cosines[int(hit.document.id[1:])], abs=1e-6)


def test_vectors_and_examples_are_not_mapped(collection: Collection) -> None:
    """A vector that was given is what it is, and an example is a document."""
    vectors, query = random_units(30), random_units(1, seed=5)[0]
    fill(collection, vectors)
    mark = collection.identity.mark
    queries = [
        Query(vector=query),
        Query(text="text", vector=query, mode=Mode.HYBRID),
        Query(like=("d3",)),
        Query(like=(query,), model=mark),
    ]
    before = collection.search(queries)
    collection.adapt(turning())
    assert collection.search(queries) == before


def test_each_of_several_queries_is_mapped_by_itself(collection: Collection) -> None:
    """Those that are texts, in one batch with those that are not."""
    vectors, query = random_units(30), random_units(1, seed=5)[0]
    fill(collection, vectors)
    text = Query(text="text", vector=query, model=collection.identity.mark)
    collection.adapt(turning())
    alone = [collection.search([one])[0].hits for one in (text, Query(vector=query), text)]
    together = collection.search([text, Query(vector=query), text])
    assert [answer.hits for answer in together] == alone
    assert alone[0] != alone[1]


def test_an_adapter_belongs_to_its_model(collection: Collection) -> None:
    """After a move to another model there is none; after one back there it is again."""
    fill(collection, random_units(5))
    own = collection.identity
    collection.adapt(turning())
    with pytest.raises(InvalidInput, match="8"):
        collection.adapt(Adapter("small", np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32)))
    for identity, dimension in ((OTHER, 8), (own, DIMENSION)):
        with collection.migrate(identity) as migration:
            while documents := migration.pending(9):
                vectors = random_units(len(documents), dimension)
                migration.put(
                    [
                        EmbeddedDocument(one, (Chunk(0, 0, 4),), vector[None])
                        for one, vector in zip(documents, vectors, strict=True)
                    ]
                )
            assert migration.finish()
        assert (collection.adapter is None) == (identity is OTHER)
    collection.compact()
    assert collection.adapter is not None and collection.adapter.name == "turn"


def test_a_rollback_returns_to_the_adapter_before(collection: Collection) -> None:
    """Or to none, at once, and never to one that was taken back; then there is nothing more."""
    vectors, query = random_units(30), random_units(1, seed=5)[0]
    fill(collection, vectors)
    plain = asked(collection, query)
    with pytest.raises(NotFound):
        collection.adapt_as_before()
    collection.adapt(turning())
    turned = asked(collection, query)
    collection.adapt(replace(turning("twice"), left=SWAP * 2))
    assert asked(collection, query) not in (plain, turned)
    assert getattr(collection.adapt_as_before(), "name", None) == "turn"
    assert asked(collection, query) == turned
    collection.adapt(None)
    assert asked(collection, query) == plain
    collection.adapt_as_before()
    assert asked(collection, query) == turned
    assert collection.adapt_as_before() is None
    assert asked(collection, query) == plain
    with pytest.raises(NotFound):
        collection.adapt_as_before()


def test_the_description_names_the_adapter(collection: Collection) -> None:
    """And says if it serves against the gate's advice; without one there is nothing to say."""
    assert "adapter" not in collection.describe().index
    collection.adapt(turning(forced=True))
    told = collection.describe().index["adapter"]
    assert told == {"name": "turn", "rank": DIMENSION, "forced": True}


def test_an_adapter_outlives_its_collection_being_closed(
    catalogue: Catalogue, collection: Collection
) -> None:
    """Another that opens it has it too."""
    collection.adapt(turning())
    with Collection(catalogue.open(collection.name)) as again:
        assert again.adapter is not None
        assert again.adapter.digest == turning().digest


def test_calibrations_are_of_the_adapter_they_were_learned_with(collection: Collection) -> None:
    """A promotion drops them, a rollback has them again."""
    collection.keep_calibration(LEARNED)
    collection.adapt(turning())
    assert collection.calibrations() == {}
    with pytest.raises(ModelChanged):
        collection.keep_calibration(LEARNED)
    collection.adapt_as_before()
    assert collection.calibrations() == {"dense": LEARNED}
    collection.adapt(turning())
    renewed = replace(LEARNED, model=collection.mark)
    collection.keep_calibration(renewed)
    assert collection.calibrations() == {"dense": renewed}
    collection.adapt_as_before()
    assert collection.calibrations() == {"dense": LEARNED}
    assert collection.calibrated == {"dense"}


@pytest.mark.usefixtures("background")
def test_the_background_of_scores_is_that_of_mapped_queries(collection: Collection) -> None:
    """Significance is told against unrelated queries that went through the same map."""
    fill(collection, random_units(60))
    before = collection.background()
    collection.adapt(replace(turning(), left=SWAP * 3))
    mapped = collection.background()
    collection.adapt_as_before()
    after = collection.background()
    assert before and mapped and after
    assert not np.array_equal(before.survival.scores, mapped.survival.scores)
    assert np.array_equal(before.survival.scores, after.survival.scores)


def test_a_backup_has_the_adapter(
    catalogue: Catalogue, collection: Collection, tmp_path: Path
) -> None:
    """A collection that is made from it maps queries as the one it was made of."""
    if not collection.capabilities.backups:
        pytest.skip("the engine has no backups")
    fill(collection, random_units(5))
    collection.adapt(turning(forced=True))
    catalogue.back_up(collection.name, tmp_path / "backup.tar", lambda _: None)
    catalogue.restore(tmp_path / "backup.tar", "again", lambda _: None)
    with Collection(catalogue.open("again")) as again:
        assert again.adapter is not None and again.adapter.forced
        assert again.adapter.digest == turning().digest


def test_a_damaged_adapter_is_an_error(tmp_path: Path) -> None:
    """Not another answer; promoting again mends it."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        fill(collection, random_units(5))
        collection.adapt(turning())
        (kept,) = (tmp_path / "c").glob("adapter-*.bin")
        kept.write_bytes(kept.read_bytes()[:-9] + b"corrupted")
        with pytest.raises(Damaged, match="promote it again"):
            asked(collection, random_units(1, seed=5)[0])
        collection.adapt(turning("mended"))
        assert len(asked(collection, random_units(1, seed=5)[0])) == 5
