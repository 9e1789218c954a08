"""The requests a client makes and how it reads the answers; sending them is not done here.

Requests are made of plain values and answers are the views that the service itself sends, so
both follow the contract.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar
from urllib.parse import quote

import httpx2
import orjson
from pydantic import BaseModel, TypeAdapter

from app.client.errors import refusal
from app.schemas.aliases import AliasesView, AliasView, PointedView
from app.schemas.collections import (
    BrokenView,
    CollectionsView,
    CollectionView,
    DiagnosticsView,
    ExamplesView,
    FieldsView,
    FieldView,
)
from app.schemas.documents import (
    DeletedView,
    PageView,
    TracedView,
    WrittenView,
)
from app.schemas.duplicates import DuplicatesView
from app.schemas.feedback import JudgementView
from app.schemas.imports import (
    ImportRejection,
    PrunedView,
)
from app.schemas.jobs import JobsView, JobView
from app.schemas.maps import (
    ColumnView,
    MapView,
    PointsView,
)
from app.schemas.models import BrokenModelView, ModelsView, ModelView, PromotionView
from app.schemas.search import (
    BatchView,
    SearchView,
)
from app.schemas.similarity import (
    SimilarityView,
)
from app.schemas.status import (
    ProblemView,
)
from app.schemas.tokens import TokenView
from indexer.documents import Document
from indexer.errors import InvalidInput
from indexer.readers.repeats import Repeats

T = TypeVar("T")
View = TypeVar("View", bound=BaseModel)

Filter: TypeAlias = Mapping[str, Any]
Point: TypeAlias = str | Sequence[float] | Mapping[Literal["id"], str]
Given: TypeAlias = Document | Mapping[str, Any]
"""A document, or an object with its fields."""

PART_DOCUMENTS: Final = 1_000
"""Documents in one request of an import: its answer must fit the buffers of a connection."""
PART_CHARACTERS: Final = 8_000_000


VectorsTaken: TypeAlias = Literal["checked", "trusted", "ignored"]
"""The vectors that are taken of those that documents bring: see ``PUT /documents``."""


ARCHIVE: Final = "application/x-tar"
PIECE_BYTES: Final = 1 << 20
"""Bytes of a file that are sent or written together."""


class Cuts(TypedDict, total=False):
    """The way documents are cut; see ``PUT /collections/{collection}``."""

    size: int | None
    overlap: int | None
    by: str


Order: TypeAlias = Literal["ascending", "descending"]


class SearchHow(TypedDict, total=False):
    """Settings of a search, and its subject if that is not a text; see ``POST /search``."""

    vector: Sequence[float] | None
    image: bytes | str | None
    like: Sequence[Any]
    unlike: Sequence[Any]
    strategy: str
    k: int
    filter: Filter | None
    of: str
    merge: str
    mode: str
    min_score: float | None
    exact: bool
    candidates: int | None
    fusion: str
    rerank: int | bool | None
    diversity: float | None
    group_by: str | None
    group_size: int
    temperature: float | None
    explain: int | bool
    fields: Sequence[str] | None
    passages_only: bool
    facets: Sequence[str]
    facet_values: int
    facet_depth: int | None
    cursor: str | None


class SearchOptions(SearchHow, total=False):
    """A search, as the service's contract has it."""

    query: str | None


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[httpx2.Response], T]
    body: bytes | None = None
    media_type: str = "application/json"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text's place among those that were ranked, and its relevance in [0, 1]."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Imported:
    """The outcome of an import; ``rejected`` has the lines, from 1, without a document, and why.

    ``repeated`` documents have an id that came before: of those with one id the last stays.
    ``truncated`` and ``unknown`` are ids, as a write of documents answers them. Of a source that is
    kept in step, ``pruned`` says what became of the documents that it no longer gives.
    """

    written: int = 0
    unchanged: int = 0
    truncated: tuple[str, ...] = ()
    rejected: tuple[ImportRejection, ...] = ()
    repeated: int = 0
    unknown: tuple[str, ...] = ()
    run: int | None = None
    pruned: PrunedView | None = None

    def plus(self, other: Imported, offset: int) -> Imported:
        """The sum of both, the other's lines counted on from this offset."""
        moved = (one.model_copy(update={"line": one.line + offset}) for one in other.rejected)
        return Imported(
            self.written + other.written,
            self.unchanged + other.unchanged,
            self.truncated + other.truncated,
            (*self.rejected, *moved),
            self.repeated + other.repeated,
            self.unknown + other.unknown,
            other.run or self.run,
            other.pruned or self.pruned,
        )


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, bytes):  # an image
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"cannot be sent as JSON: {type(value).__name__}")


