"""Every engine keeps pictures beside their documents, through all that becomes of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Change, Chunk, Document, EmbeddedDocument, Vectors
from indexer.engine import Catalogue
from indexer.engines import open_catalogue
from indexer.filters import Condition, Every, Not, Operator, Pictured
from indexer.pictures import Picture, PictureFiles
from indexer.queries import Fusion, Merge, Mode, PageExclusions, Query, SearchOf
from indexer.transfer import copy_collection

VECTORS = random_units(20)
JPEG = b"\xff\xd8\xff thumbnail "


def vectors_of(number: int) -> Vectors:
    """The vector of a number, (1, d)."""
    return VECTORS[number % 20][None]


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
    vectors = vectors_of(number)
    return EmbeddedDocument(document, (Chunk(0, 0, 9),), vectors, files=files)


def plain(number: int) -> EmbeddedDocument:
    """A document without a picture."""
    document = Document(f"t{number}", "a caption", None, {"n": number})
    return EmbeddedDocument(document, (Chunk(0, 0, 9),), vectors_of(number))


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
    hit = collection.search([Query(vector=VECTORS[1], k=1, of=SearchOf.IMAGE)])[0].hits[0]
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


def of_kinds(collection: Collection, **how: object) -> list[str]:
    """The ids of the hits of a search, in their order."""
    query = Query(vector=VECTORS[0], **how)  # type: ignore[arg-type]
    return [hit.document.id for hit in collection.search([query])[0].hits]


def in_order(among: range) -> list[int]:
    """The oracle: numbers of vectors by their cosine to the first, in float64."""
    scores = VECTORS.astype(np.float64) @ VECTORS[0]
    return sorted(among, key=lambda n: -scores[n])


def test_images_and_texts_are_ranked_among_their_kind(collection: Collection) -> None:
    """In turn, each in the order of its cosines; or of one kind only, or by scores all together."""
    collection.put([pictured(n) if n % 2 else plain(n) for n in range(20)])
    images = [f"p{n}" for n in in_order(range(1, 20, 2))]
    texts = [f"t{n}" for n in in_order(range(0, 20, 2))]
    mixed = [id for pair in zip(texts, images, strict=True) for id in pair]
    raw = [f"p{n}" if n % 2 else f"t{n}" for n in in_order(range(20))]
    assert mixed != raw
    for k in (1, 5, 20):
        assert of_kinds(collection, k=k) == mixed[:k]
        assert of_kinds(collection, k=k, merge=Merge.SCORES) == raw[:k]
        assert of_kinds(collection, k=k, of=SearchOf.IMAGE) == images[:k]
        assert of_kinds(collection, k=k, of=SearchOf.TEXT) == texts[:k]
    swapped = [id for pair in zip(images, texts, strict=True) for id in pair]
    assert of_kinds(collection, k=20, by_image=True) == swapped
    answer = collection.search([Query(vector=VECTORS[0], k=3, temperature=1.0)])[0]
    assert answer.total == 20
    assert sum(hit.probability or 0 for hit in answer.hits) == pytest.approx(1)


def test_facets_count_both_kinds_together(collection: Collection) -> None:
    """Each value once, whatever the kind of its document."""
    collection.put([pictured(n) if n % 2 else plain(n) for n in range(5)])
    query = Query(vector=VECTORS[0], k=2, facets=("n", "none"))
    answer = collection.search([query])[0]
    assert answer.facets is not None
    assert answer.facets.documents == 5
    counted = {one.value: one.documents for one in answer.facets.fields[0].values}
    assert counted == dict.fromkeys(range(5), 1)
    assert answer.unknown_fields == ("none",)
    (only,) = collection.search([replace(query, of=SearchOf.IMAGE)])
    assert only.facets is not None
    assert only.facets.documents == 2


def test_one_kind_fills_an_answer_alone(collection: Collection) -> None:
    """As many hits as there are come, also after the others are deleted, and by a filter."""
    collection.put([pictured(1), *(plain(n) for n in range(2, 12))])
    assert len(of_kinds(collection, k=8)) == 8
    assert of_kinds(collection, k=8, of=SearchOf.IMAGE) == ["p1"]
    condition = Condition("n", Operator.GT, (1,))
    assert of_kinds(collection, k=8, of=SearchOf.IMAGE, filter=condition) == []
    collection.delete([f"t{n}" for n in range(2, 12)])
    assert of_kinds(collection, k=8) == ["p1"]
    collection.delete(["p1"])
    assert of_kinds(collection, k=8) == []


def test_pages_of_both_kinds_have_each_document_once(collection: Collection) -> None:
    """Whatever the sizes of pages."""
    collection.put([pictured(n) if n % 3 else plain(n) for n in range(20)])
    whole = of_kinds(collection, k=20)
    found: list[str] = []
    seen: tuple[int, ...] = ()
    answer = collection.search([Query(vector=VECTORS[0], k=3)])[0]
    while answer.hits:
        found += [hit.document.id for hit in answer.hits]
        seen = (*seen, *(hit.key for hit in answer.hits))
        pages = PageExclusions(answer.token, seen)
        query = Query(vector=VECTORS[0], k=3, cursor="x", exclusions=pages)
        answer = collection.search([query])[0]
    assert sorted(found) == sorted(whole)


def test_a_hybrid_search_does_not_bury_an_image_without_words(collection: Collection) -> None:
    """The nearest image comes before others that have other words, and before all but a text."""
    bare = pictured(0)
    bare = replace(
        bare, document=replace(bare.document, text="", title=None), chunks=(Chunk(0, 0, 0),)
    )
    worded = []
    for number in range(1, 10):
        one = pictured(number)
        worded.append(replace(one, document=replace(one.document, text=f"word {number} of it")))
    collection.put([bare, *worded, *(plain(n) for n in range(10, 20))])
    for fusion in (Fusion.CONVEX, Fusion.RECIPROCAL_RANK):
        query = Query(text="a caption", vector=VECTORS[0], mode=Mode.HYBRID, fusion=fusion, k=4)
        ids = [hit.document.id for hit in collection.search([query])[0].hits]
        assert "p0" in ids[:2]


@pytest.mark.usefixtures("background")
def test_nothing_is_claimed_of_scores_of_images(collection: Collection) -> None:
    """Texts by a text have a significance, images and what is asked by an image have none."""
    vectors = random_units(400, seed=4)
    made = [plain(n) if n < 390 else pictured(n) for n in range(400)]
    collection.put([replace(one, vectors=vectors[n][None]) for n, one in enumerate(made)])
    with collection._engine.reading() as state:
        collection._backgrounds.make(state)

    def significance(**how: object) -> float | None:
        query = Query(vector=vectors[3], k=3, **how)  # type: ignore[arg-type]
        return collection.search([query])[0].significance

    assert significance() is not None
    assert significance(of=SearchOf.TEXT) == significance()
    assert significance(of=SearchOf.IMAGE) is None
    assert significance(by_image=True) is None
