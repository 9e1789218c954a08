"""A new generation beside the old: complete, current, swapped at once, and safe to give up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.engine import Catalogue, Migration
from indexer.errors import CollectionBusy, InvalidVector, ModelChanged
from indexer.filters import parse_filter
from indexer.index_choice import Chunking, CutBy
from indexer.queries import Query

MakeCollection = Callable[..., Collection]

OTHER = replace(make_identity(8, "other-model"), weights="o" * 64)


def embedded(id: str, identity: Identity, version: int = 0) -> EmbeddedDocument:
    """A document whose vector depends on its id, its version and the model."""
    seed = int(id[1:]) * 100 + version
    text = f"document {id} version {version}"
    return EmbeddedDocument(
        Document(id, text, None, {"n": int(id[1:])}),
        (Chunk(0, 0, len(text)),),
        random_units(1, identity.dimension, seed),
        model=identity.fingerprint,
    )


def again(documents: Sequence[Document]) -> list[EmbeddedDocument]:
    """The same documents under the other model."""
    return [embedded(d.id, OTHER, int(d.text.rsplit(" ", 1)[1])) for d in documents]


def fill(collection: Collection, count: int) -> None:
    """Documents d0, d1, and so on."""
    collection.put([embedded(f"d{i}", collection.identity) for i in range(count)])


def draft_all(migration: Migration) -> int:
    """Draft whatever is pending; how many documents that was."""
    total = 0
    while documents := migration.pending(7):
        migration.put(again(documents))
        total += len(documents)
    return total


def test_the_new_model_takes_over_with_every_document(collection: Collection) -> None:
    """Until finish the old vectors answer; after it the new ones do, for all documents."""
    fill(collection, 40)
    old, new = random_units(1, DIMENSION, 500)[0], random_units(1, 8, 500)[0]
    with collection.migrate(OTHER) as migration:
        assert draft_all(migration) == 40
        assert collection.search([Query(vector=old, k=1)])[0].hits[0].document.id == "d5"
        assert migration.finish()
    assert collection.identity.name == "other-model"
    hits = collection.search([Query(vector=new, k=99)])[0].hits
    assert (len(hits), hits[0].document.id) == (40, "d5")
    assert hits[0].score == pytest.approx(1, abs=1e-6)
    assert collection.describe().chunks == 40
    with pytest.raises(InvalidVector, match="8"):
        collection.search([Query(vector=old)])


def test_what_changes_meanwhile_is_drafted_again(collection: Collection) -> None:
    """Documents put, replaced and deleted during a migration are as they are at its end."""
    fill(collection, 20)
    with collection.migrate(OTHER) as migration:
        assert draft_all(migration) == 20
        collection.put([embedded("d3", make_identity(), version=1)])
        collection.put([embedded("d4", make_identity())])  # the same content anew
        collection.put([embedded("d50", make_identity())])
        assert collection.delete(["d7", "d8"]) == 2
        assert not migration.finish()
        assert draft_all(migration) == 3
        assert migration.finish()
    found = collection.search([Query(vector=random_units(1, 8, 301)[0], k=99)])[0].hits
    expected = {f"d{i}" for i in range(20)} - {"d7", "d8"} | {"d50"}
    assert {hit.document.id for hit in found} == expected
    assert found[0].document.text == "document d3 version 1"
    passing = parse_filter({"n": {"$in": [7, 50]}})
    some = collection.search([Query(vector=np.ones(8), filter=passing)])[0].hits
    assert [hit.document.id for hit in some] == ["d50"]


def test_giving_up_leaves_the_collection_and_the_next_goes_on(collection: Collection) -> None:
    """A migration that stops half-way changes nothing, and is taken up where it stopped."""
    fill(collection, 20)
    with collection.migrate(OTHER) as migration:
        migration.put(again(migration.pending(12)))
    assert collection.identity.name == "test-model"
    assert len(collection.search([Query(vector=np.ones(DIMENSION), k=99)])[0].hits) == 20
    with collection.migrate(OTHER) as migration:
        assert draft_all(migration) == 8
        assert migration.finish()
    assert collection.describe().documents == 20


def test_another_model_drops_what_was_drafted(collection: Collection) -> None:
    """A draft of one model is never finished with vectors of another."""
    fill(collection, 10)
    third = replace(OTHER, weights="t" * 64)
    with collection.migrate(third) as migration:
        migration.put(
            [replace(one, model=third.fingerprint) for one in again(migration.pending(6))]
        )
    with collection.migrate(OTHER) as migration:
        assert draft_all(migration) == 10
        assert migration.finish()


def test_one_migration_at_a_time(collection: Collection) -> None:
    """A second one is refused while the first is open."""
    with (
        collection.migrate(OTHER),
        pytest.raises(CollectionBusy),
    ):
        collection.migrate(OTHER)


def test_vectors_of_the_model_before_are_refused(collection: Collection) -> None:
    """After a change of model, what the old one computed is neither stored nor searched with."""
    fill(collection, 3)
    same_shape = replace(make_identity(), weights="z" * 64)
    stale = embedded("d9", collection.identity)
    question = Query(vector=stale.vectors[0], model=collection.identity.fingerprint)
    with collection.migrate(same_shape) as migration:
        migration.put([replace(embedded(d.id, same_shape)) for d in migration.pending(9)])
        assert migration.finish()
    with pytest.raises(ModelChanged, match="'d9'"):
        collection.put([stale])
    with pytest.raises(ModelChanged):
        collection.search([question])
    assert collection.get(["d9"]) == [None]


def test_compacting_keeps_everything_that_is_there(collection: Collection) -> None:
    """After deletes and updates, compacting changes no answer and frees the dead rows."""
    fill(collection, 60)
    collection.put([embedded(f"d{i}", collection.identity, version=1) for i in range(0, 60, 2)])
    collection.delete([f"d{i}" for i in range(0, 60, 3)])
    query = Query(vector=random_units(1, DIMENSION, 3)[0], k=99)
    before = collection.search([query])[0]
    assert collection.compact()
    assert collection.search([query])[0] == before
    assert collection.describe().chunks == 40


def test_a_kept_model_takes_over_again_at_once(collection: Collection) -> None:
    """Its vectors are there as they were; only what was written since is pending."""
    fill(collection, 30)
    own, query = collection.identity, random_units(1, DIMENSION, 500)[0]
    before = [hit.document.id for hit in collection.search([Query(vector=query, k=20)])[0].hits]
    with collection.migrate(OTHER) as migration:
        draft_all(migration)
        assert migration.finish(keep=True)
    told = collection.describe().index["beside"]
    assert (told["model"], told["documents"]) == (own.name, 30)
    collection.put([embedded("d40", OTHER), embedded("d2", OTHER, version=1)])
    assert collection.delete(["d9"]) == 1
    with collection.migrate(own) as migration:
        pending = migration.pending(99)
        assert {one.id for one in pending} == {"d40", "d2"}
        migration.put([embedded(one.id, own, int("version 1" in one.text)) for one in pending])
        assert migration.finish()
    assert collection.identity.fingerprint == own.fingerprint
    after = [hit.document.id for hit in collection.search([Query(vector=query, k=99)])[0].hits]
    changed = {"d2", "d9", "d40"}
    assert len(after) == 30 and after[0] == "d5"
    assert [id for id in after if id not in changed][:9] == [
        id for id in before if id not in changed
    ][:9]
    assert "beside" not in collection.describe().index


def test_a_model_that_is_not_kept_leaves_nothing(collection: Collection) -> None:
    """Compaction drops a kept one, too."""
    fill(collection, 10)
    for keep in (False, True):
        identity = OTHER if collection.identity.name != OTHER.name else make_identity()
        with collection.migrate(identity) as migration:
            while documents := migration.pending(7):
                migration.put([embedded(one.id, identity) for one in documents])
            assert migration.finish(keep=keep)
        assert ("beside" in collection.describe().index) == keep
    collection.compact()
    assert collection.identity.name == make_identity().name


def test_a_chunking_belongs_to_the_vectors(catalogue: Catalogue, make: MakeCollection) -> None:
    """It is kept with the collection, and changed by a migration, which is of the same model."""
    coarse = make_identity()
    fine = replace(coarse, chunking=Chunking(size=32, by=CutBy.SENTENCES))
    collection = make("cut", coarse)
    fill(collection, 3)
    late = embedded("d7", collection.identity)
    with collection.migrate(fine) as migration:
        while documents := migration.pending(7):
            migration.put([halved(one, fine) for one in documents])
        assert migration.finish()
    fine.require(collection.identity)
    assert (collection.describe().chunks, collection.identity.chunking) == (6, fine.chunking)
    hit = collection.search([Query(vector=random_units(2, DIMENSION, 1)[1], k=1)])[0].hits[0]
    assert (hit.document.id, hit.passage.start > 0) == ("d1", True)
    with pytest.raises(ModelChanged):
        collection.put([late])  # it was cut as before
    later = catalogue.open("cut")
    assert later.identity.chunking == fine.chunking
    assert Identity.decode(later.identity.encode()).fingerprint == fine.fingerprint
    later.close()


def halved(document: Document, identity: Identity) -> EmbeddedDocument:
    """A document in two chunks."""
    middle, end = len(document.text) // 2, len(document.text)
    chunks = (Chunk(0, 0, middle), Chunk(1, middle, end))
    vectors = random_units(2, identity.dimension, int(document.id[1:]))
    return EmbeddedDocument(document, chunks, vectors, model=identity.mark)
