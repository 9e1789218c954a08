"""Moments against Python's datetime, which reads the same texts to the microsecond."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from indexer.moments import moment_key

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(timezones=st.none() | offsets)


@st.composite
def texts(draw: st.DrawFn) -> tuple[datetime, str]:
    """A moment, and one of the ways to write it."""
    moment = draw(moments)
    text = moment.isoformat(draw(st.sampled_from(["T", "t", " "])))
    if moment.utcoffset() == timedelta(0):
        text = text.replace("+00:00", draw(st.sampled_from(["Z", "z", "+00:00", "-00:00", "+00"])))
    if draw(st.booleans()):
        text = text.replace(".", ",")
    if moment.microsecond and draw(st.booleans()):
        text = text.replace(f"{moment.microsecond:06}", f"{moment.microsecond:06}000")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC), text


@given(texts(), texts())
def test_keys_are_in_the_order_of_moments(
    one: tuple[datetime, str], other: tuple[datetime, str]
) -> None:
    """Of any two texts, the keys are less, equal or greater where the moments are."""
    (moment, text), (later, late_text) = one, other
    key, late_key = moment_key(text), moment_key(late_text)
    assert key is not None
    assert late_key is not None
    assert (key < late_key, key == late_key) == (moment < later, moment == later)


@given(texts(), offsets)
def test_a_moment_has_one_key_wherever_it_is_told(
    given_: tuple[datetime, str], offset: timezone
) -> None:
    """A moment in another offset is the same moment."""
    moment, text = given_
    try:
        elsewhere = moment.astimezone(offset)
    except OverflowError:
        assume(False)
    assert moment_key(elsewhere.isoformat()) == moment_key(text)


@given(st.dates())
def test_a_day_is_its_midnight_in_utc(day: date) -> None:
    """A date alone names the moment at which it begins in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert moment_key(day.isoformat()) == moment_key(midnight.isoformat())


@given(st.text("0123456789-:TZ+. ", max_size=30) | st.text())
def test_what_is_a_moment_is_one_to_python(text: str) -> None:
    """No text is taken for a moment that Python does not take for one."""
    if moment_key(text) is not None and "60" not in text and not text.startswith("0000"):
        datetime.fromisoformat(text)


@given(texts(), st.text(max_size=3))
def test_a_key_tells_where_it_ends(given_: tuple[datetime, str], behind: str) -> None:
    """A key with a space and anything behind it keeps its order among others."""
    key = moment_key(given_[1])
    assert key is not None
    assert min(key) > " "
    assert key < f"{key} {behind}" < f"{key}!" < f"{key}.1" < f"{key}:"


IN_ORDER = [
    "0000-01-01T00:00:00+23:59",
    "0000-01-01",
    "0000-02-29T23:59",
    "0001-01-01T00:00:00Z",
    "2016-12-31T23:59:59.999999999999999998Z",
    "2016-12-31T23:59:59.999999999999999999Z",
    "2016-12-31T23:59:60Z",
    "2016-12-31T18:59:60.5-05:00",
    "2017-01-01T00:00:00Z",
    "2017-01-01T00:00:00.000000001Z",
    "9999-12-31T23:59:59.9Z",
    "9999-12-31T23:59:59-23:59",
]


def test_what_python_cannot_say_is_in_order_too() -> None:
    """Year 0, leap seconds, parts of a microsecond, and offsets beyond the years there are."""
    keys = [moment_key(text) for text in IN_ORDER]
    assert None not in keys
    assert sorted(set(keys), key=str) == keys


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-03",
        "20240301",
        "2024-W09-5",
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-03-01T24:00:00Z",
        "2024-03-01T10:60:00Z",
        "2024-03-01T10:00:61Z",
        "2024-03-01T10:00:60Z",
        "2024-03-01T10Z",
        "2024-03-01T10:00:00+24:00",
        "2024-03-01T10:00:00+02:60",
        "2024-03-01T10:00:00.Z",
        "2024-03-01T10:00:00.1234567890123456789Z",
        "2024-03-01T10:00:00Z ",
        "2024-03-01T10:00:00Z\n",
        "2024-03-01Z",
        "2024-03-01_10:00:00Z",
        "2024-03-01T10:00:00 +02:00",
        "\uff12\uff10\uff12\uff14-03-01",
        "12024-03-01",
        "-2024-03-01",
    ],
)
def test_other_texts_are_no_moments(text: str) -> None:
    """Days that the calendar lacks, and other ways of writing, stay texts."""
    assert moment_key(text) is None
