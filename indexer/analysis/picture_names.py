"""The words that tell of a picture without a caption: of its file's name, its camera and its month.

They name a cluster of the map where there is nothing else to name it by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from indexer.filters import Metadata

NUMBERED: Final = re.compile(
    "crop|dscn?|dscf|file|frame|gopr|images?|imgp?|jpe?g|mvi|original|pano|photos?|pic|pictures?"
    "|pxl|sam|scan|screenshot|thumb|wa",
    re.IGNORECASE,
)
"""The words that cameras and programs begin a file's name with, and that say nothing of it."""

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_SUFFIX: Final = re.compile(r"\.\w{1,5}$")


def names_in(id: str) -> str:
    """The words of a picture's id, which is its file's path, without its suffix and numbers.

    Letters beside digits are no word: a name of chance, as hashes are, says nothing.
    """
    parts = re.split(r"[\s/\\_.,;:()+-]+", _SUFFIX.sub("", id))
    words = (part for part in parts if _WORD.fullmatch(part))
    return " ".join(word for word in words if not NUMBERED.fullmatch(word))


def told_by_camera(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """The camera and the month in which it was taken, each as one word with its spelling."""
    camera, taken = metadata.get("camera"), metadata.get("taken")
    if isinstance(camera, str) and camera:
        yield f"camera {camera.lower()}", camera
    found = _MONTH.match(taken) if isinstance(taken, str) else None
    if found is not None:
        year, month = found.groups()
        yield f"month {found[0]}", f"{MONTHS[int(month) - 1]} {year}"
