"""The benchmark of images compares what is comparable; no figure of time is judged here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.images import SIDES, Turn, enlarged, in_turns, photos_in, save_samples


def test_the_least_cosine_of_all_turns_is_told() -> None:
    """Both ways are called once before what counts, and then as often as asked."""
    calls = []

    def own() -> np.ndarray:
        calls.append("own")
        return np.eye(2, dtype=np.float32)

    def reference() -> np.ndarray:
        calls.append("reference")
        return np.float32([[1, 0], [0.6, 0.8]])

    found = in_turns(Turn(own, reference), 3)
    assert found["cosine"] == pytest.approx(0.8)
    assert calls == ["own", "reference"] * 4


def test_only_images_that_both_read_alike_are_compared(tmp_path: Path) -> None:
    """Turned, grey and clear images are left out; large ones have ten megapixels."""
    plain = Image.new("RGB", (8, 6), (10, 20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(tmp_path / "plain.jpg")
    plain.save(tmp_path / "turned.jpg", exif=exif)
    plain.save(tmp_path / "profile.jpg", icc_profile=b"some")
    plain.convert("L").save(tmp_path / "grey.jpg")
    kept = photos_in(tmp_path)
    assert [file.name for file in kept] == ["plain.jpg"]
    assert len(photos_in(save_samples(tmp_path / "samples"))) > 15
    (large,) = enlarged(kept, tmp_path)
    with Image.open(large) as image:
        assert image.size == SIDES
