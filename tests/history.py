"""A collection through all that can happen to one, and the documents that it must hold then."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from history_oracle import Oracle
from local import create_local, engine_of, open_local
from topics import (
    TOPICS,
    Content,
    Question,
    document_of,
    draw_topic,
    embedded,
    identity_of,
    other_than,
    question,
    vectors_of,
)

from indexer.ann.faiss_index import AnnIndex
from indexer.collection import Collection
from indexer.documents import Document, EmbeddedDocument
from indexer.filters import matches, parse_filter
from indexer.index_choice import IndexChoice, IndexKind
from indexer.lexical.analyzer import Analyzer
from indexer.thresholds import Thresholds

LOW: Final = Thresholds(
    least_rows=200,
    seal_rows=400,
    unindexed_rows=300,
    delta_rows=150,
    gather_rows=200,
    delta_rescore=60,
    unindexed_documents=200,
    least_unindexed=50,
    most_unindexed=1_500,
)
"""All that a large collection does is done from some hundreds of rows on."""

DELTA: Final = Thresholds(
    least_rows=200,
    seal_rows=400,
    unindexed_rows=5_000,
    delta_rows=150,
    gather_rows=200,
    delta_rescore=60,
    unindexed_documents=2_000,
    least_unindexed=1_000,
    most_unindexed=20_000,
)
"""The same, but what comes later stays unindexed, or in a delta index."""

APART: Final = replace(LOW, subprocess_rows=1_000, subprocess_documents=500)
"""As LOW, and indexes are made in processes of their own."""

TARGET: Final = 0.95
"""Of few rows, an index of the usual target would look at nearly all."""

PART: Final = 400
"""Documents in one write of a bulk."""

Held: TypeAlias = dict[str, tuple[Document, Content]]
"""Documents by id, in the order they came."""

Given: TypeAlias = Sequence[tuple[Document, Content]]
Written: TypeAlias = Iterable[tuple[str, Content]]


class History:
    """A collection on disk, driven by dice, and the dict that it must be like."""

    def __init__(self, root: Path, kind: IndexKind, thresholds: Thresholds, seed: int) -> None:
        self.root = root
        self.folder = root / "0" / "things"
        self.folder.parent.mkdir()
        self.choice, self.thresholds = IndexChoice(kind, TARGET), thresholds
        self.dice = random.Random(seed)
        self.model = "model-a"
        self.held: Held = {}
        self.rewritten = 0
        """The topic that was rewritten last."""
        self.copied: list[Content] = []
        """What was copied lately."""
        self._contents, self._revisions, self._kills = 0, 0, 0
        self._bags: dict[str, Counter[str]] = {}
        self._oracle: Oracle | None = None
        identity = identity_of(self.model)
        create_local(self.folder, identity, thresholds=thresholds).close()
        self.collection = self._open()
        self.elsewhere: Collection | None = None

    def close(self) -> None:
        """Give back what is open."""
        self.collection.close()
        self.leave_elsewhere()

    def _open(self) -> Collection:
        return open_local(self.folder, self.choice, self.thresholds)

    @property
    def oracle(self) -> Oracle:
        """What must be answered now."""
        if self._oracle is None:
            documents = {
                id: (document, vectors_of(content, self.model))
                for id, (document, content) in self.held.items()
            }
            self._oracle = Oracle(documents, Analyzer(self.collection.language), self._bags)
        return self._oracle

    def embedded(self) -> list[EmbeddedDocument]:
        """All that is held, as it was put, in an order of no meaning."""
        found = self.embed(list(self.held.values()))
        self.dice.shuffle(found)
        return found

    def ask(self, topic: int | None = None) -> Question:
        """A question like a stored document of a topic, like none, or like one that was copied."""
        if self.copied and self.dice.random() < 0.3:
            content = self.dice.choice(self.copied)
            return question(self.dice, self.model, content.topic, content)
        topic = draw_topic(self.dice) if topic is None else topic
        stored = self.some(1, topic) if self.dice.random() < 0.5 else []
        content = self.held[stored[0]][1] if stored else None
        return question(self.dice, self.model, topic, content)

    def some(self, count: int, topic: int | None = None) -> list[str]:
        """At most so many ids of documents, of a topic or of any."""
        ids = [id for id, (_, c) in self.held.items() if topic is None or c.topic == topic]
        return self.dice.sample(ids, min(count, len(ids)))

    # Documents

    def _new(self, topic: int | None = None) -> Content:
        self._contents += 1
        return Content(draw_topic(self.dice) if topic is None else topic, self._contents)

    def _new_id(self) -> str:
        """An id that says nothing of when it came."""
        return f"d{self.dice.randrange(16**8):08x}"

    def _put(self, written: Written) -> None:
        given = self._documents(written)
        self.collection.put(self.embed(given))
        self.hold(given)

    def _documents(self, written: Written) -> Given:
        return [(document_of(id, content, self._revisions), content) for id, content in written]

    def embed(self, given: Given) -> list[EmbeddedDocument]:
        """Documents with the vectors of the present model."""
        return [embedded(document, content, self.model) for document, content in given]

    def hold(self, given: Given) -> None:
        """These are in the collection now."""
        self.held.update({document.id: (document, content) for document, content in given})
        self._oracle = None

    def draft(self, count: int) -> Given:
        """Documents to put, about half of them in the place of others."""
        ids = [*self.some(count // 2), *(self._new_id() for _ in range(count // 2))]
        return self._documents([(id, self._new()) for id in ids])

    def add(self, count: int, topic: int | None = None) -> None:
        """New documents, in one write."""
        self._put([(self._new_id(), self._new(topic)) for _ in range(count)])

    def bulk(self, count: int, topic: int | None, between: Callable[[], None]) -> None:
        """Many new documents in several writes under one lock, with something between them."""
        with self.collection.writing("bulk"):
            for start in range(0, count, PART):
                self.add(min(PART, count - start), topic)
                between()

    def rewrite(self, topic: int, share: float, parts: int, between: Callable[[], None]) -> None:
        """New texts and vectors for a share of a topic's documents, in so many writes."""
        ids = self.some(int(share * len(self.held)) + 1, topic)
        self.rewritten = topic
        with self.collection.writing("rewrite"):
            for start in range(parts):
                own = ids[start::parts]
                self._put([(id, self._new(topic)) for id in own])
                between()

    def churn(self, share: float) -> None:
        """A share of all documents: some deleted, some replaced, and as many new ones."""
        ids = self.some(int(share * len(self.held)))
        third = len(ids) // 3
        self.delete(ids[:third])
        self._put([(id, self._new()) for id in ids[third : 2 * third]])
        self._put([(id, self._new(self.held[id][1].topic)) for id in ids[2 * third :]])
        self.add(third)

    def copy(self, times: int, *, nearly: bool) -> None:
        """One document's content under other ids, the same or nearly."""
        contents = [self.held[id][1] for id in self.some(3)]
        self.copied = [*self.copied, *contents][-9:]
        for content in contents:
            twists = [content.twist + 1 + i if nearly else content.twist for i in range(times)]
            self._put([(self._new_id(), Content(content.topic, content.number, t)) for t in twists])

    def put_again(self, count: int) -> None:
        """Documents as they are already."""
        ids = self.some(count)
        given = [self.held[id] for id in ids]
        self.collection.put(self.embed(given))

    def change_back(self, count: int) -> None:
        """Documents are given other texts, and then their own again."""
        ids = self.some(count)
        before = [(id, self.held[id][1]) for id in ids]
        self._put([(id, self._new()) for id in ids])
        self._put(before)

    def amend(self, count: int) -> None:
        """Other metadata, the same content."""
        self._revisions += 1
        given = [
            (document_of(id, self.held[id][1], self._revisions), self.held[id][1])
            for id in self.some(count)
        ]
        self.collection.amend([document for document, _ in given])
        self.hold(given)

    def delete(self, ids: Sequence[str]) -> None:
        """These documents, and an id that is none's."""
        there = {id for id in ids if self.held.pop(id, None)}
        self._oracle = None
        assert self.collection.delete([*ids, "nobody"]) == len(there)

    def delete_matching(self, condition: dict[str, object]) -> None:
        """Everything that passes a filter."""
        parsed = parse_filter(condition)
        assert parsed is not None
        gone = [id for id, (one, _) in self.held.items() if matches(parsed, one.metadata)]
        for id in gone:
            del self.held[id]
        self._oracle = None
        assert self.collection.delete_matching(parsed) == len(gone)

    # What is derived

    def rebuild(self, kind: IndexKind | None) -> None:
        """An index over all rows, of this kind from now on."""
        self.collection.rebuild(None if kind is None else IndexChoice(kind, TARGET))

    def catch_up(self) -> None:
        """Put unindexed documents into the lexical index."""
        engine_of(self.collection)._lexical_index.catch_up()

    def settle(self) -> None:
        """Wait for what goes on in the background."""
        live = engine_of(self.collection)._live
        live._delta_builder.wait()
        live._builder._task.wait()
        assert not live._builder._gave_up, "unindexed rows would never be sealed"

    def break_index(self) -> None:
        """Put an index of other vectors in the place of the sealed one, which says it is as good.

        It is in memory only: what is on disk is sound.
        """
        live = engine_of(self.collection)._live
        rows = live.current
        if rows.index is not None and rows.index.index.rows >= self.thresholds.least_rows:
            held = np.array(rows.vectors[: rows.index.index.rows][::-1])
            broken = AnnIndex.build(rows.index.index.kind, held)
            live.current = replace(rows, index=replace(rows.index, index=broken))

    def compact(self) -> None:
        """Let go of what was deleted."""
        self.collection.compact()

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Go over to the other model; what is done meanwhile is done while it is half way."""
        target = other_than(self.model)
        with self.collection.migrate(identity_of(target)) as migration:
            migration.put(self._embedded_for(migration.pending(PART), target))
            yield
            while True:
                while pending := migration.pending(PART):
                    migration.put(self._embedded_for(pending, target))
                if migration.finish():
                    break
        self.model = target
        self._oracle = None

    def give_up_migrating(self) -> None:
        """Begin to go over to the other model, and leave it at that."""
        target = other_than(self.model)
        with self.collection.migrate(identity_of(target)) as migration:
            migration.put(self._embedded_for(migration.pending(PART), target))

    def _embedded_for(self, pending: Sequence[Document], model: str) -> list[EmbeddedDocument]:
        return [embedded(document, self.held[document.id][1], model) for document in pending]

    # Opening

    def reopen(self) -> None:
        """Close it and open it."""
        with self.closed():
            pass

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody has it open meanwhile."""
        self.close()
        yield
        self.collection = self._open()

    def kill(self, torn: int) -> None:
        """Go on with the files as they are at this moment, torn bytes behind the vectors.

        What runs in the background goes on in the old place, which nobody sees again.
        """
        self._kills += 1
        old, self.folder = self.folder, self.root / str(self._kills) / "things"
        _copy(old, self.folder)
        self.close()
        shutil.rmtree(old.parent)
        for file in self.folder.glob("generations/*/vectors.f32"):
            with file.open("ab") as vectors:
                vectors.write(b"\xff" * torn)
        self.collection = self._open()

    def look_elsewhere(self) -> Collection:
        """The same collection as another process has it open."""
        if self.elsewhere is None:
            self.elsewhere = self._open()
        return self.elsewhere

    def leave_elsewhere(self) -> None:
        """As when the other process ends."""
        if self.elsewhere is not None:
            self.elsewhere.close()
            self.elsewhere = None


def _copy(old: Path, new: Path) -> None:
    """Copy files one by one; those that vanish meanwhile were drafts."""
    for path in sorted(old.rglob("*")):
        target = new / path.relative_to(old)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.name != "store.sqlite-shm":  # SQLite's memory, which no process leaves behind
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(path, target)


def draw_condition(dice: random.Random, topic: int) -> dict[str, object] | None:
    """A filter that fits a question on a topic, or one that lets other documents pass."""
    other = (topic + 1 + dice.randrange(TOPICS - 1)) % TOPICS
    return dice.choice(
        [
            None,
            {"topic": f"topic{topic}"},
            {"topic": {"$ne": f"topic{topic}"}},
            {"topic": f"topic{other}"},
            {"n": {"$lt": dice.choice([1, 4, 20, 36])}},
            {"odd": True},
            {"tags": f"tag{dice.randrange(3)}"},
            {"$and": [{"topic": f"topic{topic}"}, {"n": {"$gte": 20}}]},
            {"rare": {"$exists": True}},
            {"topic": "of none"},
        ]
    )
