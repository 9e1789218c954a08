"""Pictures that stay where they were indexed: read only if they are still the files they were."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from indexer.errors import Unreadable
from indexer.pictures import Picture
from indexer.readers.sources import open_regular


def original_in_place(picture: Picture) -> bytes | None:
    """The file at a picture's place; None if it is gone, or another than was indexed."""
    if picture.place is None:
        return None
    try:
        with open_regular(Path(picture.place)) as file:
            if os.fstat(file.fileno()).st_size != picture.bytes:
                return None
            content = file.read(picture.bytes)
    except (OSError, Unreadable):
        return None
    return content if hashlib.sha256(content).hexdigest() == picture.sha256 else None


def is_unchanged(picture: Picture, status: os.stat_result) -> bool:
    """Return whether a file has the size and the time of change that it had when indexed."""
    return (picture.bytes, picture.modified) == (status.st_size, status.st_mtime_ns)


def is_in_place(picture: Picture) -> bool:
    """Return whether a picture is still where it was indexed; read only if it was touched."""
    if picture.place is None:
        return False
    try:
        if is_unchanged(picture, Path(picture.place).stat()):
            return True
    except OSError:
        return False
    return original_in_place(picture) is not None
