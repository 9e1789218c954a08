"""Documents into a collection: chunked, embedded, and written, each step in its own thread.

Reading, preparing (changes, tokens, chunks), embedding and writing overlap. Between two steps
lies a bounded :class:`Channel`; a step takes whatever gathered there while it was busy, so windows
are large under load and small when input comes slowly, without a timer.

Order is kept from end to end: the committed documents of a :class:`Progress` are the first of the
input.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Protocol, Self

from indexer.collection import Collection
from indexer.documents import Change, Document, EmbeddedDocument
from indexer.embedding.embedder import Embedder
from indexer.errors import InvalidVector
from indexer.ingestion.bringing import admitted
from indexer.ingestion.changes import (
    PendingWrites,
    PlannedChange,
    Writes,
    prepare_changes,
    take_vectors,
    truncated_ids,
    unknown_ids,
)
from indexer.ingestion.channel import Channel, Closed, T
from indexer.ingestion.pictures import USUAL_READING, PictureReading, developed
from indexer.ingestion.preparation import Prepared, embed_prepared
from indexer.readers.reading import Read, Rejection
from indexer.readers.repeats import Repeats

READ_AHEAD_CHARACTERS: Final = 8_000_000
"""Characters of text that wait to be prepared, at most."""

PREPARE_CHARACTERS: Final = 1_000_000
"""Characters of text that are tokenised at a time, at most."""

PREPARED_TOKENS: Final = 2_000_000
"""Tokens that wait to be embedded, at most."""

EMBEDDED_CHUNKS: Final = 8_192
"""Vectors that wait to be written, at most."""

WRITE_CHUNKS: Final = 4_096
"""Vectors written in one transaction, roughly."""

WINDOW_SECONDS: Final = 3.0
"""Time to embed a window, roughly: a crash loses as much, and Ctrl-C waits as long."""

FIRST_WINDOW_TOKENS: Final = 16_384
MAX_WINDOW_TOKENS: Final = 1_000_000

DOCUMENT_WEIGHT: Final = 8
"""The weight of an input in a channel besides its text, so that empty ones are bounded too."""

TOKEN_BYTES: Final = 48
CHUNK_BYTES: Final = 8_192
"""The bytes of pictures that count as a token, and as a chunk, where things wait."""

CHARACTER_BYTES: Final = 4
"""The bytes of a vector that count as a character, where documents wait to be prepared."""

READER_PATIENCE_SECONDS: Final = 2.0
"""The time an ended run waits for its reader, which may be waiting for input."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: the first ``committed`` documents of the input are durable.

    ``committed`` = ``written`` + ``amended`` (metadata only) + ``unchanged``, counted as if
    documents came one at a time; ``last_id`` is the last of them. ``consumed`` are the bytes of
    input up to there, ``tokens`` those that were embedded. ``repeated`` documents have an id that
    came before in the input. The run has read ``read_bytes`` of the input, which hold
    ``read_tokens``, and is done with ``done_tokens`` of them; both are approximate, and include
    texts that are not embedded.
    """

    committed: int = 0
    last_id: str | None = None
    written: int = 0
    amended: int = 0
    unchanged: int = 0
    rejected: int = 0
    empty: int = 0
    repeated: int = 0
    chunks: int = 0
    tokens: int = 0
    consumed: int = 0
    read_bytes: int = 0
    read_tokens: int = 0
    done_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of a run, as in Progress; ``truncated`` documents have a part not embedded.

    ``unknown`` documents have a passage of which the model knows no word.
    """

    written: int
    amended: int
    unchanged: int
    rejected: int
    empty: int
    repeated: int
    truncated: tuple[str, ...]
    unknown: tuple[str, ...]
    chunks: int
    tokens: int
    seconds: float


