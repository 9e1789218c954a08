"""The index of a collection's words on disk, kept in step with the store it is derived from.

``lexical/state.json`` says which folder beside it holds the index, and up to which sequence of
the store it stands for. It may stand for more, never for less: what changed after that sequence
is taken from the store, by searches as by whoever brings the index up. So a write need not wait
for the index, a crash at any moment leaves one that is right, and one that is missing, damaged,
of another store or of other rules is made anew.
"""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import threading
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from indexer.errors import BearingError, Damaged, StorageFailed
from indexer.storage.apart import Job, run_apart
from indexer.storage.lexical import (
    Analyzer,
    Changes,
    Inverted,
    Postings,
    check_files,
    meta_checksum,
)
from indexer.storage.store import Snapshot, Store
from indexer.storage.thresholds import DEFAULT, Thresholds
from indexer.storage.vectors import write_durably
from indexer.storage.words import LateDocument, Words

FOLDER: Final = "lexical"
STATE: Final = "state.json"
FORMAT: Final = 1

LATE_DOCUMENTS: Final = 1_024
"""So many late documents are put into the index, in the background."""

LEAST_LATE: Final = 256
"""At a collection's end, fewer are left to whoever opens it next: a moment's work."""

MOST_LATE: Final = 50_000
"""With more late documents than these, a search for words waits until they are in the index."""

PROBES: Final = 512
PROBE_WORDS: Final = 8
"""So many documents are asked for, by so many of their words each, when an index is verified."""

APART_DOCUMENTS: Final = 10_000
"""From so many documents on, it takes longer than starting a process for it."""

COMMIT_DOCUMENTS: Final = 200_000
_PAGE_DOCUMENTS: Final = 1_000
_POLL_SECONDS: Final = 0.02

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """What is on disk. ``meta`` tells the commit, unless one was ``pending``."""

    format: int
    instance: str
    language: str
    folder: str
    sequence: int
    pending: bool
    meta: int


@dataclass(frozen=True, slots=True)
class View:
    """An index as of a sequence of the store or a later one; without one, all is late."""

    sequence: int
    postings: Postings | None
    state: State | None = None


