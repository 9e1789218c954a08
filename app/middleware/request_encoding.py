"""Compressed bodies: gzip is decompressed piece by piece, other encodings are refused by name."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.headers import header_of
from app.http.problems import problem_document, respond

PIECE_BYTES: Final = 65_536
"""A compressed byte may expand to a thousand: no more than this is decompressed at once."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_HIDDEN: Final = frozenset({b"content-encoding", b"content-length"})


class RequestEncoding:
    """Decompresses bodies of ``Content-Encoding: gzip``, so that limits apply to their content.

    Any other encoding is answered 415 with what is taken, in ``Accept-Encoding`` (RFC 9110,
    section 12.5.3).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on with its body decompressed, or refuse it."""
        encoding = header_of(scope, b"content-encoding") if scope["type"] == "http" else None
        name = (encoding or "identity").strip().lower()
        if name == "identity":
            await self.app(scope, receive, send)
        elif name in ("gzip", "x-gzip"):
            headers = [one for one in scope["headers"] if one[0] not in _HIDDEN]
            unpacked = [*headers, (b"transfer-encoding", b"chunked")]
            await self.app({**scope, "headers": unpacked}, Unpacked(receive), send)
        else:
            detail = f"content-encoding: {name[:80]}; this service takes gzip, or none"
            document = problem_document(scope, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
            # Else the rest of the body would be read as the next request.
            headers_out = {"accept-encoding": "gzip", "connection": "close"}
            await respond(document, headers_out)(scope, receive, send)


class Unpacked:
    """A ``receive`` that decompresses the body received by another.

    Raises HTTPException (400) if it is not gzip, or ends too soon.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._unpacker = zlib.decompressobj(_GZIP)
        self._pieces: Iterator[bytes] = iter(())
        self._is_last = False

    async def __call__(self) -> Message:
        """The next message; one compressed piece may make several."""
        while True:
            for piece in self._pieces:
                return {"type": "http.request", "body": piece, "more_body": True}
            if self._is_last:
                self._is_last = False
                if not self._unpacker.eof:
                    raise _broken("it ends too soon")
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._is_last = not message.get("more_body", False)
            self._pieces = self._unpack(message.get("body", b""))

    def _unpack(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            if self._unpacker.eof:  # gzip is one member after another (RFC 1952, section 2.2)
                self._unpacker = zlib.decompressobj(_GZIP)
            try:
                piece = self._unpacker.decompress(packed, PIECE_BYTES)
            except zlib.error as error:
                raise _broken(str(error)) from error
            packed = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if piece:
                yield piece


def _broken(problem: str) -> HTTPException:
    return HTTPException(
        HTTPStatus.BAD_REQUEST,
        f"the body is not what its content-encoding, gzip, says: {problem}",
        headers={"connection": "close"},
    )
