"""Limits on connections: their number, and the time and size of a request's head, and its body.

The head is the request line and the headers. uvicorn bounds none of these as is wanted here,
answers what is not HTTP in plain text, and drops the body of a request that offers another
protocol. Checks that need the whole head are in :mod:`app.middleware.security`.
"""

from __future__ import annotations

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any, Final

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

SURPLUS_SECONDS: Final = 1.0
"""A connection too many has this long to send something, so that it can be answered 503."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection; closed if it is one too many, or a head is too slow or too long.

    The time runs from the opening of the connection, and from each answer, to the end of the
    next head. So it also bounds how long the rest of a body may keep arriving that is not read.
    """

    def __init__(
        self,
        *given: Any,  # noqa: ANN401 -- the server's own
        head_seconds: float,
        max_head_bytes: int,
        max_connections: int,
        **named: Any,  # noqa: ANN401 -- the server's own
    ) -> None:
        super().__init__(*given, **named)
        self.max_connections = max_connections
        self.head_seconds = head_seconds
        self.max_head_bytes = max_head_bytes
        self._waiting: TimerHandle | None = None
        self._is_in_head = False
        self._head_bytes = 0
        self._is_surplus = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 -- asyncio's own
        """Start the clock for the first head."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._is_surplus, self.head_seconds = True, SURPLUS_SECONDS
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless a head is longer than allowed without an end."""
        if self._is_surplus:
            # not on connecting: a client still sending might be cut off before it reads
            self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"there are {self.max_connections} connections (BEARING_MAX_CONNECTIONS)",
                b"retry-after: 1\r\n",
            )
            return
        if self._is_in_head:
            self._head_bytes += len(data)
        self._feed(data)
        if self._is_in_head and self._head_bytes > self.max_head_bytes:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the URL and headers have more than {self.max_head_bytes} bytes "
                "(BEARING_MAX_HEAD_BYTES)",
            )

    def on_message_begin(self) -> None:
        """Count the bytes of this head; the rest of the piece it begins in is not counted."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the clock: the head is complete."""
        self._is_in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request, unless it offers another protocol: then only its head has ended."""
        if not self._offers_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the clock for the next head, unless that has come already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem document that this is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"what was sent is not HTTP/1.1: {msg}")

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._offers_upgrade():  # else it is CONNECT, which the app refuses
                self._pass_over(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            self.send_400_response(str(error))

    def _offers_upgrade(self) -> bool:
        """Return whether the request offers another protocol, as Java's client does with h2c."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _pass_over(self, rest: bytes) -> None:
        """Stay with HTTP/1.1, as a server may (RFC 9110, section 7.8).

        The parser takes whatever follows such a head for the other protocol, so a new parser is
        given the headers that frame the body, and reads that.
        """
        rest_of_message = _Rest(self)
        self.parser = httptools.HttpRequestParser(rest_of_message)
        framing = [
            b"%b: %b\r\n" % (name, value)
            for name, value in self.headers
            if name in (b"content-length", b"transfer-encoding")
        ]
        rest_of_message.is_known = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))
        rest_of_message.is_known = False
        if rest:
            self._feed(rest)

    def _wait(self) -> None:
        self._wait_no_more()
        self._waiting = self.loop.call_later(self.head_seconds, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        if self._is_in_head:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"no whole head within {self.head_seconds} s (BEARING_HEAD_SECONDS)",
            )
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str, header: bytes = b"") -> None:
        if self.transport.is_closing():
            return
        if self.cycle and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # a refusal would end up inside another answer
            return
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status,
            "detail": detail,
            "instance": "",
        }
        content = orjson.dumps(document)
        head = (
            STATUS_LINE[status] + b"content-type: application/problem+json\r\n"
            b"x-content-type-options: nosniff\r\n"
            b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
            b"%bconnection: close\r\ncontent-length: %d\r\n\r\n" % (header, len(content))
        )
        self.transport.write(head + content)
        self.transport.close()


class _Rest:
    """Passes a parser's events to a protocol, but not a head already seen (``is_known``)."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self.is_known = False
        self._protocol = protocol
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """Pass on the start of a head."""
        if not self.is_known:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Pass on a part of the URL."""
        if not self.is_known:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Pass on a header."""
        if not self.is_known:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """Pass on the end of a head."""
        if not self.is_known:
            self._protocol.on_headers_complete()
