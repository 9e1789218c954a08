"""Collections of a running service, asked over its REST interface."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from indexer.analysis.diagnostics import diagnostic_of
from indexer.cli.holders import (
    Compared,
    Comparison,
    Found,
    Listed,
    Listing,
    NewCollection,
    Search,
    Wanted,
)
from indexer.cli.holders.answers import answer_of, map_of
from indexer.cli.holders.jobs import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from indexer.cli.messages import Figures
from indexer.errors import AlreadyExists, InvalidInput, NotFound, ServiceFailed
from indexer.export.files import Export, Received, write_lines
from indexer.index_choice import Language
from indexer.queries import ExampleText
from indexer.remote_service import RemoteService, path_of
from indexer.reports import Broken, Description, MapState, Step, Tell

FIELDS_NAMED: Final = 100
"""Fields that a message names, at most."""

IDS_AT_ONCE: Final = 1_000

DUPLICATES_LOOKED: Final = 100_000
DUPLICATES_LISTED: Final = 1_000
"""The most documents that a service holds against each other, and the most groups that it lists."""

_SIDES: Final = ("like", "unlike")


@dataclass(frozen=True, slots=True)
class ServiceHolder:
    """The collections of a service."""

    service: RemoteService

    @property
    def place(self) -> str:
        """The place of its collections, in words for people."""
        return self.service.url

    def search(self, collection: str, asked: Search) -> Found:
        """The answer to a search."""
        told = self.service.call("POST", path_of(collection, "search"), _body(asked))
        with self._understanding():
            answer = answer_of(told)
        known = self._fields(collection) if answer.unknown_fields else []
        language = Language.NONE if asked.whole else self._language(collection)
        return Found(answer, told, language, known)

    def _fields(self, collection: str) -> Sequence[str]:
        limits = {"limit": str(FIELDS_NAMED), "common": "0"}
        told = self.service.call("GET", path_of(collection, "fields"), parameters=limits)
        with self._understanding():
            return [one["name"] for one in told["fields"]]

    def _language(self, collection: str) -> Language:
        """The language of a collection's words, which marks them in passages."""
        words = self.describe(collection).index.get("lexical")
        told = words.get("language") if isinstance(words, Mapping) else None
        return Language(told) if told in list(Language) else Language.NONE

    def compare(self, collection: str, asked: Comparison) -> Compared:
        """The similarities of texts, by the model of a collection."""
        body = {
            "a": list(asked.a),
            "b": None if asked.b is None else list(asked.b),
            "metrics": [str(one) for one in dict.fromkeys(asked.metrics)],
            "temperature": asked.temperature,
            "collection": collection,
        }
        told = self.service.call("POST", "/admin/similarity", body)
        with self._understanding():
            names = ("similarity", "distance", "probabilities")
            matrices = {name: told[name] for name in names if told.get(name) is not None}
            truncated = told["truncated"] if asked.b else {**told["truncated"], "b": []}
            return Compared(matrices, told["metrics"], truncated)

    def diagnose(self, collection: str, tell: Tell) -> Figures:
        """Diagnostics of a collection's vectors; the service does not tell how far it is."""
        del tell
        told = self.service.call("GET", path_of(collection, "diagnostics"))
        with self._understanding():
            for one in told["diagnostics"]:
                diagnostic_of(one)
            return dict(told)

    def duplicates(self, collection: str, tell: Tell) -> Figures:
        """Documents with their copies, as many as the service looks at and lists at most."""
        del tell
        most = {"documents": str(DUPLICATES_LOOKED), "limit": str(DUPLICATES_LISTED)}
        told = self.service.call("GET", path_of(collection, "duplicates"), parameters=most)
        with self._understanding():
            return {**told, "duplicates": [_copies(group) for group in told["duplicates"]]}

    def judgements(self, collection: str) -> Sequence[Figures]:
        """The judgements of a collection's users, the oldest first."""
        response = self.service.request("GET", path_of(collection, "feedback"))
        if not response.is_success:
            self.service.read(response)  # raises what was refused
        with self._understanding():
            return [dict(json.loads(line)) for line in response.content.splitlines()]

    def describe(self, collection: str) -> Description:
        """A summary of a collection; raises NotFound."""
        told = self.service.call("GET", path_of(collection))
        with self._understanding():
            return _description(told)

    def describe_all(self) -> Sequence[Description | Broken]:
        """Summaries of all collections, sorted by name."""
        told = self.service.call("GET", "/collections")
        with self._understanding():
            return [_description_or_broken(one) for one in told["collections"]]

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        told = self.service.call("GET", "/aliases")
        with self._understanding():
            return {one["name"]: one["collection"] for one in told["aliases"]}

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before."""
        told = self.service.call("PUT", _alias(alias), {"collection": collection})
        with self._understanding():
            return None if told["before"] is None else str(told["before"])

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        self.service.call("DELETE", _alias(alias))

    def list(self, collection: str, asked: Listing) -> Listed:
        """A page of documents."""
        given = {
            "k": str(asked.limit),
            "filter": json.dumps(asked.condition) if asked.condition else None,
            "sort": asked.order.field,
            "order": "descending" if asked.order.descending else "ascending",
            "cursor": asked.cursor,
            "fields": None if asked.names is None else ",".join(asked.names),
        }
        parameters = {name: value for name, value in given.items() if value is not None}
        told = self.service.call("GET", path_of(collection, "search"), parameters=parameters)
        with self._understanding():
            return Listed(told["hits"], told["total"], told["unknown_fields"], told["cursor"])

    def document(self, collection: str, id: str) -> Figures:
        """A document; raises NotFound."""
        told = self.service.call("GET", path_of(collection, "documents", id))
        with self._understanding():
            return dict(told)

    def present(self, collection: str, ids: Sequence[str]) -> Sequence[str]:
        """Those of these ids that a document has, in order."""
        return [id for id in ids if self._has(collection, id)]

    def _has(self, collection: str, id: str) -> bool:
        try:
            self.document(collection, id)
        except NotFound:
            self.describe(collection)  # raises NotFound where there is not even the collection
            return False
        return True

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist, and return their number."""
        parts = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
        return sum(self._delete(collection, {"ids": list(part)}) for part in parts)

    def delete_matching(self, collection: str, condition: Figures) -> int:
        """Delete the documents that pass a filter, and return their number."""
        return self._delete(collection, {"filter": condition})

    def _delete(self, collection: str, which: Figures) -> int:
        told = self.service.call("POST", path_of(collection, "documents", "delete"), which)
        with self._understanding():
            return int(told["deleted"])

    def create(self, collection: str, wanted: NewCollection) -> Figures:
        """Make an empty collection, and return its summary; raises AlreadyExists."""
        chunking = asdict(wanted.chunking) if wanted.chunking else None
        body = {"model": wanted.model, "language": wanted.language, "chunking": chunking}
        given = {name: value for name, value in body.items() if value is not None}
        response = self.service.request("PUT", path_of(collection), given)
        told = self.service.read(response)
        if response.status_code != HTTPStatus.CREATED:
            raise AlreadyExists(f"{self.place} has a collection {collection!r} already")
        with self._understanding():
            return asdict(_description(told))

    def drop(self, collection: str) -> None:
        """Delete a collection with all that is in it; raises NotFound."""
        self.service.call("DELETE", path_of(collection))

    def export(self, collection: str, wanted: Wanted, tell: Tell) -> Export:
        """Write documents with their vectors to a file here, as JSON Lines."""
        described = self.describe(collection)
        condition = json.dumps(wanted.condition) if wanted.condition else None
        lines = self.service.lines(
            path_of(collection, "documents", "export"),
            {} if condition is None else {"filter": condition},
        )
        total = described.documents if condition is None else 0
        given = Received(collection, described.fingerprint, total)
        try:
            return write_lines(given, lines, wanted.file, tell, replace=wanted.replace)
        except json.JSONDecodeError as error:
            raise self.service.stranger() from error

    def models(self) -> Sequence[Figures]:
        """All that was trained, each with the collections it serves, or why it cannot be read."""
        told = self.service.call("GET", "/models")
        with self._understanding():
            return [dict(one) for one in told["models"]]

    def draw_map(self, collection: str, tell: Tell, *, anew: bool) -> Figures:
        """Wait until a collection's map, which the service draws when it is asked for, is ready."""
        if anew:
            raise InvalidInput("--anew is for collections here: a service draws as far as need be")
        pause = FIRST_PAUSE_SECONDS
        while True:
            told = self.service.call("GET", path_of(collection, "map"))
            with self._understanding():
                if told["state"] == MapState.READY:
                    return map_of(told)
                if told["progress"] is not None:
                    tell(Step(**told["progress"]))
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    @contextmanager
    def _understanding(self) -> Iterator[None]:
        """A reader of an answer; raises ServiceFailed if it is of another shape."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.service.stranger() from error


def _copies(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group as a collection here tells it: ids and kinds, without the documents."""
    told = ("id", "kind", "cosine")
    copies = [{name: one[name] for name in told if name in one} for one in group["copies"]]
    return {"id": group["id"], "copies": copies}


