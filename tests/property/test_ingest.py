"""Ingesting many documents at once comes to the same as storing one after the other."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from local import create_local
from tries import tries

from indexer.documents import Change, Document
from indexer.embedding.hashing_engine import open_hashing
from indexer.ingestion.changes import PlannedChange, Writes, store
from indexer.ingestion.pipeline import ingest
from indexer.ingestion.preparation import embed_documents
from indexer.readers.reading import Read

documents = st.builds(
    Document,
    id=st.sampled_from(["a", "b", "c"]),
    text=st.sampled_from(["one", "two"]),
    metadata=st.sampled_from([{}, {"v": 1}]),
)


@settings(max_examples=tries(10), deadline=None)
@given(runs=st.lists(st.lists(documents, max_size=12), min_size=1, max_size=3))
def test_documents_are_stored_and_counted_as_if_they_came_one_at_a_time(runs):
    """Of each id the last stays, whether it was stored before, is on its way, or comes again."""
    kept: dict[str, Document] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        open_hashing(8) as embedder,
        create_local(Path(folder) / "one", embedder.identity) as ingested,
        create_local(Path(folder) / "two", embedder.identity) as stored,
    ):
        for run in runs:
            counts: Counter[str] = Counter()
            for document in run:
                old, kept[document.id] = kept.get(document.id), document
                if old == document:
                    counts["unchanged"] += 1
                elif old is not None and old.text == document.text:
                    counts["amended"] += 1
                else:
                    counts["written"] += 1
            summary = ingest(ingested, embedder, [Read(one, 0) for one in run])
            found = store(stored, embedder, run)
            for name in ("written", "amended", "unchanged"):
                assert getattr(summary, name) == getattr(found, name) == counts[name]
            for collection in (ingested, stored):
                assert {one.id: one for one in collection.page().documents} == kept


@given(changes=st.lists(st.tuples(documents, st.booleans()), max_size=12))
def test_a_window_writes_each_document_in_its_latest_state(changes):
    """New metadata applies to the content before it, and not to what replaced that content."""
    expected: dict[str, Document] = {}
    steps = []
    with open_hashing(8) as embedder:
        for document, is_new in changes:
            before = expected.get(document.id)
            if is_new or before is None:
                (embedded,) = embed_documents(embedder, [document])
                steps.append(PlannedChange(document, action=Change.CONTENT, embedded=embedded))
                expected[document.id] = document
            else:
                amended = Document(document.id, before.text, metadata=document.metadata)
                steps.append(PlannedChange(amended, action=Change.METADATA))
                expected[document.id] = amended
    writes = Writes.of(steps)
    assert {id: one.document for id, one in writes.puts.items()} | dict(writes.amends) == expected
    assert all(writes.puts[id].document.text == one.text for id, one in writes.amends.items())
