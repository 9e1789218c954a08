"""Calibration of a collection's scores from judged queries.

A document that was not judged for a query counts as not relevant, as it does in evaluation; where
judgements are incomplete, the probability of relevance is underestimated accordingly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from indexer.collection import Collection
from indexer.documents import Vector
from indexer.embedding.cross_encoders.reranker import Reranker
from indexer.embedding.embedder import Embedder
from indexer.evaluation.dataset import Dataset
from indexer.queries import Answer, Mode, Query
from indexer.ranking.calibration import Calibration, Judged, calibrate
from indexer.ranking.score_annotations import ranking_of
from indexer.retrieval.reranking import DEFAULT_RERANK
from indexer.retrieval.search import search

DEPTH: Final = 100
"""The number of hits of each query that the calibration is learned from."""

_BATCH: Final = 16


def calibrate_collection(
    collection: Collection,
    embedder: Embedder,
    dataset: Dataset,
    *,
    mode: Mode = Mode.DENSE,
    reranker: Reranker | None = None,
    depth: int = DEPTH,
    ignore_identical_ids: bool = False,
    vectors: Mapping[str, Vector] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Search the judged queries, learn the probability of relevance for each score, and store it.

    With a reranker it learns of the hits that this has scored. ``vectors``, by the query's id, are
    searched for as they are, in place of those of the texts. The errors it reports are those on
    queries held out. Raises InvalidInput if too few queries have a relevant hit.
    """
    model = collection.mark
    query = Query(text="", k=depth + ignore_identical_ids, mode=mode)
    if reranker is not None:
        query = replace(query, k=DEFAULT_RERANK, rerank=DEFAULT_RERANK, reranker=reranker.name)
    answers: list[Answer] = []
    ids = list(dataset.queries)
    for batch in _batches(ids):
        asked = [
            replace(query, text=dataset.queries[id], vector=vectors[id] if vectors else None)
            for id in batch
        ]
        answers += search(collection, embedder, asked, reranker)
        if on_progress:
            on_progress(len(answers), len(ids))
    judged = _judged(answers, dataset, ignore_identical_ids)
    calibration = calibrate(judged, ranking_of(query), model, dataset.name)
    collection.keep_calibration(calibration)
    return calibration


def _batches(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def _judged(answers: list[Answer], dataset: Dataset, ignore_identical_ids: bool) -> Judged:
    rows = [
        (number, hit.score, hit.scores.dense, place, dataset.qrels[id].get(hit.document.id, 0) > 0)
        for number, (id, answer) in enumerate(zip(dataset.queries, answers, strict=True))
        for place, hit in enumerate(
            (h for h in answer.hits if not ignore_identical_ids or h.document.id != id), start=1
        )
    ]
    numbers, scores, cosines, places, relevant = zip(*rows, strict=True) if rows else ((),) * 5
    return Judged(
        np.array(numbers, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        np.array([np.nan if one is None else one for one in cosines], dtype=np.float64),
        np.array(places, dtype=np.int64),
        np.array(relevant, dtype=np.bool_),
    )
