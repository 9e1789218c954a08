"""Images are read by their content, upright, in sRGB on white, or rejected one by one."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from indexer.errors import InvalidInput
from indexer.pictures import Fit
from indexer.readers.pictures import Decoded, Rejection, fitted, read_pictures

FIT = Fit(16, 16, None, 0)
"""Nearest pixels, so that colours stay as they are."""


def written(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def quarters(width: int = 32, height: int = 32) -> Image.Image:
    """Red, green, blue and white, from the upper left on."""
    pixels = np.zeros((height, width, 3), np.uint8)
    half = (height // 2, width // 2)
    pixels[: half[0], : half[1]] = (255, 0, 0)
    pixels[: half[0], half[1] :] = (0, 255, 0)
    pixels[half[0] :, : half[1]] = (0, 0, 255)
    pixels[half[0] :, half[1] :] = 255
    return Image.fromarray(pixels)


def read(content: bytes, **options: Any) -> Decoded:
    """The image in these bytes."""
    (found,) = read_pictures([content], FIT, **options)
    assert isinstance(found, Decoded), found
    return found


def refused(content: bytes, **options: Any) -> str:
    """The reason why these bytes are rejected."""
    (found,) = read_pictures([content], FIT, **options)
    assert isinstance(found, Rejection), found
    return found.reason


def corners(found: Decoded) -> list[tuple[int, ...]]:
    """The colours near the four corners, from the upper left on."""
    pixels = found.fitted.pixels
    return [tuple(pixels[y, x].tolist()) for y in (2, 13) for x in (2, 13)]


UPRIGHT = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_kinds_are_told_by_their_content(kind: str) -> None:
    """Each kind is known without a name, and gives its facts and its colours."""
    options = {"lossless": True} if kind == "WEBP" else {}
    content = written(quarters(40, 20), kind, **options)
    found = read(content)
    assert corners(found) == UPRIGHT
    assert found.picture.media_type == f"image/{kind.lower()}"
    assert (found.picture.width, found.picture.height) == (40, 20)
    assert found.picture.bytes == len(content)
    assert len(found.picture.sha256) == 64


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_lossy_kinds_are_close(kind: str) -> None:
    """JPEG and AVIF give the colours that they kept."""
    found = np.array(corners(read(written(quarters(), kind, quality=95))), int)
    assert np.abs(found - np.array(UPRIGHT)).max() < 24


def test_heic_needs_its_extra_and_is_read_with_it() -> None:
    """HEIC is read where pillow-heif is installed."""
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(quarters(64, 64)).save(file, quality=95)
    found = read(file.getvalue())
    assert found.picture.media_type == "image/heic"
    assert np.abs(np.array(corners(found), int) - np.array(UPRIGHT)).max() < 40


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera that writes this orientation did to the image."""


@pytest.mark.parametrize("orientation", TURNS)
def test_images_stand_upright(orientation: int) -> None:
    """An image is turned as its EXIF data say, and so are its width and height."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = written(quarters(40, 20).transpose(TURNS[orientation]), exif=exif)
    found = read(content)
    assert corners(found) == UPRIGHT
    assert (found.picture.width, found.picture.height) == (40, 20)
    assert found.notes == ()


def test_damaged_exif_turns_nothing() -> None:
    """An image whose EXIF data are no such data is taken as it lies."""
    assert corners(read(written(quarters(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))) == UPRIGHT


def test_sixteen_bits_keep_their_light() -> None:
    """A grey ramp of 16 bits stays a ramp: a plain conversion would turn it white."""
    ramp = np.linspace(0, 65_535, 16).astype(np.uint16)[None, :].repeat(16, 0)
    row = read(written(Image.fromarray(ramp))).fitted.pixels[0, :, 0]
    assert np.abs(row.astype(int) - np.linspace(0, 255, 16)).max() <= 1


def test_numbers_without_a_range_are_scaled_to_it() -> None:
    """Floating-point light is scaled from its least to its most."""
    light = np.linspace(-2.0, 8.0, 16, dtype=np.float32)[None, :].repeat(16, 0)
    row = read(written(Image.fromarray(light), "TIFF")).fitted.pixels[0, :, 0]
    assert (row[0], row[-1]) == (0, 255)
    assert (np.diff(row.astype(int)) > 0).all()


def test_what_is_clear_lies_on_white() -> None:
    """A clear pixel is white, a half clear one half so, by an alpha channel or a palette."""
    clear = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 128), (0, 0, 16, 32))
    assert corners(read(written(clear))) == [(127, 127, 255), (255, 255, 255)] * 2
    grey = Image.new("LA", (8, 8), (0, 0))
    assert corners(read(written(grey))) == [(255, 255, 255)] * 4
    palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE)
    red = palette.getpixel((2, 2))
    assert corners(read(written(palette, transparency=red)))[0] == (255, 255, 255)


def test_four_inks_become_three_colours() -> None:
    """CMYK is converted, here without a profile."""
    found = np.array(corners(read(written(quarters().convert("CMYK"), "TIFF"))), int)
    assert np.abs(found - np.array(UPRIGHT)).max() <= 2


def test_colours_are_those_of_the_profile() -> None:
    """A profile is followed: in one whose red and blue are exchanged, they are exchanged back."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    grey = Image.new("LAB", (16, 16), (128, 128, 128))
    pixel = corners(read(written(grey, "TIFF", icc_profile=lab)))[0]
    assert max(pixel) - min(pixel) <= 2
    assert 100 < pixel[0] < 140


