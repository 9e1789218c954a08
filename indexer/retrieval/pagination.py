"""Paging through the hits of a search: the content of a cursor, and the search it stands for.

A cursor is opaque to its reader. It holds the engine's token for the state at the first page, the
keys of the documents given so far, and a digest of the search. The next page is the same search
without these documents, and without those added later. So no document comes twice, none that was
there at the first page is skipped, and none comes that was not, whatever is added, changed or
deleted meanwhile. A document that is replaced keeps its key; one that is deleted and added again
gets a new one, which counts as added later. Ranks are those at the time of each page.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from operator import attrgetter, sub
from typing import Final

import numpy as np

from indexer.errors import InvalidQuery
from indexer.filters import Scalar, key_of, scalar_problem
from indexer.queries import Answer, PageExclusions, Query
from indexer.retrieval.grouping import without_groups

LARGEST_COUNT: Final = 4_000_000
LARGEST_GROUPS: Final = 4_000_000
"""Documents, and bytes of groups, in a cursor at most: a forged one may decompress to more."""

FREE: Final = frozenset(
    {
        *("cursor", "seen", "k", "model", "reranker", "temperature", "explain", "parts"),
        *("facets", "facet_values", "facet_depth"),
    }
)
"""Fields of a query that may differ from page to page."""

LONGEST_TOKEN: Final = 64

_HEAD: Final = struct.Struct("<B16sBI")
_PACKED: Final = 3
_PLAIN: Final = 4
"""The version of a cursor's content: compressed by zlib, or plain and followed by a CRC-32."""

_PLAIN_BYTES: Final = 512
"""Longer content is compressed. Compressing short content would be most of the work of a page."""

_UNREADABLE: Final = "the cursor is not one that an answer gave, or was cut: search without one"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two pages; ``search`` is the digest of the search they belong to.

    ``groups`` are the values of the groups given so far, if the search groups its hits.
    """

    search: bytes
    exclusions: PageExclusions
    groups: tuple[Scalar, ...] = ()

    def encode(self) -> str:
        """The cursor as URL-safe text, about three characters a document."""
        keys, token = sorted(self.exclusions.keys), self.exclusions.token.encode("ascii")
        steps = struct.pack(f"<{len(keys)}I", *map(sub, keys, [0, *keys]))
        groups = json.dumps(self.groups).encode() if self.groups else b"[]"
        rest = token + steps + groups
        version = _PLAIN if len(rest) <= _PLAIN_BYTES else _PACKED
        content = _HEAD.pack(version, self.search, len(token), len(keys)) + rest
        is_plain = version == _PLAIN
        packed = content + _checksum(content) if is_plain else zlib.compress(content, 9)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, encoded: str) -> Cursor:
        """The cursor that :meth:`encode` wrote; raises InvalidQuery."""
        packed, (search, length, count) = _open(encoded)
        first = _HEAD.size + length
        size = first + 4 * count
        try:
            content = _unpacked(packed, size + LARGEST_GROUPS)
            token = content[_HEAD.size : first].decode("ascii")
            steps = np.frombuffer(content, "<u4", count, offset=first)
            groups = json.loads(content[size:])
        except (zlib.error, ValueError, RecursionError) as error:
            raise InvalidQuery(_UNREADABLE) from error
        keys = np.cumsum(steps, dtype=np.int64)
        if (
            (keys >= 2**32).any()
            or not isinstance(groups, list)
            or len(groups) > count
            or not all(map(_is_scalar, groups))
        ):
            raise InvalidQuery(_UNREADABLE)
        return cls(search, PageExclusions(token, tuple(keys.tolist())), tuple(groups))


_BEGINNING: Final = Cursor(b"", PageExclusions(""))


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | None) and not scalar_problem(value)


def _open(encoded: str) -> tuple[bytes, tuple[bytes, int, int]]:
    """A cursor's bytes, still compressed, and its head: search, length of the token, count."""
    try:
        packed = base64.urlsafe_b64decode(encoded.encode("ascii") + b"==")
        is_plain = _is_plain(packed)
        head = packed if is_plain else zlib.decompressobj().decompress(packed, _HEAD.size)
        version, search, length, count = _HEAD.unpack_from(head)
    except (binascii.Error, zlib.error, struct.error, ValueError) as error:
        raise InvalidQuery(_UNREADABLE) from error
    known = version == (_PLAIN if is_plain else _PACKED)
    if not known or count > LARGEST_COUNT or length > LONGEST_TOKEN:
        raise InvalidQuery(_UNREADABLE)
    return packed, (search, length, count)


