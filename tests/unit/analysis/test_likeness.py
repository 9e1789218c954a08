"""Pictures that are copies of others are told from those that are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from indexer.analysis.likeness import SIDE, Glimpse, Likeness, glimpse, likeness


def scene(seed: int) -> Image.Image:
    """Soft shapes of many sizes, no two scenes the same."""
    random = np.random.default_rng(seed)
    light = np.zeros((240, 320, 3))
    for side in (4, 8, 16, 32):
        rough = Image.fromarray(random.integers(0, 256, (side, side, 3)).astype(np.uint8))
        light += np.asarray(rough.resize((320, 240), Image.Resampling.BICUBIC)) / 4
    return Image.fromarray(light.astype(np.uint8))


def seen(image: Image.Image) -> Glimpse:
    """A picture as it is compared."""
    return glimpse(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))


def recompressed(image: Image.Image) -> Image.Image:
    """A picture after JPEG of a low quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=15)
    return Image.open(file)


@pytest.mark.parametrize("seed", range(4))
def test_copies_are_told_by_what_became_of_them(seed: int) -> None:
    """Each way to copy a picture has its name, whichever of both is asked about."""
    image = scene(seed)
    made = {
        "small": (image.resize((80, 50)), Likeness.COPY),
        "poor": (recompressed(image), Likeness.COPY),
        "dark": (image.point(lambda light: light // 2), Likeness.COPY),
        "turned": (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), Likeness.MIRRORED),
        "cut": (image.crop((40, 20, 280, 190)), Likeness.CROPPED),
        "half": (image.crop((10, 70, 200, 230)), Likeness.CROPPED),
    }
    for name, (copy, expected) in made.items():
        found = (likeness(seen(image), seen(copy)), likeness(seen(copy), seen(image)))
        assert found == (expected, expected), name


def test_others_are_no_copies() -> None:
    """Other scenes, light above dark, and empty pages are copies of nothing."""
    sky = np.linspace(250, 20, 240)[:, None, None].repeat(320, 1).repeat(3, 2)
    skies = [
        Image.fromarray((0.8 * sky + 0.2 * np.asarray(scene(seed))).astype(np.uint8))
        for seed in (50, 51)
    ]
    pages = [Image.new("RGB", (320, 240), (shade,) * 3) for shade in (200, 255)]
    others = [seen(image) for image in (*map(scene, range(4)), *skies, *pages)]
    pairs = [(a, b) for i, a in enumerate(others) for b in others[:i]]
    assert [likeness(a, b) for a, b in pairs] == [None] * len(pairs)
