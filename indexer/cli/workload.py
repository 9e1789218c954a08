"""The work left of a run: in tokens, which determine the time, not in bytes of files.

A token of a PDF has a hundred bytes of its file behind it, one of a text four. What was read is
known; for the rest, each format has a density in tokens per byte: that of its files so far, and
before that the density of typical files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from indexer.ingestion.pipeline import Progress
from indexer.readers.formats import token_density
from indexer.readers.reading import Part

PACKED: Final = 3.0
"""The factor for a compressed file's tokens per byte."""

LEARNING_BYTES: Final = 50_000
"""After this many bytes of a format, its own files weigh as much as the typical ones."""


@dataclass(slots=True)
class _Density:
    """The tokens per byte of one format."""

    tokens: float
    size: float = LEARNING_BYTES

    @property
    def value(self) -> float:
        return self.tokens / self.size


class Workload:
    """The work left of an input that consists of these parts, read in their order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._densities = {part.format: _usual(part.format) for part in parts}
        self._read = Progress()

    def learn(self, progress: Progress) -> None:
        """Learn the density of what was read since the last time."""
        tokens = progress.read_tokens - self._read.read_tokens
        sizes = dict(self._between(self._read.read_bytes, progress.read_bytes))
        expected = sum(self._densities[name].value * size for name, size in sizes.items())
        for name, size in sizes.items():
            density = self._densities[name]
            share = density.value * size / expected
            density.tokens += tokens * share
            density.size += size
        self._read = progress

    def tokens_left(self, progress: Progress) -> float:
        """The approximate number of tokens left; 0 at the end."""
        waiting = progress.read_tokens - progress.done_tokens
        unread = self._between(progress.read_bytes, sum(part.size for part in self._parts))
        return waiting + sum(self._densities[name].value * size for name, size in unread)

    def _between(self, start: int, stop: int) -> Iterator[tuple[str, int]]:
        """Each format with the number of its bytes between two places of the input."""
        sizes: dict[str, int] = {}
        before = 0
        for part in self._parts:
            behind = before + part.size
            inside = min(behind, stop) - max(before, start)
            if inside > 0:
                sizes[part.format] = sizes.get(part.format, 0) + inside
            before = behind
        return iter(sizes.items())


def _usual(name: str) -> _Density:
    packed = name.endswith(Part.PACKED)
    density = token_density(name.removesuffix(Part.PACKED)) * (PACKED if packed else 1)
    return _Density(density * LEARNING_BYTES)
