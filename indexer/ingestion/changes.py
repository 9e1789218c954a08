"""The changes that storing documents needs, and the writes of just those."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from indexer.collection import Collection
from indexer.documents import BroughtVectors, Change, Document, EmbeddedDocument
from indexer.embedding.embedder import Embedder, Identity
from indexer.errors import InvalidInput, InvalidVector
from indexer.ingestion.bringing import unit, with_vectors
from indexer.ingestion.pictures import develop
from indexer.ingestion.preparation import Prepared, embed_documents, embed_prepared, prepare
from indexer.pictures import Developed
from indexer.readers.reading import Rejection

CHARACTERS_PER_TOKEN: Final = 4
"""Characters that a token stands for, roughly."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The outcome of storing documents; ``truncated`` are ids, in the order given.

    ``unknown`` are the ids of documents with a passage of which the model knows no word.
    ``refused`` are positions of documents with the reasons why the vectors they bring are not
    taken.
    """

    written: int
    unchanged: int
    amended: int
    truncated: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class PlannedChange:
    """The change for one input: a rejection, or a document with what storing it takes.

    It is filled on its way, by one step after the other: to copy it each time took longer than to
    embed a title by a static model.

    ``counted`` is the change as if documents came one at a time, ``action`` the one to carry out:
    nothing if a later document with the same id is at hand. ``consumed`` is as in Read.
    ``passed_over`` is the workload of a document that turned out to be rejected.
    """

    item: Document | Rejection
    consumed: int = 0
    counted: Change = Change.NOTHING
    action: Change = Change.NOTHING
    prepared: Prepared | None = None
    embedded: EmbeddedDocument | None = None
    passed_over: int = 0
    developed: Developed | None = None
    brought: BroughtVectors | None = None

    @property
    def embeds(self) -> bool:
        """Return whether its document must be embedded."""
        return self.action in (Change.NEW, Change.CONTENT) and self.embedded is None

    @property
    def tokens(self) -> int:
        """The number of tokens to embed."""
        return self.prepared.weight if self.prepared else 0

    @property
    def workload(self) -> int:
        """The approximate number of tokens in its text, whether it is embedded or not."""
        if self.passed_over or not isinstance(self.item, Document):
            return self.passed_over
        return max(self.tokens, len(self.item.text) // CHARACTERS_PER_TOKEN)

    @property
    def nbytes(self) -> int:
        """The memory that its picture takes, and the vectors that it brings, in bytes."""
        waiting = self.prepared.nbytes if self.prepared else 0
        files = self.embedded.files if self.embedded else None
        kept = len(files.thumbnail) + len(files.original or b"") if files else 0
        brought = self.brought.vectors.nbytes if self.brought else 0
        return waiting + kept + brought

    @property
    def chunks(self) -> int:
        """The number of vectors it writes."""
        return len(self.embedded.chunks) if self.embedded else 0


class PendingWrites:
    """The documents that a collection will hold once all pending writes are done."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._coming: dict[str, Document] = {}
        self._lock = threading.Lock()

    def compare(
        self,
        documents: Sequence[Document],
        developed: Sequence[Developed | None] | None = None,
    ) -> list[PlannedChange]:
        """The change for each document; from now on those that change something are pending.

        ``developed`` is what each document's picture was made into, which goes with its change.
        """
        changes = self._changes(documents)
        pictures = developed or [None] * len(documents)
        latest = {document.id: document for document in documents}
        previous: dict[str, Document] = {}
        steps: list[PlannedChange] = []
        for document, change, seen in zip(documents, changes, pictures, strict=True):
            before = previous.get(document.id)
            counted = change if before is None else _difference(before, document)
            action = change if latest[document.id] is document else Change.NOTHING
            step = PlannedChange(document, counted=counted, action=action, developed=seen)
            steps.append(step)
            previous[document.id] = document
        with self._lock:
            self._coming.update(
                (one.item.id, one.item)
                for one in steps
                if isinstance(one.item, Document) and one.action is not Change.NOTHING
            )
        return steps

    def arrived(self, documents: Iterable[Document]) -> None:
        """Note that these have been written, or given up."""
        with self._lock:
            for document in documents:
                if self._coming.get(document.id) is document:
                    del self._coming[document.id]

    def _changes(self, documents: Sequence[Document]) -> list[Change]:
        # Pending documents are looked up first: one written meanwhile is then in the collection.
        with self._lock:
            coming = [self._coming.get(document.id) for document in documents]
        asked = [one for one, before in zip(documents, coming, strict=True) if before is None]
        stored = iter(self._collection.changes(asked))
        return [
            next(stored) if before is None else _difference(before, document)
            for document, before in zip(documents, coming, strict=True)
        ]


