"""The settings of the method ``adapter``."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.learning.options import check_at_least


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """The settings of a map of queries' vectors.

    ``rank`` is that of the map, 0 for no bound. Each query is judged by the map of the other
    ``folds``. ``queries`` and ``candidates`` bound how much is looked at: queries in all, and hits
    of each among which rankings are compared.
    """

    rank: int = 0
    folds: int = 5
    queries: int = 3_000
    candidates: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(self, rank=0, folds=2, queries=10, candidates=10, seed=0)
