"""Every engine keeps pictures beside their documents, through all that becomes of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Change, Chunk, Document, EmbeddedDocument
from indexer.engine import Catalogue
from indexer.engines import open_catalogue
from indexer.filters import Condition, Every, Not, Operator, Pictured
from indexer.pictures import Picture, PictureFiles
from indexer.queries import Query
from indexer.transfer import copy_collection

VECTORS = random_units(20)
JPEG = b"\xff\xd8\xff thumbnail "


def original(number: int) -> bytes:
    """The bytes that stand for a picture."""
    return b"original %d" % number


def pictured(number: int, place: str | None = None, **facts: object) -> EmbeddedDocument:
    """A document with a picture, kept by the collection unless it has a place."""
    content = original(number)
    digest = hashlib.sha256(content).hexdigest()
    picture = Picture("image/png", 4, 3, len(content), digest, place, **facts)  # type: ignore[arg-type]
    document = Document(f"p{number}", "a caption", None, {"n": number}, picture)
    files = PictureFiles(JPEG + b"%d" % number, None if place else content)
    vectors = VECTORS[number : number + 1]
    return EmbeddedDocument(document, (Chunk(0, 0, 9),), vectors, files=files)


def plain(number: int) -> EmbeddedDocument:
    """A document without a picture."""
    document = Document(f"t{number}", "a caption", None, {"n": number})
    return EmbeddedDocument(document, (Chunk(0, 0, 9),), VECTORS[number : number + 1])


def kept(collection: Collection, *ids: str) -> list[tuple[bytes | None, bytes | None]]:
    """The thumbnail and the original that a collection keeps of each document."""
    return [(collection.thumbnail(id), collection.original(id)) for id in ids]


def test_a_picture_is_kept_with_its_document(collection: Collection) -> None:
    """Its facts come back with the document, its files by the document's id."""
    one, left = pictured(1, details={"camera": "Box"}), pictured(2, "/nowhere/2.png", modified=7)
    collection.put([one, left, plain(3)])
    found = collection.get(["p1", "p2", "t3"])
    assert found == [one.document, left.document, plain(3).document]
    assert found == list(collection.page().documents)
    assert kept(collection, "p1", "p2", "t3", "none") == [
        (JPEG + b"1", original(1)),
        (JPEG + b"2", None),
        (None, None),
        (None, None),
    ]
    hit = collection.search([Query(vector=VECTORS[1], k=1)])[0].hits[0]
    assert hit.document == one.document


def test_what_changes_of_a_picture_decides_what_is_done(collection: Collection) -> None:
    """Another content is embedded again; another place is not, and is kept by amending."""
    collection.put([pictured(1, "/a/1.png")])
    moved = pictured(1, "/b/1.png").document
    taken_in = pictured(1).document
    other = replace(pictured(1), document=replace(pictured(2).document, id="p1"))
    bare = Document("p1", "a caption", None, {"n": 1})
    same = pictured(1, "/a/1.png").document
    assert collection.changes([same, moved, taken_in, other.document, bare]) == [
        Change.NOTHING,
        Change.METADATA,
        *[Change.CONTENT] * 3,
    ]
    collection.amend([moved])
    assert collection.get(["p1"]) == [moved]
    assert kept(collection, "p1") == [(JPEG + b"1", None)]


def test_files_go_with_the_picture(collection: Collection) -> None:
    """They are replaced with it, stay when only vectors are written, and go when it goes."""
    collection.put([pictured(1), pictured(2), pictured(3)])
    collection.put([replace(pictured(4), document=replace(pictured(4).document, id="p1"))])
    collection.put([replace(pictured(2), files=None)])
    assert kept(collection, "p1", "p2") == [
        (JPEG + b"4", original(4)),
        (JPEG + b"2", original(2)),
    ]
    collection.put([replace(plain(1), document=replace(plain(1).document, id="p1"))])
    collection.delete(["p2"])
    collection.delete_matching(Pictured())
    assert kept(collection, "p1", "p2", "p3") == [(None, None)] * 3
    assert [one.id for one in collection.page().documents] == ["p1"]
    collection.put([plain(2), replace(plain(3), document=replace(plain(3).document, id="p3"))])
    assert kept(collection, "p3") == [(None, None)]


