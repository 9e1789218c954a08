"""Bytes to text: byte order marks, UTF-8, the declared encoding, and detection, in this order.

Bytes that are mostly UTF-8 are treated as damaged UTF-8, not as another encoding: a wrong guess
would garble every accented letter of the file. Any other encoding is recorded in the metadata,
as ``encoding``.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from indexer.errors import Unreadable

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
SAMPLE_BYTES: Final = 1 << 20
UTF_8: Final = "utf-8"

# The marks of UTF-32 begin with those of UTF-16.
_MARKS: Final[Mapping[bytes, str]] = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# As browsers read these labels: https://encoding.spec.whatwg.org/#names-and-labels
_BROWSERS: Final[Mapping[str, str]] = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "tis-620": "cp874",
}

# Detection can hardly tell the encodings of Latin script apart. As browsers do, take the one
# of Western Europe where it is nearly as likely as the best, unless the language is one of these.
WESTERN: Final = "cp1252"
# fmt: off
_OTHER_LATIN: Final = frozenset((
    "Croatian", "Czech", "Estonian", "Hungarian", "Latvian", "Lithuanian", "Polish",
    "Romanian", "Slovak", "Slovene", "Turkish", "Vietnamese",
))
# fmt: on


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and the encoding of its bytes."""

    text: str
    encoding: str

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata about the encoding: empty for UTF-8."""
        return encoding_metadata(self.encoding)


def encoding_metadata(encoding: str) -> dict[str, str]:
    """The metadata that records an encoding other than UTF-8."""
    return {} if encoding in (UTF_8, "utf-8-sig") else {"encoding": encoding}


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """The text of these bytes, with line feeds between lines; raises Unreadable if none."""
    encoding = marked_encoding(data) or _unmarked_encoding(data, declared)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(_damage(error, data)) from error
    if "\0" in text:
        raise Unreadable("holds NUL characters: not a text, or UTF-16 without a byte order mark")
    return Decoded(text.replace("\r\n", "\n").replace("\r", "\n"), encoding)


def marked_encoding(data: bytes) -> str | None:
    """The encoding named by a byte order mark at the beginning; None without one."""
    return next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)


def stream_encoding(stream: BinaryIO) -> str:
    """The encoding of the rest of a stream; reads it to the end if it is UTF-8."""
    start = stream.read(SAMPLE_BYTES)
    marked = marked_encoding(start)
    if marked:
        return marked
    decoder = codecs.getincrementaldecoder(UTF_8)()
    block = start
    while block:
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            return _unmarked_encoding(block, None)
        block = stream.read(SAMPLE_BYTES)
    return UTF_8


def recoded(stream: BinaryIO) -> BinaryIO:
    """The stream, converted to UTF-8 if a byte order mark says UTF-16 or UTF-32."""
    if not isinstance(stream, io.BufferedReader):
        return stream
    encoding = marked_encoding(stream.peek(4)[:4])
    if encoding is None or encoding == "utf-8-sig":
        return stream
    return io.BufferedReader(_Recoding(stream, encoding))


class _Recoding(io.RawIOBase):
    """A stream in another encoding, read as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._waiting:
            block = self._stream.read(io.DEFAULT_BUFFER_SIZE)
            self._waiting = self._decode(block)
            if not block:
                break
        piece, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _decode(self, block: bytes) -> bytes:
        try:
            return self._decoder.decode(block, final=not block).encode()
        except UnicodeError as error:
            raise Unreadable(f"damaged text: {error}") from error


def _unmarked_encoding(data: bytes, declared: str | None) -> str:
    try:
        data.decode(UTF_8)
    except UnicodeDecodeError:
        if _mostly_utf8(data):
            return UTF_8
        return _declared_encoding(data, declared) or _detected_encoding(data)
    return UTF_8


def _mostly_utf8(data: bytes) -> bool:
    """Return whether more bytes beyond ASCII are valid UTF-8 than are not."""
    text = data.decode(UTF_8, errors="surrogateescape")
    beyond = [character for character in text if character > "\x7f"]
    wrong = sum("\udc80" <= character <= "\udcff" for character in beyond)
    return len(beyond) - wrong > wrong


def _declared_encoding(data: bytes, declared: str | None) -> str | None:
    from charset_normalizer.constant import IANA_SUPPORTED

    try:
        name = codecs.lookup(declared or "").name
    except LookupError:
        return None
    encoding = _BROWSERS.get(name, name)
    if encoding.replace("-", "_") not in {*IANA_SUPPORTED, "cp1252"}:
        return None  # Python's own codecs, such as unicode_escape, are not encodings of files
    return encoding if _decodes(data, encoding) else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _detected_encoding(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:SAMPLE_BYTES]
    if b"\0" in sample:
        raise Unreadable("holds NUL bytes: not a text, or UTF-16 without a byte order mark")
    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        raise Unreadable("not a text in any encoding that could be detected: save it as UTF-8")
    if best.language not in _OTHER_LATIN and any(_is_western(match, best) for match in matches):
        return WESTERN
    return best.encoding


def _is_western(match: CharsetMatch, best: CharsetMatch) -> bool:
    close = match.chaos <= best.chaos + 0.1 and match.coherence >= best.coherence
    return close and WESTERN in match.could_be_from_charset


def _damage(error: UnicodeDecodeError, data: bytes) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    return (
        f"not valid {error.encoding} at byte {error.start:,} (line {line:,}): "
        "damaged, or in another encoding; save it as UTF-8"
    )
