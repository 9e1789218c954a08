"""The command ``similarity``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from indexer.cli import output
from indexer.cli.options import Data, Json, Model, Name, open_library
from indexer.collection import Collection
from indexer.embedding import Embedder, open_embedder
from indexer.errors import InvalidInput, NotFound
from indexer.library import DEFAULT_COLLECTION, Library
from indexer.similarity import Measure, cosine, pairwise, softmax

COVARIANCE_SAMPLES: Final = 10_000
"""Stored vectors that mahalanobis estimates its covariance from, at most."""


def similarity(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Texts to compare; none: the lines of standard input."),
    ] = None,
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    model: Model = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the lines of a file as texts.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Compare with these instead of with each other."),
    ] = None,
    metric: Annotated[
        list[Measure] | None, typer.Option(help="Further measures; may be repeated.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Give probabilities: row-wise softmax(similarity / temperature)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare texts with each other: cosine similarity, distance, and other measures.

    The model is the collection's if that exists and no model is given.
    """
    a = _texts(texts, file)
    with (
        open_library(data, model) as library,
        _comparing(library, collection, model) as (embedder, stored),
    ):
        embedded = embedder.embed([*a, *(against or [])])
        samples = _samples(stored, metric or [], collection)
    left = embedded.vectors[: len(a)]
    right = embedded.vectors[len(a) :] if against else left
    close = cosine(left, right)
    matrices = {"similarity": close, "distance": 1.0 - close}
    metrics = {
        str(one): pairwise(one, left, right, samples=samples) for one in dict.fromkeys(metric or [])
    }
    if temperature is not None:
        matrices["probabilities"] = softmax(close, temperature)
    for place in embedded.truncated:
        side, at = ("a", place) if place < len(a) else ("b", place - len(a))
        output.note(f"text {at} of {side} is longer than the model's window: its end is left out")
    if as_json:
        lists = {name: matrix.tolist() for name, matrix in matrices.items()}
        lists["metrics"] = {name: matrix.tolist() for name, matrix in metrics.items()}
        output.say_json(lists)
        return
    for name, matrix in (matrices | metrics).items():
        output.say(output.matrix_table(name, matrix.tolist(), a, against or a))


def _texts(given: list[str] | None, file: Path | None) -> list[str]:
    if given and file:
        raise InvalidInput("give texts or --file, not both")
    if given:
        return given
    try:
        lines = (file.read_text("utf-8") if file else sys.stdin.read()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {file or 'standard input'}: {error}") from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InvalidInput("there is no text to compare: give some, or --file, or lines on stdin")
    return texts


@contextmanager
def _comparing(
    library: Library, name: str, model: str | None
) -> Iterator[tuple[Embedder, Collection | None]]:
    """The model to compare with, and the collection if there is one."""
    try:
        stored = library.open(name)
    except NotFound:
        stored = None
    if stored is not None and model is None:
        yield library.embedder(stored), stored
        return
    config = library.config
    with open_embedder(
        config.model,
        cache=config.cache,
        backend=config.backend,
        precision=config.precision,
        threads=config.threads,
    ) as embedder:
        yield embedder, stored


def _samples(stored: Collection | None, metrics: list[Measure], name: str) -> Any:  # noqa: ANN401
    if Measure.MAHALANOBIS not in metrics:
        return None
    if stored is None:
        raise NotFound(f"mahalanobis needs a collection, and there is no {name!r}")
    return stored.sample(COVARIANCE_SAMPLES)
