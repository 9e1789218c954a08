"""Metadata as facts: a field's number, and a value as bytes that sort as values do.

A value's bytes begin with its kind. Numbers follow as their float64 and what it lacks of an
integer, so that they sort exactly; texts as UTF-8, moments by their keys. Of a long value the
table's key has only the beginning and a digest, and ``whole`` all of it. A moment has a second
fact, of the text it was written as, since an order by a plain text holds for all texts as they are
written.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from indexer.filters import Kind, Metadata, Scalar, key_of

LONGEST_KEY: Final = 512
"""Bytes of a value that are compared as they are."""

_DIGEST_BYTES: Final = 16
_NUMBER: Final = struct.Struct(">QH")
_FLOAT: Final = struct.Struct(">d")
_BITS: Final = struct.Struct(">Q")
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1


class Tag(IntEnum):
    """The first byte of a value: its kind, in the order of kinds."""

    EMPTY_LIST = 0
    NULL = 1
    BOOLEAN = 2
    NUMBER = 3
    STRING = 4
    MOMENT = 5
    WRITTEN = 6

    @property
    def first(self) -> bytes:
        """Not after any value of this kind."""
        return bytes([self])

    @property
    def end(self) -> bytes:
        """After all values of this kind."""
        return bytes([self + 1])


KINDS: Final[Mapping[int, Kind]] = {
    Tag.NULL: Kind.NULL,
    Tag.BOOLEAN: Kind.BOOLEAN,
    Tag.NUMBER: Kind.NUMBER,
    Tag.STRING: Kind.STRING,
    Tag.MOMENT: Kind.MOMENT,
}


class Fact(NamedTuple):
    """A value of a field; ``given`` are its spellings in JSON, where the bytes do not tell it."""

    name: str
    value: bytes
    given: list[str] | None
    whole: bytes | None


def facts_of(metadata: Metadata) -> list[Fact]:
    """The facts of some metadata, each once."""
    found: dict[tuple[str, bytes], Fact] = {}
    for name, held in metadata.items():
        for whole, given in _values(held):
            value = key_bytes(whole)
            known = found.get((name, value))
            if known is None:
                spelled = None if given is None else [given]
                found[name, value] = Fact(name, value, spelled, whole if value != whole else None)
            elif known.given is not None and given is not None and given not in known.given:
                known.given.append(given)
    return list(found.values())


def _values(held: Scalar | Sequence[Scalar]) -> Iterator[tuple[bytes, str | None]]:
    elements = held if isinstance(held, Sequence) and not isinstance(held, str) else [held]
    if not elements:
        yield Tag.EMPTY_LIST.first, None
    for element in elements:
        whole = whole_bytes(element)
        if whole[0] == Tag.MOMENT:
            yield whole, json.dumps(element)
            yield written_bytes(str(element)), None
        else:
            told_apart = isinstance(element, float) and element.is_integer()
            yield whole, json.dumps(element) if told_apart else None


def whole_bytes(value: Scalar) -> bytes:
    """A value as bytes; equal for values that a filter holds equal."""
    kind, key = key_of(value)
    if kind is Kind.NULL:
        return Tag.NULL.first
    if kind is Kind.BOOLEAN:
        return Tag.BOOLEAN.first + (b"\1" if key else b"\0")
    if isinstance(key, int | float):
        return Tag.NUMBER.first + _number_bytes(key)
    return (Tag.MOMENT if kind is Kind.MOMENT else Tag.STRING).first + str(key).encode()


def written_bytes(text: str) -> bytes:
    """The text of a moment as bytes."""
    return Tag.WRITTEN.first + text.encode()


def key_bytes(whole: bytes) -> bytes:
    """The bytes that a value has in the table's key."""
    if len(whole) <= LONGEST_KEY:
        return whole
    return whole[:LONGEST_KEY] + hashlib.blake2b(whole, digest_size=_DIGEST_BYTES).digest()


def _number_bytes(number: float) -> bytes:
    near = float(number) + 0.0  # no negative zero
    if isinstance(number, int) and int(near) > number:
        near = math.nextafter(near, -math.inf)
    rest = number - int(near) if isinstance(number, int) else 0
    bits = _BITS.unpack(_FLOAT.pack(near))[0]
    return _NUMBER.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN, rest)


def scalar_of(whole: bytes, given: str | None) -> Scalar:
    """The value that a fact tells of."""
    if given is not None:
        found: Scalar = json.loads(given)
        return found
    match whole[0]:
        case Tag.NULL:
            return None
        case Tag.BOOLEAN:
            return whole[1] == 1
        case Tag.NUMBER:
            return _number(whole[1:])
        case _:
            return whole[1:].decode()


def _number(encoded: bytes) -> float:
    bits, rest = _NUMBER.unpack(encoded)
    bits = bits ^ _SIGN if bits & _SIGN else bits ^ _ALL
    near: float = _FLOAT.unpack(_BITS.pack(bits))[0]
    return int(near) + rest if near.is_integer() else near
