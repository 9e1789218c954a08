"""How long a connection may take over a request's head, and how much of one it may send.

uvicorn bounds neither, and answers what is no HTTP in plain text. What is known once a head is
whole is checked in :mod:`app.security`.
"""

from __future__ import annotations

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, closed if a head is too slow or too long.

    The time runs from the opening of the connection, and from each answer, to the end of the
    next head: so it also bounds how long a body may go on to arrive that nobody reads any more.
    """

    def __init__(self, *given: Any, head_seconds: float, max_head_bytes: int, **named: Any) -> None:  # noqa: ANN401 -- the server's own
        super().__init__(*given, **named)
        self.head_seconds = head_seconds
        self.max_head_bytes = max_head_bytes
        self._waiting: TimerHandle | None = None
        self._is_in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 -- asyncio's own
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was sent, unless it is more than a head may be long without an end."""
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
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

    def on_response_complete(self) -> None:
        """Wait for the next head, unless it is there already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, as a problem document."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"what was sent is not HTTP/1.1: {msg}")

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

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
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
            b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(content)
        )
        self.transport.write(head + content)
        self.transport.close()
