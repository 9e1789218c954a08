"""The bounds of a crawl."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a crawl fetches: pages, links away from the start, bytes, and seconds."""

    pages: int = 1_000
    depth: int = 10
    page_bytes: int = 16 * 2**20
    bytes: int = 2 * 2**30
    seconds: float = 6 * 3_600.0
