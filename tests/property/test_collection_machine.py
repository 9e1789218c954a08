"""A collection driven through puts, deletes, reopenings and crashes does what a dict would."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from local import create_local, open_local
from samples import make_identity, random_units
from tries import tries

from indexer.documents import Change, Chunk, Document, EmbeddedDocument, Vectors
from indexer.filters import matches, parse_filter
from indexer.queries import Query

IDS = st.sampled_from([f"d{i}" for i in range(12)])
POOL = random_units(200)
METADATA = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.one_of(
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from(["x", "y"]),
        st.none(),
        st.lists(st.integers(0, 3), max_size=2),
    ),
)
CONDITIONS = st.sampled_from(
    [
        {"a": 1},
        {"a": {"$ne": 1}},
        {"b": "x"},
        {"a": {"$gte": 2}},
        {"a": None},
        {"b": {"$exists": True}},
        {"$or": [{"a": True}, {"b": {"$in": ["y", 0]}}]},
        {"$not": {"a": {"$lt": 2}}},
        {"b": {"$nin": ["x", 1]}},
    ]
)


class CollectionMachine(RuleBasedStateMachine):
    """The model is a dict of documents and their vectors."""

    @initialize()
    def create(self) -> None:
        """An empty collection and an empty dict."""
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "things"
        self.collection = create_local(self.folder, make_identity())
        self.model: dict[str, tuple[Document, Vectors]] = {}
        self.used = 0

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.collection.close()
        shutil.rmtree(self.root)

    @rule(batch=st.lists(st.tuples(IDS, METADATA, st.integers(1, 3)), min_size=1, max_size=5))
    def put(self, batch: list[tuple[str, dict, int]]) -> None:
        """New documents, and others in place of old ones."""
        embedded = []
        for id, metadata, chunks in batch:
            self.used += chunks
            vectors = POOL[np.arange(self.used - chunks, self.used) % len(POOL)]
            document = Document(id, f"{id} at {self.used}", None, metadata)
            embedded.append(
                EmbeddedDocument(document, tuple(Chunk(i, 0, 2) for i in range(chunks)), vectors)
            )
            self.model[id] = (document, vectors)
        self.collection.put(embedded)

    @rule(id=IDS, metadata=METADATA)
    def amend(self, id: str, metadata: dict) -> None:
        """Other metadata, the same text."""
        if id in self.model:
            old, vectors = self.model[id]
            document = Document(id, old.text, old.title, metadata)
            self.collection.amend([document])
            self.model[id] = (document, vectors)

    @rule(ids=st.lists(IDS, max_size=3))
    def delete(self, ids: list[str]) -> None:
        """Ids that are there and ids that are not."""
        expected = len({id for id in ids if self.model.pop(id, None)})
        assert self.collection.delete(ids) == expected

    @rule(condition=CONDITIONS)
    def delete_matching(self, condition: dict) -> None:
        """Everything that passes a filter."""
        parsed = parse_filter(condition)
        gone = [id for id, (d, _) in self.model.items() if matches(parsed, d.metadata)]
        for id in gone:
            del self.model[id]
        assert self.collection.delete_matching(parsed) == len(gone)

    @rule()
    def reopen(self) -> None:
        """Closing and opening loses nothing."""
        self.collection.close()
        self.collection = open_local(self.folder)

    @rule(torn=st.integers(1, 500))
    def crash_in_mid_write(self, torn: int) -> None:
        """Bytes that were appended but never committed are on disk when it opens again."""
        self.collection.close()
        with (self.folder / "generations" / "1" / "vectors.f32").open("ab") as file:
            file.write(b"\xff" * torn)
        self.collection = open_local(self.folder)

    @rule(condition=st.none() | CONDITIONS, k=st.integers(1, 15), at=st.integers(0, 199))
    def search(self, condition: dict | None, k: int, at: int) -> None:
        """The scores and documents of an exhaustive search."""
        parsed = parse_filter(condition)
        scores = {
            id: float((vectors.astype(np.float64) @ POOL[at]).max())
            for id, (document, vectors) in self.model.items()
            if matches(parsed, document.metadata)
        }
        hits = self.collection.search([Query(vector=POOL[at], k=k, filter=parsed)])[0].hits
        expected = sorted(scores.values(), reverse=True)[:k]
        np.testing.assert_allclose([hit.score for hit in hits], expected, atol=1e-6)
        for hit in hits:
            assert abs(scores[hit.document.id] - hit.score) < 1e-6
            assert hit.document == self.model[hit.document.id][0]

    @invariant()
    def holds_what_the_dict_holds(self) -> None:
        """Documents and counts are those of the dict after every step."""
        documents = [document for document, _ in self.model.values()]
        assert self.collection.get([d.id for d in documents]) == documents
        assert set(self.collection.changes(documents)) <= {Change.NOTHING}
        description = self.collection.describe()
        assert description.documents == len(self.model)
        assert description.chunks == sum(len(vectors) for _, vectors in self.model.values())


TestCollectionMachine = CollectionMachine.TestCase
TestCollectionMachine.settings = settings(
    max_examples=tries(12),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
