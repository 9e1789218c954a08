"""The origins of a collection's documents, each call in a transaction of the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from indexer.origins import Claim, FileRecord, SourceRecord
from indexer.storage.sqlite.store import Store


@dataclass(frozen=True, slots=True)
class StoredOrigins:
    """See indexer.origins.Origins; ``turn`` is the right to write."""

    store: Store
    turn: Callable[[], AbstractContextManager[None]]

    def sources(self) -> list[SourceRecord]:
        """All sources, sorted by name."""
        with self.store.reading() as snapshot:
            return snapshot.origins.sources()

    def keep(self, source: SourceRecord) -> None:
        """Keep this record of a source in place of the one of its name."""
        with self.turn(), self.store.writing() as transaction:
            transaction.origins.keep(source)

    def begin(self, source: str, place: str) -> int:
        """Begin the next run of a source, and return its number."""
        with self.turn(), self.store.writing() as transaction:
            known = {one.name: one for one in transaction.origins.sources()}
            record = known.get(source, SourceRecord(source, place, 0))
            transaction.origins.keep(replace(record, place=place, run=record.run + 1))
            return record.run + 1

    def files(self, source: str) -> dict[str, FileRecord]:
        """All files of a source, by name."""
        with self.store.reading() as snapshot:
            return snapshot.origins.files(source)

    def claims(self, source: str, files: Collection[str]) -> list[Claim]:
        """The claims of these files."""
        with self.store.reading() as snapshot:
            return snapshot.origins.claims(source, files)

    def note(self, source: str, claims: Sequence[Claim], files: Mapping[str, FileRecord]) -> None:
        """Note claims and files, durably."""
        with self.turn(), self.store.writing() as transaction:
            transaction.origins.note(source, claims, files)

    def obsolete(self, source: str, gone: Collection[str]) -> list[Claim]:
        """The claims of files that are gone, and the obsolete ones of all others."""
        with self.store.reading() as snapshot:
            return snapshot.origins.obsolete(source, gone)

    def forget(self, source: str, gone: Collection[str]) -> None:
        """Forget the claims that ``obsolete`` gives, and the files that are gone."""
        with self.turn(), self.store.writing() as transaction:
            transaction.origins.forget(source, gone)

    def claimed(self, ids: Collection[str]) -> list[tuple[str, Claim]]:
        """All claims on these documents, each with its source."""
        with self.store.reading() as snapshot:
            return snapshot.origins.claimed(ids)

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """The hashes of the stored contents of those of these documents that exist."""
        with self.store.reading() as snapshot:
            return {id: one.content_hash for id, one in snapshot.stored(ids).items()}

    def alike(self, contents: Collection[bytes]) -> dict[bytes, set[str]]:
        """Some documents that are claimed with each of these contents: the first and last id."""
        with self.store.reading() as snapshot:
            return snapshot.origins.alike(contents)

    def count(self, source: str) -> int:
        """The number of documents that a source claims."""
        with self.store.reading() as snapshot:
            return snapshot.origins.count(source)

    def astray(self, source: str) -> set[str]:
        """The files with a document that is not stored with a content anyone claims for it."""
        with self.store.reading() as snapshot:
            return snapshot.origins.astray(source)

    def sharing(self, source: str, run: int, gone: Collection[str]) -> set[str]:
        """The files that claim a document together with another that was read in a run or is gone.

        Both are among them.
        """
        with self.store.reading() as snapshot:
            return snapshot.origins.sharing(source, run, gone)
