"""The origins of documents, on every engine: what was claimed, what is obsolete, what is astray."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engine import Catalogue
from indexer.origins import Claim, FileRecord, SourceRecord


def put(collection: Collection, **texts: str) -> None:
    """Store documents, each by its id, of these texts."""
    documents = [Document(id, text) for id, text in texts.items()]
    collection.put(
        [
            EmbeddedDocument(document, (Chunk(0, 0, len(document.text)),), vectors)
            for document, vectors in zip(
                documents, random_units(len(documents))[:, None], strict=True
            )
        ]
    )


def hashed(text: str) -> bytes:
    """The hash of a document's content."""
    return Document("any", text).content_hash


def claim(file: str, id: str, text: str, run: int) -> Claim:
    """A claim on a document with this text."""
    return Claim(file, id, hashed(text), run)


@pytest.fixture
def kept(collection: Collection) -> Collection:
    """Three documents of two files of one source, each read in the first run."""
    put(collection, a="one", b="two", c="three")
    origins = collection.origins
    assert origins.begin("docs", "/docs") == 1
    claims = [claim("x", "a", "one", 1), claim("x", "b", "two", 1), claim("y", "c", "three", 1)]
    origins.note("docs", claims, {})
    origins.note("docs", [], {"x": FileRecord(1, "x1"), "y": FileRecord(1, "y1")})
    return collection


def test_runs_are_counted_and_places_replaced(collection: Collection) -> None:
    """Each source has its own runs; its place is that of the last."""
    origins = collection.origins
    assert origins.sources() == []
    assert [
        origins.begin("docs", "/a"),
        origins.begin("Docs", "/"),
        origins.begin("docs", "/b"),
    ] == [
        1,
        1,
        2,
    ]
    assert origins.sources() == [SourceRecord("Docs", "/", 1), SourceRecord("docs", "/b", 2)]
    origins.keep(SourceRecord("docs", "/c", 7))
    assert origins.begin("docs", "/c") == 8


def test_a_claim_comes_before_its_file_is_read(collection: Collection) -> None:
    """A file that is only claimed by has run 0 and no stamp, and nothing of it is obsolete."""
    origins = collection.origins
    origins.begin("docs", "/docs")
    origins.note("docs", [claim("x", "a", "one", 1), claim("x", "a", "one", 1)], {})
    assert origins.files("docs") == {"x": FileRecord(0, "")}
    assert origins.claims("docs", ["x", "nowhere"]) == [claim("x", "a", "one", 1)]
    assert origins.obsolete("docs", []) == []
    assert origins.obsolete("docs", ["x"]) == [claim("x", "a", "one", 1)]
    origins.note("docs", [claim("x", "b", "two", 1)], {"x": FileRecord(1, "stamp")})
    assert origins.files("docs") == {"x": FileRecord(1, "stamp")}


def test_what_a_later_run_did_not_claim_is_obsolete(kept: Collection) -> None:
    """As is what files claim that are gone; forgetting takes both, and no more."""
    origins = kept.origins
    origins.note("docs", [claim("x", "a", "uno", 2)], {})
    assert origins.obsolete("docs", []) == []  # the file was not read to its end
    origins.note("docs", [claim("x", "b", "two", 2)], {"x": FileRecord(2, "x2")})
    assert origins.obsolete("docs", []) == [claim("x", "a", "one", 1)]
    both = origins.obsolete("docs", ["y", "nowhere"])
    assert sorted(both, key=str) == [claim("x", "a", "one", 1), claim("y", "c", "three", 1)]
    origins.forget("docs", ["y", "nowhere"])
    assert origins.files("docs") == {"x": FileRecord(2, "x2")}
    assert origins.obsolete("docs", ["y"]) == []
    assert {one.id for one in origins.claims("docs", ["x", "y"])} == {"a", "b"}
    assert origins.count("docs") == 2


def test_an_older_claim_does_not_replace_a_newer(kept: Collection) -> None:
    """Of one document with one content, the last run counts."""
    kept.origins.note("docs", [claim("y", "c", "three", 0)], {})
    assert kept.origins.claims("docs", ["y"]) == [claim("y", "c", "three", 1)]


def test_claims_are_found_by_document_and_by_content(kept: Collection) -> None:
    """Of all sources, each with its name; so is what is stored."""
    origins = kept.origins
    origins.begin("other", "/other")
    origins.note("other", [claim("x", "c", "three", 1), claim("x", "z", "one", 1)], {})
    found = origins.claimed(["c", "z", "nothing"])
    assert sorted(found, key=str) == [
        ("docs", claim("y", "c", "three", 1)),
        ("other", claim("x", "c", "three", 1)),
        ("other", claim("x", "z", "one", 1)),
    ]
    origins.note("other", [claim("y", "m", "one", 1)], {})
    alike = origins.alike([hashed("one"), hashed("nothing"), hashed("two")])
    assert alike == {hashed("one"): {"a", "z"}, hashed("two"): {"b"}}
    assert origins.contents(["a", "z"]) == {"a": hashed("one")}
    assert (origins.count("docs"), origins.count("other"), origins.count("none")) == (3, 3, 0)


def test_files_whose_documents_others_changed_are_astray(kept: Collection) -> None:
    """Deleted or overwritten, unless that content is claimed for the document, too."""
    origins = kept.origins
    assert origins.astray("docs") == set()
    kept.delete(["c"])
    assert origins.astray("docs") == {"y"}
    put(kept, a="written by another", c="three")
    assert origins.astray("docs") == {"x"}
    origins.begin("other", "/other")
    origins.note("other", [claim("x", "a", "written by another", 1)], {})
    assert origins.astray("docs") == set()


def test_files_that_share_a_document_are_known(kept: Collection) -> None:
    """If one was read in the run, or is gone; not those of another source."""
    origins = kept.origins
    origins.begin("other", "/other")
    origins.note("other", [claim("x", "c", "three", 2)], {})
    origins.note("docs", [claim("z", "c", "drei", 1)], {})
    assert origins.sharing("docs", 2, []) == set()
    assert origins.sharing("docs", 2, ["x"]) == set()
    assert origins.sharing("docs", 2, ["y"]) == {"y", "z"}
    origins.note("docs", [], {"y": FileRecord(2, "y2")})
    assert origins.sharing("docs", 2, []) == {"y", "z"}


def test_origins_are_kept_and_backed_up(
    kept: Collection, catalogue: Catalogue, engine: str, tmp_path: Path
) -> None:
    """Opened again, and restored from a backup, a collection knows its sources."""
    expected = (
        kept.origins.sources(),
        kept.origins.files("docs"),
        kept.origins.obsolete("docs", "xy"),
    )
    kept.close()
    names = [kept.name]
    if engine != "memory":
        catalogue.back_up(kept.name, tmp_path / "backup", lambda _: None)
        catalogue.restore(tmp_path / "backup", "restored", lambda _: None)
        names.append("restored")
    for name in names:
        again = catalogue.open(name)
        origins = again.origins
        found = origins.sources(), origins.files("docs"), origins.obsolete("docs", "xy")
        assert found[:2] == expected[:2]
        assert sorted(found[2], key=str) == sorted(expected[2], key=str)
        again.close()