def _view(view: type[View]) -> Callable[[httpx2.Response], View]:
    return lambda response: view.model_validate_json(response.content)


def _drawn(view: type[View]) -> Callable[[httpx2.Response], View | None]:
    """A reader of this view that gives None while the map is still being drawn."""
    read = _view(view)
    return lambda response: None if response.status_code == HTTPStatus.ACCEPTED else read(response)


def _nothing(_: httpx2.Response) -> None:
    return None


def _at(collection: str, *parts: str) -> str:
    return "/".join(("", "collections", quote(collection, safe=""), *parts))


def _document(collection: str, id: str) -> str:
    return _at(collection, "documents", quote(id, safe=""))


def _given(document: Given) -> Mapping[str, Any]:
    if not isinstance(document, Document):
        return document
    if document.picture is not None:
        raise InvalidInput(f"document {document.id!r}: give its image, {{'image': bytes}}")
    given = {one.name: getattr(document, one.name) for one in fields_of(document)}
    return {name: held for name, held in given.items() if name != "picture"}


def search(collection: str, options: SearchOptions) -> Call[SearchView]:
    """One search."""
    return Call("POST", _at(collection, "search"), _view(SearchView), _json(options))


def search_many(collection: str, searches: Sequence[SearchOptions]) -> Call[Sequence[SearchView]]:
    """Several searches."""
    body = _json({"searches": list(searches)})
    read = _view(BatchView)
    return Call("POST", _at(collection, "search", "batch"), lambda r: read(r).results, body)


def put(
    collection: str, documents: Iterable[Given], vectors: VectorsTaken = "checked"
) -> Call[WrittenView]:
    """A write."""
    body = _json({"documents": [_given(one) for one in documents]})
    path, parameters = _at(collection, "documents"), _vectors(vectors)
    return Call("PUT", path, _view(WrittenView), body, parameters=parameters)


def _vectors(vectors: VectorsTaken) -> Mapping[str, str]:
    return {} if vectors == "checked" else {"vectors": vectors}


def delete(collection: str, ids: Iterable[str]) -> Call[int]:
    """A deletion by ids."""
    return _deletion(collection, {"ids": list(ids)})


def delete_matching(collection: str, filter: Filter) -> Call[int]:
    """A deletion by a filter."""
    return _deletion(collection, {"filter": filter})


def _deletion(collection: str, which: Mapping[str, object]) -> Call[int]:
    read = _view(DeletedView)
    path = _at(collection, "documents", "delete")
    return Call("POST", path, lambda response: read(response).deleted, _json(which))


def get(collection: str, id: str) -> Call[TracedView]:
    """A document, and where it comes from."""
    return Call("GET", _document(collection, id), _view(TracedView))


def thumbnail(collection: str, id: str) -> Call[bytes]:
    """A document's picture, small."""
    return Call("GET", f"{_document(collection, id)}/thumbnail", _content)


def picture(collection: str, id: str) -> Call[bytes]:
    """A document's picture."""
    return Call("GET", f"{_document(collection, id)}/picture", _content)


def _content(response: httpx2.Response) -> bytes:
    return bytes(response.content)


def remove(collection: str, id: str) -> Call[None]:
    """A deletion of a document that must be there."""
    return Call("DELETE", _document(collection, id), _nothing)


def export(collection: str, filter: Filter | None) -> Call[None]:
    """All documents with their vectors; the answer is read as it comes."""
    parameters = {"filter": _json(filter).decode()} if filter else {}
    return Call("GET", _at(collection, "documents", "export"), _nothing, parameters=parameters)


