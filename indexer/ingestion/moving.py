"""Entries of another system into documents, with their vectors if they are those of the model.

Whose vectors they are is seen from a sample, which is embedded once more. A vector that cannot
stand for its document, as of a text that the model does not take as a whole, is left out, and the
text embedded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

import numpy as np

from indexer.documents import BroughtVectors, Document, Vectors
from indexer.embedding.embedder import Embedder
from indexer.errors import BearingError
from indexer.ingestion.chunking import fits
from indexer.readers.reading import Fields, Read, Rejection
from indexer.readers.records import TEXT_FIELD, document_of, flatten
from indexer.sources.systems.holding import Entry, Holding, Vector

SAME: Final = 0.999
"""The least cosine between a vector and what the model makes of its text, if both are its own."""

SAMPLE: Final = 64
SAMPLED_FROM: Final = 2_048
BATCH: Final = 256

TEXT_FIELDS: Final = (TEXT_FIELD, "page_content", "document", "content", "body", "chunk")
"""The fields in which systems keep texts; the first that an entry has is taken."""

TITLE: Final = "title"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on vectors, kept or not, and why; ``least`` of the cosines of ``compared``.

    With ``bare`` they are of the texts alone, so that titles stay metadata.
    """

    kept: bool
    reason: str
    compared: int = 0
    least: float | None = None
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The things to move: entries, those with a text and a vector, and how many have a field."""

    entries: int
    texts: int
    vectors: int
    dimension: int | None
    fields: dict[str, int]


@dataclass(slots=True)
class Left:
    """The vectors left out although vectors are kept, by the reason."""

    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Move:
    """A collection of another system on its way into one of a model.

    ``fields`` are those told; without a field of the text the usual ones of systems are tried.
    """

    holding: Holding
    fields: Fields
    embedder: Embedder
    left: Left = field(default_factory=Left)

    def survey(self) -> Surveyed:
        """Count all entries; nothing is embedded."""
        counts: Counter[str] = Counter()
        entries = texts = vectors = 0
        dimension: int | None = None
        for number, entry in enumerate(self.holding.entries(), start=1):
            entries += 1
            texts += isinstance(self._document(entry, number), Document)
            if entry.vector is not None:
                vectors, dimension = vectors + 1, len(entry.vector)
            counts.update(_names(entry.record))
        return Surveyed(entries, texts, vectors, dimension, dict(counts.most_common()))

    def verdict(self) -> Verdict:
        """See from a sample whether the vectors are the model's own."""
        pairs = self._sample()
        name, dimension = self.embedder.identity.name, self.embedder.identity.dimension
        if not pairs:
            return Verdict(False, "no entry of the first has a vector and a text that fits it")
        wrong = next((len(one) for _, one in pairs if len(one) != dimension), None)
        if wrong is not None:
            return Verdict(False, f"they have {wrong} numbers, those of {name} {dimension}")
        given = np.asarray([one for _, one in pairs])
        verdicts = [self._compared(pairs, given, bare) for bare in (False, True)]
        return max(verdicts, key=lambda one: (one.kept, one.least))

    def _sample(self) -> list[tuple[Document, Vector]]:
        first = islice(enumerate(self.holding.entries(), start=1), SAMPLED_FROM)
        found = [
            (document, entry.vector)
            for number, entry in first
            if entry.vector is not None
            and isinstance(document := self._document(entry, number), Document)
            and document.text.strip()
            and _direction(entry.vector)
        ]
        spread = found[:: max(1, len(found) // SAMPLE)][:SAMPLE]
        tokens = self.embedder.tokenize([one.content for one, _ in spread]) if spread else []
        room = self.embedder.room
        return [pair for pair, one in zip(spread, tokens, strict=True) if fits(one, room)]

    def _compared(
        self, pairs: Sequence[tuple[Document, Vector]], given: Vectors, bare: bool
    ) -> Verdict:
        texts = [one.text if bare else one.content for one, _ in pairs]
        own = self.embedder.embed(self.embedder.tokenize(texts)).vectors
        exact = given.astype(np.float64)
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
        cosines = np.einsum("ij,ij->i", exact, own.astype(np.float64))
        least, name = float(cosines.min()), self.embedder.identity.name
        alike = int((cosines >= SAME).sum())
        if alike == len(pairs):
            of = f"{len(pairs)} texts embedded once more are as they were, cosine >= {least:.4f}"
            bare = bare and any(one.title for one, _ in pairs)
            return Verdict(True, of, len(pairs), least, bare)
        of = (
            f"of {len(pairs)} texts {alike} have the vectors that {name} gives, down to {least:.4f}"
        )
        return Verdict(False, of, len(pairs), least, False)

    def reads(self, verdict: Verdict) -> Iterator[Read]:
        """All entries as documents, with their vectors if these are kept; ``consumed`` counts."""
        entries = enumerate(self.holding.entries(), start=1)
        while batch := list(islice(entries, BATCH)):
            items = [(self._document(one, number), one, number) for number, one in batch]
            kept = self._fitting(items, verdict) if verdict.kept else {}
            for item, entry, number in items:
                item = _bared(item) if verdict.bare and isinstance(item, Document) else item
                brought = None
                if number in kept and entry.vector is not None:
                    place = f"{self.holding.name}:{number}"
                    brought = BroughtVectors(entry.vector[None, :], None, place)
                yield Read(item, number, brought=brought)

    def _fitting(
        self, items: Iterable[tuple[Document | Rejection, Entry, int]], verdict: Verdict
    ) -> set[int]:
        """The numbers of those whose vectors can stand for them; the others are counted."""
        able: list[tuple[int, str]] = []
        for item, entry, number in items:
            if isinstance(item, Rejection):
                continue
            reason = _unusable(entry.vector, self.embedder.identity.dimension)
            if reason:
                self.left.counts[reason] += 1
            else:
                able.append((number, item.text if verdict.bare else item.content))
        tokens = self.embedder.tokenize([text for _, text in able]) if able else []
        room = self.embedder.room
        whole = {number for (number, _), one in zip(able, tokens, strict=True) if fits(one, room)}
        if len(able) > len(whole):
            self.left.counts["longer than the model takes at once"] += len(able) - len(whole)
        return whole

    def _document(self, entry: Entry, number: int) -> Document | Rejection:
        place = f"{self.holding.name}:{number}"
        record = entry.record
        text = self.fields.text or next((name for name in TEXT_FIELDS if name in record), None)
        others = record if entry.id is None else {**record, "_id": entry.id}
        try:
            return document_of(others, replace(self.fields, text=text), place)
        except BearingError as error:
            return Rejection(place, str(error))


def _names(record: dict[str, Any]) -> list[str]:
    try:
        return list(flatten(record))
    except BearingError:
        return list(record)


def _bared(document: Document) -> Document:
    """A document whose title is metadata, for a vector that is of the text alone."""
    if document.title is None:
        return document
    metadata = {**document.metadata, TITLE: document.title}
    return replace(document, title=None, metadata=metadata)


def _direction(vector: Vector) -> bool:
    return bool(np.isfinite(vector).all() and np.any(vector))


def _unusable(vector: Vector | None, dimension: int) -> str | None:
    if vector is None:
        return "without a vector"
    if len(vector) != dimension:
        return f"of other than {dimension} numbers"
    return None if _direction(vector) else "zero or not finite"
