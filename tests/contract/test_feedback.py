"""The judgements of users, on every engine that keeps them: bounded, lasting, and no more."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples import random_units

from indexer.collection import Collection
from indexer.collection.feedback import Judgement
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.engine import Catalogue
from indexer.errors import NotFound


@pytest.fixture
def judged(collection: Collection) -> Collection:
    """A collection of three documents."""
    chunks = (Chunk(0, 0, 1),)
    vectors = random_units(3)[:, None]
    documents = [Document(id, "text") for id in "abc"]
    collection.put(
        [EmbeddedDocument(*one) for one in zip(documents, [chunks] * 3, vectors, strict=True)]
    )
    return collection


def test_the_last_judgement_on_a_document_that_exists_counts(judged: Collection) -> None:
    """Documents that are gone are left out, unknown ones refused; clearing forgets all."""
    for one in (
        Judgement("moon\r\n\u2028", "a", relevant=True),
        Judgement("cat", "b", clicked=True),
        Judgement("cat", "c", rank=3),
        Judgement("moon\r\n\u2028", "a", relevant=False),
    ):
        judged.feedback.add(one, most=10)
    with pytest.raises(NotFound, match="'nowhere'"):
        judged.feedback.add(Judgement("cat", "nowhere", clicked=True), most=10)
    judged.delete(["b"])
    assert judged.feedback.read() == [
        {"query": "cat", "id": "c", "rank": 3},
        {"query": "moon\r\n\u2028", "id": "a", "relevant": False},
    ]
    assert judged.feedback.clear() == 4
    assert judged.feedback.read() == []


def test_the_oldest_judgements_go(judged: Collection) -> None:
    """There are never more than the most, nor more than 2 kB for each; the newest stays."""
    for n in range(45):
        judged.feedback.add(Judgement(f"query {n}", "a", clicked=True), most=20)
        kept = [one["query"] for one in judged.feedback.read()]
        assert len(kept) <= 20
        assert kept[-min(n + 1, 18) :] == [f"query {i}" for i in range(max(0, n - 17), n + 1)]
    for letter in "xyz":
        judged.feedback.add(Judgement(letter * 30_000, "a", clicked=True), most=20)
    assert [one["query"][0] for one in judged.feedback.read()] == ["z"]


def test_a_hash_stands_for_the_query(judged: Collection) -> None:
    """Equal queries have equal hashes until all is cleared; the text is nowhere."""
    for id in "ab":
        judged.feedback.add(Judgement("secret words", id, clicked=True), most=9, hashed=True)
    first, second = judged.feedback.read()
    assert first["query_id"] == second["query_id"]
    assert "secret" not in json.dumps([first, second])
    judged.feedback.clear()
    judged.feedback.add(Judgement("secret words", "a", clicked=True), most=9, hashed=True)
    assert judged.feedback.read()[0]["query_id"] != first["query_id"]


def test_many_judge_at_once(judged: Collection) -> None:
    """Judgements of several threads are kept while the oldest go, and none fails."""

    def judge(n: int) -> None:
        for m in range(10):
            judged.feedback.add(Judgement(f"{n} {m}", "a", clicked=True), most=12)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(judge, range(4)))
    assert len(judged.feedback.read()) in (11, 12)


def test_a_backup_has_the_judgements(
    catalogue: Catalogue, judged: Collection, tmp_path: Path
) -> None:
    """With what their hashes are salted with, so that those of later ones are the same."""
    if not judged.capabilities.backups:
        pytest.skip("the engine has no backups")
    words = Judgement("secret words", "a", clicked=True)
    judged.feedback.add(words, most=9, hashed=True)
    kept = judged.feedback.read()
    catalogue.back_up(judged.name, tmp_path / "backup.tar", lambda _: None)
    catalogue.restore(tmp_path / "backup.tar", "again", lambda _: None)
    with Collection(catalogue.open("again")) as again:
        assert again.feedback.read() == kept
        again.feedback.add(words, most=9, hashed=True)
        assert again.feedback.read() == kept
