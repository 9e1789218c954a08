"""How much longer a collection takes in PostgreSQL than in a folder, with the same documents.

Both engines are asked the same in turns, so that a machine whose speed changes does not decide who
is faster. ``--data URL`` names a database, in which a collection ``benchmark`` is made and deleted;
without it a server of one node is started, from the wheel that the tests use.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.vectors import prepare
from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.embedding.embedder import CANARIES, Identity
from indexer.engine import Catalogue
from indexer.engines import open_catalogue
from indexer.errors import NotFound
from indexer.filters import parse_filter
from indexer.index_choice import Language
from indexer.queries import Mode, Query

NAME: Final = "benchmark"
BATCH: Final = 500
WORDS: Final = 20_000
"""Different words, as frequent as in a language: the n-th by 1 / n."""

TURN: Final = 10
"""Queries that one engine is asked before the other."""

Ask = Callable[[int], Query]
"""The query of a number."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents of a few words, with vectors, (n, d), and vectors to search for, (q, d)."""

    texts: Sequence[str]
    vectors: Vectors
    queries: Vectors

    def documents(self, start: int, end: int) -> list[EmbeddedDocument]:
        """Some documents, with a field of which each value passes for a share of them."""
        return [
            EmbeddedDocument(
                Document(f"d{i}", text, None, {"n": i, "tenth": i % 10, "hundredth": i % 100}),
                (Chunk(0, 0, len(text)),),
                self.vectors[i : i + 1],
            )
            for i, text in enumerate(self.texts[start:end], start)
        ]


def make_corpus(rows: int) -> Corpus:
    """Documents of 10 to 60 words, whose vectors lie as those of titles do."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(Path(folder), None, rows, 400)
        vectors, queries = np.array(data.base), np.array(data.queries)
    dice = np.random.default_rng(3)
    chances = 1 / np.arange(1, WORDS + 1)
    chances /= chances.sum()
    lengths = dice.integers(10, 61, rows)
    drawn = dice.choice(WORDS, int(lengths.sum()), p=chances)
    ends = np.cumsum(lengths)
    texts = [
        " ".join(f"w{word}x" for word in drawn[end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]
    return Corpus(texts, normalise(vectors), normalise(queries))


def kinds_of_query(corpus: Corpus) -> Mapping[str, Ask]:
    """The kinds of query that are timed."""

    def dense(number: int, **more: object) -> Query:
        vector = corpus.queries[number % len(corpus.queries)]
        return Query(vector=vector, **more)  # type: ignore[arg-type]

    def words(number: int) -> str:
        return " ".join(corpus.texts[number * 37 % len(corpus.texts)].split()[:6])

    return {
        "dense": dense,
        "k100": lambda number: dense(number, k=100),
        "exact": lambda number: dense(number, exact=True),
        "tenth": lambda number: dense(number, filter=parse_filter({"tenth": number % 10})),
        "hundredth": lambda number: dense(number, filter=parse_filter({"hundredth": number % 100})),
        "half": lambda number: dense(
            number, filter=parse_filter({"n": {"$lt": len(corpus.texts) // 2 + number}})
        ),
        "lexical": lambda number: Query(text=words(number), mode=Mode.LEXICAL),
        "hybrid": lambda number: dense(number, text=words(number), mode=Mode.HYBRID),
    }


def identity_of(dimension: int) -> Identity:
    """A model that exists only as vectors."""
    canaries = normalise(np.random.default_rng(1).normal(size=(len(CANARIES), dimension)))
    return Identity(NAME, "w" * 64, "s" * 64, dimension, 256, "mean", {}, canaries)


@contextmanager
def opened(url: str, dimension: int) -> Iterator[Collection]:
    """A new collection at a URL, deleted at the end."""
    catalogue = open_catalogue(url)
    try:
        _delete(catalogue)
        catalogue.create(NAME, identity_of(dimension), Language.ENGLISH)
        with Collection(catalogue.open(NAME)) as collection:
            yield collection
        _delete(catalogue)
    finally:
        catalogue.close()


def _delete(catalogue: Catalogue) -> None:
    try:
        catalogue.delete(NAME)
    except NotFound:
        return


def measure(corpus: Corpus, sides: Mapping[str, Collection], queries: int) -> dict[str, object]:
    """Milliseconds of each kind of query in each engine, their ratio, and the recall of both."""
    figures: dict[str, object] = {"put": _put(corpus, sides)}
    for name, collection in sides.items():
        start = time.perf_counter()
        collection.rebuild()
        figures[f"rebuild_seconds_{name}"] = time.perf_counter() - start
    for kind, ask in kinds_of_query(corpus).items():
        times: dict[str, list[float]] = {name: [] for name in sides}
        for start in range(0, queries, TURN):
            for name, collection in sides.items():
                times[name] += [_ms(collection, ask(i)) for i in range(start, start + TURN)]
        figures[kind] = _compared({name: statistics.median(own) for name, own in times.items()})
    figures["index"] = {name: dict(one.describe().index) for name, one in sides.items()}
    figures["recall"] = {name: _recall(corpus, one) for name, one in sides.items()}
    return figures


def _put(corpus: Corpus, sides: Mapping[str, Collection]) -> dict[str, float]:
    seconds = dict.fromkeys(sides, 0.0)
    for start in range(0, len(corpus.texts), BATCH):
        batch = corpus.documents(start, min(start + BATCH, len(corpus.texts)))
        for name, collection in sides.items():
            begun = time.perf_counter()
            collection.put(batch)
            seconds[name] += time.perf_counter() - begun
    return _compared(seconds)


def _compared(figures: Mapping[str, float]) -> dict[str, float]:
    return {**figures, "ratio": figures["postgresql"] / figures["local"]}


def _ms(collection: Collection, query: Query) -> float:
    start = time.perf_counter()
    collection.search([query])
    return (time.perf_counter() - start) * 1e3


def _recall(corpus: Corpus, collection: Collection) -> dict[str, float]:
    """The share of exact hits that are found, by k."""
    found = {}
    for k in (10, 100):
        shares = []
        for vector in corpus.queries[:50]:
            best, near = (
                {hit.document.id for hit in collection.search([one])[0].hits}
                for one in (Query(vector=vector, k=k, exact=True), Query(vector=vector, k=k))
            )
            shares.append(len(best & near) / k)
        found[str(k)] = float(np.mean(shares))
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--data", default="", help="the URL of a database")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(given)
    corpus = make_corpus(asked.rows)
    dimension = corpus.vectors.shape[1]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = asked.data or stack.enter_context(_server())
        sides = {
            name: stack.enter_context(opened(place, dimension))
            for name, place in (("local", str(folder / "data")), ("postgresql", url))
        }
        figures = {"rows": asked.rows, **measure(corpus, sides, asked.queries)}
    if asked.json:
        print(json.dumps(figures))
        return 0
    for name, told in figures.items():
        print(f"{name:28} {told}")
    return 0


@contextmanager
def _server() -> Iterator[str]:
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from postgres import postgres

    folder = Path(tempfile.mkdtemp(prefix="bearing-postgres-"))
    with postgres(folder, shared_buffers="1GB", maintenance_work_mem="1GB") as url:
        yield url


if __name__ == "__main__":
    sys.exit(main())
