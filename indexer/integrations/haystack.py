"""A Haystack document store over a collection, or over a service, and a retriever.

from indexer.integrations.haystack import BearingDocumentStore, BearingRetriever

store = BearingDocumentStore("data", "notes")                    # Bearing's model embeds
store = BearingDocumentStore("data", "notes", embedder=OpenAITextEmbedder())  # Haystack's
store = BearingDocumentStore(client=Client("http://localhost:8000"))          # a service

A document comes back exactly as it was written: fields that are not flat metadata are stored
packed, under KEPT.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import numpy as np

from indexer.documents import Document, Vectors, normalise
from indexer.errors import (
    InvalidDocument,
    InvalidInput,
    InvalidQuery,
    InvalidVector,
    MissingExtra,
)
from indexer.integrations.haystack_filters import KEPT, translate_filter
from indexer.integrations.stores import (
    CollectionStore,
    ForeignEmbedder,
    ServiceStore,
    Sought,
    StoreBackend,
)
from indexer.library import DEFAULT_COLLECTION
from indexer.moments import told_dates
from indexer.queries import Mode

try:
    from haystack import Document as HaystackDocument
    from haystack import component, default_from_dict, default_to_dict
    from haystack.components.embedders.types import TextEmbedder
    from haystack.core.serialization import generate_qualified_class_name, import_class_by_name
    from haystack.document_stores.errors import DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy, FilterPolicy, apply_filter_policy
    from haystack.utils import Secret
except ModuleNotFoundError as error:
    raise MissingExtra("haystack-ai", "haystack") from error

DATETIME: Final = f"{KEPT}.datetime"
"""The one key of an object that stands for a datetime in packed metadata."""

PART_DOCUMENTS: Final = 500
"""Documents in one request to a service, which limits them."""


class BearingDocumentStore:
    """Documents in a collection of Bearing, for Haystack; opened at first use.

    ``data`` is a directory of collections, where the collection is created if there is none.
    Bearing's ``model`` of this name embeds (None: the default), or Haystack's ``embedder``; with
    the latter, a document's own embedding is used where it has one. A ``client`` names a service
    and a collection there instead, whose model embeds; ``api_key`` is the place where a
    deserialised store finds the service's key. A context manager.
    """

    def __init__(
        self,
        data: Path | str | None = None,
        collection: str | None = None,
        *,
        model: str | None = None,
        embedder: TextEmbedder | None = None,
        client: Any = None,  # noqa: ANN401 -- see ServiceStore
        api_key: Secret | None = None,
    ) -> None:
        _check_place(data, client, (collection, model, embedder))
        if model is not None and embedder is not None:
            raise InvalidInput("give a model of Bearing's or an embedder of Haystack's, not both")
        self._data = None if data is None else str(data)
        self._collection = collection or DEFAULT_COLLECTION
        self._model = model
        self._embedder = embedder
        self._client = client
        self._api_key = api_key
        self._foreign = None if embedder is None else _foreign(embedder)
        self._made: Any = None  # a client of its own, which only this closes
        self._opened: StoreBackend | None = None
        self._opening = Lock()

    @property
    def _store(self) -> StoreBackend:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> StoreBackend:
        if self._data is None:
            return ServiceStore(self._client)
        return CollectionStore.open(self._data, self._collection, self._foreign, self._model)

    def to_dict(self) -> dict[str, Any]:
        """The arguments to create it again, as plain values, without the key of the service."""
        if self._client is None:
            given = {"collection": self._collection, "model": self._model}
            return default_to_dict(self, data=self._data, embedder=self._embedder, **given)
        client = {
            "type": generate_qualified_class_name(type(self._client)),
            "init_parameters": {"url": self._client.url, "collection": self._client.name},
        }
        return default_to_dict(self, client=client, api_key=self._api_key)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The store that ``to_dict`` described."""
        given = dict(data.get("init_parameters", {}))
        client = given.pop("client", None)
        if client is None:
            return default_from_dict(cls, data)
        stored = given.get("api_key")
        api_key = None if stored is None else Secret.from_dict(stored)
        # Named, not imported: the library is below the service. Haystack must allow it.
        make: Any = import_class_by_name(client["type"])
        key = None if api_key is None else api_key.resolve_value()
        made = make(**client["init_parameters"], api_key=key)
        store = cls(client=made, api_key=api_key)
        store._made = made
        return store

    def count_documents(self) -> int:
        """The number of documents."""
        return self._store.count()

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """The number of documents that pass the filters."""
        return sum(1 for _ in self._store.documents(translate_filter(filters)))

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[HaystackDocument]:
        """All documents that pass the filters, in insertion order."""
        return [_given(one) for one in self._store.documents(translate_filter(filters))]

    def write_documents(
        self, documents: list[HaystackDocument], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Write documents, and return the number written.

        Without a policy, as with FAIL, an existing document raises DuplicateDocumentError, and
        nothing is written. Other writers between the check and the write are not noticed.
        """
        if not isinstance(documents, list) or not all(
            isinstance(one, HaystackDocument) for one in documents
        ):
            raise InvalidInput("write_documents takes a list of Haystack's documents")
        if policy is DuplicatePolicy.OVERWRITE:
            self._put(list({one.id: one for one in documents}.values()))
            return len(documents)
        new = self._new(documents)
        if policy is not DuplicatePolicy.SKIP and len(new) < len(documents):
            repeated = len(documents) - len(new)
            raise DuplicateDocumentError(
                f"{repeated} of {len(documents)} documents already exist, or come twice: "
                "nothing was written; the policies SKIP and OVERWRITE take them"
            )
        self._put(new)
        return len(new)

    def _new(self, documents: Sequence[HaystackDocument]) -> list[HaystackDocument]:
        """The first document of each id that does not exist yet."""
        first: dict[str, HaystackDocument] = {}
        for document in documents:
            first.setdefault(document.id, document)
        found = self._store.get(list(first)) if first else []
        return [one for one, there in zip(first.values(), found, strict=True) if there is None]

    def _put(self, documents: Sequence[HaystackDocument]) -> None:
        stored = [_stored(document) for document in documents]  # all are checked before any is put
        store = self._store
        if self._foreign is not None and isinstance(store, CollectionStore):
            if documents:
                store.put_vectors(stored, _vectors(documents, self._foreign))
            return
        for part in _parts(stored):
            store.put(part)

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Update the meta of the documents that pass the filters, and return their number."""
        passed = self.filter_documents(filters)
        for document in passed:
            document.meta.update(meta)
        self._put(passed)
        return len(passed)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete those of these documents that exist."""
        self._delete(document_ids)

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete the documents that pass the filters, and return their number."""
        return self._delete([one.id for one in self._store.documents(translate_filter(filters))])

    def delete_all_documents(self) -> None:
        """Delete all documents."""
        self._delete([one.id for one in self._store.documents()])

    def _delete(self, ids: Sequence[str]) -> int:
        return sum(self._store.delete(part) for part in _parts(ids))

    def search(
        self, sought: Sought, filters: dict[str, Any] | None, how: Mapping[str, Any]
    ) -> list[HaystackDocument]:
        """The best documents, best first, with their scores; ``how`` are options of a search."""
        hits = self._store.search(sought, translate_filter(filters), how)
        return [_given(hit.document, hit.score) for hit in hits]

    def close(self) -> None:
        """Close what was opened, by deserialising too; the next use opens a collection again."""
        if self._made is not None:
            self._made.close()
        with self._opening:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@component
class BearingRetriever:
    """The documents that answer a query best, by meaning, by words, or by both.

    ``options`` are further options of a search: ``min_score``, ``exact``, ``rerank``,
    ``diversity``.
    """

    def __init__(
        self,
        document_store: BearingDocumentStore,
        *,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        mode: str = Mode.DENSE.value,
        options: dict[str, Any] | None = None,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
    ) -> None:
        if not isinstance(document_store, BearingDocumentStore):
            kind = type(document_store).__name__
            raise InvalidInput(f"the document store must be a BearingDocumentStore, got a {kind}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.mode = _mode(mode)
        self.options = options
        self.filter_policy = (
            FilterPolicy.from_str(filter_policy)
            if isinstance(filter_policy, str)
            else filter_policy
        )

    def to_dict(self) -> dict[str, Any]:
        """The arguments to create it again, as plain values."""
        return default_to_dict(
            self,
            document_store=self.document_store,
            filters=self.filters,
            top_k=self.top_k,
            mode=self.mode.value,
            options=self.options,
            filter_policy=self.filter_policy.value,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BearingRetriever:
        """The retriever that ``to_dict`` described."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[HaystackDocument])
    def run(
        self,
        query: str | None = None,
        query_embedding: list[float] | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        mode: str | None = None,
    ) -> dict[str, list[HaystackDocument]]:
        """The documents that answer best, best first, with their scores: cosines in mode dense.

        In mode dense an embedding takes precedence over the text, if both are given.
        """
        chosen = self.mode if mode is None else _mode(mode)
        how = {**(self.options or {}), "mode": chosen.value}
        how["k"] = self.top_k if top_k is None else top_k
        narrowed = apply_filter_policy(self.filter_policy, self.filters, filters)
        sought = _sought(chosen, query, query_embedding)
        return {"documents": self.document_store.search(sought, narrowed, how)}


def _check_place(data: Path | str | None, client: object, others: Iterable[object]) -> None:
    if data is None and client is None:
        raise InvalidInput("give data, a directory of collections, or the client of a service")
    if client is not None and any(one is not None for one in (data, *others)):
        raise InvalidInput(
            "a client names the service and the collection, whose model embeds: give no data, "
            "collection, model or embedder with it"
        )


def _foreign(embedder: TextEmbedder) -> ForeignEmbedder:
    model = getattr(embedder, "model", None) or getattr(embedder, "model_name", None)
    name = f"haystack {type(embedder).__name__}" + (f" {model}" if isinstance(model, str) else "")

    def embed(text: str) -> Sequence[float]:
        embedding: Sequence[float] = embedder.run(text)["embedding"]
        return embedding

    return ForeignEmbedder(name, lambda texts: [embed(text) for text in texts], embed)


def _vectors(documents: Sequence[HaystackDocument], model: ForeignEmbedder) -> Vectors:
    """(n, d) unit rows: the documents' own embeddings, or the model's where they have none."""
    dimension = model.identity.dimension
    texts = [one.content or "" for one in documents if one.embedding is None]
    made = iter(model.embed(texts).vectors if texts else ())
    rows = [next(made) if one.embedding is None else one.embedding for one in documents]
    for document, row in zip(documents, rows, strict=True):
        if len(row) != dimension:
            raise InvalidVector(
                f"document {document.id!r}: its embedding has {len(row)} dimensions, the "
                f"embedder's have {dimension}"
            )
    return normalise(np.asarray(rows, dtype=np.float64), "the embedding of document")


def _mode(given: str) -> Mode:
    try:
        return Mode(given)
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise InvalidQuery(f"mode {given!r} is not offered; offered are {known}") from None


def _sought(mode: Mode, query: str | None, embedding: list[float] | None) -> Sought:
    if mode is Mode.DENSE and embedding is not None:
        return embedding
    if query is None:
        wanted = "a query or a query_embedding" if mode is Mode.DENSE else "a query, as text"
        raise InvalidQuery(f"mode {mode.value!r} needs {wanted}")
    return query


def _parts(given: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (given[at : at + PART_DOCUMENTS] for at in range(0, len(given), PART_DOCUMENTS))


# Documents


def _stored(document: HaystackDocument) -> Document:
    """A document as Bearing stores it; raises InvalidDocument if it cannot be stored."""
    if document.content is None:
        raise InvalidDocument(f"document {document.id!r} has no content: only texts are searched")
    if document.blob is not None or document.sparse_embedding is not None:
        raise InvalidDocument(
            f"document {document.id!r}: a blob or a sparse embedding is not kept; set it to None"
        )
    if KEPT in document.meta:
        raise InvalidDocument(f"document {document.id!r}: the meta field {KEPT!r} is taken")
    metadata = _searchable(document.meta) | _kept(document)
    return Document(document.id, document.content, None, metadata)


def _kept(document: HaystackDocument) -> dict[str, str]:
    kept: dict[str, Any] = {}
    if document.embedding is not None:
        kept["embedding"] = _packed(document.embedding)
    if not all(_is_flat(value) for value in document.meta.values()):
        kept["meta"] = document.meta
    try:
        return {KEPT: json.dumps(kept, allow_nan=False, default=_told)} if kept else {}
    except (TypeError, ValueError) as error:
        raise InvalidDocument(f"document {document.id!r}: meta must be JSON: {error}") from error


def _searchable(meta: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The metadata for filters: fields of nested objects by their path, no lists of objects."""
    fields: dict[str, Any] = {}
    for key, value in meta.items():
        if isinstance(value, dict):
            fields |= _searchable(value, f"{prefix}{key}.")
        elif _is_flat(told := told_dates(value)):
            fields[f"{prefix}{key}"] = told
    return fields


def _is_flat(value: object) -> bool:
    elements = value if isinstance(value, list) else [value]
    return all(one is None or isinstance(one, str | int | float) for one in elements)


def _told(value: object) -> dict[str, str]:
    """A datetime as JSON has it."""
    if isinstance(value, datetime):
        return {DATETIME: value.isoformat()}
    raise TypeError(f"{value!r} is not")


def _retold(found: dict[str, Any]) -> object:
    """A datetime that JSON had; any other object as it is."""
    return datetime.fromisoformat(found[DATETIME]) if set(found) == {DATETIME} else found


def _packed(embedding: Sequence[float]) -> dict[str, str]:
    """Its numbers in float32 if that loses nothing, else in float64."""
    wide = np.asarray(embedding, dtype="<f8")
    with np.errstate(over="ignore"):
        narrow = wide.astype("<f4")
    kept: np.ndarray[Any, Any] = narrow if np.array_equal(narrow, wide) else wide
    return {"dtype": kept.dtype.str, "base64": base64.b64encode(kept.tobytes()).decode()}


def _unpacked(packed: Mapping[str, str]) -> list[float]:
    raw = base64.b64decode(packed["base64"])
    numbers: list[float] = np.frombuffer(raw, dtype=packed["dtype"]).tolist()
    return numbers


def _given(document: Document, score: float | None = None) -> HaystackDocument:
    """A document as Haystack gave it."""
    meta: dict[str, Any] = dict(document.metadata)
    kept = json.loads(meta.pop(KEPT, "{}"), object_hook=_retold)
    embedding = _unpacked(kept["embedding"]) if "embedding" in kept else None
    return HaystackDocument(
        id=document.id,
        content=document.text,
        meta=kept.get("meta", meta),
        score=score,
        embedding=embedding,
    )


# Filters
