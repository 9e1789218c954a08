"""Locks between processes on a collection; released when the holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from indexer.errors import CollectionBusy, NotFound, StorageFailed

PATIENCE_SECONDS: Final = 2.0
"""The time a writer waits for a single write of another process."""

MOST_PATIENCE_SECONDS: Final = 30.0
"""The time it waits for many short writes, which leave little time in between."""

_LOCK: Final = "writer.lock"
_POLL_SECONDS: Final = 0.005
_NOTE_BYTES: Final = 4_096


class WriterLock:
    """A lock held by one process, and in it by any number of threads at once.

    Threads of the holder share it, so that a pipeline's writer thread may write while its main
    thread holds the lock for the whole run; transactions are serialised elsewhere.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._mutex = threading.Lock()
        self._holds = 0
        self._descriptor = -1

    @property
    def is_held(self) -> bool:
        """Return whether a thread of this process holds it."""
        return self._holds > 0

    @contextmanager
    def held(self, purpose: str) -> Iterator[None]:
        """Hold the lock; raises CollectionBusy, naming the holder, if another process does."""
        with self._mutex:
            if self._holds == 0:
                self._acquire(purpose)
            self._holds += 1
        try:
            yield
        finally:
            with self._mutex:
                self._holds -= 1
                if self._holds == 0:
                    self._release()

    def _acquire(self, purpose: str) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError as error:
            raise NotFound(f"collection {self._name!r} was deleted") from error
        except OSError as error:
            raise StorageFailed(f"cannot write to {self._path}: {error.strerror}") from error
        started = since = time.monotonic()
        note = b""
        while not try_lock(descriptor):
            now, before, note = time.monotonic(), note, os.pread(descriptor, _NOTE_BYTES, 0)
            if note != before:  # another write has begun, and has its own time
                since = now
            if now >= min(since + PATIENCE_SECONDS, started + MOST_PATIENCE_SECONDS):
                holder = _holder(descriptor)
                os.close(descriptor)
                raise CollectionBusy(
                    f"collection {self._name!r} is being written by {holder}: "
                    "wait until it is done, or stop it"
                )
            time.sleep(_POLL_SECONDS)
        self._descriptor = descriptor
        _sign(descriptor, purpose)

    def _release(self) -> None:
        os.ftruncate(self._descriptor, 0)  # no note of a holder that is gone
        os.close(self._descriptor)  # closing releases the lock
        self._descriptor = -1


def writer_lock(folder: Path) -> WriterLock:
    """The lock of writers to the collection in a folder."""
    return WriterLock(folder / _LOCK, folder.name)


def try_lock(file: int | IO[Any]) -> bool:
    """Lock an open file or folder until it is closed; False if another holds the lock."""
    return _has_locked(file, fcntl.LOCK_EX)


def is_free(file: int | IO[Any]) -> bool:
    """Return whether nobody holds the lock of an open file; asking does not take it."""
    if not _has_locked(file, fcntl.LOCK_SH):
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _has_locked(file: int | IO[Any], operation: int) -> bool:
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int, purpose: str) -> None:
    """Leave a note for processes that find the lock held; the note itself has no effect."""
    note = {"pid": os.getpid(), "purpose": purpose, "since": datetime.now(UTC).isoformat()}
    with suppress(OSError):  # on a full disk, writes that need no space must still be possible
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        note = json.loads(os.pread(descriptor, _NOTE_BYTES, 0))
        return f"process {note['pid']} ({note['purpose']}, since {note['since'][:19]}Z)"
    except (ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def only_process(path: Path) -> Iterator[IO[str] | None]:
    """The file whose lock is held; None if another process holds it. Raises StorageFailed."""
    try:
        file = path.open("a+")
    except OSError as error:
        raise StorageFailed(f"cannot write to {path.parent}: {error.strerror}") from error
    with file:
        yield file if try_lock(file) else None
