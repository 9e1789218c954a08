"""Moments: texts that name a point in time, and their order.

A moment is written as in RFC 3339, ``2024-03-01T09:30:00+01:00``, with up to 18 digits of a
second. As ISO 8601 allows, seconds may be left out, as may the colon or the minutes of an offset,
and the fraction may follow a comma. A date alone is its midnight, and a time without an offset is
in UTC. A leap second (``23:59:60`` of UTC) lies before the midnight it precedes.

No other text is a moment: not a day that the calendar lacks, 24:00, a week date, or a date without
hyphens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Final

_FORM: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]|60)(?:[.,]([0-9]{1,18}))?)?"
    r"(?:[Zz]|([+-](?:[01][0-9]|2[0-3]))(?::?([0-5][0-9]))?)?)?"
)
_SHORTEST: Final = len("2024-03-01")
_LONGEST: Final = len("2024-03-01T09:30:00+01:00") + len(".") + 18
_DAY: Final = 86_400
_PLAIN: Final = frozenset((str, int, float, bool, type(None)))
_YEAR_0: Final = 366
"""The days of year 0, which Python's calendar lacks."""
_CYCLE: Final = ("0400", 146_097)
"""A year with the same calendar as year 0, and the number of days between them."""


def moment_key(text: str) -> str | None:
    """A text that sorts like the moment that a text names; None if it names none.

    Two texts of one moment have one key: seconds of UTC since the year 0 in 12 digits, and the
    fraction without trailing zeros. No key contains a space, nor anything that sorts before one.
    """
    if not _SHORTEST <= len(text) <= _LONGEST or text[4] != "-":  # most texts end here
        return None
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    day, hour, minute, second, fraction, hours, minutes = form.groups("")
    days = _days(day)
    if days is None:
        return None
    offset = _seconds(hours[1:], minutes)
    since = days * _DAY + _seconds(hour, minute) + int(second or 0)
    utc = since + offset if hours.startswith("-") else since - offset
    digits = fraction.rstrip("0")
    if second == "60":
        # behind all of the second before: a colon sorts so
        return None if utc % _DAY else f"{utc - 1:012d}:{digits}"
    return f"{utc:012d}.{digits}" if digits else f"{utc:012d}"


def _seconds(hours: str, minutes: str) -> int:
    return int(hours or 0) * 3_600 + int(minutes or 0) * 60


@lru_cache(maxsize=4_096)
def _days(day: str) -> int | None:
    """The days since the year 0; None if the calendar lacks this one."""
    shift = _YEAR_0
    if day.startswith("0000"):
        day, shift = _CYCLE[0] + day[4:], _YEAR_0 - _CYCLE[1]
    try:
        return date.fromisoformat(day).toordinal() + shift
    except ValueError:
        return None


def told_dates(given: Any) -> Any:  # noqa: ANN401 - metadata or a filter, and what they hold
    """Metadata, or a filter, with ISO texts in place of Python's datetimes and dates."""
    if isinstance(given, Mapping):
        return {
            key: value if type(value) in _PLAIN else told_dates(value)
            for key, value in given.items()
        }
    if isinstance(given, list | tuple):
        return [told_dates(value) for value in given]
    return given.isoformat() if isinstance(given, date) else given
