"""Drawn images whose vectors tell whether a tower of images is the one that it should be."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.pictures import Pixels

Numbers: TypeAlias = NDArray[np.int64]
"""(height, width), or one of both 1."""


@cache
def canary_images() -> tuple[Pixels, ...]:
    """Four images of unlike sizes: a sky over a field, a disc, a board with noise, and writing.

    They are drawn with whole numbers, so they are the same on every machine.
    """
    return (_landscape(), _disc(), _board(), _strokes())


def _grid(height: int, width: int) -> tuple[Numbers, Numbers]:
    return np.arange(height)[:, None], np.arange(width)[None, :]


def _stack(*channels: Numbers) -> Pixels:
    return np.stack(np.broadcast_arrays(*channels), axis=-1).clip(0, 255).astype(np.uint8)


def _noise(height: int, width: int) -> Numbers:
    """Whole numbers of 0 to 63 without a pattern."""
    y, x = _grid(height, width)
    mixed = (y * 73_856_093) ^ (x * 19_349_663)
    noise: Numbers = (mixed * 83_492_791 >> 11) & 63
    return noise


def _landscape() -> Pixels:
    y, x = _grid(240, 360)
    sky, noise = y < 130, _noise(240, 360)
    hill = y > 150 - 60 * ((x - 240) ** 2 < 90**2) * (8100 - (x - 240) ** 2) // 8100
    red = np.where(hill, 40 + noise, np.where(sky, 90 + y // 2, 110))
    green = np.where(hill, 110 + noise, np.where(sky, 150 + y // 2, 140))
    blue = np.where(hill, 30, np.where(sky, 240, 60 + noise))
    return _stack(red, green, blue)


def _disc() -> Pixels:
    y, x = _grid(300, 200)
    from_middle = (y - 140) ** 2 + (x - 90) ** 2
    inside = from_middle < 70**2
    shade = 255 - from_middle // 40
    return _stack(
        np.where(inside, shade, 20), np.where(inside, shade // 3, 40), np.where(inside, 10, 90)
    )


def _board() -> Pixels:
    y, x = _grid(224, 224)
    dark = (y // 28 + x // 28) % 2
    noise = _noise(224, 224)
    return _stack(200 * dark + noise // 2, 190 * dark + noise, 60 + 120 * dark)


def _strokes() -> Pixels:
    y, x = _grid(128, 400)
    line = (y % 32 > 8) & (y % 32 < 22)
    stroke = line & ((x * (3 + y // 32) // 7 + y // 5) % 6 < 2) & (x > 20) & (x < 370)
    return _stack(np.where(stroke, 15, 245), np.where(stroke, 15, 242), np.where(stroke, 40, 230))
