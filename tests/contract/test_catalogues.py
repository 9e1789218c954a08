"""What every catalogue promises of the collections in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engine import Catalogue
from indexer.engines import ENGINES, open_catalogue
from indexer.errors import AlreadyExists, Conflict, InvalidInput, NotFound, Unsupported
from indexer.index_choice import Language
from indexer.queries import Query


def embedded(id: str) -> EmbeddedDocument:
    """A document of one chunk."""
    return EmbeddedDocument(Document(id, "text"), (Chunk(0, 0, 4),), random_units(1))


def ignore(_: object) -> None:
    """Progress is not what is tested."""


def test_collections_are_found_by_name(catalogue: Catalogue) -> None:
    """In order, each with what is its own."""
    assert catalogue.names() == []
    for name, language in (("two", Language.NONE), ("one", Language.GERMAN)):
        catalogue.create(name, make_identity(name=f"model {name}"), language)
    assert catalogue.names() == ["one", "two"]
    with Collection(catalogue.open("one")) as one, Collection(catalogue.open("two")) as two:
        assert (one.name, one.language, one.identity.name) == ("one", Language.GERMAN, "model one")
        assert (two.name, two.language, two.identity.name) == ("two", Language.NONE, "model two")
        one.put([embedded("a")])
        assert (one.describe().documents, two.describe().documents) == (1, 0)


def test_a_name_is_taken_once(catalogue: Catalogue) -> None:
    """Making it again changes nothing."""
    catalogue.create("one", make_identity(), Language.ENGLISH)
    with Collection(catalogue.open("one")) as one:
        one.put([embedded("a")])
    with pytest.raises(AlreadyExists, match="one"):
        catalogue.create("one", make_identity(), Language.ENGLISH)
    with Collection(catalogue.open("one")) as one:
        assert one.get(["a"]) != [None]


def test_what_is_not_there_is_not_found(catalogue: Catalogue) -> None:
    """Neither opened nor deleted."""
    with pytest.raises(NotFound, match="nope"):
        catalogue.open("nope")
    with pytest.raises(NotFound, match="nope"):
        catalogue.delete("nope")
    assert catalogue.version("nope") is None


def test_a_deleted_collection_is_gone(catalogue: Catalogue) -> None:
    """With its documents, and no longer to be written to by who has it open."""
    catalogue.create("one", make_identity(), Language.ENGLISH)
    with Collection(catalogue.open("one")) as one:
        one.put([embedded("a")])
        catalogue.delete("one")
        assert catalogue.names() == []
        with pytest.raises(NotFound):
            one.put([embedded("b")])


def test_a_later_collection_of_a_name_is_told_from_the_earlier(catalogue: Catalogue) -> None:
    """By its version, which is the same as long as the collection is."""
    catalogue.create("one", make_identity(), Language.ENGLISH)
    first = catalogue.version("one")
    with Collection(catalogue.open("one")) as one:
        one.put([embedded("a")])
        assert catalogue.version("one") == first
        catalogue.delete("one")
        catalogue.create("one", make_identity(), Language.ENGLISH)
    assert catalogue.version("one") not in (None, first)
    with Collection(catalogue.open("one")) as one:
        assert one.describe().documents == 0


def test_a_backup_is_made_into_a_collection_or_refused(
    catalogue: Catalogue, make: Callable[..., Collection], tmp_path: Path
) -> None:
    """As the engine promises: with every document, or with an error that says who can."""
    collection = make("one")
    collection.put([embedded(f"d{i}") for i in range(5)])
    file = tmp_path / "backup.tar"
    if not collection.capabilities.backups:
        for refused in (
            lambda: catalogue.back_up("one", file, ignore),
            lambda: catalogue.restore(file, "again", ignore),
            lambda: catalogue.collection_of(file),
            lambda: catalogue.verify("one", None, ignore),
        ):
            with pytest.raises(Unsupported, match="--data"):
                refused()
        return
    assert catalogue.back_up("one", file, ignore).documents == 5
    assert catalogue.collection_of(file) == "one"
    assert catalogue.restore(file, "again", ignore).documents == 5
    assert catalogue.verify("again", None, ignore).sound
    query = Query(vector=np.ones(DIMENSION), k=9)
    with Collection(catalogue.open("again")) as again:
        assert again.search([query]) == collection.search([query])


def test_what_is_durable_outlives_the_catalogue(
    catalogue: Catalogue, make: Callable[..., Collection], url: str
) -> None:
    """A catalogue that is opened later has it; of another engine it is said that it has not."""
    collection = make("one")
    collection.put([embedded("a")])
    later = open_catalogue(url)
    assert later.names() == (["one"] if collection.capabilities.durable else [])
    described = collection.describe().index
    assert described.get("durable", True) == collection.capabilities.durable
    later.close()


def test_an_alias_is_pointed_from_one_collection_to_another(
    catalogue: Catalogue, make: Callable[..., Collection], url: str
) -> None:
    """It is told of the one before, and found by a catalogue that is opened later."""
    durable = make("one").capabilities.durable
    make("two")
    assert catalogue.aliases() == {}
    assert catalogue.point("now", "one") is None
    assert catalogue.point("now", "two") == "one"
    assert catalogue.point("also", "two") is None
    assert catalogue.aliases() == {"now": "two", "also": "two"}
    assert catalogue.names() == ["one", "two"]
    later = open_catalogue(url)
    assert later.aliases() == (catalogue.aliases() if durable else {})
    later.close()
    catalogue.unpoint("also")
    assert catalogue.aliases() == {"now": "two"}


def test_an_alias_and_a_collection_have_names_of_their_own(
    catalogue: Catalogue, make: Callable[..., Collection]
) -> None:
    """Neither takes that of the other, whichever is there first; what is not there is not named."""
    make("one")
    catalogue.point("now", "one")
    with pytest.raises(AlreadyExists, match="alias of 'one'"):
        make("now")
    with pytest.raises(AlreadyExists, match="is the name of a collection"):
        catalogue.point("one", "one")
    with pytest.raises(NotFound, match="nowhere"):
        catalogue.point("now", "nowhere")
    with pytest.raises(NotFound, match=r"no alias 'never' \(there are: now\)"):
        catalogue.unpoint("never")
    assert catalogue.aliases() == {"now": "one"}


def test_a_collection_with_an_alias_is_not_deleted(
    catalogue: Catalogue, make: Callable[..., Collection]
) -> None:
    """The error names the alias and what to do; with that done it is deleted."""
    make("one").put([embedded("a")])
    make("two")
    catalogue.point("now", "one")
    with pytest.raises(Conflict, match=r"'now'.*bearing alias set"):
        catalogue.delete("one")
    with Collection(catalogue.open("one")) as one:
        assert one.get(["a"]) != [None]
    catalogue.point("now", "two")
    catalogue.delete("one")
    assert (catalogue.names(), catalogue.aliases()) == (["two"], {"now": "two"})


@pytest.mark.parametrize("url", ["nosuch:", "nosuch://host/db", "MEMORY2:"])
def test_a_url_that_no_engine_has_is_refused(url: str) -> None:
    """With those that there are."""
    with pytest.raises(InvalidInput) as refused:
        open_catalogue(url)
    for scheme in filter(None, ENGINES):
        assert f"{scheme}:" in str(refused.value)
