"""A collection of a running service, evaluated over its REST interface.

The library serves no HTTP; this is a client for one purpose, and is here and not in the
service's package because ``python -m indexer`` offers ``evaluate`` whole. The typed client for
programs is app.client. httpx2 is loaded only when a service is asked.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from indexer.errors import InvalidInput, ServiceFailed
from indexer.evaluation.systems import Facts, Settings, SystemAnswer

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 300.0
BUSY_TRIES: Final = 5
BATCH_HITS: Final = 10_000
"""Hits asked for in one request; they come with their texts."""

BATCH_SEARCHES: Final = 64


@contextmanager
def connect(url: str, key: str | None = None) -> Iterator[httpx2.Client]:
    """A client of the service at a URL, which may have a path; raises InvalidInput."""
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
        yield client


class RemoteSystem:
    """A collection of a service, searched as its users search it.

    Times are from the query's text to the parsed answer: HTTP, waiting, embedding, searching, and
    the texts of ten hits as JSON. Requests are made one at a time.
    """

    def __init__(self, client: httpx2.Client, collection: str, settings: Settings) -> None:
        self._client = client
        self._name = collection
        self._path = f"/collections/{quote(collection, safe='')}"
        self._settings = settings

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._name

    @property
    def url(self) -> str:
        """The address of the service, without a trailing slash."""
        return str(self._client.base_url).rstrip("/")

    def describe(self) -> Facts:
        """The collection and the settings of its search; raises ServiceFailed if there is none."""
        told = self._call("GET", self._path)
        try:
            kind = str(told["index"].get("kind", ""))
            model, documents = str(told["model"]), int(told["documents"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._stranger() from error
        return Facts(self._name, model, documents, kind, self._settings, self.url)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of these documents that the service does not have; all if it has no collection."""
        return [id for id in ids if not self._has(id)] if self.exists() else list(ids)

    def exists(self) -> bool:
        """Return whether the service has the collection."""
        response = self._request("GET", self._path)
        return response.status_code != HTTPStatus.NOT_FOUND and bool(self._read(response))

    def filling(self, corpus: Path) -> str:
        """The commands that import a corpus."""
        given = "authorization" in self._client.headers
        key = '-H "Authorization: Bearer $BEARING_API_KEY" ' if given else ""
        place = shlex.quote(self.url + self._path)
        return (
            "import them into the service with\n"
            f"  curl -X PUT {key}{place}\n"
            f"  curl -X POST {key}-T {shlex.quote(str(corpus))} {place}/documents/import"
        )

    def ask(self, text: str, k: int) -> SystemAnswer:
        """The result of one search, in a request of its own."""
        return self._found(self._call("POST", f"{self._path}/search", self._search(text, k)))

    def ask_all(self, texts: Sequence[str], k: int) -> Iterator[SystemAnswer]:
        """The results of many searches, in few requests."""
        step = max(1, min(BATCH_SEARCHES, BATCH_HITS // k))
        for start in range(0, len(texts), step):
            searches = [self._search(text, k) for text in texts[start : start + step]]
            told = self._call("POST", f"{self._path}/search/batch", {"searches": searches})
            results = told.get("results") if isinstance(told, Mapping) else None
            if not isinstance(results, list) or len(results) != len(searches):
                raise self._stranger()
            yield from map(self._found, results)

    def _search(self, text: str, k: int) -> dict[str, object]:
        given = {name: value for name, value in self._settings.items() if value is not None}
        return {"query": text, "k": k, **given}

    def _found(self, told: Any) -> SystemAnswer:  # noqa: ANN401 - any JSON
        try:
            ids = tuple(str(hit["id"]) for hit in told["hits"])
            return SystemAnswer(ids, bool(told["exact"]), bool(told["truncated"]))
        except (KeyError, TypeError) as error:
            raise self._stranger() from error

    def _has(self, id: str) -> bool:
        response = self._request("GET", f"{self._path}/documents/{quote(id, safe='')}")
        return response.status_code != HTTPStatus.NOT_FOUND and bool(self._read(response))

    def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        return self._read(self._request(method, path, body))

    def _request(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """The response, whatever its status; a service that is too busy is retried when it says."""
        import httpx2

        for last in [False] * (BUSY_TRIES - 1) + [True]:
            try:
                response = self._client.request(method, path, json=body)
            except httpx2.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise ServiceFailed(f"{self.url} does not answer ({reason})") from error
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or last:
                break
            time.sleep(_seconds(response.headers.get("retry-after", "1")))
        return response

    def _read(self, response: httpx2.Response) -> Any:  # noqa: ANN401 - any JSON
        try:
            told = response.json()
        except ValueError as error:
            raise self._stranger() from error
        if response.is_success:
            return told
        detail = told.get("detail") if isinstance(told, Mapping) else None
        raise ServiceFailed(
            f"{self.url} refused ({response.status_code} {response.reason_phrase}): "
            f"{detail or 'it does not say why'}"
        )

    def _stranger(self) -> ServiceFailed:
        return ServiceFailed(f"{self.url} does not answer as Bearing does: is it another service?")


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), 60.0) if retry_after.isdigit() else 1.0
