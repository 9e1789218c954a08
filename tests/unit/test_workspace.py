"""What ``import indexer`` offers: a data directory opened, indexed into and searched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

import indexer
from indexer.documents import Document
from indexer.embedding.cross_encoders.reranker import OVERLAP
from indexer.errors import InvalidInput, InvalidQuery, ModelMismatch, Unreadable
from indexer.index_choice import Language
from indexer.queries import Mode
from indexer.similarity import euclidean

FOX = {"id": "fox", "text": "fox fox fox", "year": 2020}
DIRECTION = {"id": "direction", "text": "a bearing is a direction", "year": 2021}
BOTH = Document("both", "the direction of a fox", metadata={"year": 2022})


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[indexer.Workspace]:
    """A data directory with the model that needs no files."""
    with indexer.open(tmp_path / "data", model="hashing", reranker=OVERLAP) as opened:
        yield opened


@pytest.fixture
def things(workspace: indexer.Workspace) -> indexer.TextCollection:
    """A collection of three documents."""
    collection = workspace.collection("things")
    collection.index([FOX, DIRECTION, BOTH])
    return collection


def ids(answer: indexer.Answer) -> list[str]:
    """The documents of the hits, best first."""
    return [hit.document.id for hit in answer.hits]


def test_every_name_that_it_offers_is_there() -> None:
    """What ``dir`` shows can be had, and nothing else."""
    assert set(indexer.__all__) <= set(dir(indexer))
    assert all(getattr(indexer, name) is not None for name in indexer.__all__)
    with pytest.raises(AttributeError, match="'indexer' has no attribute 'novelty'"):
        indexer.novelty  # noqa: B018


def test_records_and_documents_are_indexed_alike(things: indexer.TextCollection) -> None:
    """Further fields of a record are metadata, as in a line of JSON Lines."""
    assert len(things) == things.describe().documents == 3
    assert things.name == "things"
    assert things.get("fox") == Document("fox", "fox fox fox", metadata={"year": 2020})
    assert things.get("both") == BOTH
    assert things.get("missing") is None


def test_what_is_stored_is_not_embedded_again(things: indexer.TextCollection) -> None:
    """The report says what was done."""
    summary = things.index([FOX, {"id": "new", "text": "a novelty"}]).summary
    assert (summary.written, summary.unchanged) == (1, 1)


def test_a_document_that_is_refused_stops_nothing(things: indexer.TextCollection) -> None:
    """It is reported by its number, with the reason."""
    report = things.index([{"id": "bad"}, "a string", {"text": "no id"}, {"id": "c", "text": "c"}])
    assert [one.place for one in report.rejections] == ["document 1", "document 2", "document 3"]
    assert "no field 'text'" in report.rejections[0].reason
    assert report.summary.written == 1
    assert things.get("c") is not None


def test_documents_that_break_off_are_stored_as_far_as_they_came(
    things: indexer.TextCollection,
) -> None:
    """The error is the caller's own, raised again after what came before it is written."""

    def broken() -> Iterator[dict[str, str]]:
        yield {"id": "before", "text": "the last one"}
        raise LookupError("the source broke off")

    with pytest.raises(LookupError, match="broke off"):
        things.index(broken())
    assert things.get("before") is not None