def _is_plain(packed: bytes) -> bool:
    """Return whether a cursor's bytes are plain; the output of zlib never begins like this."""
    return packed[:1] == bytes([_PLAIN])


def _unpacked(packed: bytes, most: int) -> bytes:
    """The content of a cursor, of at most this many bytes; raises ValueError or zlib.error."""
    if _is_plain(packed):
        content, end = packed[:-_CHECKSUM_BYTES], packed[-_CHECKSUM_BYTES:]
        if end != _checksum(content):
            raise ValueError("the checksum differs")
        return content
    inflater = zlib.decompressobj()
    content = inflater.decompress(packed, most)
    if not inflater.eof:
        raise ValueError("it is incomplete")
    return content


_CHECKSUM_BYTES: Final = 4


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def depth(cursor: str) -> int:
    """The number of documents on a cursor's pages so far; raises InvalidQuery.

    Only its head is decompressed: the rest may be a thousand times as long as the cursor.
    """
    _, (_, _, count) = _open(cursor)
    return count


def resumed(query: Query, collection: str) -> Query:
    """The query continued from its cursor; the query itself if it has none.

    Raises InvalidQuery for a cursor of another search, or of another collection.
    """
    if query.cursor is None:
        return query
    cursor = Cursor.decode(query.cursor)
    if cursor.search != _digest(query, collection):
        raise InvalidQuery(
            "the cursor is of another search: give it with the query, collection and options that "
            "it came from (k may differ), or search without one"
        )
    condition = without_groups(query.filter, query.group_by or "", cursor.groups)
    return replace(query, exclusions=cursor.exclusions, filter=condition)


def with_cursor(query: Query, collection: str, answer: Answer) -> Answer:
    """The answer with a cursor to the next page if there may be one: if this page is full.

    ``query`` is the query as it was asked.
    """
    before = Cursor.decode(query.cursor) if query.cursor else _BEGINNING
    keys_given = (*before.exclusions.keys, *[hit.key for hit in answer.hits])
    named = [] if query.group_by is None else [h.group for h in answer.hits if h.group is not None]
    keys = {key_of(value): value for value in named}
    alone = len(answer.hits) - len(named)
    if len(keys) + alone < query.k or len(keys_given) == answer.total:
        return answer
    groups = (*before.groups, *keys.values())
    cursor = Cursor(_digest(query, collection), PageExclusions(answer.token, keys_given), groups)
    return answer.followed_by(cursor.encode())


def _digest(query: Query, collection: str) -> bytes:
    """A digest of 16 bytes that identifies the search; the vector of a text does not matter."""
    parts = [
        written if value is usual else _bytes_of(name, value)
        for (name, usual, written), value in zip(_USUAL, _VALUES(query), strict=True)
        if name != "vector" or query.text is None
    ]
    return blake2b(b"".join([repr(collection).encode(), *parts]), digest_size=16).digest()


def _bytes_of(name: str, value: object) -> bytes:
    """The bytes of a query's field, one part for each value of a tuple."""
    values = value if isinstance(value, tuple) else (value,)
    return b"".join(b"\0" + name.encode() + b"\0" + _bytes_of_value(one) for one in values)


def _bytes_of_value(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return np.asarray(value, dtype=np.float32).tobytes()
    return repr(value).encode()


_USUAL: Final = tuple(
    (field.name, field.default, _bytes_of(field.name, field.default))
    for field in fields(Query)
    if field.name not in FREE
)
"""The fields that identify a search: each with its default and the bytes of that."""

_VALUES: Final = attrgetter(*[name for name, _, _ in _USUAL])
"""Their values in a query."""
