"""The choices for a collection: the language of its words, and its index."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
