"""The changes that keeping a folder in step would make: files are read, and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from indexer.collection import Collection
from indexer.documents import Change, Document
from indexer.embedding.embedder import Embedder
from indexer.ingestion.journal import SourceJournal
from indexer.ingestion.pruning import doomed
from indexer.ingestion.sync import Plan, Sync
from indexer.origins import Claim
from indexer.readers.image_files import IMAGE
from indexer.readers.reading import Illustrated, Read, Rejection

_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The changes that a run would make: ids of documents by what becomes of them.

    ``amended`` ones have new metadata only. ``reused`` is the number of those ``new`` or
    ``changed`` whose vectors are stored already. ``refused`` is the reason why none would be
    ``deleted`` all the same, as are ``unreadable`` places.
    """

    source: str
    files: int
    read: int
    gone: int
    new: tuple[str, ...]
    changed: tuple[str, ...]
    amended: tuple[str, ...]
    deleted: tuple[str, ...]
    reused: int
    refused: str | None
    unreadable: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """The documents of the changed files."""

    changes: dict[str, Change] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    given: dict[str, set[tuple[str, bytes]]] = field(default_factory=dict)
    partly: set[str] = field(default_factory=set)
    before: list[Claim] = field(default_factory=list)
    reused: int = 0


def foresee(
    sync: Sync,
    plan: Plan,
    open_embedder: Callable[[], Embedder],
    on_reject: Callable[[Rejection], None] = lambda _: None,
) -> Foreseen:
    """The changes that a run by this plan would make.

    No model is opened, unless there are images: then it says whether it embeds them.
    """
    if any(part.format.startswith(IMAGE) for part in plan.parts(sync.source, sync.fields)):
        sync.opened(open_embedder)
    for rejection in plan.rejections:
        on_reject(rejection)
    collection, source = sync.collection, sync.source.name
    found = _read(sync, plan, on_reject)
    unreadable = (*plan.unreadable, *sync.unreadable)
    going = doomed(collection, source, _obsolete(sync, plan, found), found.contents)
    refused = going.refusal(sync.most)
    of: dict[Change, list[str]] = {change: [] for change in Change}
    for id, change in found.changes.items():
        of[change].append(id)
    return Foreseen(
        source,
        files=plan.seen,
        read=len(plan.changed),
        gone=len(plan.gone),
        new=tuple(of[Change.NEW]),
        changed=tuple(of[Change.CONTENT]),
        amended=tuple(of[Change.METADATA]),
        deleted=() if unreadable or refused else going.ids,
        reused=found.reused,
        refused=refused,
        unreadable=unreadable,
    )


def _read(sync: Sync, plan: Plan, on_reject: Callable[[Rejection], None]) -> _Reading:
    found = _Reading()
    journal = SourceJournal(sync.collection, sync.source.naming, 0, {})
    reads = ((file.name, read) for file in plan.changed for read in sync.reads_of(file, 0, journal))
    while some := list(islice(reads, _BATCH)):
        for file, read in some:
            if isinstance(read.item, Rejection):
                found.partly.add(file)
                on_reject(read.item)
            elif isinstance(read.item, Illustrated):
                _add_image(found, sync.collection, file, read.item.document)
        _add(found, sync.collection, journal, _documents(some))
    return found


def _add_image(found: _Reading, collection: Collection, file: str, document: Document) -> None:
    """Count an image, which is not decoded, as changed if there is a document of its id."""
    stored = collection.get([document.id])[0]
    found.changes[document.id] = Change.NEW if stored is None else Change.CONTENT
    found.contents[document.id] = b""
    found.partly.add(file)


def _documents(reads: Sequence[tuple[str, Read]]) -> list[tuple[str, Document]]:
    return [(file, read.item) for file, read in reads if isinstance(read.item, Document)]


def _add(
    found: _Reading,
    collection: Collection,
    journal: SourceJournal,
    given: Sequence[tuple[str, Document]],
) -> None:
    documents = [document for _, document in given]
    changes = collection.changes(documents)
    embedded = [
        document
        for document, change in zip(documents, changes, strict=True)
        if change in (Change.NEW, Change.CONTENT)
    ]
    found.reused += Counter(one is not None for one in journal.reuse(embedded))[True]
    for (file, document), change in zip(given, changes, strict=True):
        found.changes[document.id] = change
        found.contents[document.id] = document.content_hash
        key = (document.id, document.content_hash)
        found.given.setdefault(file, set()).add(key)
    found.before.extend(journal.taken_over(given))


def _obsolete(sync: Sync, plan: Plan, found: _Reading) -> list[Claim]:
    """The claims that would be obsolete once the plan is carried out."""
    origins, source = sync.collection.origins, sync.source.name
    whole = {file.name for file in plan.changed} - found.partly
    of_changed = [
        claim
        for claim in origins.claims(source, sorted(whole))
        if (claim.id, claim.content) not in found.given.get(claim.file, set())
    ]
    return [*origins.obsolete(source, plan.gone), *of_changed, *found.before]
