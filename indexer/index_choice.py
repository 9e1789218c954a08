"""The choices for a collection: the language of its words, its chunks, and its index."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from indexer.errors import InvalidInput


class Language(StrEnum):
    """The language whose rules words are stemmed by; NONE does not stem."""

    NONE = "none"
    ARABIC = "arabic"
    DANISH = "danish"
    DUTCH = "dutch"
    ENGLISH = "english"
    FINNISH = "finnish"
    FRENCH = "french"
    GERMAN = "german"
    GREEK = "greek"
    HUNGARIAN = "hungarian"
    ITALIAN = "italian"
    NORWEGIAN = "norwegian"
    PORTUGUESE = "portuguese"
    ROMANIAN = "romanian"
    RUSSIAN = "russian"
    SPANISH = "spanish"
    SWEDISH = "swedish"
    TAMIL = "tamil"
    TURKISH = "turkish"


class CutBy(StrEnum):
    """The places at which long documents are cut into chunks.

    PAUSES looks for the best pause of the text, SENTENCES cuts at the ends of sentences alone. With
    HEADINGS and PAGES each section, or page, is a chunk of its own, even of a document that would
    fit whole; what does not fit is cut at pauses.
    """

    PAUSES = "pauses"
    SENTENCES = "sentences"
    HEADINGS = "headings"
    PAGES = "pages"


LEAST_CHUNK: Final = 16
"""Tokens of the smallest chunks that may be asked for: they hold a part of the title, too."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """The way documents are cut: chunks of at most ``size`` tokens, their title included.

    Each repeats at most ``overlap`` tokens of the one before. None takes as many as the model's
    window holds, and a tenth of that.
    """

    size: int | None = None
    overlap: int | None = None
    by: CutBy = CutBy.PAUSES

    def __post_init__(self) -> None:
        if self.size is not None and self.size < LEAST_CHUNK:
            raise InvalidInput(
                f"a chunk must have room for at least {LEAST_CHUNK} tokens, got {self.size}"
            )
        if self.overlap is None:
            return
        most = "half of it" if self.size is None else f"{self.size // 2}, half of it"
        if self.overlap < 0 or (self.size is not None and self.overlap > self.size // 2):
            raise InvalidInput(
                f"a chunk may repeat from 0 tokens of the one before to {most}, got {self.overlap}"
            )

    @property
    def mark(self) -> str:
        """The choice in a word of letters, digits and hyphens; equal for equal choices."""
        told = ("" if one is None else str(one) for one in (self.size, self.overlap))
        return "-".join((str(self.by), *told))

    @property
    def plain(self) -> dict[str, int | str | None]:
        """The choice as JSON has it."""
        return {"size": self.size, "overlap": self.overlap, "by": str(self.by)}


USUAL_CHUNKING: Final = Chunking()


class IndexKind(StrEnum):
    """The algorithm of nearest-neighbour search; AUTO chooses one by measurement."""

    AUTO = "auto"
    EXACT = "exact"
    REDUCED = "reduced"
    SCAN = "scan"
    REDUCED_PARTITIONED = "reduced_partitioned"
    PARTITIONED = "partitioned"
    GRAPH = "graph"


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """The index to keep, within ``memory_bytes`` (None: without bound)."""

    kind: IndexKind = IndexKind.AUTO
    target_recall: float = 0.99
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target_recall < 1:
            raise InvalidInput(
                f"target recall@10 must be above 0 and below 1, got {self.target_recall}: "
                "for 1 use the kind exact"
            )
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise InvalidInput(f"an index's memory must be above 0, got {self.memory_bytes} bytes")