class Lexicon:
    """A collection's words. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, store: Store, thresholds: Thresholds = DEFAULT) -> None:
        self._folder = folder / FOLDER
        self._store = store
        self._thresholds = thresholds
        self._analyzer: Analyzer | None = None
        self._seeing = threading.Lock()
        self._turn = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._stamp: tuple[int, int, int] | None = None
        self._view = View(0, None)
        self._inverted: tuple[str, Inverted] | None = None
        self._memory: tuple[Inverted, int] | None = None
        self._analysed: dict[tuple[int, int], LateDocument] = {}
        self._words: tuple[View, int, Words] | None = None

    # Searching

    def view(self) -> View:
        """The newest index there is; to be taken before the snapshot that it is searched with."""
        stamp = _stamp(self._folder / STATE)
        if self._memory is not None or stamp == self._stamp:
            return self._view
        with self._seeing:
            if stamp != self._stamp:
                self._view, self._stamp = self._read_view(), stamp
            return self._view

    def words(self, view: View, snapshot: Snapshot) -> Words | None:
        """The words of exactly this state; None if the index must be brought up first."""
        if view.sequence > snapshot.sequence or view.sequence < snapshot.forgotten:
            return None
        with self._seeing:
            known = self._words
            if known is not None and known[0] is view and known[1] == snapshot.sequence:
                return known[2]
        if snapshot.count_late(view.sequence, MOST_LATE + 1) > MOST_LATE:
            return None
        made = self._assemble(view, snapshot)
        if len(self._analysed) >= LATE_DOCUMENTS:
            self.start()  # whoever wrote them may have died before it came to it
        with self._seeing:
            self._words = (view, snapshot.sequence, made)
        return made

    def _assemble(self, view: View, snapshot: Snapshot) -> Words:
        analyzer = self.analyzer(snapshot)
        changed = snapshot.changed_after(view.sequence)
        known = self._analysed
        documents = snapshot.documents(
            number for number, at in changed if (number, at) not in known
        )
        late = {
            (number, at): known.get((number, at)) or _analyse(analyzer, documents[number].content)
            for number, at in changed
        }
        self._analysed = late
        outdated = {number for number, _ in changed}.union(snapshot.deleted_after(view.sequence))
        by_number = {number: one for (number, _), one in late.items()}
        return Words(analyzer, view.postings, by_number, outdated)

    def analyzer(self, snapshot: Snapshot) -> Analyzer:
        """How this collection's texts become words."""
        if self._analyzer is None:
            self._analyzer = Analyzer(snapshot.language)
        return self._analyzer

    def _read_view(self) -> View:
        """The index on disk, if it is fit to be searched."""
        for _ in range(2):  # the folder may be replaced just when it is opened
            state = read_state(self._folder)
            try:
                return self._open_view(state)
            except Damaged as error:
                if read_state(self._folder) == state:
                    _log.warning("%s: %s; it is made anew from the store", self._folder, error)
                    return View(0, None)
        return View(0, None)

    def _open_view(self, state: State | None) -> View:
        if state is None:
            return View(0, None)
        with self._store.reading() as snapshot:
            require_of(state, snapshot)
            analyzer = self.analyzer(snapshot)
        known = self._inverted
        if known is None or known[0] != state.folder:
            require_commit(self._folder, state)
            known = self._inverted = (
                state.folder,
                Inverted.open(self._folder / state.folder, analyzer),
            )
        return View(state.sequence, known[1].postings(), state)

    # Keeping up

    def is_due(self) -> bool:
        """Whether enough documents are late, and none are being put into the index."""
        if self._thread is not None and self._thread.is_alive():
            return False
        return self.late(LATE_DOCUMENTS) >= LATE_DOCUMENTS

    def late(self, most: int) -> int:
        """How many documents are late, counted up to a bound."""
        view = self.view()
        with self._store.reading() as snapshot:
            since = view.sequence if view.sequence >= snapshot.forgotten else 0
            return snapshot.count_late(since, most)

    def start(self) -> None:
        """Bring the index up in the background, unless that is under way."""
        with self._starting:
            if not self._stopping.is_set() and (
                self._thread is None or not self._thread.is_alive()
            ):
                self._thread = threading.Thread(target=self._run_quietly, name="words")
                self._thread.start()

    def _run_quietly(self) -> None:
        try:
            while not self._stopping.is_set() and self.late(LATE_DOCUMENTS) >= LATE_DOCUMENTS:
                self.catch_up()
        except BearingError as error:
            _log.warning("the index of words was not brought up: %s", error)

    def finish(self) -> None:
        """Leave little to whoever opens the collection next; what cannot be done is left too."""
        try:
            if self._memory is None and self.late(LEAST_LATE) >= LEAST_LATE:
                with self._turn:
                    self._catch_up_here()
        except BearingError as error:
            _log.warning("the index of words was not brought up: %s", error)

    def close(self) -> None:
        """Wait for what is under way, which ends at its next commit."""
        with self._starting:
            self._stopping.set()
            if self._thread is not None:
                self._thread.join()

    def catch_up(self) -> None:
        """Bring the index up to the store, or wait a little for the process that does."""
        with self._turn:
            much = self._memory is None and self.late(APART_DOCUMENTS) >= APART_DOCUMENTS
            if not much or self._ask("catch_up_job") is None:
                self._catch_up_here()
        self._look_again()

    def _catch_up_here(self) -> None:
        try:
            self.catch_up_on_disk()
        except StorageFailed as error:
            self._bring_up_memory(error)

    def catch_up_on_disk(self) -> None:
        """Bring the index up in this very process; raises StorageFailed if it cannot be written."""
        with self._alone() as alone:
            if alone:
                self._bring_up_or_make()

    def _ask(self, work: str) -> dict[str, Any] | None:
        """What a process answers that does this work; None if it could not do it."""
        job = {"folder": str(self._folder.parent.absolute()), "store": str(self._store.path)}
        try:
            return run_apart(f"{__name__}:{work}", job, stopping=self._stopping)
        except (OSError, StorageFailed) as error:
            _log.debug("%s: %s", self._folder, error)  # this process tries, and tells if it fails
            return None

    def _bring_up_or_make(self) -> None:
        current = self._current()
        if current is not None:
            try:
                self._bring_up(*current)
            except StorageFailed as error:
                _log.warning("%s; it is made anew", error)
            else:
                return
        self._make()

    def rebuild(self) -> int:
        """Make the index anew; the sequence that it stands for. Raises StorageFailed."""
        with self._turn:
            with self._store.reading() as snapshot:
                much = snapshot.counts().documents >= APART_DOCUMENTS
            told = self._ask("rebuild_job") if much else None
            sequence: int = told["sequence"] if told else self.rebuild_on_disk()
        self._look_again()
        return sequence

    def rebuild_on_disk(self) -> int:
        """Make the index anew in this very process; raises StorageFailed."""
        while True:
            with self._alone() as alone:
                if alone:
                    return self._make()

    def _look_again(self) -> None:
        with self._seeing:
            if self._memory is not None:
                inverted, sequence = self._memory
                self._view = View(sequence, inverted.postings())
            else:
                self._stamp = None
        self.view()

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process may change the index; if not, another has done so meanwhile."""
        try:
            self._folder.mkdir(exist_ok=True)
            file = (self._folder / "build.lock").open("a")
        except OSError as error:
            raise StorageFailed(f"cannot write to {self._folder}: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_POLL_SECONDS)
                yield False
                return
            yield True

    def _current(self) -> tuple[State, Inverted] | None:
        """The index on disk to go on with, if it is fit for it."""
        state = read_state(self._folder)
        try:
            view = self._open_view(state)
        except Damaged:
            return None
        if view.state is None or self._inverted is None:
            return None
        with self._store.reading() as snapshot:
            fit = snapshot.forgotten <= view.sequence <= snapshot.sequence
        return (view.state, self._inverted[1]) if fit else None

    def _bring_up(self, state: State, inverted: Inverted) -> None:
        """Put what is late into an index, until little came meanwhile."""
        while not self._is_up(state.sequence, 1):
            self._keep(replace(state, pending=True))
            state, _ = self._extend(state, inverted)
            self._keep(state)
            if self._stopping.is_set() or self._is_up(state.sequence, LATE_DOCUMENTS):
                return

    def _make(self) -> int:
        """Make an index anew, beside the one there is; the sequence that it stands for."""
        started, total = time.monotonic(), 0
        state, inverted = self._begin()
        while True:
            state, count = self._extend(state, inverted)
            total += count
            if self._stopping.is_set() or self._is_up(state.sequence, LATE_DOCUMENTS):
                break
        self._keep(state)
        self._inverted = None
        self._remove_others(state.folder)
        _log.info(
            "%s: made an index of the words of %d documents in %.1f s",
            self._folder, total, time.monotonic() - started,
        )  # fmt: skip
        return state.sequence

    def _extend(self, state: State, inverted: Inverted) -> tuple[State, int]:
        """Put in some of what is late; the state after it, and how many documents these were."""
        empty = not inverted.postings().documents
        with inverted.changing() as changes:
            sequence, count = self._change(changes, state.sequence, empty=empty)
        meta = meta_checksum(self._folder / state.folder)
        return replace(state, sequence=sequence, pending=False, meta=meta), count

    def _is_up(self, sequence: int, least: int) -> bool:
        """Whether fewer documents than these changed since a sequence."""
        with self._store.reading() as snapshot:
            return snapshot.count_late(sequence, least) < least

    def _begin(self) -> tuple[State, Inverted]:
        """An index without documents in a folder of its own, not named by the state yet."""
        with self._store.reading() as snapshot:
            instance, analyzer = snapshot.instance, self.analyzer(snapshot)
        name = uuid.uuid4().hex[:12]
        try:
            (self._folder / name).mkdir()
        except OSError as error:
            raise StorageFailed(f"cannot write to {self._folder}: {error.strerror}") from error
        try:
            inverted = Inverted.create(self._folder / name, analyzer)
        except Damaged as error:
            raise StorageFailed(str(error)) from error
        return State(FORMAT, instance, str(analyzer.language), name, 0, True, 0), inverted

    def _change(self, changes: Changes, since: int, *, empty: bool) -> tuple[int, int]:
        """Put in a bounded part of what changed since a sequence; up to which one, and how many.

        Each page is of a newer state of the store, so a document may come twice, or be gone
        again: ``clean`` is the sequence after which what comes may be in the index already.
        """
        at, number, count = since + 1, -1, 0
        clean: int | None = None
        while True:
            with self._store.reading() as snapshot:
                page = snapshot.next_changed(at, number, _PAGE_DOCUMENTS)
                newest = snapshot.sequence
                if clean is None:
                    clean = newest if empty else since
                gone = snapshot.deleted_after(clean)
            changes.remove([one[1] for one in page if one[0] > clean])
            changes.add((one[1], one[2].content) for one in page)
            count += len(page)
            if page:
                at, number = page[-1][:2]
            done = len(page) < _PAGE_DOCUMENTS
            enough = count >= COMMIT_DOCUMENTS or self._stopping.is_set()
            if done or (enough and at - 1 > since):
                changes.remove(gone)
                return newest if done else at - 1, count

    def _keep(self, state: State) -> None:
        record = json.dumps(asdict(state))
        line = json.dumps({"state": asdict(state), "checksum": zlib.crc32(record.encode())})
        try:
            write_durably(self._folder / STATE, line.encode())
        except OSError as error:
            raise StorageFailed(f"cannot write to {self._folder}: {error.strerror}") from error

    def _remove_others(self, folder: str) -> None:
        for path in self._folder.iterdir():
            if path.is_dir() and path.name != folder:
                shutil.rmtree(path, ignore_errors=True)

    def _bring_up_memory(self, error: StorageFailed) -> None:
        """Keep the index in memory, where it cannot be written to disk."""
        if self._memory is None:
            _log.warning("%s: the index of words is kept in memory", error)
            with self._store.reading() as snapshot:
                self._memory = (Inverted.create(None, self.analyzer(snapshot)), 0)
        inverted, sequence = self._memory
        with inverted.changing() as changes:
            sequence, _ = self._change(changes, sequence, empty=sequence == 0)
        self._memory = (inverted, sequence)

    def describe(self) -> dict[str, object]:
        """What a user wants to know of it."""
        view = self.view()
        with self._store.reading() as snapshot:
            language = snapshot.language
            late = snapshot.count_changed(view.sequence)
        return {
            "language": str(language),
            "documents": view.postings.documents if view.postings else 0,
            "late_documents": late,
            "bytes": bytes_under(self._folder),
        }


def examine(folder: Path, store: Store) -> tuple[str, list[str]]:
    """What the index of words in a collection's folder is, and what is wrong with it."""
    place = folder / FOLDER
    if not (place / STATE).exists():
        return "none: they are read from the store", []
    while True:
        state = read_state(place)
        told, problems = _examine(place, store, state)
        if not problems or read_state(place) == state:  # else it was written to meanwhile
            return told, problems


