"""Images are brought into a model's form exactly as transformers does it."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.errors import InvalidInput
from indexer.pictures import Fit

SIZES = [
    *((224, 224), (640, 427), (427, 640), (37, 501), (1001, 333), (333, 1001), (5, 3)),
    *((256, 255), (95, 160), (65, 90), (65, 200), (124, 249), (80, 158)),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "squeezed"])
def test_images_are_scaled_and_cut_as_transformers_does(
    size: tuple[int, int], is_cut: bool
) -> None:
    """Every pixel is the one that transformers' processor gives the model, to one level of 255."""
    from transformers import CLIPImageProcessorPil

    width, height = size
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    settings = {"do_normalize": False, "do_rescale": False}
    if is_cut:
        fit = Fit(48, 40, 64, 3)
        processor = CLIPImageProcessorPil(
            size={"shortest_edge": 64}, crop_size={"height": 40, "width": 48}, **settings
        )
    else:
        fit = Fit(48, 40, None, 2)
        processor = CLIPImageProcessorPil(
            size={"height": 40, "width": 48}, do_center_crop=False, resample=2, **settings
        )
    theirs = processor([pixels], input_data_format="channels_last")["pixel_values"][0]
    expected = np.asarray(theirs).transpose(1, 2, 0).astype(np.int16)
    off = np.abs(fit.of(pixels).pixels - expected)
    assert off.max() <= 1  # what is cut off is not scaled, so a place may round otherwise
    assert off.mean() < 0.03


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4, 4), (4, 4), (2, 4, 4, 3)])
def test_arrays_that_are_no_image_are_refused(shape: tuple[int, ...]) -> None:
    """The message says what was given."""
    with pytest.raises(InvalidInput, match="uint8, red, green and blue; got"):
        Fit(8, 8, None, 3).of(np.zeros(shape, np.uint8))