def page(
    collection: str,
    filter: Filter | None,
    cursor: str | None,
    limit: int,
    sort: str | None = None,
    order: str | None = None,
    total: bool = False,
) -> Call[PageView]:
    """Some documents."""
    condition = _json(filter).decode() if filter else None
    given = {"filter": condition, "cursor": cursor, "sort": sort, "order": order}
    parameters = {name: value for name, value in given.items() if value is not None}
    parameters["limit"] = str(limit)
    if total:
        parameters["total"] = "true"
    path = _at(collection, "documents")
    return Call("GET", path, _view(PageView), parameters=parameters)


def collections() -> Call[Sequence[CollectionView | BrokenView]]:
    """All collections."""
    read = _view(CollectionsView)
    return Call("GET", "/collections", lambda response: read(response).collections)


def models() -> Call[Sequence[ModelView | BrokenModelView]]:
    """All that was trained."""
    read = _view(ModelsView)
    return Call("GET", "/models", lambda response: read(response).models)


def promote(collection: str, model: str | None, *, force: bool = False) -> Call[PromotionView]:
    """A promotion, or without a model, the last one taken back."""
    body = {"rollback": True} if model is None else {"model": model, "force": force}
    return Call("POST", _at(collection, "model"), _read_promotion, _json(body))


def _read_promotion(response: httpx2.Response) -> PromotionView:
    """The outcome of a promotion; raises Refused if it failed on its way."""
    for line in response.content.splitlines():
        report = orjson.loads(line)
        if report["event"] == "failed":
            problem = ProblemView.model_validate(report["problem"])
            raise refusal(problem.status, problem.detail, problem)
        if report["event"] == "done":
            return PromotionView.model_validate(report)
    raise refusal(response.status_code, "the promotion ended without an outcome", None)


def judge(collection: str, query: str, id: str, verdict: Mapping[str, object]) -> Call[None]:
    """A judgement."""
    body = {"query": query, "id": id} | {k: v for k, v in verdict.items() if v is not None}
    return Call("POST", _at(collection, "feedback"), _nothing, _json(body))


def feedback(collection: str) -> Call[Sequence[JudgementView]]:
    """The judgements that are kept."""
    return Call(
        "GET",
        _at(collection, "feedback"),
        lambda r: [JudgementView.model_validate_json(line) for line in r.content.splitlines()],
    )


def clear_feedback(collection: str) -> Call[int]:
    """The deletion of all judgements."""
    read = _view(DeletedView)
    return Call("DELETE", _at(collection, "feedback"), lambda response: read(response).deleted)


def describe(collection: str) -> Call[CollectionView]:
    """A collection."""
    return Call("GET", _at(collection), _view(CollectionView))


def fields(collection: str, limit: int, common: int) -> Call[Sequence[FieldView]]:
    """The metadata fields of a collection."""
    read = _view(FieldsView)
    return Call(
        "GET",
        _at(collection, "fields"),
        lambda response: read(response).fields,
        parameters={"limit": str(limit), "common": str(common)},
    )


def examples(collection: str, limit: int) -> Call[Sequence[str]]:
    """Queries that a collection could be asked."""
    path, parameters = _at(collection, "examples"), {"limit": str(limit)}
    read = _view(ExamplesView)
    return Call("GET", path, lambda response: read(response).queries, parameters=parameters)


def diagnose(collection: str) -> Call[DiagnosticsView]:
    """The diagnostics of a collection's vectors."""
    return Call("GET", f"{_at(collection)}/diagnostics", _view(DiagnosticsView))


def duplicates(collection: str, limit: int, documents: int) -> Call[DuplicatesView]:
    """Documents with their copies."""
    parameters = {"limit": str(limit), "documents": str(documents)}
    path = _at(collection, "duplicates")
    return Call("GET", path, _view(DuplicatesView), parameters=parameters)


def show_map(collection: str) -> Call[MapView]:
    """The state of a collection's map."""
    return Call("GET", _at(collection, "map"), _view(MapView))


def map_points(collection: str, limit: int) -> Call[PointsView | None]:
    """The coordinates of a collection's documents on its map."""
    path, parameters = _at(collection, "map", "points"), {"limit": str(limit)}
    return Call("GET", path, _drawn(PointsView), parameters=parameters)


