"""A folder kept in step: changed files are read, and documents that are no longer given go.

What is the same as at the last run is not opened. Documents that moved keep their vectors. Nothing
is deleted unless a run saw the whole source.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Collection as Paths
from dataclasses import dataclass, field, replace
from pathlib import Path

from indexer.collection import Collection
from indexer.embedding.embedder import Embedder, Modality
from indexer.errors import InvalidInput, Unreadable
from indexer.ingestion.file_state import FileState, digest_of, reading_of
from indexer.ingestion.journal import Naming, SourceJournal
from indexer.ingestion.pictures import USUAL_READING, PictureReading
from indexer.ingestion.pipeline import Progress, Summary, combined, ingest
from indexer.ingestion.pruning import USUAL_SHARE, Pruned, prune
from indexer.origins import FileRecord
from indexer.readers.paths import FoundFile, name_of, parts_of, read_source, recognised
from indexer.readers.reading import USUAL, Fields, Part, Read, Rejection
from indexer.readers.scanning import Scan, SeenFile, scan


@dataclass(frozen=True, slots=True)
class Source:
    """A folder or file that a collection is kept in step with, and its name, if ``told`` by one."""

    root: Path
    naming: Naming
    told: bool = False

    @classmethod
    def at(cls, path: str, name: str | None = None) -> Source:
        """The source at a path, called like the folder there unless it has a name.

        Raises Unreadable if there is nothing, InvalidInput for a name that cannot begin ids.
        """
        root = Path(os.path.realpath(path))
        if not root.exists():
            raise Unreadable(f"no such file or folder: {path!r}; nothing is deleted")
        called = name if name is not None else name_of(Path(root.name))
        if not called.strip() or "/" in called or not called.isprintable():
            raise InvalidInput(f"{called!r} cannot be the name of a source: give one by --source")
        return cls(root, Naming(called, name_of(Path(path))), name is not None)

    @property
    def name(self) -> str:
        """Its name."""
        return self.naming.source

    def recognised(self, name: str, path: Path, size: int, fields: Fields) -> FoundFile:
        """A file of it, of this size, in its format, or the reason why it is not read."""
        return recognised(path, self.naming.called(name), size, fields)


@dataclass(slots=True)
class Plan:
    """The outcome of a look at a source, beside what is known of it.

    ``fresh`` are new stamps of files with the same content. ``rejections`` were told before, or are
    of what is no file; ``unreadable`` are the places that hide what is there.
    """

    seen: int
    changed: list[SeenFile] = field(default_factory=list)
    fresh: dict[str, FileRecord] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def parts(self, source: Source, fields: Fields) -> list[Part]:
        """The parts of the input that are to be read."""
        return parts_of(
            source.recognised(file.name, Path(file.path), file.status.st_size, fields)
            for file in self.changed
        )


@dataclass(frozen=True, slots=True)
class Synced:
    """The outcome of keeping a source in step.

    Of its ``files`` some were ``read``, and some of those known before are ``gone``. ``reused``
    documents have vectors that were stored for the same content. ``unreadable`` places are the
    reason why nothing was deleted. ``what`` is the word for a file.
    """

    source: str
    summary: Summary
    files: int
    read: int
    gone: int
    reused: int
    pruned: Pruned
    unreadable: tuple[str, ...]
    what: str = "file"


@dataclass(slots=True)
class Sync:
    """One run over a source; ``skip`` are paths to leave out.

    ``filled_by`` is a word for the model that embeds: files are read again by another one, which
    may take images that this one does not.
    """

    collection: Collection
    source: Source
    fields: Fields = USUAL
    most: float = USUAL_SHARE
    skip: Paths[Path] = ()
    pictures: PictureReading = USUAL_READING
    filled_by: str = ""
    reading: str = field(init=False)
    """The word for how files are read."""

    unreadable: list[str] = field(default_factory=list)
    """The files that could not be read by now."""

    def __post_init__(self) -> None:
        self.reading = reading_of(self.fields, self.pictures, self.filled_by)

    def plan(self) -> Plan:
        """Look at the source; raises InvalidInput if another folder has its name."""
        self._require_own_name()
        looked = time.time_ns()
        found = scan(self.source.root, self.skip)
        origins = self.collection.origins
        known = origins.files(self.source.name)
        astray = origins.astray(self.source.name) if known else set()
        called = self.source.naming.called
        rejections = [replace(one, place=called(one.place)) for one in _unseen(found)]
        plan = Plan(len(found.files), rejections=rejections)
        plan.unreadable = [called(one.place) for one in _hiding(found, known)]
        names = {file.name for file in found.files}
        plan.gone = [name for name in known if name not in names]
        for file in found.files:
            record = known.get(file.name)
            state = FileState.decode(record.stamp) if record else None
            if (
                record is None
                or state is None
                or state.reading != self.reading
                or file.name in astray
            ):
                plan.changed.append(file)
            else:
                self._compare(plan, file, record, state, looked)
        return plan

    def _require_own_name(self) -> None:
        """Raise InvalidInput if another folder has the name that this one was given by itself."""
        name, place = self.source.name, name_of(self.source.root)
        others = [one for one in self.collection.origins.sources() if one.name == name]
        if any("://" in one.place for one in others):
            raise InvalidInput(
                f"the source {name!r} is {others[0].place}: give this folder another name by "
                "--source"
            )
        if not self.source.told and any(one.place != place for one in others):
            raise InvalidInput(
                f"the source {name!r} of collection {self.collection.name!r} is "
                f"{others[0].place}, not {place}: give this folder another name by --source, or "
                f"that name (--source {name}) if it is the same, moved"
            )

    def _compare(
        self, plan: Plan, file: SeenFile, record: FileRecord, state: FileState, looked: int
    ) -> None:
        """Add a known file to the plan, by its status or else its content."""
        if not state.looks_same(file.status):
            try:
                same = state.has_content(file.status, Path(file.path))
            except (OSError, Unreadable) as error:
                self._note_unreadable(plan, file, error)
                return
            if not same:
                plan.changed.append(file)
                return
            fresh = FileState.of(file.status, looked, state.reading, state.digest)
            fresh = replace(fresh, rejections=state.rejections)
            plan.fresh[file.name] = FileRecord(record.run, fresh.encode())
        plan.rejections.extend(Rejection(*one) for one in state.rejections)

    def _note_unreadable(self, plan: Plan, file: SeenFile, error: Exception) -> None:
        name = self.source.naming.called(file.name)
        plan.unreadable.append(name)
        plan.rejections.append(Rejection(name, _unreadable(error)))

    def run(
        self,
        plan: Plan,
        open_embedder: Callable[[], Embedder],
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_reject: Callable[[Rejection], None] = lambda _: None,
    ) -> Synced:
        """Bring the collection in step; the model is opened only if there is something to read.

        An interrupted run deletes nothing. To be called while the right to write is held.
        """
        for rejection in plan.rejections:
            on_reject(rejection)
        if not (plan.changed or plan.fresh or plan.gone):
            return self._outcome(plan, combined([]), 0, self._prune(plan))
        embedder = self.opened(open_embedder) if plan.changed else None
        journal = self._begin(plan)
        summaries: list[Summary] = []
        if embedder is not None:
            reads = self._reads(plan.changed, journal)
            summaries.append(
                ingest(
                    self.collection,
                    embedder,
                    reads,
                    on_progress=on_progress,
                    on_reject=on_reject,
                    pictures=self.pictures,
                    journal=journal,
                )
            )
            journal.flush()
        if shared := self._shared(plan, journal):
            reads = self._reads(shared, journal)
            embedder = self.opened(open_embedder)
            summaries.append(
                ingest(self.collection, embedder, reads, pictures=self.pictures, journal=journal)
            )
            journal.flush()
        return self._outcome(plan, combined(summaries), journal.reused, self._prune(plan))

    def opened(self, open_embedder: Callable[[], Embedder]) -> Embedder:
        """The model, by which images are read from now on if it embeds them."""
        embedder = open_embedder()
        self.fields = replace(self.fields, pictures=Modality.IMAGE in embedder.modalities)
        return embedder

    def _prune(self, plan: Plan) -> Pruned:
        if plan.unreadable or self.unreadable:
            return Pruned()
        return prune(self.collection, self.source.name, plan.gone, self.most)

    def _begin(self, plan: Plan) -> SourceJournal:
        origins, name = self.collection.origins, self.source.name
        run = origins.begin(name, name_of(self.source.root))
        if plan.fresh:
            origins.note(name, [], plan.fresh)
        return SourceJournal(self.collection, self.source.naming, run, origins.files(name))

    def _outcome(self, plan: Plan, summary: Summary, reused: int, pruned: Pruned) -> Synced:
        rejected = summary.rejected + len(plan.rejections)
        return Synced(
            self.source.name,
            replace(summary, rejected=rejected),
            files=plan.seen,
            read=len(plan.changed),
            gone=len(plan.gone),
            reused=reused,
            pruned=pruned,
            unreadable=(*plan.unreadable, *self.unreadable),
        )

    def _shared(self, plan: Plan, journal: SourceJournal) -> list[SeenFile]:
        """The files to read again, since they have documents in common with one just read or gone.

        Read in order, of each such document the last stays. None if all of them were just read.
        """
        if not (plan.changed or plan.gone):
            return []
        origins = self.collection.origins
        sharing = origins.sharing(self.source.name, journal.run, plan.gone) - set(plan.gone)
        if sharing <= {file.name for file in plan.changed}:
            return []
        return [file for file in scan(self.source.root, self.skip).files if file.name in sharing]

    def _reads(self, files: Iterable[SeenFile], journal: SourceJournal) -> Iterator[Read]:
        """The documents of these files, with rejections."""
        before = 0
        for file in files:
            for read in self.reads_of(file, before, journal):
                journal.queue(file.name)
                yield read
            before += file.status.st_size

    def reads_of(self, file: SeenFile, before: int, journal: SourceJournal) -> Iterator[Read]:
        """The documents of a file, which is finished if it was the same file all the time."""
        looked = time.time_ns()
        path = Path(file.path)
        try:
            status = path.stat()
            found = self.source.recognised(file.name, path, status.st_size, self.fields)
            digest = None if isinstance(found, Rejection) else digest_of(path)
        except (OSError, Unreadable) as error:
            name = self.source.naming.called(file.name)
            self.unreadable.append(name)
            yield Read(Rejection(name, _unreadable(error)), before)
            return
        if isinstance(found, Rejection):
            yield Read(found, before)
        else:
            source, format = found
            own = replace(source, before=before)
            yield from read_source(own, format, self.fields, path.parent)
        state = FileState.of(status, looked, self.reading, digest)
        if _is_still(file.path, state):
            journal.finish(file.name, state)


def _unreadable(error: Exception) -> str:
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _is_still(path: str, state: FileState) -> bool:
    """Return whether a file has not been touched since its status was looked at."""
    try:
        return state.is_of(os.stat(path))  # noqa: PTH116 - once for each of many files
    except OSError:
        return False


def _unseen(found: Scan) -> list[Rejection]:
    return [*found.rejections, *found.dangling, *found.unreadable]


def _hiding(found: Scan, known: Paths[str]) -> list[Rejection]:
    """The places that may hide files: what cannot be read, and lost links to known files."""
    lost = [
        one
        for one in found.dangling
        if one.place in known or any(name.startswith(f"{one.place}/") for name in known)
    ]
    return [*found.unreadable, *lost]
