"""Documents, and the outcome of writes and deletions, as sent over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator
from pydantic_core import PydanticCustomError

from app.schemas.base import Closed, Given, Returned
from app.schemas.listing import OrderParameters
from indexer.documents import Document
from indexer.readers.reading import VectorTrust

IMAGE: Final = "The image itself, in base64 or as a `data:` URL; nothing is fetched."


class WriteParameters(Closed):
    """The vectors that are taken. Not strict: all parameters of a URL are text."""

    vectors: VectorTrust = Field(
        VectorTrust.CHECKED,
        description="Which of the vectors that documents bring are taken: those with the "
        "collection's `fingerprint` as their `model`, all (`trusted`, for keys that may `admin`), "
        "or none.",
    )


class ChunkBody(Given):
    """A passage of a text, by its characters, with its vector."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    vector: list[float] = Field(min_length=1)
    unknown: bool = Field(False, description="Whether the model knows no word of it.")


class DocumentBody(Given):
    """A document to store."""

    id: str
    text: str
    title: str | None = None
    metadata: dict[str, JsonValue] = Field(
        {}, description="A flat object of strings, numbers, booleans, nulls and lists of them."
    )
    vector: list[float] | None = Field(
        None,
        min_length=1,
        description="Its vector by the collection's model, of title and text, if it has one "
        "already; then it is not embedded.",
    )
    chunks: list[ChunkBody] | None = Field(
        None,
        min_length=1,
        description="In place of `vector`: the passages of a document that the model does not take "
        "as a whole, in order, with their vectors.",
    )
    model: str | None = Field(
        None, description="The `fingerprint` of the collection of these vectors' model."
    )
    truncated: bool = Field(
        False, description="Whether a part of it is in none of the vectors it brings."
    )

    @model_validator(mode="after")
    def _check_vectors(self) -> Self:
        if self.vector is not None and self.chunks is not None:
            raise PydanticCustomError("vectors", "give vector or chunks, not both")
        if self.vector is None and self.chunks is None and (self.model or self.truncated):
            raise PydanticCustomError(
                "vectors", "model and truncated say something of a vector: give vector or chunks"
            )
        return self

    def to_document(self) -> Document:
        """The library's document; raises InvalidDocument."""
        return Document(self.id, self.text, self.title, self.metadata)  # type: ignore[arg-type]


class PictureBody(Given):
    """A document with a picture, which is kept."""

    id: str
    image: str = Field(description=IMAGE)
    text: str = Field("", description="Its caption; empty takes the one in the image's EXIF data.")
    title: str | None = None
    metadata: dict[str, JsonValue] = Field(
        {}, description="As of any document; it stands above what the image says of itself."
    )

    def to_document(self) -> Document:
        """The library's document, without its picture; raises InvalidDocument."""
        return Document(self.id, self.text, self.title, self.metadata)  # type: ignore[arg-type]


def _document_kind(given: object) -> str:
    pictured = isinstance(given, PictureBody) or (isinstance(given, Mapping) and "image" in given)
    return "<picture>" if pictured else "<document>"


AnyDocumentBody: TypeAlias = Annotated[
    Annotated[DocumentBody, Tag("<document>")] | Annotated[PictureBody, Tag("<picture>")],
    Discriminator(_document_kind),
]
"""A document with a text, or one with a picture."""


class DocumentsBody(Given):
    """Documents to add or replace; of two with one id the later wins."""

    documents: list[AnyDocumentBody]


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
    total: bool = Field(False, description="Also count those on all pages.")


class ExportParameters(Closed):
    """The documents to export."""

    filter: str | None = Field(
        None, description="A filter as JSON text.", examples=['{"year": {"$gte": 2020}}']
    )


class PictureView(Returned):
    """The facts of a document's picture, which is at `/documents/{id}/picture`."""

    media_type: str
    width: int = Field(description="As it is looked at, upright.")
    height: int
    bytes: int
    sha256: str
    kept: bool = Field(description="Whether it is kept here, or stays where it was indexed.")


class DocumentView(Returned):
    """A stored document."""

    id: str
    text: str
    title: str | None
    metadata: dict[str, Any]
    picture: PictureView | None = Field(
        None, description="Only of a document with one.", exclude_if=lambda seen: seen is None
    )

    @classmethod
    def of(cls, document: Document) -> Self:
        """The view of a document."""
        return cls(
            id=document.id,
            text=document.text,
            title=document.title,
            metadata=dict(document.metadata),
            picture=PictureView(**document.picture.plain) if document.picture else None,
        )


class OriginView(Returned):
    """A file of a source that is kept in step."""

    source: str
    file: str = Field(description="Its name within the source.")


class TracedView(DocumentView):
    """A stored document, and where it comes from."""

    origins: list[OriginView] = Field(
        [],
        description="The files that give it, of sources that are kept in step.",
        exclude_if=lambda seen: not seen,
    )

    @classmethod
    def traced(cls, document: Document, origins: Sequence[tuple[str, str]]) -> Self:
        """The view of a document that these files of sources give."""
        given = [OriginView(source=source, file=file) for source, file in origins]
        return cls.of(document).model_copy(update={"origins": given})


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
    total: int | None = Field(None, description="On all pages; null unless asked for.")
