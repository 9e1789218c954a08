"""The demonstration: documents that every machine has, indexed by a process beside the service."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Final

from indexer.errors import BearingError, MissingExtra
from indexer.readers.reading import Part, Read

GIVING_WAY: Final = 10
"""By how much the process that fills the demonstration lets searches go first: see nice(1)."""

EXTRA: Final = "photos"
PHOTOS: Final = {
    "skimage": (
        *("data/astronaut.png", "data/brick.png", "data/camera.png", "data/chelsea.png"),
        *("data/clock_motion.png", "data/coffee.png", "data/coins.png", "data/grass.png"),
        *("data/gravel.png", "data/horse.png", "data/hubble_deep_field.jpg", "data/moon.png"),
        *("data/motorcycle_left.png", "data/motorcycle_right.png", "data/page.png"),
        *("data/retina.jpg", "data/rocket.jpg"),
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}
"""The photos of two packages, by the package and their places in it."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The paths of the documents to show, none for the standard library; and where they go."""

    data: str | None
    collection: str
    model: str | None
    paths: tuple[str, ...] = ()


def sample_photos() -> tuple[str, ...]:
    """The paths of the photos that come with installed packages; raises MissingExtra."""
    return tuple(
        str(_package_folder(package) / name) for package, names in PHOTOS.items() for name in names
    )


def _package_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtra("scikit-image", EXTRA)
    return Path(found.origin).parent


@contextmanager
def filling(demonstration: Demonstration) -> Iterator[None]:
    """A separate process that indexes the demonstration; when ended, it keeps what is embedded."""
    process = get_context("spawn").Process(target=_fill, args=(demonstration,))
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: SIGTERM ends the process
    process.start()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _fill(shown: Demonstration) -> None:
    from indexer.cli import messages, summaries
    from indexer.cli.index import index_reads
    from indexer.cli.options import open_library

    os.nice(GIVING_WAY)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        reads, parts = _documents(shown.paths)
        with open_library(shown.data, shown.model) as library:
            done = index_reads(library, shown.collection, reads, parts, model=shown.model)
    except (BearingError, KeyboardInterrupt) as error:
        messages.note(f"bearing: {error or 'interrupted'}")
    else:
        done.warn()
        messages.note(summaries.summary_text(done.summary, shown.collection))


def _documents(
    paths: Sequence[str],
) -> tuple[Callable[[bool], Iterable[Read]], Sequence[Part] | None]:
    """The documents of these files and folders, or of the standard library, and their parts."""
    from indexer.cli.index import reading
    from indexer.readers import input_parts
    from indexer.readers.standard_library import read_standard_library, standard_library_parts

    if paths:
        return reading(paths, short=True), input_parts(paths)
    return (lambda _: read_standard_library()), standard_library_parts()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # which commits what is embedded
