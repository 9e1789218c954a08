"""The interface of ``import indexer`` for notebooks and programs: a data directory, and its texts.

It combines what the commands combine: reading, embedding and storing are elsewhere.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, TypedDict, TypeVar, Unpack

import numpy as np

from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import Document, Vectors, normalise
from indexer.embedding.embedder import Embedder, Modality, TextRole
from indexer.errors import InvalidInput, InvalidQuery, Unreadable
from indexer.filters import parse_filter
from indexer.index_choice import Language
from indexer.ingestion.pictures import PictureReading
from indexer.ingestion.pipeline import Progress, Summary, ingest
from indexer.library import DEFAULT_COLLECTION, Library
from indexer.moments import told_dates
from indexer.parts import asked_parts
from indexer.pictures import Pixels
from indexer.queries import (
    Answer,
    Example,
    Fusion,
    Merge,
    Mode,
    Query,
    SearchOf,
    Strategy,
    usual_mode,
)
from indexer.readers.paths import read_paths
from indexer.readers.pictures import fitted, read_pictures
from indexer.readers.reading import USUAL, Fields, Read, Rejection, VectorTrust
from indexer.readers.records import document_or_rejection
from indexer.readers.sources import open_regular
from indexer.readers.vectors import VectorFields
from indexer.reports import Description
from indexer.retrieval.search import search
from indexer.similarity import Matrix, Measure, pairwise

PAGE_DOCUMENTS: Final = 1_000

Where: TypeAlias = Mapping[str, Any] | None
"""A filter in Bearing's language, as JSON; datetimes may stand for their texts."""

Given: TypeAlias = Document | Mapping[str, Any]
"""A document, or a record like a line of JSON Lines: its further fields are metadata."""

_Member = TypeVar("_Member", bound=StrEnum)


class SearchHow(TypedDict, total=False):
    """Settings of a search, and its subject if that is not a text; see Query."""

    vector: Sequence[float] | None
    image: Path | bytes | Pixels
    like: Sequence[Example]
    unlike: Sequence[Example]
    strategy: str
    k: int
    filter: Where
    mode: str
    of: str
    merge: str
    fusion: str
    candidates: int | None
    min_score: float | None
    exact: bool
    rerank: int | None
    diversity: float | None
    group_by: str | None
    group_size: int
    explain: int
    temperature: float | None
    fields: Sequence[str] | None
    passages_only: bool
    facets: Sequence[str]
    facet_values: int
    facet_depth: int | None
    cursor: str | None


@dataclass(frozen=True, slots=True)
class IndexReport:
    """The outcome of indexing, and each input without a document, with the reason."""

    summary: Summary
    rejections: tuple[Rejection, ...]


def open(
    data: Path | str | None = None,
    *,
    model: str | None = None,
    reranker: str | None = None,
    cache: Path | str | None = None,
    threads: int | None = None,
) -> Workspace:
    """A data directory, created when something is written to it.

    Settings not given are taken from the variables BEARING_*, as in the commands. Raises
    InvalidInput for an invalid setting.
    """
    given = {"data": data, "model": model, "reranker": reranker, "cache": cache, "threads": threads}
    return Workspace(Library(Config.from_environment(os.environ, **given)))


