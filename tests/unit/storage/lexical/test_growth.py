"""An index of words grows by segments, of which there are few whatever is put in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from local import create_local
from samples import make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.lexical.inverted_index import Part
from indexer.lexical.merging import to_merge
from indexer.lexical.segments import Batch, Terms, merge
from indexer.storage.lexical.growth import Growth
from indexer.storage.sqlite.store import Store

TERMS = Terms("some collection")
MOST_SEGMENTS = 9


def part_of(documents: int, first: int = 0) -> Part:
    """A segment of documents of ten postings each."""
    batch = Batch()
    for number in range(first, first + documents):
        batch.add(number, str(number), TERMS.of([f"w{number * i % 97}" for i in range(1, 11)]))
    return Part.of(batch.pack())


def test_few_segments_are_kept_and_documents_are_seldom_moved() -> None:
    """As many as there are powers of three, each document being merged about as often."""
    parts, total, moved = [], 0, 0
    dice = random.Random(0)
    while total < 20_000:
        added = dice.choice([10, 20, 40])
        parts.append(part_of(added, total))
        total += added
        for group in to_merge(parts):
            moved += sum(part.documents for part in group)
            parts = [part for part in parts if part not in group]
            parts.append(Part.of(merge([p.segment for p in group], [p.live for p in group])))
        assert len(parts) <= MOST_SEGMENTS
    assert sum(part.documents for part in parts) == total
    assert moved < 8 * total


def test_what_is_mostly_dead_is_merged() -> None:
    """By itself, if nothing else is; what is alive to three quarters is left."""
    part = part_of(1_000)
    alive = part.without(np.arange(200, dtype=np.int64))
    assert to_merge([part]) == to_merge([alive]) == []
    dead = part.without(np.arange(300, dtype=np.int64))
    assert to_merge([dead]) == [[dead]]
    small = part_of(10, 1_000)
    assert to_merge([dead, small]) == [[dead]]


def test_the_largest_are_left_alone() -> None:
    """So that a merge is bounded: what is beside them is merged without them."""
    small, middle, large = part_of(10, 1), part_of(15, 20), part_of(60, 40)
    assert to_merge([large, middle, small], most=1_000) == [[small, middle]]
    assert to_merge([large, part_of(55)], most=1_000) == []
    four = [part_of(40) for _ in range(4)]
    groups = to_merge(four, most=1_000)
    assert sorted(len(group) for group in groups) == [2, 2]
    dead = large.without(np.arange(40, 70, dtype=np.int64))
    assert [dead] in to_merge([dead, part_of(60)], most=500)


def put(collection: Collection, documents: Sequence[Document]) -> None:
    """Documents of one chunk each."""
    collection.put(
        EmbeddedDocument(document, (Chunk(0, 0, 5),), vector)
        for document, vector in zip(documents, random_units(len(documents))[:, None], strict=True)
    )


@pytest.mark.parametrize("batch_tokens", [1, 2_500, 1 << 30])
def test_bounded_batches_make_up_the_same_index(tmp_path: Path, batch_tokens: int) -> None:
    """However little is read at once, all is there at last, and each step says how far it is."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        for start in range(0, 3_000, 500):
            put(collection, [Document(f"d{i}", f"word{i} all") for i in range(start, start + 500)])
        collection.delete([f"d{i}" for i in range(10)])
    store = Store(tmp_path / "c" / "store.sqlite")
    analyzer = Analyzer(Language.ENGLISH)
    growth = Growth(store, analyzer, TERMS, Part.of, lambda: False, batch_tokens)
    parts, since, steps, count = [], 0, [], 1
    while count:
        parts, since, count = growth.take_in(parts, since)
        steps.append(since)
    assert steps == sorted(steps)
    assert len(steps) > 2 if batch_tokens < 6_000 else len(steps) == 2
    held = np.sort(np.concatenate([part.segment.numbers for part in growth.tidy(parts)]))
    with store.reading() as snapshot:
        assert held.tolist() == sorted(number for number, _ in snapshot.ids())
        assert since == snapshot.sequence
    store.close()


def test_what_is_written_meanwhile_is_in_it_once(tmp_path: Path) -> None:
    """Documents that are replaced or deleted between two pages, by their newest state or not."""
    with create_local(tmp_path / "c", make_identity()) as collection:
        put(collection, [Document(f"d{i}", f"word{i} old") for i in range(1_500)])
        turns = iter([True])

        def write_meanwhile() -> bool:
            if next(turns, False):
                collection.delete(["d3", "d1400"])
                put(collection, [Document("d4", "new"), Document("d1401", "new")])
            return False

        store = Store(tmp_path / "c" / "store.sqlite")
        analyzer = Analyzer(Language.ENGLISH)
        growth = Growth(store, analyzer, TERMS, Part.of, write_meanwhile)
        (part,), sequence, _ = growth.take_in([], 0)
        with store.reading() as snapshot:
            assert sequence == snapshot.sequence
            assert sorted(part.segment.numbers.tolist()) == sorted(n for n, _ in snapshot.ids())
        assert np.diff(part.segment.span(TERMS["new"])).tolist() == [2]
        assert np.diff(part.segment.span(TERMS["old"])).tolist() == [1_496]
        store.close()
