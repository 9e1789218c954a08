"""Images within a request's JSON: the file itself, in base64 or as a ``data:`` URL."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from indexer.errors import InvalidInput

DESCRIPTION: Final = (
    "The file itself, in base64 or as a `data:` URL. Nothing is fetched, so addresses are refused."
)

_DATA: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


def content_of(image: str, place: str) -> bytes:
    """The bytes of an image; raises InvalidInput, which names the place, for what is no base64."""
    if _ADDRESS.match(image):
        raise InvalidInput(
            f"{place}: {image[:80]!r} is an address, and nothing is fetched here: send the image "
            "itself, in base64 or as data:image/jpeg;base64,..."
        )
    start = _DATA.match(image)
    try:
        return base64.b64decode(image[start.end() if start else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(
            f"{place}: {image[:40]!r} is no base64: {error}; send the image itself, in base64 or "
            "as data:image/jpeg;base64,..."
        ) from error
