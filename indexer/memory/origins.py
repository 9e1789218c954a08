"""The origins of the documents in memory; see indexer.origins.Origins."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from indexer.memory.state import MemoryState
from indexer.origins import Claim, FileRecord, SourceRecord


@dataclass(slots=True)
class _Source:
    """A source, its files, and its claims by file, document and content."""

    record: SourceRecord
    files: dict[str, FileRecord] = field(default_factory=dict)
    claims: dict[tuple[str, str, bytes], Claim] = field(default_factory=dict)

    def obsolete(self, gone: Collection[str]) -> list[Claim]:
        return [
            one
            for one in self.claims.values()
            if one.file in gone or one.run < self.files[one.file].run
        ]


class MemoryOrigins:
    """See indexer.origins.Origins."""

    def __init__(self, state: Callable[[], MemoryState]) -> None:
        self._state = state
        self._sources: dict[str, _Source] = {}
        self._lock = threading.RLock()

    def sources(self) -> list[SourceRecord]:
        """All sources, sorted by name."""
        with self._lock:
            return [self._sources[name].record for name in sorted(self._sources)]

    def keep(self, source: SourceRecord) -> None:
        """Keep this record of a source in place of the one of its name."""
        with self._lock:
            if source.name in self._sources:
                self._sources[source.name].record = source
            else:
                self._sources[source.name] = _Source(source)

    def begin(self, source: str, place: str) -> int:
        """Begin the next run of a source, and return its number."""
        with self._lock:
            known = self._sources.get(source)
            run = known.record.run + 1 if known else 1
            self.keep(SourceRecord(source, place, run))
            return run

    def files(self, source: str) -> dict[str, FileRecord]:
        """All files of a source, by name."""
        with self._lock:
            known = self._sources.get(source)
            return dict(known.files) if known else {}

    def claims(self, source: str, files: Collection[str]) -> list[Claim]:
        """The claims of these files."""
        with self._lock:
            return [one for one in self._claims(source) if one.file in files]

    def note(self, source: str, claims: Sequence[Claim], files: Mapping[str, FileRecord]) -> None:
        """Note claims and files."""
        with self._lock:
            known = self._sources[source]
            known.files.update(files)
            for one in claims:
                known.files.setdefault(one.file, FileRecord(0, ""))
                key = (one.file, one.id, one.content)
                before = known.claims.get(key, one)
                known.claims[key] = replace(one, run=max(one.run, before.run))

    def obsolete(self, source: str, gone: Collection[str]) -> list[Claim]:
        """The claims of files that are gone, and the obsolete ones of all others."""
        with self._lock:
            known = self._sources.get(source)
            return known.obsolete(set(gone)) if known else []

    def forget(self, source: str, gone: Collection[str]) -> None:
        """Forget the claims that ``obsolete`` gives, and the files that are gone."""
        with self._lock:
            known = self._sources.get(source)
            if known is None:
                return
            for one in known.obsolete(set(gone)):
                del known.claims[one.file, one.id, one.content]
            for name in gone:
                known.files.pop(name, None)

    def claimed(self, ids: Collection[str]) -> list[tuple[str, Claim]]:
        """All claims on these documents, each with its source."""
        wanted = set(ids)
        with self._lock:
            return [
                (name, one)
                for name in self._sources
                for one in self._claims(name)
                if one.id in wanted
            ]

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """The hashes of the stored contents of those of these documents that exist."""
        stored = self._state().by_id
        return {id: stored[id].document.content_hash for id in ids if id in stored}

    def alike(self, contents: Collection[bytes]) -> dict[bytes, set[str]]:
        """Some documents that are claimed with each of these contents: the first and last id."""
        wanted: dict[bytes, set[str]] = {content: set() for content in contents}
        with self._lock:
            for name in self._sources:
                for one in self._claims(name):
                    if one.content in wanted:
                        wanted[one.content].add(one.id)
        return {content: {min(ids), max(ids)} for content, ids in wanted.items() if ids}

    def count(self, source: str) -> int:
        """The number of documents that a source claims."""
        with self._lock:
            return len({one.id for one in self._claims(source)})

    def astray(self, source: str) -> set[str]:
        """The files with a document that is not stored with a content anyone claims for it."""
        with self._lock:
            held = {(one.id, one.content) for name in self._sources for one in self._claims(name)}
            claims = self._claims(source)
            stored = self.contents({one.id for one in claims})
            return {one.file for one in claims if (one.id, stored.get(one.id)) not in held}

    def sharing(self, source: str, run: int, gone: Collection[str]) -> set[str]:
        """The files that claim a document together with another that was read in a run or is gone.

        Both are among them.
        """
        with self._lock:
            claims = self._claims(source)
            touched = {one.file for one in claims if one.run == run} | set(gone)
            touched |= {name for name, one in self.files(source).items() if one.run == run}
        by_id: defaultdict[str, set[str]] = defaultdict(set)
        for one in claims:
            by_id[one.id].add(one.file)
        pairs = [files for files in by_id.values() if len(files) > 1]
        return {name for files in pairs for name in files if files & touched}

    def _claims(self, source: str) -> list[Claim]:
        known = self._sources.get(source)
        return list(known.claims.values()) if known else []
