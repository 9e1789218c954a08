"""A collection of a running service, evaluated over its REST interface."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from indexer.evaluation.systems import Facts, Settings, SystemAnswer
from indexer.remote_service import RemoteService, path_of

BATCH_HITS: Final = 10_000
"""Hits asked for in one request; they come with their texts."""

BATCH_SEARCHES: Final = 64


class RemoteSystem:
    """A collection of a service, searched as its users search it.

    Times are from the query's text to the parsed answer: HTTP, waiting, embedding, searching, and
    the texts of ten hits as JSON. Requests are made one at a time.
    """

    def __init__(self, service: RemoteService, collection: str, settings: Settings) -> None:
        self._service = service
        self._name = collection
        self._path = path_of(collection)
        self._settings = settings

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._name

    @property
    def url(self) -> str:
        """The address of the service, without a trailing slash."""
        return self._service.url

    def describe(self) -> Facts:
        """The collection and the settings of its search; raises NotFound if there is none."""
        told = self._service.call("GET", self._path)
        try:
            kind = str(told["index"].get("kind", ""))
            model, documents = str(told["model"]), int(told["documents"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._service.stranger() from error
        return Facts(self._name, model, documents, kind, self._settings, self.url)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of these documents that the service does not have; all if it has no collection."""
        return [id for id in ids if not self._has(id)] if self.exists() else list(ids)

    def exists(self) -> bool:
        """Return whether the service has the collection."""
        response = self._service.request("GET", self._path)
        return response.status_code != HTTPStatus.NOT_FOUND and bool(self._service.read(response))

    def filling(self, corpus: Path) -> str:
        """The commands that import a corpus."""
        bearer = '-H "Authorization: Bearer $BEARING_API_KEY" '
        key = bearer if self._service.has_key else ""
        place = shlex.quote(self.url + self._path)
        return (
            "import them into the service with\n"
            f"  curl -X PUT {key}{place}\n"
            f"  curl -X POST {key}-T {shlex.quote(str(corpus))} {place}/documents/import"
        )

    def ask(self, text: str, k: int) -> SystemAnswer:
        """The result of one search, in a request of its own."""
        search = self._search(text, k)
        return self._found(self._service.call("POST", f"{self._path}/search", search))

    def ask_all(self, texts: Sequence[str], k: int) -> Iterator[SystemAnswer]:
        """The results of many searches, in few requests."""
        step = max(1, min(BATCH_SEARCHES, BATCH_HITS // k))
        for start in range(0, len(texts), step):
            searches = [self._search(text, k) for text in texts[start : start + step]]
            told = self._service.call("POST", f"{self._path}/search/batch", {"searches": searches})
            results = told.get("results") if isinstance(told, Mapping) else None
            if not isinstance(results, list) or len(results) != len(searches):
                raise self._service.stranger()
            yield from map(self._found, results)

    def _search(self, text: str, k: int) -> dict[str, object]:
        given = {name: value for name, value in self._settings.items() if value is not None}
        return {"query": text, "k": k, **given}

    def _found(self, told: Any) -> SystemAnswer:  # noqa: ANN401 - any JSON
        try:
            ids = tuple(str(hit["id"]) for hit in told["hits"])
            return SystemAnswer(ids, bool(told["exact"]), bool(told["truncated"]))
        except (KeyError, TypeError) as error:
            raise self._service.stranger() from error

    def _has(self, id: str) -> bool:
        response = self._service.request("GET", path_of(self._name, "documents", id))
        return response.status_code != HTTPStatus.NOT_FOUND and bool(self._service.read(response))
