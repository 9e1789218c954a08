"""Searches for words score a dict of texts by BM25, whatever became of the index meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from formula import agree, bm25
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from local import create_local, engine_of, open_local
from samples import make_identity, random_units
from tries import tries

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.queries import Mode, Query
from indexer.storage.maintenance.verification import verify
from indexer.thresholds import Thresholds

IDS_OF_ALL = [f"d{i}" for i in range(20)]
IDS = st.sampled_from(IDS_OF_ALL)
WORDS = [f"w{i}" for i in range(6)]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
QUERIES = [*WORDS, "w0 w3 w3", " ".join(WORDS)]
VECTOR = random_units(1)
LOW = Thresholds(unindexed_documents=4, least_unindexed=2, most_unindexed=12)


def opened(folder: Path) -> Collection:
    """A collection that puts few documents into its index, and waits for it soon."""
    return open_local(folder, thresholds=LOW)


class WordsMachine(RuleBasedStateMachine):
    """The model is a dict of texts."""

    @initialize()
    def create(self) -> None:
        """An empty collection, open twice as by two processes, and an empty dict."""
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "things"
        create_local(self.folder, make_identity()).close()
        self.collection, self.other = opened(self.folder), opened(self.folder)
        self.model: dict[str, str] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.collection.close()
        self.other.close()
        shutil.rmtree(self.root)

    @rule(batch=st.lists(st.tuples(IDS, TEXTS), min_size=1, max_size=8))
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
        """Put what is unindexed into the index."""
        engine_of(self.collection)._lexical_index.catch_up()

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
        self.collection = opened(self.folder)

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
    def scores_what_the_dict_holds(self) -> None:
        """Ids and scores are those of the formula, from both sides; k are enough for k."""
        for text in QUERIES:
            expected = bm25(self.model, text)
            for side in (self.collection, self.other):
                counts = (1, 3, len(IDS_OF_ALL))
                queries = [Query(text=text, mode=Mode.LEXICAL, k=k) for k in counts]
                found = [
                    [(hit.document.id, hit.score) for hit in answer.hits]
                    for answer in side.search(queries)
                ]
                agree(found[-1], expected, counts[-1])
                assert found == [found[-1][:k] for k in counts]

    @rule()
    def verify(self) -> None:
        """Nothing is wrong but what was taken away."""
        if engine_of(self.collection)._lexical_index.unindexed(1) == 0:
            self.collection.rebuild()
            assert verify(self.folder, None, lambda _: None).sound


TestWordsMachine = WordsMachine.TestCase
TestWordsMachine.settings = settings(
    max_examples=tries(5),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