def test_files_are_indexed_by_their_paths(things: indexer.TextCollection, tmp_path: Path) -> None:
    """Folders and formats are those of the command, progress is told."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "whale.md").write_text("A captain hunts a whale.")
    told = []
    report = things.index_files(tmp_path / "notes", on_progress=told.append)
    assert report.summary.written == 1
    assert told[-1].committed == 1
    assert "whale" in things.search("captain whale", k=1).hits[0].document.text
    with pytest.raises(Unreadable, match="nowhere"):
        things.index_files("nowhere")


def test_a_search_takes_plain_values(things: indexer.TextCollection) -> None:
    """Filters are JSON, modes are words, examples are ids, vectors are lists of any length."""
    assert ids(things.search("fox", k=1)) == ["fox"]
    assert ids(things.search("fox", filter={"year": {"$gte": 2021}}, k=1)) == ["both"]
    lexical = things.search("fox", mode="lexical")
    assert (ids(lexical), lexical.mode) == (["fox", "both"], Mode.LEXICAL)
    assert ids(things.search(like=["fox"], unlike=["direction"], strategy="best"))[0] == "both"
    assert ids(things.search("a fox of direction", rerank=3, k=1)) == ["both"]


def test_a_vector_may_have_any_length(
    workspace: indexer.Workspace, things: indexer.TextCollection
) -> None:
    """Scores are cosines all the same."""
    (fox,) = workspace.embed(["fox fox fox"])
    (hit,) = things.search(vector=(1e300 * fox.astype(np.float64)).tolist(), k=1).hits
    assert hit.document.id == "fox"
    assert hit.score == pytest.approx(1.0, abs=1e-6)


def test_many_searches_are_answered_as_each_alone(things: indexer.TextCollection) -> None:
    """In their order, by the same options."""
    texts = ["fox", "direction"]
    together = things.search_many(texts, k=2)
    assert list(map(ids, together)) == [ids(things.search(text, k=2)) for text in texts]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"mode": "silly"}, "mode must be one of dense, lexical, hybrid; got 'silly'"),
        ({"fusion": "silly"}, "fusion must be one of convex"),
        ({"novelty": 1}, "no such option.*novelty"),
        ({"k": 0}, "k must be at least 1"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    things: indexer.TextCollection, how: dict[str, object], said: str
) -> None:
    """The message names it, and what is allowed."""
    with pytest.raises(InvalidInput, match=said):
        things.search("fox", **how)


def test_documents_come_in_their_order(things: indexer.TextCollection) -> None:
    """All of them, or those that pass a filter."""
    assert [one.id for one in things.documents()] == ["fox", "direction", "both"]
    assert [one.id for one in things.documents({"year": 2021})] == ["direction"]


def test_datetimes_are_told_as_moments(things: indexer.TextCollection) -> None:
    """Datetimes and dates of records become texts, and filters take them wherever there is one."""
    at = datetime.fromisoformat("2024-03-01T00:30:00+02:00")
    told = {"id": "told", "text": "told", "at": at, "days": [date(2024, 3, 1)]}
    assert things.index([told]).rejections == ()
    found = things.get("told")
    assert found is not None
    assert found.metadata == {"at": "2024-03-01T00:30:00+02:00", "days": ["2024-03-01"]}
    where = {"at": {"$gte": at.astimezone(UTC)}, "days": {"$in": [date(2024, 3, 1)]}}
    assert ids(things.search("told", filter=where)) == ["told"]
    assert [one.id for one in things.documents(where)] == ["told"]
    assert things.delete_matching(where) == 1


def test_documents_are_deleted_by_id_and_by_filter(things: indexer.TextCollection) -> None:
    """What would delete more than was meant is refused."""
    with pytest.raises(InvalidInput, match=r"\['fox'\]"):
        things.delete("fox")
    with pytest.raises(InvalidInput, match="all documents"):
        things.delete_matching({})
    assert len(things) == 3
    assert things.delete(["fox", "missing"]) == 1
    assert things.delete_matching({"year": {"$gt": 2021}}) == 1
    assert [one.id for one in things.documents()] == ["direction"]


def test_a_collection_is_made_once(workspace: indexer.Workspace) -> None:
    """Asked for again it is the same, and must be asked for as it was made."""
    workspace.collection("poems", language="german").index([FOX])
    assert len(workspace.collection("poems")) == 1
    assert workspace.collection("poems").stored.language is Language.GERMAN
    with pytest.raises(ModelMismatch):
        workspace.collection("poems", model="hashing-128")
    with pytest.raises(InvalidInput, match="language must be one of none, arabic"):
        workspace.collection("poems", language="klingon")
    assert workspace.names() == ["poems"]
    workspace.delete("poems")
    assert workspace.names() == []


def test_similarity_holds_texts_against_texts(workspace: indexer.Workspace) -> None:
    """The cosine, or another measure, of each with each; without a second side, of themselves."""
    texts, others = ["fox", "a direction"], ["a fox", "fox", "meaning"]
    vectors, other_vectors = workspace.embed(texts), workspace.embed(others)
    cosines = vectors.astype(np.float64) @ other_vectors.astype(np.float64).T
    np.testing.assert_allclose(workspace.similarity(texts, others), cosines, atol=1e-6)
    np.testing.assert_allclose(np.diag(workspace.similarity(texts)), 1.0, atol=1e-6)
    assert workspace.similarity(texts, []).shape == (2, 0)
    np.testing.assert_array_equal(
        workspace.similarity(texts, others, measure="euclidean"), euclidean(vectors, other_vectors)
    )
    with pytest.raises(InvalidInput, match="measure must be one of cosine"):
        workspace.similarity(texts, measure="closeness")


def test_a_text_that_is_cut_is_told(workspace: indexer.Workspace) -> None:
    """A warning names its place."""
    with pytest.warns(UserWarning, match="text 1 is longer than the model's window"):
        workspace.embed(["short", "word " * 100_000])


def test_settings_are_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given comes before it; what cannot be used is refused with the variable's name."""
    monkeypatch.setenv("BEARING_DATA", str(tmp_path / "there"))
    monkeypatch.setenv("BEARING_MODEL", "hashing-64")
    with indexer.open() as workspace:
        workspace.collection("things")
        assert workspace.embed(["fox"]).shape == (1, 64)
    with indexer.open(tmp_path / "here", model="hashing-128") as workspace:
        assert workspace.names() == []
        assert workspace.embed(["fox"]).shape == (1, 128)
    assert (tmp_path / "there" / "things").is_dir()
    monkeypatch.setenv("BEARING_THREADS", "many")
    with pytest.raises(InvalidInput, match="BEARING_THREADS"):
        indexer.open(tmp_path)


def test_a_search_without_anything_to_search_for_is_refused(
    things: indexer.TextCollection,
) -> None:
    """The message says what may be given."""
    with pytest.raises(InvalidQuery, match="give one of"):
        things.search()


def test_records_bring_their_vectors(tmp_path: Path) -> None:
    """As arrays or lists, if the caller vouches for them; else they are told and left out."""
    with indexer.open(tmp_path, model="hashing-64") as workspace:
        given = workspace.embed(["a whale", "the moon"])
        things = workspace.collection("things")
        records = [
            {"id": "a", "text": "one", "vector": given[0] * 2},
            {"id": "b", "text": "two", "vector": given[1].tolist()},
            {"id": "c", "text": "three", "vector": given},
        ]
        report = things.index(records, vectors="trusted")
        assert [one.place for one in report.rejections] == ["document 3"]
        stored = np.concatenate([one.vectors for one in things.stored.vectors(["a", "b"])])
        np.testing.assert_allclose(stored, given, atol=1e-6)
        left_out = things.index([{"id": "d", "text": "x", "vector": given[0].tolist()}])
        assert [one.place for one in left_out.rejections] == ["documents:field vector"]
        assert things.stored.get(["d"])[0].metadata == {}
