"""The pixels of images, as the process in ``isolation`` reports them. Pillow decodes them.

The input is a file in which images lie one after another; each is reported by itself, in the form
that a model wants, so that a photo of many megapixels comes back as some 150 kB.
"""

from __future__ import annotations

import io
import math
import re
import signal
import warnings
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Final

from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from indexer.moments import moment_key
from indexer.pictures import Fit

MAX_REASON: Final = 300
"""Characters of a reason; a library's message may quote the file."""

KINDS: Final[Mapping[str, str]] = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
"""The formats that are read, as Pillow names them, with their media types."""

NOT_PILLOWS: Final = frozenset({"MPO", "HEIF"})
"""MPO is found by reading a JPEG, HEIF by an extra."""

FTYP: Final = b"ftyp"
HEIC_BRANDS: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

SRGB: Final = "sRGB"
ORIENTATION: Final = 0x0112
DEEP: Final = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of more than eight bits a pixel, which a plain conversion would turn white."""

BITS_8, BITS_16 = 255, 65_535

THUMBNAIL_PIXELS: Final = 320
"""The longer side of a thumbnail."""

THUMBNAIL_QUALITY: Final = 80

IFD_EXIF, IFD_GPS = 0x8769, 0x8825
DESCRIPTION, MAKE, MODEL, DATE = 0x010E, 0x010F, 0x0110, 0x0132
TAKEN, OFFSET_TAKEN = 0x9003, 0x9011
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4

MAX_TEXT: Final = 2_000
"""Characters of a caption or a name, at most."""

_DATE: Final = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
_OFFSET: Final = re.compile(r"[+-]\d\d:\d\d")
_BLANK: Final = re.compile(r"[\x00-\x1f\x7f\s]+")


def report(
    file: BinaryIO,
    lengths: Sequence[int],
    fit: Mapping[str, Any],
    first: int = 0,
    max_pixels: int = 0,
    image_seconds: int = 20,
    thumbnails: bool = False,
    gps: bool = False,
) -> Iterator[dict[str, Any]]:
    """Each image from ``first`` on, in order: facts, ``pixels`` and ``notes``, or a ``problem``.

    ``lengths`` are the bytes of all images in the file. An image that computes longer than
    ``image_seconds`` ends the process. With ``thumbnails`` come a small JPEG and what EXIF data
    say, with ``gps`` the place, too.
    """
    Image.MAX_IMAGE_PIXELS = None  # the bound below is stricter, and says what it is
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    form = Fit(**fit)
    start = sum(lengths[:first])
    for length in lengths[first:]:
        file.seek(start)
        start += length
        _set_alarm(image_seconds)
        found = _read(file.read(length), form, max_pixels, thumbnails=thumbnails, gps=gps)
        _set_alarm(0)
        yield found


def _set_alarm(seconds: float) -> None:
    """End the process after this much computing; 0 cancels that."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _read(
    content: bytes, fit: Fit, max_pixels: int, *, thumbnails: bool, gps: bool
) -> dict[str, Any]:
    try:
        with _opened(content) as image:
            width, height = image.size
            if width * height > max_pixels:
                return {"problem": _too_large(width, height, max_pixels)}
            notes: list[str] = []
            upright = _upright(image, notes)
            colours = _srgb(upright, notes)
            told = _told(image, colours, gps=gps) if thumbnails else {}
            return told | {
                "media_type": KINDS[image.format or ""],
                "width": colours.width,
                "height": colours.height,
                "pixels": b64encode(fit.apply(colours).tobytes()).decode(),
                "notes": notes,
            }
    except MemoryError:
        return {"problem": "decoding it needs more memory than an image is given"}
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: it is the report
        return {"problem": (str(error) or type(error).__name__)[:MAX_REASON]}


def _told(image: Image.Image, colours: Image.Image, *, gps: bool) -> dict[str, Any]:
    """The small JPEG of an image, and what its file says of it."""
    caption, details = _told_by(image, gps=gps)
    return {"thumbnail": b64encode(_small(colours)).decode(), "caption": caption, "exif": details}


def _small(colours: Image.Image) -> bytes:
    small = colours.copy()
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return file.getvalue()


def _opened(content: bytes) -> Image.Image:
    """The image, not decoded yet; its kind is told by its content."""
    if not content:
        raise ValueError("the file is empty")
    formats = [name for name in KINDS if name not in NOT_PILLOWS]
    if content[4:8] == FTYP and content[8:12] in HEIC_BRANDS:
        formats = [*_heif(), *formats]
    try:
        return Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError:
        known = ", ".join(name for name in KINDS if name != "MPO")
        reason = f"no image, or damaged from its start on (read are {known})"
        raise ValueError(reason) from None


def _heif() -> list[str]:
    try:
        import pillow_heif
    except ImportError:
        raise ValueError("HEIC needs the extra heic") from None
    pillow_heif.register_heif_opener(thumbnails=False)
    return ["HEIF"]


