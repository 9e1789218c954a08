"""A collection in this process's memory; see indexer.engine.Engine."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, NoReturn, Self

from indexer.admission import change_of, joined_vectors, require_stored, require_within
from indexer.documents import Change, Document, EmbeddedDocument
from indexer.embedding.embedder import Identity
from indexer.engine import Capabilities, Kept, KeptBytes, Key
from indexer.errors import CollectionBusy, NotFound, Unsupported
from indexer.filters import Filter
from indexer.index_choice import IndexChoice, IndexKind, Language
from indexer.lexical.analyzer import Analyzer
from indexer.memory.lexical import EMPTY, Words
from indexer.memory.lines import MemoryLines
from indexer.memory.origins import MemoryOrigins
from indexer.memory.state import MemoryState, Record, passes
from indexer.reports import Description

CAPABILITIES: Final = Capabilities(
    engine="memory",
    durable=False,
    index_kinds=frozenset({IndexKind.EXACT}),
    maps=False,
    backups=False,
    many_writers=False,
)
ADVICE: Final = "keep it in a folder (--data DIR, or BEARING_DATA)"


class MemoryEngine:
    """The documents of one collection, in a state that is replaced whole by every write."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, identity: Identity, language: Language) -> None:
        self.name = name
        self.language = language
        self._state = MemoryState(identity, Analyzer(language), {}, EMPTY, Key(0))
        self._writing = threading.RLock()
        self._migrating = threading.Lock()
        self._drafts: dict[str, EmbeddedDocument] = {}
        self._drafted: Identity | None = None
        self.judgements = MemoryLines()
        self.origins = MemoryOrigins(lambda: self._state)
        self._keepers = {what: MemoryKeeper() for what in Kept}
        self._deleted = False

    @property
    def identity(self) -> Identity:
        """The model that filled it."""
        return self._state.identity

    @contextmanager
    def reading(self, *, lexical: bool = False) -> Iterator[MemoryState]:
        """The newest state."""
        del lexical  # every state includes its words
        yield self._state

    @contextmanager
    def writing(self, purpose: str) -> Iterator[None]:
        """Hold the right to write, among the threads of this process."""
        del purpose
        if self._deleted:
            raise NotFound(f"collection {self.name!r} was deleted")
        yield

    def changes(self, documents: Sequence[Document]) -> list[Change]:
        """The change that storing each of these documents would make."""
        return [_change(self._state, document) for document in documents]

    def put(self, documents: Sequence[EmbeddedDocument], within: Filter | None = None) -> None:
        """Add or replace documents, all or none."""
        latest = {one.document.id: one for one in documents}
        if not latest:
            return
        with self._changing():
            state = self._state
            self._require_within(within, latest)
            joined_vectors(list(latest.values()), state.identity)
            keys = state.keys(latest)
            coming = iter(range(state.newest + 1, state.newest + 1 + len(latest)))
            new = [
                _record(state, keys[id] if id in keys else Key(next(coming)), one)
                for id, one in latest.items()
            ]
            self._state = state.changed((), new)
            for id in latest:
                self._drafts.pop(id, None)

    def amend(self, documents: Sequence[Document], within: Filter | None = None) -> None:
        """Replace the metadata of documents."""
        latest = {document.id: document for document in documents}
        with self._changing():
            self._require_within(within, latest)
            for document in latest.values():
                require_stored(document, _change(self._state, document))
            self._state = self._state.amended(latest.values())

    def _require_within(self, condition: Filter | None, ids: Iterable[str]) -> None:
        known = self._state.by_id
        require_within(condition, {id: known[id].document.facts for id in ids if id in known})

    def delete(self, ids: Sequence[str], within: Filter | None = None) -> int:
        """Delete those of these documents that exist and pass, and return their number."""
        with self._changing():
            records = self._state.records
            found = self._state.keys(ids).values()
            gone = [key for key in found if passes(records[key], within)]
            self._state = self._state.changed(gone, ())
            return len(gone)

    def delete_matching(self, condition: Filter) -> int:
        """Delete the documents that pass a filter, and return their number."""
        with self._changing():
            gone = [key for key, one in self._state.records.items() if passes(one, condition)]
            self._state = self._state.changed(gone, ())
            return len(gone)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._writing, self.writing("write"):
            yield

    # Migration

    def migrate(self, identity: Identity) -> MemoryMigration:
        """Begin a migration to another model, or continue one."""
        if not self._migrating.acquire(blocking=False):
            raise CollectionBusy(
                f"collection {self.name!r} is being filled with another model: "
                "wait until that is done"
            )
        if self._drafted is None or self._drafted.fingerprint != identity.fingerprint:
            self._drafts = {}
        self._drafted = identity
        return MemoryMigration(self, identity)

    def draft(self, documents: Sequence[EmbeddedDocument], identity: Identity) -> None:
        """Keep documents for the next generation, except those deleted meanwhile."""
        latest = {one.document.id: one for one in documents if one.document.id in self._state.by_id}
        if latest:
            joined_vectors(list(latest.values()), identity)
            self._drafts |= latest

    def undrafted(self, limit: int) -> list[Document]:
        """Some documents whose current content is not drafted."""
        found: list[Document] = []
        for record in self._state.records.values():
            if len(found) == limit:
                break
            if not self._is_drafted(record):
                found.append(record.document)
        return found

    def _is_drafted(self, record: Record) -> bool:
        draft = self._drafts.get(record.document.id)
        return draft is not None and draft.document.content_hash == record.document.content_hash

    def adopt(self, identity: Identity, *, keep: bool) -> bool:
        """Switch to the drafted vectors; False if any document lacks them.

        With ``keep`` those before become the drafts.
        """
        with self._changing():
            if self.undrafted(1):
                return False
            records = [
                _redrafted(one, self._drafts[one.document.id])
                for one in self._state.records.values()
            ]
            before = self._state
            self._state = before.with_vectors(identity, records)
            self._drafts = _drafts_of(before) if keep else {}
            self._drafted = before.identity if keep else None
            return True

    def end_migration(self) -> None:
        """Allow another migration to begin."""
        self._migrating.release()

    # Derived data

    def rebuild(self, choice: IndexChoice | None) -> None:
        """Nothing to build: every search compares with all vectors."""
        if choice is not None and choice.kind not in (IndexKind.AUTO, IndexKind.EXACT):
            raise Unsupported(f"index of kind {choice.kind}", "memory", ADVICE)

    def compact(self) -> bool:
        """Nothing to do: deleted documents are already gone."""
        return True

    def keeper(self, what: Kept) -> MemoryKeeper:
        """The place where this is kept beside the collection."""
        return self._keepers[what]

    def map(self) -> NoReturn:
        """Refuse: collections in memory have no map."""
        raise Unsupported("map", "memory", ADVICE)

    def draw_map(self, *_: object, **__: object) -> NoReturn:
        """Refuse: collections in memory have no map."""
        raise Unsupported("map", "memory", ADVICE)

    def describe(self) -> Description:
        """Counts and sizes, and a note that it is lost with the process."""
        state, counts = self._state, self._state.counts
        records = state.records.values()
        words = {"language": str(self.language), "documents": counts.documents}
        return Description(
            name=self.name,
            model=state.identity.name,
            fingerprint=state.identity.mark,
            dimension=state.identity.dimension,
            documents=counts.documents,
            chunks=counts.chunks,
            bytes=sum(one.vectors.nbytes + len(one.document.text) for one in records),
            truncated=counts.truncated,
            unknown=counts.unknown,
            index={
                "kind": "exact",
                "rows": counts.chunks,
                "recall": 1.0,
                "durable": False,
                "lexical": {**words, "late_documents": 0, "bytes": 0},
                **self._beside(),
            },
        )

    def _beside(self) -> dict[str, object]:
        if self._drafted is None or not self._drafts:
            return {}
        size = sum(one.vectors.nbytes for one in self._drafts.values())
        name, documents = self._drafted.name, len(self._drafts)
        return {"beside": {"model": name, "documents": documents, "bytes": size}}

    def delete_all(self) -> None:
        """Refuse writes from now on: the collection was deleted."""
        with self._writing:
            self._deleted = True

    def close(self) -> None:
        """Nothing to release; opened again, it still has its documents."""


