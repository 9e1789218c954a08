"""Collections of this process, opened in a library.

What only one method needs is imported there: a command calls few, and waits for all imports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.cli import messages
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
from indexer.cli.holders.answer_figures import answer_figures
from indexer.cli.holders.answers import map_figures
from indexer.cli.messages import Figures
from indexer.cli.options import open_library
from indexer.collection import Collection
from indexer.documents import Document, Vector
from indexer.embedding import Embedder, open_embedder
from indexer.errors import BearingError, InvalidFilter, NotFound
from indexer.facets import Count
from indexer.filters import Filter, parse_filter
from indexer.index_choice import USUAL_CHUNKING
from indexer.library import Library
from indexer.parts import WHOLE, parts_by_name
from indexer.reports import Broken, Description, Tell
from indexer.similarity import Measure, cosine, pairwise, softmax

if TYPE_CHECKING:
    from indexer.export.files import Export

COVARIANCE_SAMPLES: Final = 10_000
"""Stored vectors that mahalanobis estimates its covariance from, at most."""

FIELDS_NAMED: Final = 100
"""Fields that a message names, at most."""


@contextmanager
def open_local(data: str | None, model: str | None, reranker: str | None) -> Iterator[LocalHolder]:
    """The collections of a data directory."""
    with open_library(data, model, reranker) as library:
        yield LocalHolder(library, model)


@dataclass(frozen=True, slots=True)
class LocalHolder:
    """The collections of a library; ``model`` compares texts, None for that of the collection."""

    library: Library
    model: str | None = None

    @property
    def place(self) -> str:
        """The place of its collections, in words for people."""
        return self.library.place

    def search(self, collection: str, asked: Search) -> Found:
        """The answer to a search."""
        from indexer.retrieval.search import search_timed

        if asked.image is None:
            asked.query()  # what is wrong with it is told before anything is opened
        opened = self.library.open(collection)
        query = asked.query(self._seen(opened, asked.image))
        judge = self.library.reranker() if query.rerank else None
        done = search_timed(opened, self.library.embedder(opened), [query], judge)
        (answer,) = done.answers
        known = opened.fields(FIELDS_NAMED, 1) if answer.unknown_fields else []
        figures = answer_figures(query, answer, done.embed_ms, done.search_ms)
        return Found(answer, figures, opened.language, [one.name for one in known])

    def _seen(self, collection: Collection, image: Path | None) -> Vector | None:
        """The vector of an image among a collection's texts; None without one."""
        if image is None:
            return None
        from indexer.workspace import embed_images

        vector: Vector = embed_images(self.library.seeing(collection), [image])[0]
        return vector

    def compare(self, collection: str, asked: Comparison) -> Compared:
        """The similarities of texts, by the model of a collection if it exists."""
        with self._comparing(collection) as (embedder, stored):
            embedded = embedder.embed([*asked.a, *(asked.b or [])])
            samples = _samples(stored, asked.metrics, collection)
        count = len(asked.a)
        left = embedded.vectors[:count]
        right = embedded.vectors[count:] if asked.b else left
        close = cosine(left, right)
        matrices = {"similarity": close, "distance": 1.0 - close}
        if asked.temperature is not None:
            matrices["probabilities"] = softmax(close, asked.temperature)
        metrics = {
            str(one): pairwise(one, left, right, samples=samples).tolist()
            for one in dict.fromkeys(asked.metrics)
        }
        truncated = {
            "a": [place for place in embedded.truncated if place < count],
            "b": [place - count for place in embedded.truncated if place >= count],
        }
        lists = {name: matrix.tolist() for name, matrix in matrices.items()}
        return Compared(lists, metrics, truncated)

    @contextmanager
    def _comparing(self, name: str) -> Iterator[tuple[Embedder, Collection | None]]:
        """The model to compare with, and the collection if there is one."""
        try:
            stored = self.library.open(name)
        except NotFound:
            stored = None
        if stored is not None and self.model is None:
            yield self.library.embedder(stored), stored
            return
        config = self.library.config
        with open_embedder(
            config.model,
            cache=config.cache,
            backend=config.backend,
            precision=config.precision,
            threads=config.threads,
        ) as embedder:
            yield embedder, stored

    def diagnose(self, collection: str, tell: Tell) -> Figures:
        """Diagnostics of a collection's vectors."""
        from indexer.analysis.diagnostics import report

        opened = self.library.open(collection)
        try:
            self.library.embedder(opened)  # by which unrelated queries are embedded
        except BearingError as error:
            messages.note(f"significance is not looked at anew: {error}")
        return report(opened.diagnose(tell))

    def duplicates(self, collection: str, tell: Tell) -> Figures:
        """Documents with their copies, of the whole collection."""
        from indexer.retrieval.duplicates import find_duplicates

        return find_duplicates(self.library.open(collection), tell).plain

    def judgements(self, collection: str) -> Sequence[Figures]:
        """The judgements of a collection's users, the oldest first."""
        return self.library.open(collection).feedback.read()

    def describe(self, collection: str) -> Description:
        """A summary of a collection; raises NotFound."""
        return self.library.describe(collection)

    def describe_all(self) -> Sequence[Description | Broken]:
        """Summaries of all collections, sorted by name."""
        return self.library.describe_all()

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        return self.library.aliases()

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before."""
        return self.library.point(alias, collection)

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        self.library.unpoint(alias)

    def list(self, collection: str, asked: Listing) -> Listed:
        """A page of documents."""
        opened, condition = self.library.open(collection), parse_filter(asked.condition)
        page = opened.page(condition, asked.cursor, asked.limit, asked.order, count=Count())
        documents = [parts_by_name(one, asked.parts) for one in page.documents]
        return Listed(documents, page.total or 0, page.unknown_fields, page.cursor)

    def document(self, collection: str, id: str) -> Figures:
        """A document; raises NotFound."""
        (found,) = self._get(collection, [id])
        if found is None:
            raise NotFound(f"there is no document {id!r} in {collection!r}")
        return parts_by_name(found, WHOLE)

    def present(self, collection: str, ids: Sequence[str]) -> Sequence[str]:
        """Those of these ids that a document has, in order."""
        return [one.id for one in self._get(collection, ids) if one is not None]

    def _get(self, collection: str, ids: Sequence[str]) -> Sequence[Document | None]:
        return self.library.open(collection).get(ids)

    def delete(self, collection: str, ids: Sequence[str]) -> int:
        """Delete those of these documents that exist, and return their number."""
        return self.library.open(collection).delete(ids)

    def delete_matching(self, collection: str, condition: Figures) -> int:
        """Delete the documents that pass a filter, and return their number."""
        return self.library.open(collection).delete_matching(_some(condition))

    def create(self, collection: str, wanted: NewCollection) -> Figures:
        """Make an empty collection, and return its summary; raises AlreadyExists."""
        chunking = wanted.chunking or USUAL_CHUNKING
        made = self.library.create(collection, wanted.model, wanted.language, chunking)
        return asdict(made.describe())

    def drop(self, collection: str) -> None:
        """Delete a collection with all that is in it; raises NotFound."""
        self.library.delete(collection)

    def export(self, collection: str, wanted: Wanted, tell: Tell) -> Export:
        """Write documents with their vectors to a file here."""
        from indexer.export.files import export

        chosen = parse_filter(wanted.condition)
        opened = self.library.open(collection)
        return export(opened, wanted.file, tell, chosen, replace=wanted.replace)

    def models(self) -> Sequence[Figures]:
        """All that was trained, each with the collections it serves, or why it cannot be read."""
        from indexer.cli.holders.model_figures import all_figures

        return all_figures(self.library)

    def draw_map(self, collection: str, tell: Tell, *, anew: bool) -> Figures:
        """Draw a collection's map as far as need be, or anew, and return what is on it."""
        found = self.library.open(collection).draw_map(tell, anew=anew)
        kept = asdict(found.kept) if found.kept else None
        clusters = [asdict(one) for one in found.labels]
        return map_figures(len(found.ids), found.fitted, found.late, kept, found.seconds, clusters)


def _some(condition: Figures) -> Filter:
    parsed = parse_filter(condition)
    if parsed is None:
        raise InvalidFilter("an empty filter passes every document")
    return parsed


def _samples(stored: Collection | None, metrics: Sequence[Measure], name: str) -> Any:  # noqa: ANN401
    if Measure.MAHALANOBIS not in metrics:
        return None
    if stored is None:
        raise NotFound(f"mahalanobis needs a collection, and there is no {name!r}")
    return stored.sample(COVARIANCE_SAMPLES)
