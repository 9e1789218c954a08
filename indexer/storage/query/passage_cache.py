"""The passages that searches found last, so that those found again need not be read again.

They are of one state of the store, and forgotten with its next change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from indexer.documents import Document
from indexer.parts import Parts
from indexer.passages import ReadPassage

CACHE_BYTES: Final = 8_000_000

ENTRY_BYTES: Final = 900
"""Bytes of an entry besides its texts: objects, a small dict of metadata, dict slot."""


class State(NamedTuple):
    """A state of the store, by its sequence, and the generation that is searched."""

    sequence: int
    generation: int


@dataclass(slots=True)
class _Kept:
    """The passages of one state by the parts that were read, and by row; their bytes."""

    state: State
    by_parts: dict[Parts, dict[int, ReadPassage]] = field(default_factory=dict)
    bytes: int = 0


class PassageCache:
    """Passages of the newest state that was asked for, within a bound in bytes. Thread-safe.

    All are forgotten once there is no more room: what is found often is soon there again.
    """

    def __init__(self, capacity_bytes: int = CACHE_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._kept = _Kept(State(-1, 0))

    def known(self, state: State, rows: Iterable[int], parts: Parts) -> dict[int, ReadPassage]:
        """Those of these rows' passages that are known, each with metadata of its own."""
        kept = self._kept
        if kept.state != state or (known := kept.by_parts.get(parts)) is None:
            return {}
        return {row: _own(known[row]) for row in rows if row in known}

    def keep(self, state: State, passages: Mapping[int, ReadPassage], parts: Parts) -> None:
        """Keep what was read of a state, unless that is an earlier one."""
        kept = self._kept
        if state.sequence < kept.state.sequence:
            return
        size = sum(map(_bytes_of, passages.values()))
        if kept.state != state or kept.bytes + size > self._capacity_bytes:
            kept = self._kept = _Kept(state)
        if size <= self._capacity_bytes:
            own = {row: _own(one) for row, one in passages.items()}
            kept.by_parts.setdefault(parts, {}).update(own)
            kept.bytes += size


def _own(read: ReadPassage) -> ReadPassage:
    """The same with metadata of its own, which whoever gets it may change."""
    chunk, passage, document = read
    metadata = {
        name: [*value] if isinstance(value, list) else value
        for name, value in document.metadata.items()
    }
    copied = Document.stored(document.id, document.text, document.title, metadata, document.picture)
    return ReadPassage(chunk, passage, copied)


def _bytes_of(read: ReadPassage) -> int:
    """The memory of a passage, roughly, where characters take two bytes."""
    document = read.document
    characters = len(document.text) + len(read.passage.text) + len(document.title or "")
    for name, value in document.metadata.items():
        characters += len(name) + _characters_in(value)
    return ENTRY_BYTES + 2 * characters


def _characters_in(value: object) -> int:
    if isinstance(value, list | tuple):
        return 32 * len(value) + sum(len(one) for one in value if isinstance(one, str))
    return len(value) if isinstance(value, str) else 0
