"""The lexical index on disk, kept in step with the store it is derived from.

``lexical/state.json`` names the files of the index, and the sequence of the store it is of. Changes
after that sequence are read from the store, by searches as well as by updates. So a write need not
wait for the index, a crash at any moment leaves a valid one, and one that is missing, damaged, of
another store or of other rules is rebuilt.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from indexer.background_task import BackgroundTask
from indexer.errors import BearingError, Damaged, StorageFailed
from indexer.lexical.analyzer import RULES, Analyzer
from indexer.lexical.inverted_index import InvertedIndex, Part
from indexer.lexical.segments import Segment, Terms
from indexer.lexical.snapshot import LexicalSnapshot
from indexer.storage.lexical.folder import IndexFolder
from indexer.storage.lexical.growth import Growth
from indexer.storage.lexical.state import FORMAT, STATE, State, read_state, require_of
from indexer.storage.lexical.unindexed import UnindexedDocuments
from indexer.storage.runtime.durable_files import Stamp, bytes_under, file_stamp
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store
from indexer.subprocess_job import Job, run_in_subprocess
from indexer.thresholds import DEFAULT, Thresholds

FOLDER: Final = "lexical"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An index as of a sequence of the store; without parts, all documents are unindexed."""

    sequence: int
    parts: tuple[Part, ...]
    state: State | None = None

    @property
    def documents(self) -> int:
        """The number of documents in the index."""
        return sum(part.documents for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules by which a collection's texts become words, and words become hashes."""

    analyzer: Analyzer
    terms: Terms
    unindexed: UnindexedDocuments


class LexicalIndex:
    """A collection's lexical index. Thread-safe, and safe with several processes."""

    def __init__(self, folder: Path, store: Store, thresholds: Thresholds = DEFAULT) -> None:
        self._folder = IndexFolder(folder / FOLDER)
        self._store = store
        self._thresholds = thresholds
        self._rules: _Rules | None = None
        self._seeing = threading.Lock()
        self._turn = threading.Lock()
        self._task = BackgroundTask("words", self._keep_up, _warn, daemon=False)
        self._stamp: Stamp | None = None
        self._view = View(0, ())
        self._memory: tuple[Sequence[Part], int] | None = None
        self._words: tuple[View, int, LexicalSnapshot] | None = None

    # Searching

    def view(self) -> View:
        """The newest index; to be taken before the snapshot that it is searched with."""
        stamp = file_stamp(self._folder.path / STATE)
        if self._memory is not None or stamp == self._stamp:
            return self._view
        with self._seeing:
            if stamp != self._stamp:
                self._view, self._stamp = self._read_view(), stamp
            return self._view

    def words(self, view: View, snapshot: Snapshot) -> LexicalSnapshot | None:
        """The words of exactly this state; None if the index must be updated first."""
        with self._seeing:
            known = self._words
            if known is not None and known[0] is view and known[1] == snapshot.sequence:
                return known[2]
        if view.sequence > snapshot.sequence or view.sequence < snapshot.forgotten:
            return None
        most = self._thresholds.most_unindexed
        if snapshot.count_unindexed(view.sequence, most + 1) > most:
            return None
        made = self._assemble(view, snapshot)
        if len(self._rules_of(snapshot).unindexed) >= self._thresholds.unindexed_documents:
            self.start()  # the writer may have died before it did
        with self._seeing:
            self._words = (view, snapshot.sequence, made)
        return made

    def _assemble(self, view: View, snapshot: Snapshot) -> LexicalSnapshot:
        rules = self._rules_of(snapshot)
        changed = snapshot.changed_after(view.sequence)
        gone = snapshot.deleted_after(view.sequence)
        outdated = np.array([*(number for number, _ in changed), *gone], np.int64)
        parts = [part.without(outdated) for part in view.parts]
        parts += rules.unindexed.parts(snapshot, changed)
        return LexicalSnapshot(rules.analyzer, InvertedIndex(parts, rules.terms))

    def _rules_of(self, snapshot: Snapshot) -> _Rules:
        if self._rules is None:
            analyzer, terms = Analyzer(snapshot.language), Terms(snapshot.instance)
            self._rules = _Rules(analyzer, terms, UnindexedDocuments(analyzer, terms))
        return self._rules

    def _read_view(self) -> View:
        """The index on disk, if it can be searched."""
        while True:
            state = read_state(self._folder.path)
            try:
                return self._open_view(state)
            except Damaged as error:
                if read_state(self._folder.path) == state:  # else its files were replaced
                    _log.warning("%s: %s; it is made anew from the store", self._folder.path, error)
                    return View(0, ())

    def _open_view(self, state: State | None) -> View:
        if state is None:
            return View(0, ())
        with self._store.reading() as snapshot:
            require_of(state, snapshot)
        return View(state.sequence, self._folder.open(state), state)

    # Keeping up

    def is_due(self) -> bool:
        """Return whether enough documents are unindexed, and none are being indexed."""
        return not self._task.is_running and self._has_unindexed(
            self._thresholds.unindexed_documents
        )

    def unindexed(self, most: int) -> int:
        """The number of unindexed documents, counted up to a bound."""
        view = self.view()
        with self._store.reading() as snapshot:
            since = view.sequence if view.sequence >= snapshot.forgotten else 0
            return snapshot.count_unindexed(since, most)

    def _has_unindexed(self, least: int) -> bool:
        return self.unindexed(least) >= least

    def start(self) -> None:
        """Update the index in the background, unless that is under way."""
        self._task.start()

    def _keep_up(self) -> None:
        while not self._task.stopping.is_set() and self._has_unindexed(
            self._thresholds.unindexed_documents
        ):
            self.catch_up()

    def finish(self) -> None:
        """Index recent documents now, so that the next process need not; failures are ignored."""
        try:
            if self._memory is None and self._has_unindexed(self._thresholds.least_unindexed):
                with self._turn:
                    self._catch_up_here()
        except BearingError as error:
            _warn(error)

    def close(self) -> None:
        """Wait for an update under way, which ends at its next commit."""
        self._task.close()

    def catch_up(self) -> None:
        """Update the index to the store, or wait a little for the process that does."""
        with self._turn:
            much = self._memory is None and self._has_unindexed(
                self._thresholds.subprocess_documents
            )
            if not much or self._ask("catch_up_job") is None:
                self._catch_up_here()
        self._look_again()

    def _catch_up_here(self) -> None:
        try:
            self.catch_up_on_disk()
        except StorageFailed as error:
            self._bring_up_memory(error)

    def catch_up_on_disk(self) -> None:
        """Update the index in this process; raises StorageFailed if it cannot be written."""
        with self._folder.alone() as alone:
            if alone:
                current = self._current()
                if current is None:
                    self._make()
                else:
                    self._bring_up(current)

    def _ask(self, work: str) -> dict[str, Any] | None:
        """The answer of a process that does this work; None if it could not."""
        job = {
            "folder": str(self._folder.path.parent.absolute()),
            "thresholds": asdict(self._thresholds),
        }
        try:
            return run_in_subprocess(f"{__name__}:{work}", job, stopping=self._task.stopping)
        except (OSError, StorageFailed) as error:
            _log.debug(
                "%s: %s", self._folder.path, error
            )  # this process tries then, and reports a failure
            return None

    def rebuild(self) -> int:
        """Rebuild the index, and return its sequence. Raises StorageFailed."""
        with self._turn:
            with self._store.reading() as snapshot:
                much = snapshot.counts().documents >= self._thresholds.subprocess_documents
            told = self._ask("rebuild_job") if much else None
            sequence: int = told["sequence"] if told else self.rebuild_on_disk()
        self._look_again()
        return sequence

    def rebuild_on_disk(self) -> int:
        """Rebuild the index in this process, and return its sequence; raises StorageFailed."""
        while True:
            with self._folder.alone() as alone:
                if alone:
                    return self._make()

    def _look_again(self) -> None:
        with self._seeing:
            if self._memory is not None:
                parts, sequence = self._memory
                self._view = View(sequence, tuple(parts))
            else:
                self._stamp = None
        self.view()

    def _current(self) -> View | None:
        """The index on disk, if it can be continued."""
        try:
            view = self._open_view(read_state(self._folder.path))
        except Damaged:
            return None
        if view.state is None:
            return None
        with self._store.reading() as snapshot:
            fit = snapshot.forgotten <= view.sequence <= snapshot.sequence
        return view if fit else None

    def _bring_up(self, view: View) -> None:
        """Index unindexed documents on disk, until few were added meanwhile."""
        assert view.state is not None
        state, parts = view.state, list(view.parts)
        growth = self._growth(self._folder.hold)
        while not self._is_up(state.sequence, 1):
            parts, sequence, _ = growth.take_in(parts, state.sequence)
            parts = growth.tidy(parts)
            state = self._folder.keep(replace(state, sequence=sequence), parts)
            if self._task.stopping.is_set() or self._is_up(
                sequence, self._thresholds.unindexed_documents
            ):
                return

    def _make(self) -> int:
        """Build a new index beside the present one, and return its sequence."""
        started, growth = time.monotonic(), self._growth(self._folder.hold)
        parts: list[Part] = []
        sequence, total = 0, 0
        while True:
            parts, sequence, count = growth.take_in(parts, sequence)
            total += count
            if self._task.stopping.is_set() or self._is_up(
                sequence, self._thresholds.unindexed_documents
            ):
                break
        with self._store.reading() as snapshot:
            state = State(FORMAT, RULES, snapshot.instance, str(snapshot.language), sequence, ())
        self._folder.keep(state, growth.tidy(parts))
        _log.info(
            "%s: made an index of the words of %d documents in %.1f s",
            self._folder.path, total, time.monotonic() - started,
        )  # fmt: skip
        return sequence

    def _bring_up_memory(self, error: StorageFailed) -> None:
        """Keep the index in memory, since it cannot be written to disk."""
        if self._memory is None:
            _log.warning("%s: the index of words is kept in memory", error)
            self._memory = ((), 0)
        parts, sequence = self._memory
        growth = self._growth(Part.of)
        grown, sequence, _ = growth.take_in(parts, sequence)
        self._memory = (growth.tidy(grown), sequence)

    def _growth(self, hold: Callable[[Segment], Part]) -> Growth:
        with self._store.reading() as snapshot:
            rules = self._rules_of(snapshot)
        return Growth(self._store, rules.analyzer, rules.terms, hold, self._task.stopping.is_set)

    def _is_up(self, sequence: int, least: int) -> bool:
        """Return whether fewer documents than this changed since a sequence."""
        with self._store.reading() as snapshot:
            return snapshot.count_unindexed(sequence, least) < least

    def describe(self) -> dict[str, object]:
        """The properties of the index for users."""
        view = self.view()
        with self._store.reading() as snapshot:
            language = snapshot.language
            unindexed = snapshot.count_changed(view.sequence)
        return {
            "language": str(language),
            "documents": view.documents,
            "late_documents": unindexed,
            "bytes": bytes_under(self._folder.path),
        }


def _warn(error: BearingError) -> None:
    _log.warning("the index of words was not updated: %s", error)


# In a process of its own


def catch_up_job(job: Job, given: bytes) -> Job:
    """Update the index of a collection's folder, in this process."""
    del given
    with _opened(job) as index:
        index.catch_up_on_disk()
    return {}


def rebuild_job(job: Job, given: bytes) -> Job:
    """Rebuild the index of a collection's folder, in this process."""
    del given
    with _opened(job) as index:
        return {"sequence": index.rebuild_on_disk()}


@contextmanager
def _opened(job: Job) -> Iterator[LexicalIndex]:
    folder = Path(job["folder"])
    with closing(Store(folder / STORE)) as store:
        yield LexicalIndex(folder, store, Thresholds(**job["thresholds"]))
