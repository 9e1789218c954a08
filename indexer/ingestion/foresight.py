"""The changes that keeping a folder or a place elsewhere in step would make: nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from indexer.collection import Collection
from indexer.documents import Change, Document
from indexer.embedding.embedder import Embedder
from indexer.ingestion.journal import Naming, SourceJournal
from indexer.ingestion.pruning import Doomed, doomed
from indexer.ingestion.sync import Plan, Sync
from indexer.ingestion.sync_elsewhere import SyncElsewhere
from indexer.origins import Claim
from indexer.readers.image_files import IMAGE
from indexer.readers.reading import Illustrated, Read, Rejection

_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The changes that a run would make: ids of documents by what becomes of them.

    ``amended`` ones have new metadata only. ``reused`` is the number of those ``new`` or
    ``changed`` whose vectors are stored already. ``refused`` is the reason why none would be
    ``deleted`` all the same, as are ``unreadable`` places. ``what`` is the word for a file.
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
    what: str = "file"


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
    journal = SourceJournal(collection, sync.source.naming, 0, {})
    reads = ((file.name, read) for file in plan.changed for read in sync.reads_of(file, 0, journal))
    found = _read(collection, journal, reads, on_reject)
    read = {file.name for file in plan.changed}
    going = doomed(
        collection, source, _obsolete(collection, source, read, plan.gone, found), found.contents
    )
    unreadable = (*plan.unreadable, *sync.unreadable)
    foreseen = _foreseen(source, found, going, going.refusal(sync.most), unreadable)
    return replace(foreseen, files=plan.seen, read=len(read), gone=len(plan.gone))


def foresee_elsewhere(
    sync: SyncElsewhere,
    open_embedder: Callable[[], Embedder],
    on_reject: Callable[[Rejection], None] = lambda _: None,
) -> Foreseen:
    """The changes that keeping a place in step would make; its files are fetched.

    The model is opened if there may be images, to say whether it embeds them.
    """
    collection, source, known = sync.collection, sync.source, sync.known()
    if sync.place.has_pictures:
        sync.opened(open_embedder)
    journal = SourceJournal(collection, Naming(source), 0, {})
    found = _read(collection, journal, sync.reads(known), on_reject)
    gone = sync.gone(known)
    obsolete = _obsolete(collection, source, sync.whole, gone, found)
    going = doomed(collection, source, obsolete, found.contents)
    unreadable = tuple(sync.place.unreadable)
    foreseen = _foreseen(source, found, going, going.refusal(sync.most), unreadable)
    files, read = len(sync.seen), len(sync.read)
    return replace(foreseen, files=files, read=read, gone=len(gone), what=sync.place.what)


def _foreseen(
    source: str,
    found: _Reading,
    going: Doomed,
    refused: str | None,
    unreadable: tuple[str, ...],
) -> Foreseen:
    of: dict[Change, list[str]] = {change: [] for change in Change}
    for id, change in found.changes.items():
        of[change].append(id)
    return Foreseen(
        source,
        files=0,
        read=0,
        gone=0,
        new=tuple(of[Change.NEW]),
        changed=tuple(of[Change.CONTENT]),
        amended=tuple(of[Change.METADATA]),
        deleted=() if unreadable or refused else going.ids,
        reused=found.reused,
        refused=refused,
        unreadable=unreadable,
    )


def _read(
    collection: Collection,
    journal: SourceJournal,
    reads: Iterator[tuple[str, Read]],
    on_reject: Callable[[Rejection], None],
) -> _Reading:
    found = _Reading()
    while some := list(islice(reads, _BATCH)):
        for file, read in some:
            if isinstance(read.item, Rejection):
                found.partly.add(file)
                on_reject(read.item)
            elif isinstance(read.item, Illustrated):
                _add_image(found, collection, file, read.item.document)
        _add(found, collection, journal, _documents(some))
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


def _obsolete(
    collection: Collection, source: str, read: set[str], gone: Sequence[str], found: _Reading
) -> list[Claim]:
    """The claims that would be obsolete once these files are read, and those are gone."""
    origins = collection.origins
    whole = read - found.partly
    of_changed = [
        claim
        for claim in origins.claims(source, sorted(whole))
        if (claim.id, claim.content) not in found.given.get(claim.file, set())
    ]
    return [*origins.obsolete(source, gone), *of_changed, *found.before]
