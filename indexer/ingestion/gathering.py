"""Files of another place into a collection, which remembers their stamps for the next run.

A stamp is kept once all documents of its file are stored, so that a run that was cut loses nothing.
A file with rejections keeps none: it is read again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from indexer.origins import FileRecord, Origins
from indexer.readers.paths import read_file
from indexer.readers.reading import Fields, Read, Rejection
from indexer.sources.fetched import Fetched, Unchanged


@dataclass(slots=True)
class Gathering:
    """One run over a place: ``read`` and ``unchanged`` are numbers of its files."""

    origins: Origins
    source: str
    place: str
    read: int = 0
    unchanged: int = 0
    _passed: deque[tuple[int, str, str]] = field(default_factory=deque)
    _run: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def known(self) -> dict[str, str]:
        """The stamps of files that were read, by name."""
        records = self.origins.files(self.source)
        return {name: one.stamp for name, one in records.items() if one.stamp}

    def reads(
        self, found: Iterable[Fetched | Unchanged | Rejection], fields: Fields
    ) -> Iterator[Read]:
        """The documents of what is found; ``consumed`` counts them, with rejections."""
        number = 0
        for one in found:
            if isinstance(one, Unchanged):
                self.unchanged += 1
                continue
            if isinstance(one, Rejection):
                number += 1
                yield Read(one, number)
                continue
            whole = True
            for read in read_file(one.path, one.name, fields, one.called):
                number += 1
                whole = whole and not isinstance(read.item, Rejection)
                yield replace(read, consumed=number)
            self.read += 1
            with self._lock:
                self._passed.append((number, one.name, one.stamp if whole else ""))

    def stored(self, number: int) -> None:
        """Keep the stamps of files up to this document, durably: all up to it is stored."""
        records: dict[str, FileRecord] = {}
        with self._lock:
            while self._passed and self._passed[0][0] <= number:
                _, name, stamp = self._passed.popleft()
                records[name] = FileRecord(self._run, stamp)
        if not records:
            return
        if not self._run:
            self._run = self.origins.begin(self.source, self.place)
        run = self._run
        fresh = {name: replace(one, run=run) for name, one in records.items()}
        self.origins.note(self.source, [], fresh)
