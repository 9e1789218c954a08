"""Cursors: what they hold, and which are refused."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.documents import Document
from indexer.errors import InvalidQuery
from indexer.filters import parse_filter
from indexer.queries import Answer, ExampleText, Hit, Mode, PageExclusions, Passage, Query, Strategy
from indexer.retrieval.pagination import Cursor, depth, resumed, with_cursor

TOKEN = "an engine's own: 2147483647"
NUMBERS = st.sets(st.integers(1, 2**31 - 1), max_size=200)


def page(*numbers: int, total: int | None = None, token: str = "99") -> Answer:
    """An answer with these documents as its hits."""
    hits = [Hit(Document(f"d{n}", ""), 0.5, Passage("", 0, 0), key=n) for n in numbers]
    return Answer(tuple(hits), Mode.DENSE, True, total=total, token=token)


def forged(count: int, groups: bytes) -> str:
    """A cursor that says it holds so many documents, each numbered 1, and these groups."""
    steps = np.zeros(min(count, 3_000_000), "<u4").tobytes()
    content = struct.pack("<B16sBI", 3, b"s" * 16, 1, count) + b"1" + steps + groups
    return base64.urlsafe_b64encode(zlib.compress(content)).decode()


def with_token(token: bytes) -> str:
    """A cursor that holds this token, and nothing else."""
    content = struct.pack("<B16sBI", 3, b"s" * 16, len(token), 0) + token + b"[]"
    return base64.urlsafe_b64encode(zlib.compress(content)).decode()


def packed(cursor: Cursor) -> str:
    """The cursor as long ones are written."""
    numbers = np.diff(sorted(cursor.exclusions.keys), prepend=0).astype("<u4")
    token = cursor.exclusions.token.encode()
    head = struct.pack("<B16sBI", 3, cursor.search, len(token), len(numbers))
    content = head + token + numbers.tobytes() + json.dumps(cursor.groups).encode()
    return base64.urlsafe_b64encode(zlib.compress(content, 9)).decode()


@given(NUMBERS)
def test_a_cursor_is_read_as_it_was_written(numbers: set[int]) -> None:
    """The documents given, in any order, and the token come back."""
    cursor = Cursor(b"s" * 16, PageExclusions(TOKEN, tuple(numbers)))
    encoded = cursor.encode()
    assert Cursor.decode(encoded) == replace(
        cursor, exclusions=PageExclusions(TOKEN, tuple(sorted(numbers)))
    )
    assert depth(encoded) == len(numbers)
    assert encoded.isascii() and "=" not in encoded
    assert Cursor.decode(packed(cursor)) == Cursor.decode(encoded)


@given(st.sets(st.integers(1, 2**31 - 1), max_size=30), st.data())
def test_no_cursor_is_read_as_another(numbers: set[int], data: st.DataObject) -> None:
    """One that differs in a character from what was written is refused, or is the same."""
    cursor = Cursor(b"s" * 16, PageExclusions(TOKEN, tuple(sorted(numbers))))
    encoded = cursor.encode()
    place = data.draw(st.integers(0, len(encoded) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_"))
    try:
        read = Cursor.decode(encoded[:place] + other + encoded[place + 1 :])
    except InvalidQuery:
        return
    assert read == cursor


def test_a_cursor_takes_some_three_characters_a_document() -> None:
    """A thousand documents of a million fit into 3.5 kB of text."""
    numbers = np.random.default_rng(0).choice(1_000_000, 1000, replace=False)
    assert (
        len(Cursor(b"s" * 16, PageExclusions("1000000", tuple(numbers.tolist()))).encode()) < 3_500
    )


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        "é",
        "abcd",
        base64.urlsafe_b64encode(zlib.compress(b"\x01too short")).decode(),
        base64.urlsafe_b64encode(zlib.compress(bytes(10_000_000))).decode(),
        Cursor(b"s" * 16, PageExclusions("5", (1, 2, 3))).encode()[:-4],
        with_token(b"\xff"),
        with_token(b"1" * 65),
        forged(1, b"[" * 100_000),
        forged(1, b"[[1]]"),
        forged(1, b"[NaN]"),
        forged(1, b'["\\ud800"]'),
        forged(1, b"[1, 2]"),
        forged(1, b"{}"),
        forged(2**32 - 1, b"[]"),
        forged(0, b" " * 10_000_000 + b"[]"),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    """Damaged, cut and invented cursors are one clear error."""
    with pytest.raises(InvalidQuery, match="not one that an answer gave"):
        Cursor.decode(cursor)


def test_the_depth_of_a_cursor_is_told_without_unpacking_it() -> None:
    """A short cursor may unpack to megabytes, so it is asked first how many documents it says."""
    assert depth(forged(3_000_000, b"anything")) == 3_000_000


def test_a_full_page_has_a_cursor_and_a_short_one_none() -> None:
    """A page of fewer than k hits is the last; so is one that completes the total."""
    query = Query(text="words", k=3)
    assert with_cursor(query, "c", page(1, 2)).cursor is None
    assert with_cursor(query, "c", page(1, 2, 3, total=3)).cursor is None
    cursor = with_cursor(query, "c", page(7, 2, 3, total=4)).cursor
    assert cursor is not None
    following = replace(query, cursor=cursor)
    assert resumed(following, "c").exclusions == PageExclusions("99", (2, 3, 7))
    assert with_cursor(following, "c", page(5, total=4)).cursor is None
    assert with_cursor(following, "c", page(4, 5, 6, total=6)).cursor is None
    last = with_cursor(following, "c", page(4, 5, 6, total=9)).cursor
    assert last is not None
    assert resumed(replace(query, cursor=last), "c").exclusions == PageExclusions(
        "99", (2, 3, 4, 5, 6, 7)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"text": "other"},
        {"filter": parse_filter({"a": True})},
        {"min_score": 0.1},
        {"exact": True},
        {"text": None, "vector": np.ones(3, np.float32)},
        {"text": None, "like": ("a",)},
        {"text": None, "unlike": ("a",)},
        {"text": None, "like": (ExampleText("a"),)},
        {"text": None, "like": (np.ones(3, np.float32),)},
        {"text": None, "like": ("a",), "strategy": Strategy.BEST},
    ],
)
def test_a_cursor_serves_its_own_search_only(change: dict[str, object]) -> None:
    """With other fields, or in another collection, it is refused; each search takes its own."""
    one = Query(text="words", filter=parse_filter({"a": 1}), k=1)
    other = replace(one, **change)
    cursors = [with_cursor(query, "c", page(1)).cursor for query in (one, other)]
    for query, own, foreign in ((one, *cursors), (other, *reversed(cursors))):
        assert resumed(replace(query, cursor=own), "c").exclusions is not None
        with pytest.raises(InvalidQuery, match="another search"):
            resumed(replace(query, cursor=foreign), "c")
        with pytest.raises(InvalidQuery, match="another search"):
            resumed(replace(query, cursor=own), "d")


def test_pages_may_differ_in_length() -> None:
    """What does not change the order, or was computed from the text, may differ."""
    query = Query(text="words", k=1)
    cursor = with_cursor(query, "c", page(1)).cursor
    vector = np.ones(3, np.float32)
    changed = replace(query, cursor=cursor, k=7, vector=vector, model="m", temperature=0.1)
    assert resumed(changed, "c").exclusions == PageExclusions("99", (1,))
