"""The origins of documents: what a collection remembers of sources, their files and documents.

A source is a folder, a file or a program that gives all its documents again and again. What is
remembered tells which documents it no longer gives. Nothing here decides: see
``indexer.ingestion.sync``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source by its name: where it was found last, and its last run, counted from 1."""

    name: str
    place: str
    run: int


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of a source: the run that last read the whole of it, 0 for none, and its stamp.

    The stamp is text of whoever reads the files, by which one tells whether they have changed.
    """

    run: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A document that a file gave in a run, with the hash of its content then.

    It is obsolete once the whole file was read in a later run, which did not give it. A document
    may be claimed with several contents, of which one is stored: claims are noted first.
    """

    file: str
    id: str
    content: bytes
    run: int


class Origins(Protocol):
    """The origins of a collection's documents. Safe for several threads; raises StorageFailed.

    What is noted is durable if the engine promises that, and part of every backup.
    """

    def sources(self) -> list[SourceRecord]:
        """All sources, sorted by name."""
        ...

    def keep(self, source: SourceRecord) -> None:
        """Keep this record of a source in place of the one of its name."""
        ...

    def begin(self, source: str, place: str) -> int:
        """Begin the next run of a source, found at a place, and return its number."""
        ...

    def files(self, source: str) -> dict[str, FileRecord]:
        """All files of a source, by name; empty for an unknown source."""
        ...

    def claims(self, source: str, files: Collection[str]) -> list[Claim]:
        """The claims of these files."""
        ...

    def note(self, source: str, claims: Sequence[Claim], files: Mapping[str, FileRecord]) -> None:
        """Note claims and files, all or none, in place of those with the same keys.

        The source exists. A file that is claimed by for the first time has run 0 and no stamp.
        """
        ...

    def obsolete(self, source: str, gone: Collection[str]) -> list[Claim]:
        """The claims of files that are gone, and the obsolete ones of all others."""
        ...

    def forget(self, source: str, gone: Collection[str]) -> None:
        """Forget the claims that ``obsolete`` gives, and the files that are gone."""
        ...

    def claimed(self, ids: Collection[str]) -> list[tuple[str, Claim]]:
        """All claims on these documents, each with its source."""
        ...

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """The hashes of the stored contents of those of these documents that exist."""
        ...

    def alike(self, contents: Collection[bytes]) -> dict[bytes, set[str]]:
        """Some documents that are claimed with each of these contents: the first and last id."""
        ...

    def count(self, source: str) -> int:
        """The number of documents that a source claims."""
        ...

    def astray(self, source: str) -> set[str]:
        """The files with a document that is not stored with a content anyone claims for it."""
        ...

    def sharing(self, source: str, run: int, gone: Collection[str]) -> set[str]:
        """The files that claim a document together with another, one of them read in a run or gone.

        Those that are gone are among them.
        """
        ...
