"""A place elsewhere kept in step: changed files are read, and documents no longer given go.

Nothing is deleted unless a run saw the whole place, as of a folder (``indexer.ingestion.sync``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Collection as Names
from dataclasses import dataclass, field, replace
from typing import Final

from indexer.collection import Collection
from indexer.embedding.embedder import Embedder, Modality
from indexer.errors import Conflict
from indexer.ingestion.file_state import reading_of
from indexer.ingestion.given import PLACE as PROGRAM
from indexer.ingestion.journal import Naming, SourceJournal, Stamp
from indexer.ingestion.pictures import USUAL_READING, PictureReading
from indexer.ingestion.pipeline import Progress, Summary, combined, ingest
from indexer.ingestion.pruning import USUAL_SHARE, Pruned, prune
from indexer.ingestion.sync import Synced
from indexer.readers.reading import USUAL, Fields, Read, Rejection
from indexer.sources.fetched import Unchanged
from indexer.sources.places import Place, PlaceFile

_URL: Final = "://"


@dataclass(frozen=True, slots=True)
class PlaceStamp:
    """The stamp of a file as its place told it, with the word for how it was read."""

    reading: str
    told: str

    def encode(self) -> str:
        """The stamp as text; empty if the place told none."""
        return f"{self.reading} {self.told}" if self.told else ""

    def with_rejections(self, rejections: list[Rejection]) -> Stamp:  # noqa: ARG002
        """No stamp: a file with rejections is read again, so that these are heard of again."""
        return replace(self, told="")


@dataclass(slots=True)
class SyncElsewhere:
    """One run over a place; its source has the name of the place unless it is ``called`` another.

    ``filled_by`` is a word for the model that embeds, as in a folder's.
    """

    collection: Collection
    place: Place
    called: str | None = None
    fields: Fields = USUAL
    most: float = USUAL_SHARE
    pictures: PictureReading = USUAL_READING
    filled_by: str = ""
    seen: set[str] = field(default_factory=set)
    """The files that are there."""

    read: set[str] = field(default_factory=set)
    """The files that were fetched."""

    whole: set[str] = field(default_factory=set)
    """The files that were read to their end."""

    @property
    def source(self) -> str:
        """The name of the source."""
        return self.called or self.place.name

    def known(self) -> dict[str, str]:
        """The stamps of files at the last run; empty for those that are to be read again.

        Raises Conflict if the name is that of a source of another kind.
        """
        origins = self.collection.origins
        record = next((one for one in origins.sources() if one.name == self.source), None)
        if record is not None and (record.place == PROGRAM or _URL not in record.place):
            what = "kept by imports" if record.place == PROGRAM else f"the folder {record.place}"
            raise Conflict(f"the source {self.source!r} is {what}: give another name by --source")
        files = origins.files(self.source)
        again = origins.astray(self.source) if files else set()
        reading = self._reading
        return {
            name: "" if name in again else _told(one.stamp, reading) for name, one in files.items()
        }

    @property
    def _reading(self) -> str:
        return reading_of(replace(self.fields, pictures=False), self.pictures, self.filled_by)

    def opened(self, open_embedder: Callable[[], Embedder]) -> Embedder:
        """The model, by which images are read from now on if it embeds them."""
        embedder = open_embedder()
        self.fields = replace(self.fields, pictures=Modality.IMAGE in embedder.modalities)
        return embedder

    def run(
        self,
        open_embedder: Callable[[], Embedder],
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_reject: Callable[[Rejection], None] = lambda _: None,
    ) -> Synced:
        """Bring the collection in step.

        An interrupted run deletes nothing. To be called while the right to write is held.
        """
        known = self.known()
        embedder = self.opened(open_embedder)
        origins = self.collection.origins
        run = origins.begin(self.source, self.place.name)
        journal = SourceJournal(
            self.collection, Naming(self.source), run, origins.files(self.source)
        )

        def progressed(now: Progress) -> None:
            self.place.stored(now.consumed)
            on_progress(now)

        def once(stamps: Mapping[str, str]) -> Summary:
            reads = self._journalled(stamps, journal)
            summary = ingest(
                self.collection,
                embedder,
                reads,
                on_progress=progressed,
                on_reject=on_reject,
                pictures=self.pictures,
                journal=journal,
            )
            journal.flush()
            return summary

        summaries = [once(known)]
        gone = self.gone(known)
        if again := origins.sharing(self.source, run, gone) - {*gone, *self.read}:
            now = origins.files(self.source)
            stamps = {name: _told(one.stamp, self._reading) for name, one in now.items()}
            both = again | (self.read & origins.sharing(self.source, run, gone))
            summaries.append(once({**stamps, **dict.fromkeys(both, "")}))
        pruned = Pruned()
        if not self.place.unreadable:
            pruned = prune(self.collection, self.source, gone, self.most)
        return self._outcome(combined(summaries), journal, gone, pruned)

    def gone(self, known: Names[str]) -> list[str]:
        """The known files that were not seen; none of them is gone if not all was seen."""
        if self.place.unreadable:
            return []
        return [name for name in known if name not in self.seen]

    def reads(
        self, known: Mapping[str, str], on_read: Callable[[PlaceFile], None] = lambda _: None
    ) -> Iterator[tuple[str, Read]]:
        """The documents of changed files, each with its file; ``on_read`` is told of whole ones."""
        before = 0
        for one in self.place.found(known, self.fields):
            if isinstance(one, Rejection):
                self.seen.add(one.place)
                yield one.place, Read(one, before)
                continue
            self.seen.add(one.name)
            if isinstance(one, Unchanged):
                continue
            self.read.add(one.name)
            last = before
            for read in one.reads:
                last = before + read.consumed
                yield one.name, replace(read, consumed=last)
            before = last
            if one.whole:
                self.whole.add(one.name)
                on_read(one)

    def _journalled(self, known: Mapping[str, str], journal: SourceJournal) -> Iterator[Read]:
        def finish(file: PlaceFile) -> None:
            journal.finish(file.name, PlaceStamp(self._reading, file.stamp))

        for file, read in self.reads(known, finish):
            journal.queue(file)
            yield read

    def _outcome(
        self, summary: Summary, journal: SourceJournal, gone: list[str], pruned: Pruned
    ) -> Synced:
        return Synced(
            self.source,
            summary,
            files=len(self.seen),
            read=len(self.read),
            gone=len(gone),
            reused=journal.reused,
            pruned=pruned,
            unreadable=tuple(self.place.unreadable),
            what=self.place.what,
        )


def _told(stamp: str, reading: str) -> str:
    """The stamp that a place told, if the file would be read as it was then; else empty."""
    word, _, told = stamp.partition(" ")
    return told if word == reading else ""
