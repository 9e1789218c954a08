"""Lines kept in a collection's folder, each durable when it is kept; see indexer.engine.Lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from indexer.admission import LINE_BYTES, newest_lines
from indexer.errors import StorageFailed
from indexer.storage.runtime.durable_files import Stamp, file_stamp, sync_folder, write_durably
from indexer.storage.runtime.locks import WriterLock

LINES: Final = "feedback.jsonl"
SALT: Final = "feedback.salt"

_LOCK: Final = "feedback.lock"
_SALT_BYTES: Final = 32


class KeptLines:
    """See indexer.engine.Lines. Writers to the collection do not hold it up.

    A full file is written anew without its oldest tenth, so that this is done seldom.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LINES
        self._salt = folder / SALT
        self._lock = WriterLock(folder / _LOCK, folder.name)
        self._threads = threading.Lock()
        self._counted: tuple[Stamp | None, int] = (None, 0)

    def append(self, line: bytes, most: int) -> None:
        """Keep one more, durably; beyond ``most``, or 2 kB of each, the oldest go."""
        with self._writing("cannot keep"):
            count = self._count() + 1
            kept = file_stamp(self._path)
            size = (kept.bytes if kept else 0) + len(line) + 1
            if count > most or size > most * LINE_BYTES:
                newest = [*self._lines(), line]
                count = self._replace(newest_lines(newest, most - most // 10))
            else:
                self._add(line)
                if kept is None:
                    sync_folder(self._path.parent)
            self._counted = file_stamp(self._path), count

    def read(self) -> list[bytes]:
        """All that are kept, the oldest first."""
        try:
            return self._lines()
        except OSError as error:
            raise StorageFailed(f"cannot read {self._path}: {error.strerror}") from error

    def secret(self) -> bytes:
        """Random bytes, the same until the lines are cleared."""
        try:
            return self._salt.read_bytes()
        except OSError:
            pass
        with self._writing("cannot make"):
            if not self._salt.exists():
                write_durably(self._salt, os.urandom(_SALT_BYTES))
            return self._salt.read_bytes()

    def clear(self) -> int:
        """Forget all, and return their number."""
        with self._writing("cannot clear"):
            count = self._count()
            self._salt.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
            return count

    def fill(self, lines: Sequence[bytes], secret: bytes) -> None:
        """Keep these in place of all, with this secret."""
        with self._writing("cannot keep"):
            write_durably(self._salt, secret)
            self._replace(lines)

    @contextmanager
    def _writing(self, failure: str) -> Iterator[None]:
        """Hold the lines against other threads and processes; raises StorageFailed."""
        with self._threads, self._lock.held("feedback"):
            try:
                yield
            except OSError as error:
                raise StorageFailed(f"{failure} {self._path}: {error.strerror}") from error

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []

    def _count(self) -> int:
        """The number of lines, counted only if another process may have changed it."""
        stamp, count = self._counted
        return (
            count if stamp is not None and stamp == file_stamp(self._path) else len(self._lines())
        )

    def _add(self, line: bytes) -> None:
        with self._path.open("ab+", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            whole = (b"\n" if torn else b"") + line + b"\n"
            try:
                while whole:  # a disk that is nearly full takes a part, then refuses the rest
                    whole = whole[file.write(whole) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)  # a line that was refused is not kept
                raise

    def _replace(self, lines: Sequence[bytes]) -> int:
        write_durably(self._path, b"".join(line + b"\n" for line in lines))
        return len(lines)
