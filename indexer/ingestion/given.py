"""Documents that a program gives again and again: a source without files, kept in step.

A run of it may come in several parts, each begun, stored and ended by itself, perhaps by different
processes. What the run no longer gives goes at its end, unless a part is missing or was not taken
as a whole.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from indexer.collection import Collection
from indexer.documents import Change, Document
from indexer.errors import Conflict, InvalidInput
from indexer.ingestion.pruning import Pruned, doomed, prune
from indexer.origins import Claim, FileRecord

PLACE: Final = "import"
"""The place of a source that is a program."""

WHOLE: Final = "."
"""The one file of such a source; what else is noted beside it are parts of runs."""

_OPEN: Final = "open"
_ENDED: Final = "ended"


def check_source(name: str) -> str:
    """The name itself; raises InvalidInput for one that a source cannot have."""
    if not name.strip() or "/" in name or not name.isprintable():
        raise InvalidInput(f"{name!r} cannot be the name of a source: letters will do, no slash")
    return name


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a run over a source, which counts as missing until it is ended."""

    collection: Collection
    source: str
    run: int
    name: str

    @classmethod
    def begin(
        cls, collection: Collection, source: str, run: int | None = None, number: int | None = None
    ) -> Self:
        """The next part of a run, or the first of a new one.

        One that had the ``number`` before is replaced. Raises Conflict if the source is a folder,
        or if another run has begun since.
        """
        origins = collection.origins
        record = next((one for one in origins.sources() if one.name == check_source(source)), None)
        if record is not None and record.place != PLACE:
            raise Conflict(
                f"the source {source!r} is {record.place}, which `bearing index --sync` keeps in "
                "step: choose another name"
            )
        if run is None:
            run = origins.begin(source, PLACE)
        elif record is None or record.run != run:
            now = f"the run {record.run} has begun" if record else "there is no such source"
            raise Conflict(f"run {run} of the source {source!r}: {now}; begin anew, without a run")
        which = secrets.token_hex(8) if number is None else number
        part = cls(collection, source, run, f"part {which}")
        part._note(_OPEN)
        return part

    def claim(self, documents: Sequence[Document]) -> None:
        """Note what is about to be stored."""
        claims = [Claim(WHOLE, one.id, one.content_hash, self.run) for one in documents]
        self.collection.origins.note(self.source, claims, {})

    def end(self) -> None:
        """Note that all of the part was stored."""
        self._note(_ENDED)

    def prune(self, most: float) -> Pruned:
        """Delete what the run no longer gives, at most this share of all; the run is over.

        Nothing is deleted if a part of the run has not ended.
        """
        origins = self.collection.origins
        parts = origins.files(self.source)
        parts.pop(WHOLE, None)
        missing = sum(one.run == self.run and one.stamp != _ENDED for one in parts.values())
        if missing:
            cut = "a part" if missing == 1 else f"{missing} parts"
            return Pruned(refused=f"{cut} of the import had rejected lines or came to no end")
        origins.note(self.source, [], {WHOLE: FileRecord(self.run, PLACE)})
        return prune(self.collection, self.source, parts, most)

    def _note(self, stamp: str) -> None:
        self.collection.origins.note(self.source, [], {self.name: FileRecord(self.run, stamp)})


@dataclass(slots=True)
class Rehearsal:
    """A run that changes nothing, and tells what one would."""

    collection: Collection
    source: str
    written: int = 0
    unchanged: int = 0
    _coming: dict[str, bytes] = field(default_factory=dict)

    def add(self, documents: Sequence[Document]) -> None:
        """Compare documents with those stored."""
        for change in self.collection.changes(documents):
            self.written += change is not Change.NOTHING
            self.unchanged += change is Change.NOTHING
        self._coming.update((one.id, one.content_hash) for one in documents)

    def prune(self, most: float) -> Pruned:
        """The outcome of pruning after these documents."""
        claims = self.collection.origins.claims(self.source, [WHOLE])
        going = [one for one in claims if one.id not in self._coming]
        found = doomed(self.collection, self.source, going, self._coming)
        refused = found.refusal(most)
        return Pruned(0 if refused else len(found.ids), found.foreign, refused)
