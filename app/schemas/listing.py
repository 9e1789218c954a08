"""Searches by address, and lists of documents in an order, as sent over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from app.schemas.base import Closed, Returned
from indexer.ordering import Order
from indexer.parts import CHOICES
from indexer.queries import Mode


class Direction(StrEnum):
    """The direction of an order."""

    ASCENDING = "ascending"
    DESCENDING = "descending"


class OrderParameters(Closed):
    """The order of a list of documents."""

    sort: str | None = Field(
        None,
        min_length=1,
        description="A field of the metadata to order by; without it, the order of insertion. "
        "Documents without a value come last.",
    )
    order: Direction | None = Field(None, description="From the smallest on, or from the largest.")

    def to_order(self, usual: Direction = Direction.ASCENDING) -> Order:
        """The library's order, in the usual direction if none is given."""
        return Order(self.sort, (self.order or usual) is Direction.DESCENDING)


class LinkParameters(OrderParameters):
    """A search, or without a query a list. Not strict: all parameters of a URL are text."""

    q: str = Field("", description="A text to search for; without one, documents are listed.")
    k: int = Field(10, ge=1, description="How many documents; as many come if they exist.")
    filter: str | None = Field(
        None, description="A filter as JSON text.", examples=['{"year": {"$gte": 2020}}']
    )
    fields: str | None = Field(
        None,
        description=f"What comes of each document beside its id, by commas: {CHOICES}.",
        examples=["title,passage,metadata.year"],
    )
    passages_only: bool = Field(False, description="Leaves out `text`.")
    cursor: str | None = Field(None, description="Where the page before said to go on.")
    mode: Mode | None = Field(None, description="How the query is held against documents.")
    min_score: float | None = Field(None, description="Leave out hits that score less.")
    exact: bool | None = Field(None, description="Compare with every vector, whatever the index.")
    rerank: int | None = Field(
        None, ge=1, description="How many of the best a cross-encoder scores anew."
    )
    diversity: float | None = Field(
        None, ge=0, le=1, description="Chooses hits that are unlike each other too."
    )
    group_by: str | None = Field(None, min_length=1, description="A metadata field to group by.")
    group_size: int | None = Field(None, ge=1, description="How many hits of each group at most.")
    explain: int | None = Field(None, ge=0, description="How many of the first hits to explain.")

    facets: str | None = Field(
        None, description="Fields to count, by commas, as by POST.", examples=["module,kind"]
    )
    facet_values: int = Field(20, ge=1, le=1_000, description="How many values of each at most.")
    facet_depth: int | None = Field(
        None, ge=1, description="Counts over so many of the best documents instead."
    )

    @property
    def is_list(self) -> bool:
        """Return whether documents are to be listed, since there is no query."""
        return not self.q.strip()

    @property
    def search_options(self) -> dict[str, Any]:
        """The options given that only a search has, by the names in its body."""
        names = (
            *("mode", "min_score", "exact", "rerank", "diversity", "group_by", "group_size"),
            *("explain", "facet_depth"),
        )
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


class ListedView(Returned):
    """A document of a list, as far as asked for."""

    id: str
    text: str = Field("", description="Only if asked for.")
    title: str | None = Field(None, description="Only if asked for.")
    metadata: dict[str, Any] = Field({}, description="Only if asked for.")


class CountView(Returned):
    """A value, and how many of the documents have it, alone or in a list."""

    value: str | int | float | bool
    documents: int


class FacetView(Returned):
    """A field's values in the documents."""

    documents: int = Field(description="How many of them have a value.")
    distinct: int = Field(description="How many different values there are.")
    values: list[CountView] = Field(description="The most common ones, most first.")


class FacetsView(Returned):
    """Fields counted over a number of documents."""

    documents: int = Field(description="Over how many documents.")
    fields: dict[str, FacetView]


class ListingView(Returned):
    """A list of documents, the newest first unless an order was asked for."""

    hits: list[ListedView]
    total: int = Field(description="How many documents there are on all pages.")
    unknown_fields: list[str] = Field(
        description="The fields of `filter`, `sort` and `facets` that no document has."
    )
    facets: FacetsView | None = Field(None, description="Only there if asked for.")
    cursor: str | None = Field(description="Where the next page begins; null at the end.")