class Workspace:
    """A data directory with its models, each loaded once, when it is first needed.

    A context manager, or to be closed. ``library`` is the Library beneath it.
    """

    def __init__(self, library: Library) -> None:
        self.library = library

    def collection(
        self,
        name: str = DEFAULT_COLLECTION,
        *,
        model: str | None = None,
        language: Language | str | None = None,
    ) -> TextCollection:
        """A collection, created if there is none.

        Raises ModelMismatch if it is another model's, InvalidInput if it has another language.
        """
        chosen = None if language is None else _member(Language, "language", language)
        return TextCollection(self.library, self.library.obtain(name, model, chosen))

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        return self.library.names()

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it; raises NotFound."""
        self.library.delete(name)

    def embed(
        self, texts: Sequence[str], *, role: TextRole = TextRole.DOCUMENT, model: str | None = None
    ) -> Vectors:
        """(n, d) float32 unit rows; warns of texts truncated to the model's window."""
        embedded = self._embedder(model).embed(texts, role)
        for place in embedded.truncated:
            warnings.warn(
                f"text {place} is longer than the model's window: its end is left out",
                stacklevel=2,
            )
        return embedded.vectors

    def embed_images(
        self, images: Sequence[Path | bytes | Pixels], *, model: str | None = None
    ) -> Vectors:
        """(n, d) float32 unit rows, in the space of the model's texts.

        An image is a file's path or content, or an array of (height, width, 3) uint8. Raises
        InvalidInput for a model of texts only, Unreadable for a file that is no image.
        """
        return embed_images(self._embedder(model), images)

    def similarity(
        self,
        a: Sequence[str],
        b: Sequence[str] | None = None,
        *,
        measure: Measure | str = Measure.COSINE,
        model: str | None = None,
    ) -> Matrix:
        """(n, m) float64: each text of ``a`` compared with each of ``b``, or of ``a`` itself.

        Measures other than the cosine are those of indexer.similarity that need no samples.
        """
        wanted = _member(Measure, "measure", measure)
        vectors = self.embed([*a, *(b or ())], model=model)
        left = vectors[: len(a)]
        return pairwise(wanted, left, left if b is None else vectors[len(a) :])

    def _embedder(self, model: str | None) -> Embedder:
        return self.library.model(model or self.library.config.model)

    def close(self) -> None:
        """Close all collections, then all models."""
        self.library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class TextCollection:
    """A collection with the model that fills it: documents in, ranked answers out.

    It lasts as long as its workspace. ``stored`` is the Collection itself, for all other methods.
    """

    def __init__(self, library: Library, stored: Collection) -> None:
        self._library = library
        self.stored = stored

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    def index(
        self,
        documents: Iterable[Given],
        on_progress: Callable[[Progress], None] = lambda _: None,
        vectors: VectorTrust | str = VectorTrust.CHECKED,
    ) -> IndexReport:
        """Add or replace any number of documents; unchanged ones are skipped.

        A rejected document stops nothing. Written documents are durable and searchable. If
        iterating over the documents raises, those before are written, then the error is raised.
        A record with a ``vector`` is not embedded, if ``vectors`` says that it is to be taken.
        """
        fields = replace(USUAL, vectors=_member(VectorTrust, "vectors", vectors))
        return self._ingest(_reads(documents, fields), on_progress)

    def index_files(
        self,
        *paths: Path | str,
        fields: Fields = USUAL,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> IndexReport:
        """Read files and folders of them, in all formats that ``bearing index`` reads.

        Raises Unreadable at once for a path that does not exist.
        """
        skip = [folder] if (folder := self._library.folder) else []
        sees = Modality.IMAGE in self._library.filling(self.stored).modalities
        fields = replace(fields, pictures=sees)
        reads = read_paths([str(path) for path in paths], fields, skip=skip)
        return self._ingest(reads, on_progress)

    def _ingest(
        self, reads: Iterable[Read], on_progress: Callable[[Progress], None]
    ) -> IndexReport:
        rejections: list[Rejection] = []
        summary = ingest(
            self.stored,
            self._library.filling(self.stored),
            reads,
            on_progress=on_progress,
            on_reject=rejections.append,
            pictures=PictureReading(self._library.config.max_pixels),
        )
        return IndexReport(summary, tuple(rejections))

    def search(self, text: str | None = None, **how: Unpack[SearchHow]) -> Answer:
        """The k best documents for a text, a vector, an image or examples, best first."""
        (answer,) = self._answers([query_of(text, self._seen(how))])
        return answer

    def search_many(self, texts: Sequence[str], **how: Unpack[SearchHow]) -> list[Answer]:
        """The answer to each text, in order; faster than one search after another."""
        return self._answers([query_of(text, self._seen(how)) for text in texts])

    def _seen(self, how: SearchHow) -> Mapping[str, Any]:
        """The settings of a search with the vector of its image, if it has one."""
        given: dict[str, Any] = dict(how)
        if "image" in given:
            embedder = self._library.seeing(self.stored)
            (given["vector"],) = embed_images(embedder, [given.pop("image")])
            given["by_image"] = True
        return given

    def _answers(self, queries: Sequence[Query]) -> list[Answer]:
        reranker = self._library.reranker() if any(query.rerank for query in queries) else None
        return search(self.stored, self._library.embedder(self.stored), queries, reranker)

    def get(self, id: str) -> Document | None:
        """The document with this id, or None."""
        (document,) = self.stored.get([id])
        return document

    def documents(self, filter: Where = None) -> Iterator[Document]:
        """All documents that pass a filter, in insertion order."""
        return documents_of(self.stored, filter)

    def delete(self, ids: Iterable[str]) -> int:
        """Delete those of these documents that exist, and return their number."""
        if isinstance(ids, str):
            raise InvalidInput(f"give a list of ids, not one by itself: [{ids!r}]")
        return self.stored.delete(list(ids))

    def delete_matching(self, filter: Mapping[str, Any]) -> int:
        """Delete the documents that pass a filter, and return their number."""
        condition = parse_filter(told_dates(filter))
        if condition is None:
            raise InvalidInput("an empty filter would delete all documents: delete the collection")
        return self.stored.delete_matching(condition)

    def describe(self) -> Description:
        """Counts, sizes and the kind of search."""
        return self.stored.describe()

    def __len__(self) -> int:
        return self.describe().documents


def embed_images(embedder: Embedder, images: Sequence[Path | bytes | Pixels]) -> Vectors:
    """Vectors of images that are files, their contents or arrays; see Workspace."""
    files = [_content(image) for image in images if isinstance(image, Path | bytes)]
    read = iter(fitted(read_pictures(files, embedder.fit)))
    given = [next(read) if isinstance(one, Path | bytes) else one for one in images]
    return embedder.embed_images(given)


def _content(image: Path | bytes) -> bytes:
    """The bytes of an image file; raises Unreadable."""
    if isinstance(image, bytes):
        return image
    try:
        with open_regular(image) as file:
            return file.read()
    except OSError as error:
        raise Unreadable(f"{image} cannot be read: {error.strerror or error}") from error


def documents_of(collection: Collection, filter: Where) -> Iterator[Document]:
    """All documents of a collection that pass a filter, in insertion order."""
    condition = parse_filter(told_dates(filter))
    page = collection.page(condition, None, PAGE_DOCUMENTS)
    yield from page.documents
    while page.cursor is not None:
        page = collection.page(condition, page.cursor, PAGE_DOCUMENTS)
        yield from page.documents


_KINDS: Final = (("of", SearchOf), ("merge", Merge))


def query_of(text: str | None, how: Mapping[str, Any]) -> Query:
    """A query from plain values; see SearchHow. Raises InvalidInput."""
    given = {**how, "text": text, "filter": parse_filter(told_dates(how.get("filter")))}
    brief = given.pop("passages_only", False)
    given["parts"] = asked_parts(given.pop("fields", None), passages_only=brief)
    for name, kind in (("mode", Mode), ("strategy", Strategy), ("fusion", Fusion), *_KINDS):
        if name in given:
            given[name] = _member(kind, name, given[name])
    for side in ("like", "unlike", "facets"):
        given[side] = tuple(given.get(side, ()))
    if given.get("vector") is not None:
        given["vector"] = normalise(np.asarray([given["vector"]], dtype=np.float64))[0]
    usual = usual_mode(text, given.get("min_score"), given.get("rerank"))
    try:
        return Query(**{"mode": usual, **given})
    except TypeError as error:
        raise InvalidQuery(f"a search has no such option: {error}") from error


def _member(members: type[_Member], name: str, value: str) -> _Member:
    try:
        return members(value)
    except ValueError:
        allowed = ", ".join(members)
        raise InvalidInput(f"{name} must be one of {allowed}; got {value!r}") from None


def _reads(documents: Iterable[Given], fields: Fields) -> Iterator[Read]:
    parting = VectorFields("documents", fields)
    for number, given in enumerate(documents, start=1):
        if isinstance(given, Document):
            yield Read(given, number)
            continue
        place = f"document {number}"
        record = dict(told_dates(given)) if isinstance(given, Mapping) else given
        try:
            parted = parting.apart(record, place)
        except Unreadable as error:
            yield Read(Rejection(place, str(error)), number)
            continue
        yield from (Read(one, number) for one in parted.told)
        item = document_or_rejection(parted.record, fields, place, None)
        yield Read(item, number, brought=parted.brought)
