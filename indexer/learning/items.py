"""Items that are embedded in training: texts, and pictures that were read beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class View:
    """A picture by its key: as it is, or varied by chance; equal ``draw`` give equal chances."""

    picture: str
    draw: tuple[int, ...] = ()


Item: TypeAlias = str | View
"""A text or a view of a picture."""