def _examine(place: Path, store: Store, state: State | None) -> tuple[str, list[str]]:
    if state is None:
        return "damaged", [f"{STATE} is not what was written"]
    with store.reading() as snapshot:
        try:
            require_of(state, snapshot)
            require_commit(place, state)
            analyzer = Analyzer(snapshot.language)
            postings = Inverted.open(place / state.folder, analyzer).postings()
            view = View(state.sequence, postings, state)
            problems = list(_wrong_counts(view, snapshot))
            problems += _wrong_answers(view, snapshot, analyzer)
        except Damaged as error:
            return "damaged", [str(error)]
    if problems:
        return "damaged", problems
    return f"{analyzer.language}, of {postings.documents} documents", []


def _wrong_counts(view: View, snapshot: Snapshot) -> Iterator[str]:
    assert view.postings is not None
    late = snapshot.count_changed(view.sequence)
    outdated = late + len(snapshot.deleted_after(view.sequence))
    least, held = snapshot.counts().documents - late, view.postings.documents
    if not least <= held <= least + outdated:
        yield f"it holds {held} documents, of which there should be {least}"


def _wrong_answers(view: View, snapshot: Snapshot, analyzer: Analyzer) -> Iterator[str]:
    """A sample of documents is asked for by words of their own."""
    assert view.postings is not None
    late = {number for number, _ in snapshot.changed_after(view.sequence)}
    drawn = np.random.default_rng(0).permutation(snapshot.last_number() + 1)[:PROBES].tolist()
    for number, document in snapshot.documents(drawn).items():
        words = dict.fromkeys(analyzer.words(document.content)[:PROBE_WORDS], 1.0)
        if number in late or not words:
            continue
        if number not in view.postings.score(words, [number])[0]:
            yield f"it does not find {document.id!r} by its words"
            return