def _too_large(width: int, height: int, max_pixels: int) -> str:
    return (
        f"its {width:,} x {height:,} pixels are more than the {max_pixels / 1e6:g} megapixels "
        "that are decoded at most"
    )


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """The first frame, turned as its EXIF data say."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"only the first of its {frames} images is taken")
    image.load()
    try:
        turned = image.getexif().get(ORIENTATION, 1) in range(2, 9)
    except Exception:  # noqa: BLE001 - any damage is one to these data only, and is told
        notes.append("its EXIF data are damaged, so it is not turned")
        return image
    return _turned(image, notes) if turned else image


def _turned(image: Image.Image, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    try:
        turned = ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - as above: writing its EXIF data back may fail, too
        notes.append("its EXIF data are damaged, so it is not turned")
        return image
    if profile:
        turned.info["icc_profile"] = profile
    return turned


def _srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """The image as RGB: colours as its profile says, light as deep as eight bits, on white."""
    if image.mode in DEEP:
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image, notes)
    return _in_profile(image, notes)


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of more bits, scaled; without a known range, to the range that it uses."""
    import numpy as np

    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    if image.mode.startswith("I;16"):
        low, high = 0.0, float(BITS_16)
    else:
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 1.0)
        if low == 0 and image.mode == "I":
            high = float(BITS_8 if high <= BITS_8 else BITS_16 if high <= BITS_16 else high)
    scaled = (values - low) * (BITS_8 / (high - low))
    return Image.fromarray(np.clip(np.rint(scaled), 0, BITS_8).astype(np.uint8))


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    clear = image if image.mode == "RGBA" else image.convert("RGBA")
    colours = clear.convert("RGB")
    colours.info["icc_profile"] = profile
    page = Image.new("RGB", clear.size, (BITS_8,) * 3)
    page.paste(_in_profile(colours, notes), mask=clear.getchannel("A"))
    return page


def _in_profile(image: Image.Image, notes: list[str]) -> Image.Image:
    """The colours in sRGB; without a profile, or with a damaged one, as Pillow converts them."""
    profile = image.info.get("icc_profile")
    if image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    if not profile:
        return image if image.mode == "RGB" else image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "RGB" and SRGB in ImageCms.getProfileDescription(source):
            return image
        target = ImageCms.createProfile(SRGB)
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append("its colour profile is damaged or of another kind, and is left out")
        return image.convert("RGB")
    return converted or image.convert("RGB")


# What a file says of itself


def _told_by(image: Image.Image, *, gps: bool) -> tuple[str, dict[str, Any]]:
    """The caption in an image's file, and details as metadata; the place only with ``gps``."""
    caption = ""
    details: dict[str, Any] = {}
    with suppress(Exception):  # any damage is one to these data only
        data = image.getexif()
        caption = _text(data.get(DESCRIPTION))
        within: Mapping[int, Any] = data.get_ifd(IFD_EXIF)
        taken = _moment(within.get(TAKEN) or data.get(DATE), within.get(OFFSET_TAKEN))
        camera = _camera(_text(data.get(MAKE)), _text(data.get(MODEL)))
        details = {name: each for name, each in (("taken", taken), ("camera", camera)) if each}
        if gps:
            details |= _position(data.get_ifd(IFD_GPS))
    return caption, details


def _text(value: object) -> str:
    """A text without control characters and white space around it; "" for anything else."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    text = value
    with suppress(UnicodeError):  # Pillow takes the bytes for Latin-1, and most write UTF-8
        text = value.encode("latin-1").decode("utf-8")
    return _BLANK.sub(" ", text.encode("utf-8", "replace").decode())[:MAX_TEXT].strip()


def _moment(date: object, offset: object) -> str:
    """EXIF's ``2024:03:01 09:30:00`` as a moment; "" for what names none."""
    found = _DATE.match(date) if isinstance(date, str) else None
    if found is None:
        return ""
    year, month, day, time = found.groups()
    told = f"{year}-{month}-{day}T{time}"
    if isinstance(offset, str) and _OFFSET.fullmatch(offset.strip("\x00 ")):
        told += offset.strip("\x00 ")
    return told if moment_key(told) else ""


def _camera(make: str, model: str) -> str:
    """The maker and the model, which often begins with the maker's name."""
    first = make.split(" ")[0].lower()
    return model if first and model.lower().startswith(first) else f"{make} {model}".strip()


def _position(data: Mapping[int, Any]) -> dict[str, float]:
    latitude = _degrees(data.get(LATITUDE), data.get(LATITUDE_REF) == "S")
    longitude = _degrees(data.get(LONGITUDE), data.get(LONGITUDE_REF) == "W")
    if latitude is None or longitude is None:
        return {}
    return {"latitude": latitude, "longitude": longitude}


def _degrees(parts: Any, negative: bool) -> float | None:  # noqa: ANN401 - what the file holds
    try:
        degrees, minutes, seconds = map(float, parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    found = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(found):
        return None
    return round(-found if negative else found, 6)
