"""Texts as the database can hold them: NUL, which it cannot, becomes two private characters."""

from __future__ import annotations

from typing import Final

_NUL: Final = "\x00"
MARK: Final = "\ue000"
"""A stored text without it is the plain text."""

_FOR_NUL: Final = "\ue000\ue000"
_FOR_MARK: Final = "\ue000\ue001"


def storable_text(text: str) -> str:
    """A text without NUL, from which :func:`plain_text` makes the same text."""
    if _NUL not in text and MARK not in text:
        return text
    return text.replace(MARK, _FOR_MARK).replace(_NUL, _FOR_NUL)


def plain_text(stored: str) -> str:
    """The text that was stored."""
    if MARK not in stored:
        return stored
    return stored.replace(_FOR_NUL, _NUL).replace(_FOR_MARK, MARK)
