"""Views of pictures that differ by chance: cropped, mirrored, in other colours, blurred.

As SimCLR varies them (Chen et al., "A Simple Framework for Contrastive Learning of Visual
Representations", 2020), with smaller changes of colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

LEAST_AREA: Final = 0.3
"""The share of a picture that a crop has, at least."""

LIGHT: Final = 0.4
"""The most by which brightness, contrast and each colour are changed, as a share."""

GREY: Final = 0.2
MIRRORED: Final = 0.5
BLURRED: Final = 0.5
"""Chances."""

BLUR: Final = (0.1, 2.0)
"""Deviations of the blur, in pixels of a picture that is SIDE high."""

SIDE: Final = 224


@dataclass(frozen=True, slots=True)
class _Change:
    """The chances of one view."""

    scale: float
    shift: tuple[float, float]
    mirrored: bool
    brightness: float
    contrast: float
    colours: tuple[float, float, float]
    grey: bool
    blur: float

    @classmethod
    def of(cls, draw: Sequence[int]) -> Self:
        """The changes that these numbers stand for."""
        random = np.random.default_rng(list(draw))
        scale = math.sqrt(random.uniform(LEAST_AREA, 1.0))
        x, y = random.uniform(-1, 1, 2) * (1 - scale)
        light = random.uniform(1 - LIGHT, 1 + LIGHT, 5)
        return cls(
            scale, (float(x), float(y)), bool(random.random() < MIRRORED),
            float(light[0]), float(light[1]), (float(light[2]), float(light[3]), float(light[4])),
            bool(random.random() < GREY),
            float(random.uniform(*BLUR)) if random.random() < BLURRED else 0.0,
        )  # fmt: skip


def varied(pixels: Tensor, draws: Sequence[Sequence[int]]) -> Tensor:
    """(n, height, width, 3) uint8: each picture as its numbers say, and as it is without any."""
    shown = pixels.clone()
    for row, draw in enumerate(draws):
        if draw:
            shown[row] = _varied(pixels[row], _Change.of(draw))
    return shown


def _varied(pixels: Tensor, change: _Change) -> Tensor:
    levels = pixels.permute(2, 0, 1)[None].float()  # (1, 3, height, width)
    levels = _blurred(_coloured(_cropped(levels, change), change), change)
    return levels[0].clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0)


def _cropped(levels: Tensor, change: _Change) -> Tensor:
    """A part of the picture, as large as the whole."""
    across = -change.scale if change.mirrored else change.scale
    x, y = change.shift
    way = torch.tensor([[[across, 0.0, x], [0.0, change.scale, y]]])
    size = [*levels.shape]
    grid = functional.affine_grid(way, size, align_corners=False)
    return functional.grid_sample(levels, grid, padding_mode="border", align_corners=False)


def _coloured(levels: Tensor, change: _Change) -> Tensor:
    bright = levels * change.brightness
    mean = bright.mean()
    levels = (bright - mean) * change.contrast + mean
    levels = levels * torch.tensor(change.colours).reshape(1, 3, 1, 1)
    return levels.mean(dim=1, keepdim=True).expand_as(levels) if change.grey else levels


def _blurred(levels: Tensor, change: _Change) -> Tensor:
    """Blurred by a Gaussian, first along rows, then along columns."""
    deviation = change.blur * levels.shape[2] / SIDE
    reach = round(3 * deviation)
    if not reach:
        return levels
    places = torch.arange(-reach, reach + 1).float()
    weights = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = (weights / weights.sum()).reshape(1, 1, 1, -1).repeat(3, 1, 1, 1)  # (3, 1, 1, k)
    padded = functional.pad(levels, (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(
        functional.conv2d(padded, kernel, groups=3), kernel.transpose(2, 3), groups=3
    )
