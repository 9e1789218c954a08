"""Documents that are copies of others, as sent over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from pydantic import Field

from app.schemas.base import Closed, Returned
from app.schemas.documents import DocumentView
from indexer.documents import Document
from indexer.retrieval.duplicates import Duplicate, Duplicates, Found

MOST_COPIES: Final = 100
"""The copies of one document that are listed at most."""


class DuplicatesParameters(Closed):
    """The documents to look at and to list. Not strict: all parameters of a URL are text."""

    documents: int = Field(
        10_000,
        ge=1,
        le=100_000,
        description="How many are held against each other at most: those indexed first. Ten "
        "thousand pictures take about a minute.",
    )
    limit: int = Field(
        100, ge=1, le=1_000, description="How many documents with copies are listed at most."
    )


class CopyView(DocumentView):
    """A document that is a copy."""

    kind: str = Field(
        description="`same text`, `similar text`, `copy` (perhaps resized or recompressed), "
        "`mirrored` or `cropped`."
    )
    cosine: float | None = Field(
        None,
        description="Of a similar text: to the document it is a copy of.",
        exclude_if=lambda cosine: cosine is None,
    )

    @classmethod
    def copied(cls, document: Document, copy: Duplicate) -> Self:
        """The view of a copy."""
        told = DocumentView.of(document)
        return cls(**dict(told), kind=str(copy.kind), cosine=copy.plain.get("cosine"))


class OriginalView(DocumentView):
    """A document that has copies: of pictures the largest, of texts the first."""

    total: int = Field(description="How many copies it has.")
    copies: list[CopyView] = Field(description=f"The first {MOST_COPIES} of them.")

    @classmethod
    def with_copies(cls, group: Duplicates, known: Mapping[str, Document]) -> Self:
        """The view of a group whose documents are known by their ids."""
        listed = [one for one in group.copies if one.id in known][:MOST_COPIES]
        copies = [CopyView.copied(known[one.id], one) for one in listed]
        told = DocumentView.of(known[group.id])
        return cls(**dict(told), total=len(group.copies), copies=copies)


class DuplicatesView(Returned):
    """The documents of a collection that have copies, with these."""

    collection: str
    documents: int = Field(description="In the collection.")
    looked: int = Field(description="How many of them were held against each other.")
    groups: int = Field(description="How many have copies, listed or not.")
    copies: int = Field(description="How many are copies, listed or not.")
    duplicates: list[OriginalView] = Field(
        description="Pictures first; each kind in the order of indexing."
    )

    @classmethod
    def of(cls, found: Found, limit: int, known: Mapping[str, Document]) -> Self:
        """The view of the first ``limit`` groups; one whose document went meanwhile is left out."""
        listed = [group for group in found.groups[:limit] if group.id in known]
        return cls(
            collection=found.collection,
            documents=found.documents,
            looked=found.looked,
            groups=len(found.groups),
            copies=found.copies,
            duplicates=[OriginalView.with_copies(group, known) for group in listed],
        )


def ids_in(found: Found, limit: int) -> list[str]:
    """The ids of the documents that a view of the first ``limit`` groups lists."""
    groups = found.groups[:limit]
    return [id for one in groups for id in (one.id, *(each.id for each in one.copies))]
