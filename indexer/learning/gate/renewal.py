"""Calibrations learned anew when what serves has changed.

Those of before say what the scores of another model, or map, mean. They are renewed on the judged
queries that the candidate was not trained on, else there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indexer.collection import Collection
from indexer.documents import Vector
from indexer.embedding.cross_encoders.reranker import Reranker
from indexer.embedding.embedder import Embedder
from indexer.errors import BearingError
from indexer.evaluation.calibration_run import calibrate_collection
from indexer.evaluation.dataset import Dataset
from indexer.learning.evidence import JudgedQueries
from indexer.queries import Mode, Query
from indexer.ranking.score_annotations import ranking_of
from indexer.retrieval.reranking import DEFAULT_RERANK

_RERANKED: Final = ", reranked by "


@dataclass(frozen=True, slots=True)
class Renewal:
    """The kinds of ranking that are calibrated for what serves now.

    ``dropped`` are those that were calibrated for what served before and no longer are, each with
    the reason.
    """

    calibrated: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)


def renew_calibrations(
    collection: Collection,
    embedder: Embedder,
    open_reranker: Callable[[], Reranker | None],
    rankings: Iterable[str],
    judged: JudgedQueries,
    vectors: Mapping[str, Vector] | None,
    source: str,
) -> Renewal:
    """Calibrate these kinds of ranking by judged queries, for what serves the collection now.

    ``vectors``, by the query's id, stand for the texts' own; ``source`` names the judgements. What
    served before with this calibration has it again if it cannot be renewed.
    """
    dataset = Dataset(source, Path(), judged.queries, judged.qrels)
    failed: dict[str, str] = {}
    for ranking in sorted(rankings):
        try:
            if not judged.queries:
                failed[ranking] = "it was trained on the judged queries"
                continue
            reranker = open_reranker() if _RERANKED in ranking else None
            query = _asked(ranking, reranker)
            if query is None:
                failed[ranking] = "its cross-encoder is not set (BEARING_RERANKER)"
                continue
            calibrate_collection(
                collection,
                embedder,
                dataset,
                mode=query.mode,
                reranker=reranker,
                vectors=vectors,
            )
        except BearingError as error:
            failed[ranking] = str(error)
    calibrated = collection.calibrations()
    dropped = {ranking: reason for ranking, reason in failed.items() if ranking not in calibrated}
    return Renewal(tuple(sorted(calibrated)), dropped)


def _asked(ranking: str, reranker: Reranker | None) -> Query | None:
    """The query that asks for this kind of ranking; None if it needs another cross-encoder."""
    asked = (
        Query(
            text="",
            mode=mode,
            rerank=DEFAULT_RERANK if reranker else None,
            reranker=reranker.name if reranker else None,
        )
        for mode in Mode
    )
    return next((query for query in asked if ranking_of(query) == ranking), None)
