"""The losses of contrastive learning, in torch, for training.

Each is what its formula in ``indexer.similarity`` says, on rows that are of unit length. All take
``scale``, the inverse of the temperature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

MOST_SCALE: Final = 100.0
"""A learned scale is kept at or below this, as CLIP's is."""


def info_nce(
    queries: Tensor,
    documents: Tensor,
    scale: Tensor | float,
    *,
    negatives: Tensor | None = None,
    ignored: Tensor | None = None,
    both: bool = False,
) -> Tensor:
    """The mean of -log softmax(cos · scale) at each query's own document, among all of them.

    ``queries`` and ``documents`` are (n, d), aligned; ``negatives`` (m, d) are candidates for every
    query. ``ignored`` (n, n + m) marks those that are no candidates for a query; its own document
    always is. ``both`` takes the mean with the same from documents to queries.
    """
    targets = torch.arange(len(queries), device=queries.device)
    others = documents if negatives is None else torch.cat([documents, negatives])
    scores = queries @ others.T * scale  # (n, n + m)
    if ignored is not None:
        own = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(ignored & ~own, -math.inf)
    forward = functional.cross_entropy(scores, targets)
    if not both:
        return forward
    backward = functional.cross_entropy(scores[:, : len(documents)].T, targets)
    return (forward + backward) / 2


def nt_xent(first: Tensor, second: Tensor, scale: Tensor | float) -> Tensor:
    """InfoNCE of two views (n, d): each of the 2n must find its partner among the others."""
    rows = torch.cat([first, second])  # (2n, d)
    count = len(first)
    own = torch.eye(2 * count, dtype=torch.bool, device=rows.device)
    scores = (rows @ rows.T * scale).masked_fill(own, -math.inf)
    partners = torch.arange(2 * count, device=rows.device).roll(count)
    return functional.cross_entropy(scores, partners)


def triplet(queries: Tensor, documents: Tensor, negatives: Tensor, margin: float) -> Tensor:
    """The mean of max(0, margin + cos(query, negative) - cos(query, document)), aligned rows."""
    right = (queries * documents).sum(dim=1)
    wrong = (queries * negatives).sum(dim=1)
    return functional.relu(margin + wrong - right).mean()


def cosent(scores: Tensor, grades: Tensor, scale: Tensor | float) -> Tensor:
    """log(1 + Σ exp((scoreᵢ - scoreⱼ) · scale)) over pairs where gradeᵢ < gradeⱼ.

    ``scores`` and ``grades`` are (n,). It is 0 if all grades are equal.
    """
    differences = (scores[:, None] - scores[None, :]) * scale  # (n, n)
    ordered = grades[:, None] < grades[None, :]
    wrong = differences.masked_fill(~ordered, -math.inf).flatten()
    return torch.logsumexp(torch.cat([wrong, wrong.new_zeros(1)]), dim=0)


def angle_similarity(first: Tensor, second: Tensor) -> Tensor:
    """(n,) similarities by the angle between aligned rows as complex vectors: AnglE's."""
    a, b = torch.chunk(first, 2, dim=1)  # the real and the imaginary parts
    c, d = torch.chunk(second, 2, dim=1)
    return (a * c + b * d + b * c - a * d).sum(dim=1).abs()


def matryoshka(
    loss: Callable[[Sequence[Tensor]], Tensor], sides: Sequence[Tensor], dimensions: Sequence[int]
) -> Tensor:
    """The mean of a loss over the first components of all rows, at unit length, and over all."""
    cuts = ([functional.normalize(side[:, :size], dim=1) for side in sides] for size in dimensions)
    return torch.stack([loss(sides), *map(loss, cuts)]).mean()
