"""Vectors of recent query texts, so that a repeated search needs no forward pass."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from indexer.documents import Vector

ENTRY_BYTES: Final = 300
"""Bytes of an entry besides its components: key, dict slot, objects (285 were measured)."""


@dataclass(frozen=True, slots=True)
class CachedVector:
    """A text's unit vector, (d,), and whether the text was longer than the model's window.

    ``unknown`` says that the model knows no word of it.
    """

    vector: Vector
    truncated: bool
    unknown: bool


class VectorCache:
    """The vectors of the most recently used texts, within a bound in bytes. Thread-safe.

    The key is a digest of the text: no text of a user's is kept. Capacity 0 keeps nothing.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, CachedVector] = OrderedDict()
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> CachedVector | None:
        """The cached vector of a text, or None; counted as a hit or a miss."""
        key = _digest(text)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
                self._kept.move_to_end(key)
            return found

    def keep(self, text: str, vector: Vector, *, truncated: bool, unknown: bool) -> None:
        """Keep a text's vector, and evict those used longest ago."""
        if vector.nbytes + ENTRY_BYTES > self._capacity_bytes:
            return
        own = vector.copy()  # a row of a batch would keep the whole batch in memory
        own.flags.writeable = False
        key = _digest(text)
        with self._lock:
            self._drop(self._kept.pop(key, None))
            self._kept[key] = CachedVector(own, truncated, unknown)
            self.bytes += own.nbytes + ENTRY_BYTES
            while self.bytes > self._capacity_bytes:
                self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, entry: CachedVector | None) -> None:
        if entry is not None:
            self.bytes -= entry.vector.nbytes + ENTRY_BYTES


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
