"""The journal of a run over a source: claims before documents are written, files once they are.

Whatever moment a run is killed at, each document it wrote is claimed, and no file counts as read
that was not read to its end with all its documents written.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from indexer.collection import Collection
from indexer.documents import Document, EmbeddedDocument
from indexer.origins import Claim, FileRecord
from indexer.readers.reading import Rejection


@dataclass(frozen=True, slots=True)
class Naming:
    """The name of a source, with which its ids begin, and the path it was given by, if any.

    Documents that were stored without a source have ids that begin with that path.
    """

    source: str
    given: str | None = None

    def called(self, file: str) -> str:
        """The name of a file, with which its documents' ids and places begin."""
        return self.source if file == "." else f"{self.source}/{file}"

    def earlier(self, id: str) -> str | None:
        """The id a document had without a source; None if it is the same."""
        if self.given is None:
            return None
        if id != self.source and id[len(self.source) : len(self.source) + 1] not in ("/", ":"):
            return None
        if not id.startswith(self.source):
            return None
        before = self.given + id.removeprefix(self.source)
        before = before.removeprefix("./").replace("//", "/") or id
        return None if before == id else before


class Stamp(Protocol):
    """The state of a file when it was read, by which one tells later whether it has changed."""

    def encode(self) -> str:
        """The state as text; empty for a file to be read again."""
        ...

    def with_rejections(self, rejections: list[Rejection]) -> Stamp:
        """The state of a file in which this was rejected."""
        ...


@dataclass(slots=True)
class SourceJournal:
    """See indexer.ingestion.pipeline.Journal; the reader's thread tells of files beside it."""

    collection: Collection
    naming: Naming
    run: int
    known: dict[str, FileRecord]
    reused: int = 0
    finished: dict[str, Stamp] = field(default_factory=dict)
    """The files that were read to their end, and are not yet noted."""
    _queue: deque[str] = field(default_factory=deque)
    _left: Counter[str] = field(default_factory=Counter)
    _written: Counter[str] = field(default_factory=Counter)
    _rejected: dict[str, list[Rejection]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # The reader's side

    def queue(self, file: str) -> None:
        """Note the file that the next item is of, before it is passed on."""
        with self._lock:
            self._left[file] += 1
            self._queue.append(file)

    def finish(self, file: str, state: Stamp) -> None:
        """Note that a file was read to its end, and was the same file all the time."""
        with self._lock:
            self.finished[file] = state

    # The pipeline's side

    def reuse(self, documents: Sequence[Document]) -> list[EmbeddedDocument | None]:
        """These documents with the vectors of stored ones with their content.

        Those with a picture are embedded: its files are not at hand elsewhere.
        """
        contents = [document.content_hash for document in documents]
        alike = self.collection.origins.alike(set(contents))
        wanted = {id for ids in alike.values() for id in ids} | self._stored_before(
            documents
        ).keys()
        stored = self.collection.embedded(sorted(wanted)) if wanted else []
        by_content = {
            one.document.content_hash: one
            for one in stored
            if one is not None and one.document.picture is None
        }
        found = [
            replace(by_content[content], document=document) if content in by_content else None
            for document, content in zip(documents, contents, strict=True)
        ]
        self.reused += sum(one is not None for one in found)
        return found

    def intend(self, items: Sequence[Document | Rejection]) -> None:
        """Claim the documents for their files, durably; what was intended before is written."""
        with self._lock:
            settled = self._settle()
            files = [self._queue.popleft() for _ in items]
            self._written.update(files)
            for file, item in zip(files, items, strict=True):
                if isinstance(item, Rejection):
                    self._rejected.setdefault(file, []).append(item)
        given = [
            (file, item)
            for file, item in zip(files, items, strict=True)
            if isinstance(item, Document)
        ]
        claims = [Claim(file, item.id, item.content_hash, self.run) for file, item in given]
        self.collection.origins.note(
            self.naming.source, [*claims, *self.taken_over(given)], settled
        )

    def flush(self) -> None:
        """Note the files that are read by now; all that was intended is written."""
        with self._lock:
            settled = self._settle()
        if settled:
            self.collection.origins.note(self.naming.source, [], settled)

    def _settle(self) -> dict[str, FileRecord]:
        """The records of the files of which everything is written by now."""
        self._left.subtract(self._written)
        self._written.clear()
        done = [file for file in self.finished if self._left[file] == 0]
        return {file: self._record(file, self.finished.pop(file)) for file in done}

    def _record(self, file: str, state: Stamp) -> FileRecord:
        """The record of a file; one with rejections is not whole, and what it gave before stays."""
        rejected = self._rejected.pop(file, [])
        del self._left[file]
        if not rejected:
            return FileRecord(self.run, state.encode())
        before = self.known.get(file, FileRecord(0, ""))
        return FileRecord(before.run, state.with_rejections(rejected).encode())

    def taken_over(self, given: Sequence[tuple[str, Document]]) -> list[Claim]:
        """Claims, obsolete at once, on documents that were stored by the path as it was given."""
        files = {document.id: file for file, document in given}
        stored = self._stored_before([document for _, document in given])
        return [
            Claim(files[document.id], earlier, document.content_hash, 0)
            for earlier, document in stored.items()
        ]

    def _stored_before(self, documents: Sequence[Document]) -> dict[str, Document]:
        """The documents whose content is stored, unclaimed, by the id they had without a source."""
        earlier: dict[str, Document] = {}
        for document in documents:
            before = self.naming.earlier(document.id)
            if before is not None:
                earlier[before] = document
        if not earlier:
            return {}
        origins = self.collection.origins
        stored = origins.contents(list(earlier))
        same = [id for id, content in stored.items() if content == earlier[id].content_hash]
        claimed = {claim.id for _, claim in origins.claimed(same)} if same else set()
        return {id: earlier[id] for id in same if id not in claimed}
