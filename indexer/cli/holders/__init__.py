"""The holders of collections that commands ask: this process, or a running service.

Answers are plain values as JSON has them, so that a command prints the same whoever holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.cli.messages import Figures
from indexer.documents import Vector
from indexer.errors import InvalidInput
from indexer.filters import parse_filter
from indexer.index_choice import Chunking, Language
from indexer.ordering import ADDED, Order
from indexer.parts import PASSAGES, Parts, asked_parts
from indexer.queries import Answer, Query
from indexer.reports import Broken, Description, Tell
from indexer.similarity import Measure

if TYPE_CHECKING:
    from indexer.export.files import Export


@dataclass(frozen=True, slots=True)
class Listing:
    """The documents to list: those that pass a filter, as JSON has it, in an order.

    ``names`` are those of the parts to come of each; None for all.
    """

    condition: Figures | None = None
    order: Order = ADDED
    cursor: str | None = None
    limit: int = 10
    names: Sequence[str] | None = None

    @property
    def parts(self) -> Parts:
        """The parts to come of each document; raises InvalidInput for a name of none."""
        return asked_parts(self.names)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of documents, the number on all pages, and the cursor to the next."""

    documents: Sequence[Figures]
    total: int
    unknown_fields: Sequence[str]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """A search as a command was asked for it: ``options`` are fields of a Query of their own types.

    ``whole`` says that whole documents are printed, or of them the parts in ``names``; else a
    passage of each is enough.
    """

    options: Mapping[str, Any]
    condition: Figures | None = None
    image: Path | None = None
    names: Sequence[str] | None = None
    passages_only: bool = False
    whole: bool = True

    def query(self, vector: Vector | None = None) -> Query:
        """The query; ``vector`` is that of the image. Raises InvalidInput."""
        asked = asked_parts(self.names, passages_only=self.passages_only)
        return Query(
            **self.options,
            vector=vector,
            by_image=self.image is not None,
            filter=parse_filter(self.condition),
            parts=asked if self.whole else PASSAGES,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search, and the same as JSON.

    ``fields`` are those that documents have, if the search named one that none has.
    """

    answer: Answer
    figures: Figures
    language: Language
    fields: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Texts to compare: ``a`` with ``b``, or with each other if that is None."""

    a: Sequence[str]
    b: Sequence[str] | None
    metrics: Sequence[Measure]
    temperature: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Matrices by name, (len(a), len(b)), and the places of truncated texts by side."""

    matrices: Mapping[str, Sequence[Sequence[float]]]
    metrics: Mapping[str, Sequence[Sequence[float]]]
    truncated: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class NewCollection:
    """The choices of a new collection; None is whatever its holder has for usual."""

    model: str | None = None
    language: Language | None = None
    chunking: Chunking | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export: the file, which may be there only if it is replaced, and a filter as JSON."""

    file: str
    condition: Figures | None = None
    replace: bool = False


class Holder(Protocol):
    """Holds collections. Safe for one thread; what it raises is a BearingError."""

    @property
    def place(self) -> str:
        """The place of its collections, in words for people."""
        ...

    def search(self, collection: str, asked: Search) -> Found:
        """The answer to a search."""
        ...

    def compare(self, collection: str, asked: Comparison) -> Compared:
        """The similarities of texts, by the model of a collection."""
        ...

    def diagnose(self, collection: str, tell: Tell) -> Figures:
        """Diagnostics of a collection's vectors: see indexer.analysis.diagnostics.report."""
        ...

    def duplicates(self, collection: str, tell: Tell) -> Figures:
        """Documents with their copies: see indexer.retrieval.duplicates.Found.plain."""
        ...

    def judgements(self, collection: str) -> Sequence[Figures]:
        """The judgements of a collection's users, the oldest first."""
        ...

    def describe(self, collection: str) -> Description:
        """A summary of a collection; raises NotFound."""
        ...

    def describe_all(self) -> Sequence[Description | Broken]:
        """Summaries of all collections, sorted by name."""
        ...

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        ...

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before."""
        ...

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        ...

    def list(self, collection: str, asked: Listing) -> Listed:
        """A page of documents."""
        ...

    def document(self, collection: str, id: str) -> Figures:
        """A document; raises NotFound."""
        ...

    def present(self, collection: str, ids: Sequence[str]) -> Sequence[str]:
        """Those of these ids that a document has, in order."""
        ...

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist, and return their number."""
        ...

    def delete_matching(self, collection: str, condition: Figures) -> int:
        """Delete the documents that pass a filter, and return their number."""
        ...

    def create(self, collection: str, wanted: NewCollection) -> Figures:
        """Make an empty collection, and return its summary; raises AlreadyExists."""
        ...

    def drop(self, collection: str) -> None:
        """Delete a collection with all that is in it; raises NotFound."""
        ...

    def export(self, collection: str, wanted: Wanted, tell: Tell) -> Export:
        """Write documents with their vectors to a file here."""
        ...

    def models(self) -> Sequence[Figures]:
        """All that was trained, each with the collections it serves, or why it cannot be read."""
        ...

    def draw_map(self, collection: str, tell: Tell, *, anew: bool) -> Figures:
        """Draw a collection's map as far as need be, or anew, and return what is on it."""
        ...


@contextmanager
def hold(
    data: str | None,
    url: str | None,
    key: str | None = None,
    *,
    model: str | None = None,
    reranker: str | None = None,
) -> Iterator[Holder]:
    """The holder that a command's options name: the service at a URL, or a data directory.

    Raises InvalidInput for options that a service does not take from its callers.
    """
    if url is None:
        from indexer.cli.holders.local import open_local

        with open_local(data, model, reranker) as local:
            yield local
        return
    for option, given in {"--model": model, "--reranker": reranker}.items():
        if given is not None:
            raise InvalidInput(f"{option} is chosen where the service is started: leave it out")
    from indexer.cli.holders.service import ServiceHolder
    from indexer.remote_service import connect

    with connect(url, key) as service:
        yield ServiceHolder(service)