def combined(summaries: Sequence[Summary]) -> Summary:
    """The outcome of several runs, one after the other; of none, nothing."""
    return Summary(
        written=sum(one.written for one in summaries),
        amended=sum(one.amended for one in summaries),
        unchanged=sum(one.unchanged for one in summaries),
        rejected=sum(one.rejected for one in summaries),
        empty=sum(one.empty for one in summaries),
        repeated=sum(one.repeated for one in summaries),
        truncated=tuple(id for one in summaries for id in one.truncated),
        unknown=tuple(id for one in summaries for id in one.unknown),
        chunks=sum(one.chunks for one in summaries),
        tokens=sum(one.tokens for one in summaries),
        seconds=sum(one.seconds for one in summaries),
    )


@dataclass(frozen=True, slots=True)
class _Committed:
    """A window that is durable: the progress so far, and what the window has to report."""

    progress: Progress
    rejections: tuple[Rejection, ...]
    truncated: tuple[str, ...]
    unknown: tuple[str, ...]


class Journal(Protocol):
    """Follows a run from its own threads, one call of each method at a time."""

    def reuse(self, documents: Sequence[Document]) -> list[EmbeddedDocument | None]:
        """These documents with vectors that are stored for their content, None where none are."""
        ...

    def intend(self, items: Sequence[Document | Rejection]) -> None:
        """Note what is about to be written: the next items read, a rejection for one refused.

        All those of earlier calls have been written.
        """
        ...


def ingest(
    collection: Collection,
    embedder: Embedder,
    reads: Iterable[Read],
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_reject: Callable[[Rejection], None] = lambda _: None,
    window_seconds: float = WINDOW_SECONDS,
    pictures: PictureReading = USUAL_READING,
    journal: Journal | None = None,
) -> Summary:
    """Store what is read; a bad input is reported and skipped, and never stops the run.

    Both callbacks are called in this thread; a rejection once all documents before it are durable.
    On KeyboardInterrupt, what is embedded is still written and reported, then it is raised again.
    An error that stops the run is raised likewise, after everything read before it is written.
    Raises CollectionBusy at once if another process writes.
    """
    truncated: list[str] = []
    unknown: list[str] = []

    def report(committed: _Committed) -> None:
        truncated.extend(committed.truncated)
        unknown.extend(committed.unknown)
        for rejection in committed.rejections:
            on_reject(rejection)
        on_progress(committed.progress)

    with (
        collection.writing("index"),
        _Pipeline(collection, embedder, window_seconds, journal) as pipeline,
    ):
        admissible = admitted(reads, embedder.identity)
        pipeline.start(developed(admissible, collection, embedder, pictures))
        try:
            pipeline.follow(report)
        except KeyboardInterrupt:
            pipeline.stop_embedding()
            pipeline.follow(report)
            raise
        return _summary(pipeline.progress, tuple(truncated), tuple(unknown))


def _summary(progress: Progress, truncated: tuple[str, ...], unknown: tuple[str, ...]) -> Summary:
    return Summary(
        written=progress.written,
        amended=progress.amended,
        unchanged=progress.unchanged,
        rejected=progress.rejected,
        empty=progress.empty,
        repeated=progress.repeated,
        truncated=truncated,
        unknown=unknown,
        chunks=progress.chunks,
        tokens=progress.tokens,
        seconds=progress.seconds,
    )


