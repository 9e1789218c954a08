"""How many connections there may be, how long and how large a request's head on one, and its body.

uvicorn bounds none of these as is wanted here, answers what is no HTTP in plain text, and drops
the body of a request that offers another protocol. What is known once a head is whole is checked
in :mod:`app.middleware.security`.
"""

from __future__ import annotations

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any, Final

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

SURPLUS_SECONDS: Final = 1.0
"""How long a connection too many may take to say anything, so that it can be told so."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, closed if it is one too many, or a head too slow or too long.

    The time runs from the opening of the connection, and from each answer, to the end of the
    next head: so it also bounds how long a body may go on to arrive that nobody reads any more.
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
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._is_surplus, self.head_seconds = True, SURPLUS_SECONDS
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was sent, unless it is more than a head may be long without an end."""
        if self._is_surplus:
            # only now: a client that is still sending might be cut off before it reads
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
        """A head begins; the rest of the piece that it begins in is not counted."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._is_in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request has ended; where it offers another protocol, its head alone."""
        if not self._offers_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next head, unless it is there already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, as a problem document."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"what was sent is not HTTP/1.1: {msg}")

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._offers_upgrade():  # else it is CONNECT, whose refusal is the app's
                self._pass_over(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            self.send_400_response(str(error))

    def _offers_upgrade(self) -> bool:
        """Whether the request at hand offers another protocol, as Java's client does with h2c."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _pass_over(self, rest: bytes) -> None:
        """Go on in HTTP/1.1, which a server may (RFC 9110, section 7.8).

        The parser takes whatever follows such a head for the other protocol's, so another parser
        is told of the body and reads that.
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
            self.transport.close()  # it would stand in the midst of another answer
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
    """Hears a parser for a protocol, but for a head that it has heard before (``is_known``)."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self.is_known = False
        self._protocol = protocol
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """A head begins."""
        if not self.is_known:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the URL."""
        if not self.is_known:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        if not self.is_known:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head has ended."""
        if not self.is_known:
            self._protocol.on_headers_complete()
