"""The index of words of a collection, in the memory of this process and in step with its writes.

Each document says which write of which slot stored its content, and deleted ones are noted. So what
has changed since a state is known: a search looks at that alone, whoever wrote it. When much has
changed since the index in the database, one process replaces that. Nothing but texts is needed to
make it anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from indexer.background_task import BackgroundTask
from indexer.documents import Document
from indexer.errors import BearingError, CollectionBusy, Damaged
from indexer.lexical.analyzer import RULES, Analyzer
from indexer.lexical.inverted_index import InvertedIndex, Part
from indexer.lexical.merging import merged_parts
from indexer.lexical.segments import Batch, Terms
from indexer.lexical.snapshot import LexicalSnapshot
from indexer.postgres.database import Database
from indexer.postgres.header import Header
from indexer.postgres.leases import Lease
from indexer.postgres.reading import Reading
from indexer.postgres.schema import Tables
from indexer.postgres.state import PostgresState
from indexer.postgres.texts import plain_text
from indexer.postgres.word_files import (
    BEFORE_ALL,
    Clock,
    File,
    Sealed,
    file_of,
    read_part,
    read_sealed,
    replace_sealed,
)

LATE_WORDS: Final = 200_000
LATE_SHARE: Final = 1 / 10
"""So many words that the index in the database lacks, and this share of all, make a new one due."""

BATCH_WORDS: Final = 4_000_000
MOST_KNOWN: Final = 4
"""States whose words are kept: searches of several threads may be of older ones."""

TRY_SECONDS: Final = 15.0
"""A process tries no more often to replace the index in the database."""

_ROWS: Final = 1_000

_CHANGED: Final = "SELECT number, id, title, text FROM @document d WHERE {which}"
_GONE: Final = "SELECT document FROM @gone WHERE {which}"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """The words of one state."""

    sealed: Sealed
    clock: Clock
    parts: tuple[Part, ...]
    words: LexicalSnapshot

    def is_before(self, clock: Clock) -> bool:
        """Return whether a state with this clock includes it."""
        return all(own <= other for own, other in zip(self.clock, clock, strict=True))

    @property
    def late_words(self) -> int:
        """The number of words that the index in the database lacks."""
        return sum(part.tokens for part in self.parts if part.name is None)

    @property
    def is_due(self) -> bool:
        """Return whether the index in the database is to be replaced."""
        total = sum(part.tokens for part in self.parts)
        return self.late_words > max(LATE_WORDS, LATE_SHARE * total)


class _Changes:
    """The documents that were written or deleted after one clock and up to another."""

    def __init__(self, reading: Reading, since: Clock, clock: Clock, *, stream: bool) -> None:
        """``stream`` if they may be more than fit into memory."""
        self.clock = clock
        self._reading = reading
        self._stream = stream
        slots = [slot for slot in range(len(clock)) if clock[slot] > since[slot]]
        self._arguments = [number for slot in slots for number in (slot, since[slot])]
        self._which = " OR ".join(["(slot = %s AND write > %s)"] * len(slots))

    @property
    def are_any(self) -> bool:
        """Return whether anything was written."""
        return bool(self._which)

    def gone(self) -> list[int]:
        """The numbers of deleted documents."""
        rows = self._reading.rows(_GONE.format(which=self._which), self._arguments)
        return [number for (number,) in rows]

    def batches(self, analyzer: Analyzer, terms: Terms) -> Iterator[Batch]:
        """The others by their words, some at a time."""
        batch = Batch()
        for rows in self._pages():
            for number, id, title, text in rows:
                told = None if title is None else plain_text(title)
                content = Document.stored(id, plain_text(text), told, {}).content
                batch.add(number, id, terms.of(analyzer.words(content)))
            if len(batch.tokens) >= BATCH_WORDS:
                yield batch
                batch = Batch()
        if batch.numbers:
            yield batch

    def _pages(self) -> Iterator[list[tuple[Any, ...]]]:
        statement = _CHANGED.format(which=self._which)
        if self._stream:
            yield from self._reading.stream(statement, self._arguments, _ROWS)
        else:
            yield self._reading.rows(statement, self._arguments)


Patiently: TypeAlias = Callable[[], AbstractContextManager[PostgresState]]
"""Opens a state that may be read for long."""


class Words:
    """The words of a collection's states. Safe to use from several threads."""

    def __init__(
        self, database: Database, tables: Tables, analyzer: Analyzer, patiently: Patiently
    ) -> None:
        self._database = database
        self._tables = tables
        self._analyzer = analyzer
        self._patiently = patiently
        self._lock = threading.Lock()
        self._known: tuple[_Known, ...] = ()
        self._parts: dict[File, Part] = {}
        self._terms: Terms | None = None
        self._next_try = 0.0
        self._task = BackgroundTask("words", self._seal_if_due, self._warn)

    def of(self, reading: Reading, header: Header) -> LexicalSnapshot:
        """The words of a state."""
        return self._of(reading, header).words

    def _of(self, reading: Reading, header: Header) -> _Known:
        found = self._find(header)
        if found is not None:
            return found
        with self._lock:
            found = self._find(header) or self._learn(reading, header)
        if found.is_due and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + TRY_SECONDS
            self._task.start()
        return found

    def _find(self, header: Header) -> _Known | None:
        for one in self._known:
            if one.clock == header.clock and one.sealed.epoch == header.epoch:
                return one
        return None

    def _learn(self, reading: Reading, header: Header) -> _Known:
        clock = header.clock
        before = [
            one for one in self._known if one.sealed.epoch == header.epoch and one.is_before(clock)
        ]
        if before:
            base = max(before, key=lambda one: sum(one.clock))
            changes = _Changes(reading, base.clock, clock, stream=False)
            found = self._advanced(base.sealed, base.parts, changes)
        else:
            sealed, since, parts = self._loaded(reading)
            changes = _Changes(reading, since, clock, stream=True)
            found = self._advanced(sealed, parts, changes)
        self._known = (found, *self._known)[:MOST_KNOWN]
        return found

    def _loaded(self, reading: Reading) -> tuple[Sealed, Clock, tuple[Part, ...]]:
        """The index in the database, its clock, and its parts; none if it cannot be used."""
        sealed = read_sealed(reading)
        if self._terms is None:
            self._terms = Terms(sealed.key)
        if not sealed.is_current:
            return sealed, BEFORE_ALL, ()
        try:
            self._parts = {
                one: self._parts.get(one) or read_part(reading, one) for one in sealed.files
            }
        except Damaged as error:
            _log.warning("%s; it is made anew from the texts", error)
            self._parts = {}
            return sealed, BEFORE_ALL, ()
        return sealed, sealed.clock, tuple(self._parts.values())

    def _advanced(self, sealed: Sealed, parts: tuple[Part, ...], changes: _Changes) -> _Known:
        """The words of a later state than that of these parts."""
        assert self._terms is not None
        grown = list(parts)
        if changes.are_any:
            outdated, fresh = changes.gone(), []
            for batch in changes.batches(self._analyzer, self._terms):
                outdated += batch.numbers
                fresh.append(Part.of(batch.pack()))
            gone = np.array(outdated, np.int64)
            kept = [living for one in parts if (living := one.without(gone)).documents]
            grown = [one for one in kept if one.name is not None]
            grown += merged_parts([*(one for one in kept if one.name is None), *fresh], Part.of)
        words = LexicalSnapshot(self._analyzer, InvertedIndex(grown, self._terms))
        return _Known(sealed, changes.clock, tuple(grown), words)

    # The index in the database

    def seal(self) -> None:
        """Replace the index in the database by one of all documents; raises CollectionBusy."""
        lease = Lease(self._database, self._tables, "words", "indexed by its words")
        try:
            self._seal(lease)
        finally:
            lease.release()

    def _seal(self, lease: Lease) -> None:
        with self._patiently() as state:
            known = self._of(state.reading, state.header)
        if known.sealed.rules > RULES:
            return  # a later Bearing keeps it
        lease.require()
        parts = merged_parts(known.parts, Part.of)
        kept = self._database.write(
            lambda one: replace_sealed(one, self._tables, known.sealed, parts, known.clock)
        )
        if kept is not None:
            with self._lock:
                self._parts = {file_of(part): part for part in kept}

    def _seal_if_due(self) -> None:
        known = self._known
        if known and known[0].is_due:
            self.seal()

    def close(self) -> None:
        """Wait for an index that is being written."""
        self._task.close()

    def _warn(self, error: BearingError) -> None:
        if not isinstance(error, CollectionBusy) and not self._task.stopping.is_set():
            _log.warning("the index of words was not replaced: %s", error)