class _Pipeline:
    """The four steps of one run, and the channels between them."""

    def __init__(
        self,
        collection: Collection,
        embedder: Embedder,
        window_seconds: float,
        journal: Journal | None,
    ) -> None:
        self._collection = collection
        self._embedder = embedder
        self._journal = journal
        self._window_seconds = window_seconds
        self._window_tokens = FIRST_WINDOW_TOKENS
        self._pending = PendingWrites(collection)
        self._repeats = Repeats()
        self._started = time.monotonic()
        self._read: Channel[Read] = Channel(READ_AHEAD_CHARACTERS, _characters)
        self._prepared: Channel[PlannedChange] = Channel(PREPARED_TOKENS, _tokens)
        self._embedded: Channel[list[PlannedChange]] = Channel(EMBEDDED_CHUNKS, _chunks)
        self._committed: Channel[_Committed] = Channel(1, lambda _: 1)
        self._threads: list[threading.Thread] = []
        self._read_so_far = (0, 0)
        self.progress = Progress()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for channel in (self._read, self._prepared, self._embedded, self._committed):
            channel.close()
        for thread in reversed(self._threads):
            # A reader may wait for input that never comes. It holds nothing of ours: leave it.
            reads = thread is self._threads[0]
            thread.join(READER_PATIENCE_SECONDS if reads else None)

    def start(self, reads: Iterable[Read]) -> None:
        """Start all steps."""
        self._run("read", self._read, iter(reads))
        self._run("prepare", self._prepared, self._prepare())
        self._run("embed", self._embedded, self._embed())
        self._run("write", self._committed, self._write())

    def follow(self, report: Callable[[_Committed], None]) -> None:
        """Report what is committed until the end; raises the error that stopped the run."""
        while taken := self._committed.take(1):
            report(taken[0])

    def stop_embedding(self) -> None:
        """Drop what is not yet being embedded; the rest is finished."""
        self._prepared.close()
        self._read.close()

    def _run(self, name: str, target: Channel[T], items: Iterator[T]) -> None:
        thread = threading.Thread(target=_pump, args=(items, target), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _prepare(self) -> Iterator[PlannedChange]:
        with closing(self._read):
            while reads := self._read.take(PREPARE_CHARACTERS):
                steps = list(self._prepare_batch(reads))
                tokens = self._read_so_far[1] + sum(step.workload for step in steps)
                self._read_so_far = (steps[-1].consumed, tokens)  # at once, for another thread
                yield from steps

    def _prepare_batch(self, reads: Sequence[Read]) -> Iterator[PlannedChange]:
        documents = [one for one in reads if isinstance(one.item, Document)]
        compared = iter(
            self._pending.compare(
                [one.item for one in documents if isinstance(one.item, Document)],
                [one.developed for one in documents],
            )
        )
        steps = [
            PlannedChange(one.item, one.consumed)
            if isinstance(one.item, Rejection)
            else _read_as(next(compared), one)
            for one in reads
        ]
        steps = self._with_known_vectors(self._with_brought_vectors(steps))
        prepared = iter(prepare_changes(self._collection, self._embedder, steps))
        for step in steps:
            yield _with_prepared(step, next(prepared)) if step.embeds else step

    def _with_brought_vectors(self, steps: list[PlannedChange]) -> list[PlannedChange]:
        taken = take_vectors(self._embedder, steps)
        for before, step in zip(steps, taken, strict=True):
            if isinstance(before.item, Document) and isinstance(step.item, Rejection):
                self._pending.arrived([before.item])
        return taken

    def _with_known_vectors(self, steps: list[PlannedChange]) -> list[PlannedChange]:
        waiting = [one.item for one in steps if one.embeds and isinstance(one.item, Document)]
        if self._journal is None or not waiting:
            return steps
        known = iter(self._journal.reuse(waiting))
        for one in steps:
            if one.embeds:
                one.embedded = next(known)
        return steps

    def _embed(self) -> Iterator[list[PlannedChange]]:
        with closing(self._prepared):
            while steps := self._prepared.take(self._window_tokens):
                before = time.monotonic()
                window = self._embed_window(steps)
                self._adapt(steps, time.monotonic() - before)
                yield window

    def _embed_window(self, steps: Sequence[PlannedChange]) -> list[PlannedChange]:
        waiting = [step.prepared for step in steps if step.prepared]
        try:
            embedded = iter(embed_prepared(self._embedder, waiting))
        except InvalidVector:
            return [self._embed_alone(step) for step in steps]
        return [_with_vectors(one, next(embedded)) if one.prepared else one for one in steps]

    def _embed_alone(self, step: PlannedChange) -> PlannedChange:
        """The change, or a rejection if the model gives a zero or non-finite vector."""
        if step.prepared is None:
            return step
        try:
            return _with_vectors(step, embed_prepared(self._embedder, [step.prepared])[0])
        except InvalidVector as error:
            document = step.prepared.document
            self._pending.arrived([document])
            rejection = Rejection(document.id, str(error))
            return PlannedChange(rejection, step.consumed, passed_over=step.workload)

    def _adapt(self, steps: Sequence[PlannedChange], seconds: float) -> None:
        """Adapt the next window to the time it should take; it grows at most fourfold."""
        embedded = sum(_tokens(step) for step in steps if step.prepared)
        if embedded * 2 > self._window_tokens:  # a smaller one says little about speed
            wanted = int(embedded / max(seconds, 1e-6) * self._window_seconds)
            bound = min(MAX_WINDOW_TOKENS, 4 * self._window_tokens)
            self._window_tokens = max(FIRST_WINDOW_TOKENS, min(wanted, bound))

    def _write(self) -> Iterator[_Committed]:
        with closing(self._embedded):
            while windows := self._embedded.take(WRITE_CHUNKS):
                steps = list(chain.from_iterable(windows))
                if self._journal is not None:
                    self._journal.intend([step.item for step in steps])
                Writes.of(steps).write(self._collection, self._embedder)
                self._pending.arrived(s.item for s in steps if isinstance(s.item, Document))
                self.progress = self._advanced(steps)
                yield _Committed(
                    self.progress,
                    tuple(step.item for step in steps if isinstance(step.item, Rejection)),
                    tuple(truncated_ids(step.embedded for step in steps)),
                    tuple(unknown_ids(step.embedded for step in steps)),
                )

    def _advanced(self, steps: Sequence[PlannedChange]) -> Progress:
        now = self.progress
        documents = [step.item for step in steps if isinstance(step.item, Document)]
        counted = Counter(step.counted for step in steps if isinstance(step.item, Document))
        read_bytes, read_tokens = self._read_so_far
        return Progress(
            committed=now.committed + len(documents),
            last_id=documents[-1].id if documents else now.last_id,
            written=now.written + counted[Change.NEW] + counted[Change.CONTENT],
            amended=now.amended + counted[Change.METADATA],
            unchanged=now.unchanged + counted[Change.NOTHING],
            rejected=now.rejected + len(steps) - len(documents),
            empty=now.empty + sum(_is_empty(document) for document in documents),
            repeated=now.repeated + self._repeats.count([document.id for document in documents]),
            chunks=now.chunks + sum(step.chunks for step in steps),
            tokens=now.tokens + sum(step.tokens for step in steps),
            consumed=steps[-1].consumed,
            read_bytes=read_bytes,
            read_tokens=read_tokens,
            done_tokens=now.done_tokens + sum(step.workload for step in steps),
            seconds=time.monotonic() - self._started,
        )


def _pump(items: Iterator[T], target: Channel[T]) -> None:
    """Put all items into a channel, and finish it with the error if one is raised."""
    try:
        for item in items:
            target.put(item)
    except Closed:
        pass
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that takes
        target.finish(error)
        return
    finally:
        if isinstance(items, Generator):
            items.close()
    target.finish()


def _is_empty(document: Document) -> bool:
    return document.picture is None and not document.text.strip()


def _read_as(step: PlannedChange, read: Read) -> PlannedChange:
    """The change, with what was read beside its document."""
    step.consumed, step.brought = read.consumed, read.brought
    return step


def _with_prepared(step: PlannedChange, prepared: Prepared) -> PlannedChange:
    step.prepared, step.developed = prepared, None
    return step


def _with_vectors(step: PlannedChange, embedded: EmbeddedDocument) -> PlannedChange:
    """The change with its vectors, and without the pixels that they were made of."""
    if step.prepared and step.prepared.developed:
        step.prepared = replace(step.prepared, developed=None)
    step.embedded = embedded
    return step


def _characters(read: Read) -> int:
    seen = read.developed.nbytes if read.developed else 0
    brought = read.brought.vectors.nbytes // CHARACTER_BYTES if read.brought else 0
    return (
        DOCUMENT_WEIGHT
        + seen
        + brought
        + (len(read.item.text) if isinstance(read.item, Document) else 0)
    )


def _tokens(step: PlannedChange) -> int:
    return DOCUMENT_WEIGHT + step.workload + step.nbytes // TOKEN_BYTES


def _chunks(window: Sequence[PlannedChange]) -> int:
    return sum(1 + step.chunks + step.nbytes // CHUNK_BYTES for step in window)