def test_a_damaged_profile_is_left_out_and_said() -> None:
    """The image is taken without its profile, with a note."""
    found = read(written(quarters(), icc_profile=b"no profile"))
    assert corners(found) == UPRIGHT
    assert "profile" in found.notes[0]


def test_the_first_of_several_images_is_taken_and_said() -> None:
    """An animation is represented by its first image."""
    others = [Image.new("RGB", (32, 32), (shade,) * 3) for shade in (9, 99)]
    found = read(written(quarters(), "GIF", save_all=True, append_images=others))
    assert corners(found)[0] == (255, 0, 0)
    assert found.notes == ("only the first of its 3 images is taken",)


def test_size_is_bounded_before_decoding() -> None:
    """One pixel more than allowed is refused; a file that only says so takes no memory."""
    content = written(quarters(40, 20))
    assert read(content, max_pixels=800)
    assert refused(content, max_pixels=799).startswith("its 40 x 20 pixels are more than")
    header = struct.pack(">IIBBBBB", 25_001, 2_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    says = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    reason = refused(b"\x89PNG\r\n\x1a\n" + says + struct.pack(">I", 8) + b"IDAT" + b"x" * 16)
    assert "25,001 x 2,000 pixels are more than the 50 megapixels" in reason


def test_broken_files_are_rejected_one_by_one() -> None:
    """Each broken file has its reason and its name, and stops no other."""
    whole = written(quarters(), "JPEG")
    contents = [b"", b"no image at all", whole, whole[: len(whole) // 2], whole]
    names = ["empty", "text", "one", "half", "two"]
    found = list(read_pictures(contents, FIT, names=names))
    reasons = {one.place: one.reason for one in found if isinstance(one, Rejection)}
    assert list(reasons) == ["empty", "text", "half"]
    assert "empty" in reasons["empty"]
    assert "no image" in reasons["text"]
    assert "truncated" in reasons["half"].lower()
    with pytest.raises(InvalidInput, match=r"^empty: the file is empty"):
        fitted(found)


def test_many_images_are_read_in_order() -> None:
    """More images than one process takes come back in their order."""
    shades = [Image.new("L", (4, 4), shade) for shade in range(130)]
    found = fitted(read_pictures([written(shade) for shade in shades], FIT))
    assert [int(one.pixels[0, 0, 0]) for one in found] == list(range(130))


ODD = os.environ.get("ODD_IMAGES")
BROKEN = {
    "broken.png": "no image",
    "broken_data_stream.png": "data stream",
    "empty.jpg": "empty",
    "la.tga": "no image",
    "truncated_end_chunk.png": "Truncated",
    "truncated_image.png": "truncated",
    "truncated_jpeg.jpg": "truncated",
}


@pytest.mark.skipif(not ODD, reason="ODD_IMAGES names no folder of odd files, such as Pillow's")
def test_odd_files_have_a_verdict() -> None:
    """Of Pillow's own odd files, the broken ones are rejected, and turned ones look the same."""
    files = sorted(file for file in Path(str(ODD)).iterdir() if file.suffix)
    smooth = Fit(16, 16, None, Image.Resampling.BOX)
    contents = [file.read_bytes() for file in files]
    found = dict(zip(files, read_pictures(contents, smooth), strict=True))
    reasons = {file.name: one.reason for file, one in found.items() if isinstance(one, Rejection)}
    assert reasons.keys() == BROKEN.keys()
    assert all(part in reasons[name] for name, part in BROKEN.items())
    turned = [
        one.fitted.pixels.astype(float)
        for file, one in found.items()
        if isinstance(one, Decoded) and file.name.startswith("hopper_orientation")
    ]
    assert len(turned) == 14
    assert all(np.abs(one - turned[0]).mean() < 4 for one in turned)
