"""Bytes to text."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import Unreadable
from indexer.readers.decoding import decode, recoded, stream_encoding

GERMAN = "Grüße aus Köln: schöne Straßen, müde Füße, und überall Bäume.\n" * 5
RUSSIAN = "Направление несёт смысл, а длина вектора его не несёт.\n" * 5  # noqa: RUF001


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff")))
def test_utf_8_is_never_guessed_at(text: str) -> None:
    """Whatever is UTF-8 is read as UTF-8, with nothing to say about it."""
    decoded = decode(text.encode())
    assert decoded.text == text
    assert decoded.metadata == {}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(encoding: str) -> None:
    """A byte order mark decides, and is no part of the text."""
    assert decode(RUSSIAN.encode(encoding)).text == RUSSIAN


@pytest.mark.parametrize(
    ("text", "encoding"), [(GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r")]
)
def test_detection(text: str, encoding: str) -> None:
    """Other encodings are detected, and the one that was found is told."""
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.metadata["encoding"] == decoded.encoding


def test_declared_encoding() -> None:
    """A declared encoding is believed over detection, with the labels as browsers take them."""
    assert decode("naïve “quote”".encode("cp1252"), "ISO-8859-1").text == "naïve “quote”"
    assert decode("Ω".encode("iso8859-7"), "iso-8859-7").text == "Ω"


@pytest.mark.parametrize("label", ["unicode_escape", "base64", "no-such-encoding", "utf-8"])
def test_declared_nonsense(label: str) -> None:
    """Labels that no text is in are passed over."""
    assert decode(GERMAN.encode("cp1252"), label).text == GERMAN


def test_utf_8_is_believed_over_a_declaration() -> None:
    """Bytes that are UTF-8 are read as such whatever they declare."""
    assert decode(GERMAN.encode(), "iso-8859-1").text == GERMAN


def test_damaged_utf_8() -> None:
    """Text that is UTF-8 but for a byte is refused with the place, not turned into noise."""
    data = (GERMAN + "x").encode() + b"\xff" + GERMAN.encode()
    with pytest.raises(Unreadable, match=r"not valid utf-8 at byte \d+ \(line 6\)"):
        decode(data)


@pytest.mark.parametrize("data", [b"\0\1\2\xff" * 50, b"text\0", "x\0".encode("utf-16")])
def test_binary(data: bytes) -> None:
    """Bytes with NUL are no text."""
    with pytest.raises(Unreadable, match="NUL"):
        decode(data)


def test_newlines() -> None:
    """All line endings become line feeds."""
    assert decode(b"a\r\nb\rc\n").text == "a\nb\nc\n"


def test_encoding_of_a_stream() -> None:
    """A stream is UTF-8 only if all of it is, however late it fails."""
    late = b"a" * (3 << 20)
    assert stream_encoding(io.BytesIO(late + "é".encode())) == "utf-8"
    assert stream_encoding(io.BytesIO("é".encode("utf-16"))) == "utf-16"
    assert stream_encoding(io.BytesIO(late + GERMAN.encode("cp1252") * 100)) != "utf-8"


def test_recoding() -> None:
    """UTF-16 is handed on as UTF-8, in whatever pieces it is asked for; damage is an error."""
    stream = io.BufferedReader(io.BytesIO(RUSSIAN.encode("utf-16")))
    as_utf_8 = recoded(stream)
    assert b"".join(iter(lambda: as_utf_8.read(7), b"")).decode() == RUSSIAN
    broken = io.BufferedReader(io.BytesIO(RUSSIAN.encode("utf-16")[:-1]))
    with pytest.raises(Unreadable, match="damaged text"):
        recoded(broken).read()