def _analyse(analyzer: Analyzer, content: str) -> LateDocument:
    frequencies = Counter(analyzer.words(content))
    return LateDocument(frequencies.total(), frequencies)


def read_state(folder: Path) -> State | None:
    """What the state of an index says; None if it says nothing readable."""
    try:
        record = json.loads((folder / STATE).read_bytes())
        state = State(**record["state"])
        if zlib.crc32(json.dumps(asdict(state)).encode()) != record["checksum"]:
            raise ValueError("its checksum is another")  # noqa: TRY301 - as for its other faults
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s is damaged (%s): the index of words is made anew", folder / STATE, error)
        return None
    return state


def require_of(state: State, snapshot: Snapshot) -> None:
    """Raise Damaged unless an index is of this store, in this format, by these rules."""
    made = (state.format, state.instance, state.language)
    if made != (FORMAT, snapshot.instance, str(snapshot.language)):
        raise Damaged("the index of words is of another store, language or version")
    if state.sequence > snapshot.sequence:
        raise Damaged("the index of words is newer than the store")


def require_commit(folder: Path, state: State) -> None:
    """Raise Damaged unless the index in a folder is of the commit that its state names."""
    if Path(state.folder).name != state.folder:
        raise Damaged(f"{folder / STATE} names no folder")
    check_files(folder / state.folder)
    if not state.pending and meta_checksum(folder / state.folder) != state.meta:
        raise Damaged(f"{folder / state.folder} is not what was written")


def bytes_under(folder: Path, keep: Callable[[Path], bool] = lambda _: True) -> int:
    """The bytes of all files under a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() and keep(path) else 0
        except FileNotFoundError:
            continue
    return total


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


# In a process of its own


def catch_up_job(job: Job, given: bytes) -> Job:
    """Bring up the index of a collection's folder, in this process."""
    del given
    with _opened(job) as lexicon:
        lexicon.catch_up_on_disk()
    return {}


def rebuild_job(job: Job, given: bytes) -> Job:
    """Make the index of a collection's folder anew, in this process."""
    del given
    with _opened(job) as lexicon:
        return {"sequence": lexicon.rebuild_on_disk()}


@contextmanager
def _opened(job: Job) -> Iterator[Lexicon]:
    store = Store(Path(job["store"]))
    try:
        yield Lexicon(Path(job["folder"]), store)
    finally:
        store.close()
