"""Rates: the requests a client may make in a period. To whom they apply is decided elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from limits import RateLimitItem

Rate: TypeAlias = "tuple[RateLimitItem, ...]"
"""Limits that all apply at once; empty for no limit."""


def parse_rate(text: str) -> Rate:
    """Parse ``20/second; 5000/hour``; raises ValueError, which says what is allowed."""
    from limits import parse_many

    try:
        rate = tuple(parse_many(text))
    except ValueError:
        rate = ()
    if not rate or any(one.amount < 1 or one.get_expiry() < 1 for one in rate):
        raise ValueError(
            f"{text[:80]!r} is not a rate: give one such as 20/second, or several such as "
            "20/second;5000/hour (second, minute, hour, day, month, year)"
        )
    return rate


@dataclass(frozen=True, slots=True)
class Standing:
    """A client's standing at the limit that is closest to being used up."""

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: int

    def headers(self) -> Iterator[tuple[str, str]]:
        """The headers of draft-ietf-httpapi-ratelimit-headers, and those of its early versions."""
        yield "ratelimit-policy", f'"key";q={self.limit};w={self.window_seconds}'
        yield "ratelimit", f'"key";r={self.remaining};t={self.reset_seconds}'
        yield "ratelimit-limit", str(self.limit)
        yield "ratelimit-remaining", str(self.remaining)
        yield "ratelimit-reset", str(self.reset_seconds)
        if not self.admitted:
            yield "retry-after", str(self.reset_seconds)


class Counter:
    """Counts the requests of each client in sliding windows, in this process's memory.

    The previous window counts in proportion to its overlap with a window that ends now. So no
    client can make twice as many requests around a boundary, and each costs two numbers, however
    many requests it makes.
    """

    def __init__(self) -> None:
        from limits.aio.storage import MemoryStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter

        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, client: str, rate: Rate) -> Standing | None:
        """The client's standing after one more request; None if it has no limit.

        A request over one of the limits is not counted against the limits after it.
        """
        for one in rate:
            if not await self._limiter.hit(one, client):
                return await self._standing(client, one, admitted=False)
        standings = [await self._standing(client, one, admitted=True) for one in rate]
        return closest(standings)

    async def _standing(self, client: str, limit: RateLimitItem, *, admitted: bool) -> Standing:
        stats = await self._limiter.get_window_stats(limit, client)
        return Standing(
            admitted,
            limit.amount,
            stats.remaining if admitted else 0,
            max(1, math.ceil(stats.reset_time - time.time())),
            limit.get_expiry(),
        )


def closest(standings: Sequence[Standing]) -> Standing | None:
    """The standing nearest to being used up; None of none."""
    return min(standings, key=lambda one: (one.admitted, one.remaining / one.limit), default=None)
