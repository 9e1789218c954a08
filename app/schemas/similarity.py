"""Texts, vectors and documents to compare, as sent over HTTP."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, Tag

from app.schemas.base import Given, Returned, Temperature
from indexer.similarity import Measure


class Reference(Given):
    """A stored document, by its id."""

    id: str


def _kind(given: object) -> str | None:
    kinds: dict[type, str] = {str: "<text>", list: "<vector>", dict: "<id>", Reference: "<id>"}
    return kinds.get(type(given))


Point: TypeAlias = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[float], Field(min_length=1), Tag("<vector>")]
    | Annotated[Reference, Tag("<id>")],
    Discriminator(
        _kind,
        custom_error_type="point",
        custom_error_message='expected a text, a list of numbers, or {"id": "..."}',
    ),
]
"""A text, a vector, or a stored document."""


class SimilarityBody(Given):
    """Two sides to compare, each of texts, vectors and stored ids, mixed freely."""

    a: list[Point] = Field(min_length=1, description="The rows of the matrices.")
    b: list[Point] | None = Field(
        None, min_length=1, description="Their columns; `a` against itself if null."
    )
    metrics: list[Annotated[Measure, Field(strict=False)]] = Field(
        [Measure.COSINE], description="Measures to add, of what was given, before normalising."
    )
    temperature: Temperature | None = Field(
        None, description="Adds probabilities: row-wise softmax(similarity / temperature)."
    )
    collection: str = Field(
        "default",
        description="Whose model embeds texts, whose documents ids name, and whose vectors "
        "mahalanobis takes its covariance from.",
    )


class SimilarityView(Returned):
    """Matrices with a row for each of `a` and a column for each of `b`."""

    similarity: list[list[float]] = Field(description="Cosines, in [-1, 1].")
    distance: list[list[float]] = Field(description="1 - similarity.")
    metrics: dict[Measure, list[list[float]]]
    probabilities: list[list[float]] | None = Field(
        None, description="Only if a temperature was given; each row sums to 1."
    )
    truncated: dict[str, list[int]] = Field(
        description="Places in `a` and `b` of texts that were longer than the model's window."
    )
