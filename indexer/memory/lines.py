"""Lines kept in memory; see indexer.engine.Lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from indexer.admission import newest_lines


class MemoryLines:
    """See indexer.engine.Lines."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._secret = os.urandom(32)
        self._lock = threading.Lock()

    def append(self, line: bytes, most: int) -> None:
        """Keep one more; beyond ``most`` the oldest go."""
        with self._lock:
            self._lines = newest_lines([*self._lines, line], most)

    def read(self) -> list[bytes]:
        """All that are kept, the oldest first."""
        with self._lock:
            return list(self._lines)

    def secret(self) -> bytes:
        """Random bytes, the same until the lines are cleared."""
        return self._secret

    def clear(self) -> int:
        """Forget all, and return their number."""
        with self._lock:
            count, self._lines = len(self._lines), []
            self._secret = os.urandom(32)
            return count

    def fill(self, lines: Sequence[bytes], secret: bytes) -> None:
        """Keep these in place of all, with this secret."""
        with self._lock:
            self._lines, self._secret = list(lines), secret