def test_documents_are_told_apart_by_their_pictures(collection: Collection) -> None:
    """A search for those with a picture, or without, passes no other, with any filter beside."""
    collection.put([pictured(n) if n % 2 else plain(n) for n in range(20)])
    for condition, expected in (
        (Pictured(), {f"p{n}" for n in range(1, 20, 2)}),
        (Not(Pictured()), {f"t{n}" for n in range(0, 20, 2)}),
        (Every((Pictured(), Condition("n", Operator.LT, (6,)))), {"p1", "p3", "p5"}),
    ):
        answer = collection.search([Query(vector=VECTORS[0], k=20, filter=condition)])[0]
        assert {hit.document.id for hit in answer.hits} == expected
        assert answer.total == len(expected)
        assert {one.id for one in collection.page(condition).documents} == expected
    collection.delete(["p3"])
    answer = collection.search([Query(vector=VECTORS[0], k=20, filter=Pictured())])[0]
    assert "p3" not in {hit.document.id for hit in answer.hits}
    assert len(answer.hits) == 9


def test_a_migration_leaves_pictures_as_they_are(collection: Collection) -> None:
    """Another model's vectors come in the place of those before, and the files stay."""
    collection.put([pictured(1), plain(2)])
    with collection.migrate(replace(make_identity(name="other"), weights="x" * 64)) as migration:
        assert [one.picture is None for one in migration.pending(9)] == [False, True]
        migration.put([replace(pictured(1), files=None), plain(2)])
        assert migration.finish()
    collection.compact()
    assert collection.get(["p1"]) == [pictured(1).document]
    assert kept(collection, "p1") == [(JPEG + b"1", original(1))]


def test_pictures_are_copied_into_another_engine(
    collection: Collection, make: Callable[..., Collection]
) -> None:
    """A transfer takes the facts and the files along, to this engine's like and to memory."""
    collection.put([pictured(1), pictured(2, "/nowhere/2.png"), plain(3)])
    catalogue = open_catalogue("memory:")
    catalogue.create("copy", make_identity(), collection.language)
    with Collection(catalogue.open("copy")) as memory:
        back = make("back")
        for source, target in ((collection, memory), (memory, back)):
            copy_collection(source._engine, target._engine, lambda _: None)
        assert list(back.page().documents) == list(collection.page().documents)
        assert kept(back, "p1", "p2", "t3") == kept(collection, "p1", "p2", "t3")


def test_equal_pictures_without_a_caption_are_copies(collection: Collection) -> None:
    """Captions that are all empty make no copies; equal pictures do."""
    pictures = [pictured(1), replace(pictured(2)), pictured(3)]
    documents = [replace(one.document, text="") for one in pictures]
    documents.append(replace(documents[0], id="again"))
    collection.put(
        [
            EmbeddedDocument(one, (Chunk(0, 0, 0),), VECTORS[:1], files=pictures[0].files)
            for one in documents
        ]
    )
    with collection._engine.reading() as state:
        assert state.copies(9) == (1, [("again", "p1")])


def test_a_check_looks_at_pictures(
    catalogue: Catalogue, collection: Collection, tmp_path: Path
) -> None:
    """One in its place, touched or not, is sound; one that is gone or another is told of."""
    if not collection.capabilities.backups and collection.capabilities.engine == "memory":
        pytest.skip("collections in memory are not verified")
    there = tmp_path / "there.png"
    there.write_bytes(original(1))
    changed = tmp_path / "changed.png"
    changed.write_bytes(b"o" * len(original(2)))
    collection.put([pictured(1, str(there)), pictured(2, str(changed)), pictured(3)])
    findings = catalogue.verify("things", None, lambda _: None).findings
    assert len(findings) == 1
    assert str(changed) in findings[0].problem
    there.unlink()
    assert len(catalogue.verify("things", None, lambda _: None).findings) == 2