def map_values(collection: str, field: str, limit: int) -> Call[ColumnView | None]:
    """The values of a field in those documents."""
    parameters = {"field": field, "limit": str(limit)}
    path = _at(collection, "map", "values")
    return Call("GET", path, _drawn(ColumnView), parameters=parameters)


def back_up(collection: str) -> Call[JobView]:
    """A backup, begun."""
    return Call("POST", _at(collection, "backup"), _view(JobView))


def reindex(collection: str, model: str | None, chunking: Cuts | None) -> Call[JobView]:
    """A move to another model or chunking, begun."""
    body = _json({"model": model, "chunking": chunking})
    return Call("POST", _at(collection, "reindex"), _view(JobView), body)


def restore(collection: str, job: str) -> Call[JobView]:
    """The restoring of what a job has backed up, begun."""
    path = _at(collection, "restore")
    return Call("POST", path, _view(JobView), parameters={"job": job})


def restore_file(collection: str) -> Call[JobView]:
    """The restoring of a backup that is sent, begun."""
    return Call("POST", _at(collection, "restore"), _view(JobView), media_type=ARCHIVE)


def backup_file(id: str) -> Call[None]:
    """The file that a job has made, which is read as it comes."""
    return Call("GET", f"/jobs/{quote(id, safe='')}/file", lambda _: None)


def jobs() -> Call[Sequence[JobView]]:
    """All jobs that are known."""
    read = _view(JobsView)
    return Call("GET", "/jobs", lambda response: read(response).jobs)


def job(id: str) -> Call[JobView]:
    """A job."""
    return Call("GET", f"/jobs/{quote(id, safe='')}", _view(JobView))


def cancel(id: str) -> Call[JobView | None]:
    """The end of a job, or of its record."""
    read = _view(JobView)
    path = f"/jobs/{quote(id, safe='')}"
    return Call("DELETE", path, lambda response: read(response) if response.content else None)


def make_token(collection: str, rights: Mapping[str, Any]) -> Call[TokenView]:
    """A token for a collection."""
    body = _json({"collections": [collection], **rights})
    return Call("POST", "/tokens", _view(TokenView), body)


def aliases() -> Call[Mapping[str, str]]:
    """The collection that each alias names."""
    read = _view(AliasesView)
    return Call("GET", "/aliases", lambda r: {one.name: one.collection for one in read(r).aliases})


def alias(name: str) -> Call[str]:
    """The collection that an alias names."""
    read = _view(AliasView)
    return Call("GET", _alias(name), lambda response: read(response).collection)


def point(name: str, collection: str) -> Call[str | None]:
    """An alias, set."""
    read = _view(PointedView)
    body = _json({"collection": collection})
    return Call("PUT", _alias(name), lambda response: read(response).before, body)


def unpoint(name: str) -> Call[None]:
    """The deletion of an alias."""
    return Call("DELETE", _alias(name), _nothing)


def _alias(name: str) -> str:
    return f"/aliases/{quote(name, safe='')}"


def create(collection: str, model: str | None, chunking: Cuts | None) -> Call[CollectionView]:
    """A new collection, or the existing one of this name."""
    body = _json({"model": model, "chunking": chunking})
    return Call("PUT", _at(collection), _view(CollectionView), body)


def drop(collection: str) -> Call[None]:
    """The deletion of a collection."""
    return Call("DELETE", _at(collection), _nothing)


def similarity(
    collection: str,
    a: Sequence[Point],
    b: Sequence[Point] | None,
    metrics: Sequence[str],
    temperature: float | None,
) -> Call[SimilarityView]:
    """A comparison."""
    body = {
        "a": a,
        "b": b,
        "metrics": metrics,
        "temperature": temperature,
        "collection": collection,
    }
    return Call("POST", "/admin/similarity", _view(SimilarityView), _json(body))


def embed(texts: Sequence[str], side: str | None) -> Call[list[list[float]]]:
    """Vectors of texts."""
    read = TypeAdapter(list[list[float]])
    body = _json({"inputs": list(texts), "prompt_name": side})
    return Call("POST", "/embed", lambda response: read.validate_json(response.content), body)