def _alias(name: str) -> str:
    return f"/aliases/{quote(name, safe='')}"


def _body(asked: Search) -> dict[str, Any]:
    """The search as the service takes it."""
    options = dict(asked.options)
    text = options.pop("text", None)
    like, unlike = ([_example(one) for one in options.pop(side, ())] for side in _SIDES)
    given = {
        "query": text,
        "like": like,
        "unlike": unlike,
        **options,
        "filter": asked.condition,
        "image": None if asked.image is None else _encoded(asked.image),
        "fields": asked.names,
        "passages_only": asked.passages_only or not asked.whole,
    }
    return {name: value for name, value in given.items() if value is not None}


def _example(given: str | ExampleText) -> str | dict[str, str]:
    return {"text": given.text} if isinstance(given, ExampleText) else given


def _encoded(image: Path) -> str:
    try:
        return base64.b64encode(image.read_bytes()).decode()
    except OSError as error:
        raise InvalidInput(f"cannot read {image}: {error}") from error


def _description_or_broken(told: Mapping[str, Any]) -> Description | Broken:
    if "error" in told:
        return Broken(told["name"], ServiceFailed(f"{told['name']}: {told['error']}"))
    return _description(told)


def _description(told: Mapping[str, Any]) -> Description:
    names = ("name", "model", "dimension", "documents", "chunks", "bytes", "truncated", "index")
    later = {"unknown": told.get("unknown", 0), "backed_up": told.get("backed_up")}
    later["fingerprint"] = told.get("fingerprint", "")
    aliases = tuple(told.get("aliases", ()))
    return Description(
        **{name: told[name] for name in names},
        **later,
        aliases=aliases,
        chunking=told.get("chunking"),
    )
