"""Images: decoded in a process with limits, in the form that a model wants.

One process decodes many images, beside others of its kind; when an image ends it, another goes on
after that image. An image that cannot be read is one rejection, and the others are not touched by
it.
"""

from __future__ import annotations

import hashlib
import importlib.util
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np

from indexer.cores import usable_cores
from indexer.errors import InvalidInput, MissingExtra
from indexer.pictures import Fit, Fitted, Picture
from indexer.readers.isolation import Limits, run_isolated
from indexer.readers.reading import Rejection

Reports: TypeAlias = Sequence[Mapping[str, Any]]
"""The words of a process on images, one by one."""

EXTRACTOR: Final = Path(__file__).with_name("picture_pixels.py")

MAX_PIXELS: Final = 50_000_000
"""Pixels of an image that is decoded, unless set otherwise."""

MEMORY_BYTES: Final = 2**29
PIXEL_BYTES: Final = 12
"""Memory of the process: what it always takes, and that of a pixel in all its stages."""

BATCH_IMAGES: Final = 64
BATCH_BYTES: Final = 128 * 2**20
"""The most that a process is given; a single larger image is a batch of its own."""

LEAST_IMAGES: Final = 8
"""Images of one process at least, before there is another beside it: starting it takes 0.15 s."""

MOST_PROCESSES: Final = 4
"""Processes at once: each may hold an image of many megapixels."""

IMAGE_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image that was read: its facts, its pixels in a form, and what is to be said of it.

    ``thumbnail`` is a small JPEG of it, if one was asked for.
    """

    picture: Picture
    fitted: Fitted
    notes: tuple[str, ...] = ()
    thumbnail: bytes = b""


def read_pictures(
    contents: Sequence[bytes],
    fit: Fit,
    *,
    max_pixels: int = MAX_PIXELS,
    names: Sequence[str] | None = None,
    thumbnails: bool = False,
    gps: bool = False,
) -> Iterator[Decoded | Rejection]:
    """Each image in order, or its rejection, whose place is the image's name.

    Without names, they are ``image[0]`` and so on. With ``thumbnails`` it is read as it is to be
    kept: with a small JPEG, and what its EXIF data say; the place only with ``gps``. Raises
    MissingExtra where Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtra("pillow", "images")
    options = {"max_pixels": max_pixels, "thumbnails": thumbnails, "gps": gps}
    reports = chain.from_iterable(_at_once(contents, partial(_decode, fit=fit, options=options)))
    for place, found in enumerate(reports):
        if "problem" in found:
            yield Rejection(names[place] if names else f"image[{place}]", found["problem"])
        else:
            yield _decoded(contents[place], found, fit)


def _at_once(
    contents: Sequence[bytes], decode: Callable[[Sequence[bytes]], Reports]
) -> Iterator[Reports]:
    """The reports on batches of images, in order, with a batch for each core under way."""
    cores = min(usable_cores(), MOST_PROCESSES)
    most = min(max(-(-len(contents) // cores), LEAST_IMAGES), BATCH_IMAGES)
    batches = list(_batches(contents, most))
    if len(batches) < 2:
        yield from map(decode, batches)
        return
    under_way: deque[Future[Reports]] = deque()
    with ThreadPoolExecutor(cores) as threads:
        try:
            for batch in batches:
                if len(under_way) == cores:
                    yield under_way.popleft().result()
                under_way.append(threads.submit(decode, batch))
            while under_way:
                yield under_way.popleft().result()
        finally:
            for each in under_way:
                each.cancel()


def fitted(read: Iterable[Decoded | Rejection]) -> list[Fitted]:
    """The pixels of images that were read; raises InvalidInput for the first rejection."""
    found = []
    for one in read:
        if isinstance(one, Rejection):
            raise InvalidInput(f"{one.place}: {one.reason}")
        found.append(one.fitted)
    return found


def _batches(contents: Sequence[bytes], most: int) -> Iterator[Sequence[bytes]]:
    """Neighbouring images that one process takes, at most so many."""
    first = size = 0
    for place, content in enumerate(contents):
        full = place - first == most or size + len(content) > BATCH_BYTES
        if full and place > first:
            yield contents[first:place]
            first, size = place, 0
        size += len(content)
    if first < len(contents):
        yield contents[first:]


def _decode(batch: Sequence[bytes], fit: Fit, options: Mapping[str, Any]) -> Reports:
    """The report on each image; one that ended its process has the reason."""
    with TemporaryFile() as file:
        for content in batch:
            file.write(content)
        file.flush()
        found: list[Mapping[str, Any]] = []
        while len(found) < len(batch):
            reports, problem = _run(file, batch, fit, options, len(found))
            found += reports
            if len(found) < len(batch):
                found.append({"problem": problem or "reading it failed"})
        return found


def _run(
    file: BinaryIO, batch: Sequence[bytes], fit: Fit, options: Mapping[str, Any], first: int
) -> tuple[Reports, str | None]:
    seconds = IMAGE_SECONDS * len(batch)
    limits = Limits(
        memory_bytes=MEMORY_BYTES + PIXEL_BYTES * options["max_pixels"],
        cpu_seconds=seconds,
        wall_seconds=5 * seconds,
        step_seconds=IMAGE_SECONDS,
    )
    outcome = run_isolated(
        EXTRACTOR,
        file,
        limits,
        lengths=[len(content) for content in batch],
        fit=asdict(fit),
        first=first,
        **options,
        image_seconds=IMAGE_SECONDS,
    )
    return outcome.lines, outcome.problem


def _decoded(content: bytes, found: Mapping[str, Any], fit: Fit) -> Decoded:
    flat = np.frombuffer(b64decode(found["pixels"]), np.uint8)
    picture = Picture(
        media_type=found["media_type"],
        width=found["width"],
        height=found["height"],
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        caption=found.get("caption", ""),
        details=found.get("exif", {}),
    )
    fitted = Fitted(flat.reshape(fit.height, fit.width, 3), fit)
    thumbnail = b64decode(found.get("thumbnail", ""))
    return Decoded(picture, fitted, tuple(found["notes"]), thumbnail)
