"""The likeness of two pictures, told by small grey versions of them.

Vectors say that two pictures show the same kind of thing; whether one is a copy of the other is
told here: by difference hashes (Krawetz, Kind of Like That, 2013), which resizing and recompression
hardly change, and by looking for one within the other.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache, cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Glimpse: TypeAlias = NDArray[np.float32]
"""(SIDE, SIDE) float32: the light of a picture that was scaled to a square."""

Bits: TypeAlias = NDArray[np.bool_]
"""(112,) bool: a difference hash."""

SIDE: Final = 48
CELLS: Final = 8
HASHES_DIFFER: Final = 16
"""Bits of 112 in which the hashes of copies differ at most."""

LEAST_PART: Final = 0.5
PARTS: Final = tuple(range(int(SIDE * LEAST_PART), SIDE + 1, 3))
STEP: Final = 3
WITHIN: Final = 16
CORRELATED: Final = 0.68
"""The least correlation of a picture's edges with its copy's, or with those of the part cut out.

Of 51 photos of the web, parts of different ones have 0.60 at most; parts of 0.8 of the sides have
0.83 or more to the photo that they were cut from, and parts of 0.6 in 48 cases 0.68.
"""

LEAST_SPREAD: Final = 4.0
"""Light, of 255, that varies less shows nothing to tell two pictures apart by."""

LIGHT: Final = np.array((0.299, 0.587, 0.114), np.float32)
"""The weights of red, green and blue in what is seen as light (ITU-R BT.601)."""


class Likeness(StrEnum):
    """The relation of one of two pictures to the other: the same, resized or recompressed, ..."""

    COPY = "copy"
    MIRRORED = "mirrored"
    CROPPED = "cropped"


def glimpse(pixels: NDArray[np.uint8]) -> Glimpse:
    """The light of pixels, (SIDE, SIDE, 3) uint8."""
    light: Glimpse = pixels.astype(np.float32) @ LIGHT
    return light


def difference_hash(seen: Glimpse) -> Bits:
    """For each cell but the last of its row or column: whether the next is lighter."""
    cells = seen.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS).mean(axis=(1, 3))
    across, down = np.diff(cells, axis=1) > 0, np.diff(cells, axis=0) > 0
    return np.concatenate([across.ravel(), down.ravel()])


class Look:
    """A picture with what is told of it, each computed once, when first asked for."""

    def __init__(self, seen: Glimpse) -> None:
        self.seen = seen

    @cached_property
    def is_flat(self) -> bool:
        """Return whether it shows too little to be told from others."""
        return float(self.seen.std()) < LEAST_SPREAD

    @cached_property
    def hash(self) -> Bits:
        """Its difference hash."""
        return difference_hash(self.seen)

    @cached_property
    def mirrored(self) -> Look:
        """The same with left and right exchanged."""
        return Look(self.seen[:, ::-1])

    @cached_property
    def edges(self) -> NDArray[np.float32]:
        """The edges of the whole, (480,) of length 1."""
        whole = _lines()[-1]
        found: NDArray[np.float32] = _edges((whole @ self.seen @ whole.T)[None])[0]
        return found

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """(n, n) the lengths of the edges of each of its parts."""
        lines = _lines()
        parts = (lines @ self.seen)[:, None] @ lines.transpose(0, 2, 1)[None]
        each = np.linalg.norm(_changes(parts.reshape(-1, WITHIN, WITHIN)), axis=1)
        found: NDArray[np.float32] = each.reshape(len(lines), len(lines)).astype(np.float32)
        return found


def likeness(a: Glimpse, b: Glimpse) -> Likeness | None:
    """The relation of two pictures; None if neither shows the other or a part of it."""
    return relation(Look(a), Look(b))


def relation(a: Look, b: Look) -> Likeness | None:
    """The same of pictures that are held against others, too."""
    if a.is_flat or b.is_flat:
        return None
    if _is_copy(a, b):
        return Likeness.COPY
    if _is_copy(a, b.mirrored):
        return Likeness.MIRRORED
    if max(_found_within(a, b), _found_within(b, a)) >= CORRELATED:
        return Likeness.CROPPED
    return None


def _is_copy(a: Look, b: Look) -> bool:
    unlike = int(np.count_nonzero(a.hash != b.hash))
    # Pictures of few things share hashes by chance.
    return unlike <= HASHES_DIFFER and float(a.edges @ b.edges) >= CORRELATED


def _found_within(part: Look, whole: Look) -> float:
    """The best correlation of a picture with any part of another, of half its sides or more.

    Edges are linear in the light, so a product of the picture's with those of a part is one of
    light: the edges of all parts are never made.
    """
    lines = _lines()
    wanted = _light_of(part.edges)
    rows, columns = lines @ whole.seen, wanted @ lines  # (n, WITHIN, SIDE) each
    products = rows.reshape(len(lines), -1) @ columns.reshape(len(lines), -1).T
    return float((products / np.maximum(whole.lengths, 1e-6)).max())


def _light_of(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """(WITHIN, WITHIN) by whose product with any light the edges' product with its edges is had."""
    light = np.zeros((WITHIN, WITHIN), np.float32)
    half = WITHIN * (WITHIN - 1)
    across = _centred(edges[:half].reshape(1, WITHIN, WITHIN - 1))[0]
    down = _centred(edges[half:].reshape(1, WITHIN - 1, WITHIN))[0]
    light[:, 1:] += across
    light[:, :-1] -= across
    light[1:] += down
    light[:-1] -= down
    return light


@cache
def _lines() -> NDArray[np.float32]:
    """(n, WITHIN, SIDE) weights by which each part of a line becomes WITHIN means.

    The last part is the whole line.
    """
    made = [
        np.pad(_means(length), ((0, 0), (start, SIDE - start - length)))
        for length in PARTS
        for start in range(0, SIDE - length + 1, STEP)
    ]
    return np.stack(made)


def _means(length: int) -> NDArray[np.float32]:
    """(WITHIN, length) the weights by which a line becomes one of WITHIN means."""
    edges = np.linspace(0, length, WITHIN + 1)
    places = np.arange(length)
    low = np.maximum(edges[:-1, None], places)
    high = np.minimum(edges[1:, None], places + 1)
    weights = np.clip(high - low, 0, None)
    scaled: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled


def _edges(parts: NDArray[np.floating]) -> NDArray[np.float32]:
    """The changes of parts, (n, WITHIN, WITHIN), as rows of length 1."""
    rows = _changes(parts)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(lengths, 1e-6)
    return unit


def _changes(parts: NDArray[np.floating]) -> NDArray[np.floating]:
    """The changes of light across and down parts, (n, WITHIN, WITHIN), as (n, 480).

    The light itself will not do: half of all photos are light above and dark below.
    """
    return np.concatenate(
        [_centred(np.diff(parts, axis=axis)).reshape(len(parts), -1) for axis in (2, 1)], axis=1
    )


def _centred(changes: NDArray[np.floating]) -> NDArray[np.floating]:
    centred: NDArray[np.floating] = changes - changes.mean(axis=(1, 2), keepdims=True)
    return centred
