"""An entry of another system, and a collection of it that is open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import InvalidInput

Vector: TypeAlias = NDArray[np.floating]
"""(d,) numbers, of any length."""

PAGE: int = 500
"""Entries that are fetched at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its id, None if it has none of its own, its fields, and its vector, if any."""

    id: str | None
    record: dict[str, Any]
    vector: Vector | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place to read from: its path or URL, and the name there, if told.

    ``vector`` names one of several vectors of an entry, ``texts`` the file of texts that goes with
    a file of vectors alone.
    """

    at: str
    name: str | None = None
    vector: str | None = None
    texts: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A collection of another system; ``entries`` begins anew each time it is called."""

    name: str
    count: int | None
    entries: Callable[[], Iterator[Entry]]


def only(kind: str, names: Collection[str], wanted: str | None) -> str:
    """The name that is wanted, or the only one there is; raises InvalidInput, naming all."""
    if wanted is None and len(names) == 1:
        return next(iter(names))
    there = ", ".join(sorted(map(repr, names))) or "none"
    if wanted is None:
        raise InvalidInput(f"say which {kind} by --from-name; there are: {there}")
    if wanted not in names:
        raise InvalidInput(f"there is no {kind} {wanted!r}; there are: {there}")
    return wanted


def one_vector(vectors: Collection[str], wanted: str | None) -> str | None:
    """The vectors to take of several by name: those wanted, or the only ones; None if none are."""
    if wanted is None and not vectors:
        return None
    if wanted is None and len(vectors) > 1:
        there = ", ".join(sorted(map(repr, vectors)))
        raise InvalidInput(f"say which vectors by --vector-field; there are: {there}")
    return only("vectors", vectors, wanted)
