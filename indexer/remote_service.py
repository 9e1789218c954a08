"""A running service, asked over its REST interface by commands.

The library serves no HTTP; ``python -m indexer`` offers what asks a service as a whole, so this is
here and not in the service's package. The typed client for programs is app.client. httpx2 is
loaded only when a service is asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from indexer.errors import InvalidInput, NotFound, ServiceFailed

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 300.0
BUSY_TRIES: Final = 5
LONGEST_WAIT_SECONDS: Final = 30.0

_INVALID: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_REMEDIES: Final = {
    HTTPStatus.UNAUTHORIZED: ": say --api-key KEY, or set BEARING_API_KEY",
    HTTPStatus.FORBIDDEN: ": a key that may do more can (--api-key KEY, or BEARING_API_KEY)",
}


class RemoteService:
    """A service at an address. What it raises is a BearingError that names the address."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    @property
    def url(self) -> str:
        """Its address, without a trailing slash."""
        return str(self._client.base_url).rstrip("/")

    @property
    def has_key(self) -> bool:
        """Return whether requests carry a key."""
        return "authorization" in self._client.headers

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON
        """The JSON that answers a request, None if that is empty.

        Raises InvalidInput, NotFound or ServiceFailed with what the service said.
        """
        response = self.request(method, path, body, parameters)
        if response.is_success and not response.content:
            return None
        return self.read(response)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        parameters: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The response, whatever its status; a service that is too busy is retried when it says."""
        import httpx2

        for last in [False] * (BUSY_TRIES - 1) + [True]:
            try:
                response = self._client.request(method, path, json=body, params=parameters)
            except httpx2.HTTPError as error:
                raise self._silent(error) from error
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or last:
                break
            time.sleep(_seconds(response.headers.get("retry-after", "1")))
        return response

    def send(self, path: str, content: Iterator[bytes]) -> Any:  # noqa: ANN401 - any JSON
        """The JSON that answers a body of any length, which is sent once. Raises as call does."""
        import httpx2

        try:
            return self.read(self._client.post(path, content=content))
        except httpx2.HTTPError as error:
            raise self._silent(error) from error

    def fetch(self, path: str, target: Path) -> None:
        """Write what answers a request to a file. Raises as call does, or OSError."""
        import httpx2

        try:
            with self._client.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    self.read(response)
                with target.open("wb") as file:
                    for piece in response.iter_bytes():
                        file.write(piece)
        except httpx2.HTTPError as error:
            raise self._silent(error) from error

    def lines(self, path: str, parameters: Mapping[str, str]) -> Iterator[bytes]:
        """The lines that answer a request, each with its end, as they come. Raises as call does.

        A service that ends before the answer is whole raises ServiceFailed.
        """
        import httpx2

        try:
            with self._client.stream("GET", path, params=parameters or None) as response:
                if not response.is_success:
                    response.read()
                    self.read(response)
                held = b""
                for piece in response.iter_bytes():
                    *whole, held = (held + piece).split(b"\n")
                    yield from (line + b"\n" for line in whole)
                if held:
                    raise self.stranger()
        except httpx2.HTTPError as error:
            raise self._silent(error) from error

    def _silent(self, error: httpx2.HTTPError) -> ServiceFailed:
        reason = str(error) or type(error).__name__
        return ServiceFailed(
            f"{self.url} does not answer ({reason}): is that where the service listens?"
        )

    def read(self, response: httpx2.Response) -> Any:  # noqa: ANN401 - any JSON
        """The JSON of a response; raises InvalidInput, NotFound or ServiceFailed for a refusal."""
        try:
            told = response.json()
        except ValueError as error:
            raise self.stranger() from error
        if response.is_success:
            return told
        detail = told.get("detail") if isinstance(told, Mapping) else None
        status = response.status_code
        said = (
            f"{self.url} refused ({status} {response.reason_phrase}): "
            f"{detail or 'it does not say why'}{_REMEDIES.get(HTTPStatus(status), '')}"
        )
        if status in _INVALID:
            raise InvalidInput(said)
        raise (NotFound if status == HTTPStatus.NOT_FOUND else ServiceFailed)(said)

    def stranger(self) -> ServiceFailed:
        """The error of an answer that no service of this kind gives."""
        return ServiceFailed(f"{self.url} does not answer as Bearing does: is it another service?")


@contextmanager
def connect(url: str, key: str | None = None) -> Iterator[RemoteService]:
    """The service at a URL, which may have a path; raises InvalidInput."""
    import httpx2

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise InvalidInput(f"a service's URL is like http://localhost:8000; got {url[:200]!r}")
    try:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        client = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
    except (httpx2.InvalidURL, ValueError) as error:  # the latter for a key that is not ASCII
        raise InvalidInput(f"cannot ask {url[:200]!r} with this key: {error}") from error
    with client:
        yield RemoteService(client)


def path_of(collection: str, *parts: str) -> str:
    """The path of a collection, and below it of these parts, each escaped."""
    return "/".join(("", "collections", *(quote(one, safe="") for one in (collection, *parts))))


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), LONGEST_WAIT_SECONDS) if retry_after.isdigit() else 1.0