def embed_images(images: Sequence[bytes], model: str | None) -> Call[list[list[float]]]:
    """Vectors of images."""
    items = [{"image": base64.b64encode(image).decode()} for image in images]
    body = _json({"input": items, "model": model})
    return Call("POST", "/v1/embeddings", _embeddings, body)


def _embeddings(response: httpx2.Response) -> list[list[float]]:
    return [one["embedding"] for one in orjson.loads(response.content)["data"]]


def rerank(query: str, texts: Sequence[str]) -> Call[list[Ranked]]:
    """Texts by how well they answer a query."""
    read = TypeAdapter(list[Ranked])
    body = _json({"query": query, "texts": list(texts)})
    return Call("POST", "/rerank", lambda response: read.validate_json(response.content), body)


def ready() -> Call[None]:
    """A check that the service can answer."""
    return Call("GET", "/readyz", _nothing)


def import_part(
    collection: str,
    documents: Sequence[Given],
    vectors: VectorsTaken = "checked",
    step: Mapping[str, str] = MappingProxyType({}),
) -> Call[Imported]:
    """A part of an import; ``step`` says which of a source."""
    body = b"\n".join(_json(_given(one)) for one in documents)
    path = _at(collection, "documents", "import")
    given = {**_vectors(vectors), **step}
    return Call("POST", path, _read_import, body, "application/x-ndjson", given)


def _read_import(response: httpx2.Response) -> Imported:
    """The totals of an import; raises Refused if it failed on its way."""
    rejected = []
    for line in response.content.splitlines():
        report = orjson.loads(line)
        if report["event"] == "rejected":
            rejected.append(ImportRejection.model_validate(report))
        elif report["event"] == "failed":
            problem = ProblemView.model_validate(report["problem"])
            raise refusal(problem.status, problem.detail, problem)
        elif report["event"] == "done":
            return Imported(
                report["written"],
                report["unchanged"],
                tuple(report["truncated"]),
                tuple(rejected),
                report["repeated"],
                tuple(report.get("unknown", ())),
                report.get("run"),
                PrunedView.model_validate(report["pruned"]) if "pruned" in report else None,
            )
    raise refusal(response.status_code, "the import ended without a summary", None)


@dataclass(slots=True)
class Following:
    """A run over a source: what each of its parts says of itself."""

    source: str
    prune_at_most: str
    run: int | None = None
    part: int = 0

    def step(self, *, last: bool) -> Mapping[str, str]:
        """The parameters of the next part."""
        told = {"source": self.source, "part": str(self.part)}
        if self.run is not None:
            told["run"] = str(self.run)
        if last:
            told |= {"prune": "true", "prune_at_most": self.prune_at_most}
        return told

    def sent(self, outcome: Imported) -> Imported:
        """The same outcome, of a part that was taken."""
        self.run, self.part = outcome.run, self.part + 1
        return outcome


def rehearsal(source: str, prune_at_most: str) -> Mapping[str, str]:
    """The parameters of an import of all documents that changes nothing."""
    given = {"source": source, "prune": "true", "dry_run": "true"}
    return given | {"prune_at_most": prune_at_most}


class Parts:
    """Splits documents into the parts of an import."""

    def __init__(self) -> None:
        self._part: list[Given] = []
        self._characters = 0
        self._repeats = Repeats()
        self._repeated = 0

    def add(self, document: Given) -> Sequence[Given]:
        """A part if it is full now, else nothing."""
        self._part.append(document)
        self._characters += len(str(_given(document).get("text", "")))
        is_full = len(self._part) >= PART_DOCUMENTS or self._characters >= PART_CHARACTERS
        return self.rest() if is_full else ()

    def rest(self) -> Sequence[Given]:
        """The documents gathered so far; a new part begins."""
        part, self._part, self._characters = self._part, [], 0
        ids = [_given(document).get("id") for document in part]
        self._repeated += self._repeats.count([id for id in ids if isinstance(id, str)])
        return part

    def counted(self, imported: Imported) -> Imported:
        """The same outcome, with the ids counted that another part had before too."""
        return replace(imported, repeated=self._repeated)