class MemoryKeeper:
    """Keeps one item for each model; see indexer.engine.Keeper."""

    def __init__(self) -> None:
        self._kept: dict[str, KeptBytes] = {}

    def read(self, identity: Identity, known: KeptBytes | None = None) -> KeptBytes | None:
        """The item last kept for a model."""
        del known
        return self._kept.get(identity.fingerprint)

    def write(self, identity: Identity, content: bytes) -> None:
        """Keep this in place of the last item."""
        self._kept[identity.fingerprint] = KeptBytes(object(), content)


@dataclass(frozen=True, slots=True)
class MemoryMigration:
    """The next generation; see indexer.engine.Migration."""

    engine: MemoryEngine
    identity: Identity

    def pending(self, limit: int) -> list[Document]:
        """Some documents whose current content it lacks."""
        return self.engine.undrafted(limit)

    def put(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Add documents."""
        self.engine.draft(documents, self.identity)

    def finish(self, *, keep: bool = False) -> bool:
        """Switch to it in one step."""
        return self.engine.adopt(self.identity, keep=keep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.engine.end_migration()


def _change(state: MemoryState, document: Document) -> Change:
    record = state.by_id.get(document.id)
    if record is None:
        return Change.NEW
    old = record.document
    return change_of(document, (old.content_hash, old.facts))


def _record(state: MemoryState, key: Key, one: EmbeddedDocument) -> Record:
    words = Words.of(state.analyzer, one.document.content)
    vectors = one.vectors.astype("float32")  # a copy: the caller's may change
    files = one.files
    if files is None and one.document.picture is not None and key in state.records:
        files = state.records[key].files
    return Record(key, one.document, tuple(one.chunks), vectors, one.truncated, words, files)


def _drafts_of(state: MemoryState) -> dict[str, EmbeddedDocument]:
    mark = state.identity.mark
    return {
        one.document.id: EmbeddedDocument(
            one.document, one.chunks, one.vectors, one.truncated, mark
        )
        for one in state.records.values()
    }


def _redrafted(record: Record, draft: EmbeddedDocument) -> Record:
    vectors = draft.vectors.astype("float32")
    return replace(record, chunks=tuple(draft.chunks), vectors=vectors, truncated=draft.truncated)
