"""The ranking of texts by relevance to a query, shared by the routes that rerank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.routes.compatible.vectors import Fitted
from app.serving.model import Model
from app.serving.service import Service
from indexer.embedding.embedder import TextRole


@dataclass(frozen=True, slots=True)
class Ranking:
    """The relevance of each text to a query, in the order of the texts.

    ``scores`` are (n,) float64 from the model, ``relevance`` the same in [0, 1]; ``model`` gave
    them, by ``method``. ``truncated`` are the places of truncated texts.
    """

    scores: NDArray[np.float64]
    relevance: NDArray[np.float64]
    model: str
    method: str
    truncated: tuple[int, ...]
    query_truncated: bool

    def best(self, count: int | None = None) -> list[int]:
        """The places of the best texts, best first; ties in the order of the texts."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [int(place) for place in order]

    def remarks(self) -> list[str]:
        """Remarks on the scores for the client."""
        remarks = [f"ranked by {self.method} of {self.model}"]
        if self.query_truncated:
            remarks.append("only the beginning of the query was read")
        if self.truncated:
            remarks.append(f"only a part was read of the texts at {list(self.truncated)[:100]}")
        return remarks


CHECK_PAIRS: Final = (
    ("what is the capital of France", "Paris is the capital of France."),
    ("what is the capital of France", "The cake needs forty minutes."),
)
"""A passage that answers and one that does not: their scores show a cross-encoder's scale."""


async def rank(query: str, fitted: Fitted, model: Model, service: Service) -> Ranking:
    """Texts ranked by the cross-encoder if the service has one, else by cosine."""
    if service.settings.reranker:
        return await rank_by_reading(query, fitted, service)
    return await rank_by_cosine(query, fitted, model, service)


async def rank_by_reading(query: str, fitted: Fitted, service: Service) -> Ranking:
    """Texts ranked by the cross-encoder, which reads each of them together with the query.

    Text beyond its window is ignored. Relevance is the score of a model that gives probabilities,
    and the sigmoid of one that gives logits.
    """
    pairs = [(query, text) for text in fitted.texts] + list(CHECK_PAIRS)
    given: list[float] = []
    for start in range(0, len(pairs), service.settings.max_texts):
        given += await service.score(pairs[start : start + service.settings.max_texts])
    scores = np.asarray(given, dtype=np.float64)
    is_bounded = bool(((scores >= 0.0) & (scores <= 1.0)).all())
    relevance = scores if is_bounded else 1.0 / (1.0 + np.exp(-np.clip(scores, -500.0, 500.0)))
    return Ranking(
        scores=scores[: -len(CHECK_PAIRS)],
        relevance=relevance[: -len(CHECK_PAIRS)],
        model=service.settings.reranker,
        method="cross-encoder",
        truncated=fitted.cut,
        query_truncated=False,
    )


async def rank_by_cosine(query: str, fitted: Fitted, model: Model, service: Service) -> Ranking:
    """Texts ranked by the cosine of their vectors with the query's; relevance is (1 + cosine) / 2.

    An embedding model has not read query and text together, so it ranks less well than a
    cross-encoder, and many times faster.
    """
    asked = await service.embed(model, [query], TextRole.QUERY)
    held = await service.embed(model, fitted.texts)
    cosines = (held.vectors @ asked.vectors[0]).astype(np.float64)
    return Ranking(
        scores=cosines,
        relevance=np.clip((1.0 + cosines) / 2.0, 0.0, 1.0),
        model=model.name,
        method="cosine",
        truncated=tuple(sorted({*fitted.cut, *held.truncated})),
        query_truncated=bool(asked.truncated),
    )
