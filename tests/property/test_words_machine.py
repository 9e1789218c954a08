"""Searches for words find what a dict of texts holds, whatever became of the index meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from samples import make_identity, random_units

from indexer.documents import Chunk, Document, EmbeddedDocument, Mode, Query
from indexer.storage.checking import verify
from indexer.storage.collection import LocalCollection

IDS = st.sampled_from([f"d{i}" for i in range(10)])
WORDS = [f"w{i}" for i in range(6)]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
VECTOR = random_units(1)


class WordsMachine(RuleBasedStateMachine):
    """The model is a dict of texts."""

    @initialize()
    def create(self) -> None:
        """An empty collection, open twice as by two processes, and an empty dict."""
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "things"
        self.collection = LocalCollection.create(self.folder, make_identity())
        self.other = LocalCollection(self.folder)
        self.model: dict[str, str] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.collection.close()
        self.other.close()
        shutil.rmtree(self.root)

    @rule(batch=st.lists(st.tuples(IDS, TEXTS), min_size=1, max_size=5))
    def put(self, batch: list[tuple[str, str]]) -> None:
        """New documents, and others in place of old ones."""
        self.model.update(batch)
        self.collection.put(
            [EmbeddedDocument(Document(i, t), (Chunk(0, 0, len(t)),), VECTOR) for i, t in batch]
        )

    @rule(id=IDS, n=st.integers(0, 3))
    def amend(self, id: str, n: int) -> None:
        """Other metadata, the same words."""
        if id in self.model:
            self.collection.amend([Document(id, self.model[id], None, {"n": n})])

    @rule(ids=st.lists(IDS, max_size=3))
    def delete(self, ids: list[str]) -> None:
        """Ids that are there and ids that are not."""
        for id in ids:
            self.model.pop(id, None)
        self.collection.delete(ids)

    @rule()
    def catch_up(self) -> None:
        """Put what is late into the index."""
        self.collection._lexicon.catch_up()

    @rule()
    def rebuild(self) -> None:
        """Make the index anew, from the other side."""
        self.other.rebuild()

    @rule()
    def compact(self) -> None:
        """Forget what was deleted."""
        self.collection.compact()

    @rule()
    def reopen(self) -> None:
        """Open it anew."""
        self.collection.close()
        self.collection = LocalCollection(self.folder)

    @rule()
    def lose_the_index(self) -> None:
        """Its folder is gone."""
        shutil.rmtree(self.folder / "lexical", ignore_errors=True)

    @rule(old=st.integers(0, 3))
    def bring_back_an_old_state(self, old: int) -> None:
        """As a crash does, which leaves an index that is ahead of what it says of itself."""
        state, kept = self.folder / "lexical" / "state.json", self.root / f"state{old}.json"
        if state.exists():
            now = state.read_bytes()
            if kept.exists():
                state.write_bytes(kept.read_bytes())
            kept.write_bytes(now)

    @invariant()
    def finds_what_the_dict_holds(self) -> None:
        """Each word finds the documents that hold it, from both sides, and k are enough for k."""
        expected = {
            word: sorted(id for id, text in self.model.items() if word in text.split())
            for word in WORDS
        }
        for side in (self.collection, self.other):
            for more in (0, 10):
                queries = [
                    Query(text=word, mode=Mode.LEXICAL, k=max(1, len(there) + more))
                    for word, there in expected.items()
                ]
                for there, answer in zip(expected.values(), side.search(queries), strict=True):
                    assert sorted(hit.document.id for hit in answer.hits) == there

    @rule()
    def verify(self) -> None:
        """Nothing is wrong but what was taken away."""
        if self.collection._lexicon.late(1) == 0:
            self.collection.rebuild()
            assert verify(self.folder, None, lambda _: None).sound


TestWordsMachine = WordsMachine.TestCase
TestWordsMachine.settings = settings(
    max_examples=10,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
