"""Documents, and the outcome of writes and deletions, as sent over HTTP."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Given, Returned
from app.schemas.listing import OrderParameters
from indexer.documents import Document


class DocumentBody(Given):
    """A document to store."""

    id: str
    text: str
    title: str | None = None
    metadata: dict[str, JsonValue] = Field(
        {}, description="A flat object of strings, numbers, booleans, nulls and lists of them."
    )

    def to_document(self) -> Document:
        """The library's document; raises InvalidDocument."""
        return Document(self.id, self.text, self.title, self.metadata)  # type: ignore[arg-type]


class DocumentsBody(Given):
    """Documents to add or replace; of two with one id the later wins."""

    documents: list[DocumentBody]


class DeleteBody(Given):
    """The documents to delete: by their ids, or by a filter that they pass."""

    ids: list[str] | None = None
    filter: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("subject", "give exactly one of: ids, filter")
        if self.filter == {}:
            raise PydanticCustomError(
                "filter",
                "an empty filter passes every document: to delete all, delete the collection",
            )
        return self


class PageParameters(OrderParameters):
    """The documents to list. Not strict: all parameters of a URL are text."""

    filter: str | None = Field(
        None, description="A filter as JSON text.", examples=['{"year": {"$gte": 2020}}']
    )
    cursor: str | None = Field(None, description="Where the page before said to go on.")
    limit: int = Field(100, ge=1, description="How many documents at most.")


class DocumentView(Returned):
    """A stored document."""

    id: str
    text: str
    title: str | None
    metadata: dict[str, Any]

    @classmethod
    def of(cls, document: Document) -> Self:
        """The view of a document."""
        return cls(
            id=document.id,
            text=document.text,
            title=document.title,
            metadata=dict(document.metadata),
        )


class WrittenView(Returned):
    """The outcome of a write."""

    written: int = Field(description="Documents that were added or changed.")
    unchanged: int = Field(description="Documents that were stored like this already.")
    repeated: int = Field(
        description="Documents with an id that came before: of those with one id the last stays."
    )
    truncated: list[str] = Field(description="Ids whose text does not wholly fit the model.")
    unknown: list[str] = Field(
        [], description="Ids with a passage of which the model knows no word."
    )


class DeletedView(Returned):
    """The number of documents that existed and are deleted."""

    deleted: int


class PageView(Returned):
    """A page of documents, in insertion order unless another was asked for."""

    documents: list[DocumentView]
    cursor: str | None = Field(description="Where to go on; null at the end.")