def _difference(old: Document, new: Document) -> Change:
    if old.content_hash != new.content_hash:
        return Change.CONTENT
    return Change.NOTHING if old.facts == new.facts else Change.METADATA


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes of a window of changes: puts, then metadata to amend after them."""

    puts: Mapping[str, EmbeddedDocument]
    amends: Mapping[str, Document]

    @classmethod
    def of(cls, steps: Iterable[PlannedChange]) -> Writes:
        """The net writes of these changes, in order."""
        puts: dict[str, EmbeddedDocument] = {}
        amends: dict[str, Document] = {}
        for step in steps:
            if step.embedded is not None:
                amends.pop(step.embedded.document.id, None)
                puts[step.embedded.document.id] = step.embedded
            elif step.action is Change.METADATA and isinstance(step.item, Document):
                amends[step.item.id] = step.item
        return cls(puts, amends)

    def write(self, collection: Collection, embedder: Embedder) -> None:
        """Write them to the collection, durably."""
        if self.puts:
            collection.put(list(self.puts.values()))
        if not self.amends:
            return
        amended = list(self.amends.values())
        try:
            collection.amend(amended)
        except InvalidInput:  # one of them was changed or deleted since it was compared
            developed = develop(collection, embedder, amended)
            collection.put(embed_documents(embedder, amended, developed))


def store(
    collection: Collection,
    embedder: Embedder,
    documents: Sequence[Document],
    developed: Sequence[Developed | None] | None = None,
    brought: Sequence[BroughtVectors | None] | None = None,
    *,
    whole: bool = False,
) -> Stored:
    """Store documents, embedding only new content; of two with one id the later wins.

    ``developed`` is what each document's picture was made into, if it is new, ``brought`` are the
    vectors that come with it; one whose vectors are not taken, or that a restricted collection does
    not take, is left out, and told as refused,
    or with ``whole`` the reason to raise InvalidVector before anything is written. Counts are as if
    documents came one at a time. Raises what the collection's ``put`` does.
    """
    given = list(brought or [None] * len(documents))
    refused = _admit(documents, given, embedder.identity)
    if not whole:  # else they are raised when the changes are looked up
        refused |= collection.refusals(documents)
    pictures = developed or [None] * len(documents)
    kept = [place for place in range(len(documents)) if place not in refused]
    compared = PendingWrites(collection).compare(
        [documents[place] for place in kept], [pictures[place] for place in kept]
    )
    for place, one in zip(kept, compared, strict=True):
        one.brought = given[place]
    steps = take_vectors(embedder, compared)
    for place, step in zip(kept, steps, strict=True):
        if isinstance(step.item, Rejection):
            refused[place] = step.item.reason
    if whole and refused:
        _raise_first(refused, given)
    waiting = iter(embed_prepared(embedder, prepare_changes(collection, embedder, steps)))
    for one in steps:
        if one.embeds:
            one.embedded = next(waiting)
    Writes.of(steps).write(collection, embedder)
    count = Counter(step.counted for step in steps if isinstance(step.item, Document))
    return Stored(
        written=count[Change.NEW] + count[Change.CONTENT],
        unchanged=count[Change.NOTHING],
        amended=count[Change.METADATA],
        truncated=tuple(truncated_ids(step.embedded for step in steps)),
        unknown=tuple(unknown_ids(step.embedded for step in steps)),
        refused=tuple(sorted(refused.items())),
    )


def _raise_first(refused: Mapping[int, str], brought: Sequence[BroughtVectors | None]) -> NoReturn:
    first = min(refused)
    its = brought[first]
    raise InvalidVector(f"{its.place if its else first}: {refused[first]}")


def _admit(
    documents: Sequence[Document], brought: list[BroughtVectors | None], identity: Identity
) -> dict[int, str]:
    """Make unit vectors of those brought; the reasons for refusing others, by their positions."""
    refused: dict[int, str] = {}
    for place, (document, its) in enumerate(zip(documents, brought, strict=True)):
        if its is not None:
            try:
                brought[place] = unit(document, its, identity)
            except InvalidVector as error:
                refused[place] = str(error)
    return refused


def take_vectors(embedder: Embedder, steps: Sequence[PlannedChange]) -> list[PlannedChange]:
    """The changes, with the unit vectors that their documents bring; else rejections in place."""
    bringing = [one for one in steps if one.embeds and one.brought is not None]
    documents = [one.item for one in bringing if isinstance(one.item, Document)]
    brought = [one.brought for one in bringing if one.brought is not None]
    outcomes = iter(with_vectors(embedder, documents, brought, [one.developed for one in bringing]))
    return [
        _taken(one, next(outcomes)) if one.embeds and one.brought is not None else one
        for one in steps
    ]


def _taken(step: PlannedChange, outcome: EmbeddedDocument | InvalidVector) -> PlannedChange:
    if isinstance(outcome, EmbeddedDocument):
        step.embedded, step.developed, step.brought = outcome, None, None
        return step
    place = step.brought.place if step.brought else ""
    rejection = Rejection(place, str(outcome))
    return PlannedChange(rejection, step.consumed, passed_over=step.workload)


def prepare_changes(
    collection: Collection, embedder: Embedder, steps: Iterable[PlannedChange]
) -> list[Prepared]:
    """The documents with new content, ready to be embedded.

    A picture that was taken for stored, and changed meanwhile, is read anew; raises Gone.
    """
    fresh = [step for step in steps if step.embeds]
    documents = [step.item for step in fresh if isinstance(step.item, Document)]
    known = [step.developed for step in fresh]
    late = [one for one, seen in zip(documents, known, strict=True) if one.picture and seen is None]
    again = iter(develop(collection, embedder, late)) if late else iter(())
    pictures = [
        next(again) if one.picture and seen is None else seen
        for one, seen in zip(documents, known, strict=True)
    ]
    return prepare(embedder, documents, pictures)


def truncated_ids(embedded: Iterable[EmbeddedDocument | None]) -> Iterator[str]:
    """The ids of the documents with a part that is not embedded."""
    return (one.document.id for one in embedded if one is not None and one.truncated)


def unknown_ids(embedded: Iterable[EmbeddedDocument | None]) -> Iterator[str]:
    """The ids of the documents with a passage of which the model knows no word."""
    return (one.document.id for one in embedded if one is not None and one.unknown)
