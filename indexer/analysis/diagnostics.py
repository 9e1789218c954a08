"""The interpretation of a collection's figures, with advice.

The bounds are rules of thumb, stated with each finding, not laws: they tell where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.documents import UNIT_TOLERANCE
from indexer.ranking.significance import SIGNIFICANT, Background
from indexer.reports import Diagnosis

CONE: Final = 0.5
"""With a mean cosine of random texts above this, little of the scale is left for related ones."""

NARROW: Final = 0.05
"""Vectors that use less than this share of their dimensions are narrow."""

SKEWED: Final = 3.0
MANY: Final = 0.01
"""A share of documents worth a look: truncated, copied, or nearly so."""

LEAST_P: Final = 0.01

WIDTH: Final = 0.025
"""The width of a bin of cosines in the picture of the null."""


_SIGNIFICANT_COSINE: Final = (
    "the cosine of a best hit above which something here is taken to be about the query: one "
    f"unrelated query in {1 / SIGNIFICANT:.0f} finds a higher one. Whether a hit answers, it does "
    "not tell; and where the collection is about everything, few queries are unrelated"
)


class Verdict(StrEnum):
    """The verdict on a figure."""

    FINE = "fine"
    LOOK = "look"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A figure with its meaning, and advice if it is out of range."""

    name: str
    value: float | int | None
    verdict: Verdict
    meaning: str
    remedy: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def explain(figures: Diagnosis) -> list[Diagnostic]:
    """Every figure of a collection with its meaning, in reading order."""
    readers: tuple[Callable[[Diagnosis], Iterator[Diagnostic]], ...] = (
        _lengths, _truncated, _unknown, _copies, _near, _cosines, _dimensions, _hubs, _significance,
    )  # fmt: skip
    return [one for read in readers for one in read(figures)]


def _judged(
    name: str,
    value: float | None,
    wrong: bool,
    meaning: str,
    remedy: str,
    **details: Any,  # noqa: ANN401 - whatever JSON holds
) -> Diagnostic:
    if value is None:
        return Diagnostic(name, None, Verdict.UNKNOWN, meaning, None, details)
    verdict = Verdict.LOOK if wrong else Verdict.FINE
    return Diagnostic(name, value, verdict, meaning, remedy if wrong else None, details)


def _lengths(figures: Diagnosis) -> Iterator[Diagnostic]:
    off = max(abs(figures.shortest - 1.0), abs(figures.longest - 1.0)) if figures.chunks else 0.0
    yield _judged(
        "norm_error",
        off,
        off > UNIT_TOLERANCE,
        "how far the length of a stored vector is from 1, at most; scores are cosines only at 1",
        "the vector file is damaged: see `bearing verify`",
        shortest=figures.shortest,
        longest=figures.longest,
    )


def _truncated(figures: Diagnosis) -> Iterator[Diagnostic]:
    yield _judged(
        "truncated_documents",
        figures.truncated,
        figures.truncated > 0,
        "documents with a part that no vector stands for, since it does not fit the model",
        "shorten their titles, or take a model with a longer window (`bearing reindex`)",
        share=_share(figures.truncated, figures.documents),
    )


def _unknown(figures: Diagnosis) -> Iterator[Diagnostic]:
    yield _judged(
        "unknown_documents",
        figures.unknown,
        figures.unknown > 0,
        "documents with a passage of which the model knows no word: the vectors of such passages "
        "are alike whatever they say",
        "take a model that knows their language (`bearing reindex`), or search by words as well "
        "(mode hybrid)",
        share=_share(figures.unknown, figures.documents),
    )


def _copies(figures: Diagnosis) -> Iterator[Diagnostic]:
    share = _share(figures.copies, figures.documents)
    yield _judged(
        "exact_duplicates",
        figures.copies,
        figures.copies > 0,
        "documents whose title and text another document has too; answers hold both",
        "index one of each, or group hits by a field that copies have in common",
        share=share,
        examples=[list(pair) for pair in figures.copied],
    )


def _near(figures: Diagnosis) -> Iterator[Diagnostic]:
    near = figures.near
    share = _share(near.near, near.looked)
    yield _judged(
        "near_duplicates",
        share,
        share > MANY,
        f"the share of chunks with one of another document at a cosine above {near.least:.3f}: "
        "nearer than a tenth of the distance of random ones; they crowd answers",
        "search with `diversity`, group hits, or keep one of each when indexing",
        looked=near.looked,
        found=near.near,
        equal_vectors=near.equal,
        examples=[list(pair) for pair in near.examples],
    )


def _cosines(figures: Diagnosis) -> Iterator[Diagnostic]:
    cone = figures.mean_cosine is not None and figures.mean_cosine > CONE
    yield _judged(
        "mean_cosine",
        figures.mean_cosine,
        cone,
        "of random chunks of different documents; a model of high ones, or a collection about one "
        f"thing, leaves a narrow scale above it (rule of thumb: up to {CONE})",
        "ask `significance` whether anything is here, not a threshold on scores",
    )
    yield _judged(
        "uniformity",
        figures.uniformity,
        figures.uniformity is not None and figures.uniformity > -1.0,
        "log of the mean of exp(-2 |x-y|²) of random chunks (Wang and Isola, 2020): 0 if all are "
        "equal, about -3.9 if spread evenly in many dimensions; lower tells texts apart better",
        "the texts are much alike, or the model does not tell them apart: try another",
    )
    yield _judged(
        "alignment",
        figures.alignment,
        figures.alignment is not None and _random_distance(figures) < 2 * figures.alignment,
        "mean |x-y|² of chunks that follow each other in one document (Wang and Isola, 2020); it "
        "should be well below that of random ones",
        "chunks of a document have little in common: smaller documents may serve better",
        pairs=figures.aligned_pairs,
        random=_random_distance(figures) if figures.mean_cosine is not None else None,
    )


def _random_distance(figures: Diagnosis) -> float:
    return 2.0 - 2.0 * (figures.mean_cosine or 0.0)


def _dimensions(figures: Diagnosis) -> Iterator[Diagnostic]:
    narrow = figures.participation_ratio < NARROW * figures.dimension
    few = figures.sampled < figures.dimension
    yield Diagnostic(
        "effective_rank",
        figures.effective_rank,
        Verdict.UNKNOWN if few else Verdict.FINE,
        f"how many of {figures.dimension} directions vary: exp of the entropy of the covariance's "
        "eigenvalues (Roy and Vetterli, 2007)",
    )
    yield _judged(
        "participation_ratio",
        None if few else figures.participation_ratio,
        narrow,
        "the same by (Σλ)²/Σλ², ruled by the directions that vary most (rule of thumb: at least "
        f"{NARROW:.0%} of the dimensions)",
        "the texts vary in few ways: a smaller model, or an index of fewer bytes, may do as well",
    )


def _hubs(figures: Diagnosis) -> Iterator[Diagnostic]:
    yield _judged(
        "hubness",
        figures.hub_skewness,
        figures.hub_skewness > SKEWED,
        f"skewness of how often a chunk is among the {figures.hub_k} nearest of others "
        f"(Radovanovic et al., 2010; rule of thumb: up to {SKEWED:g}), over "
        f"{figures.sampled:,} sampled chunks",
        "read the first hubs: short, empty or boilerplate texts that answer everything are best "
        "not indexed; mode hybrid is less drawn to them",
        hubs=[{"id": hub.id, "occurrences": hub.occurrences} for hub in figures.hubs],
    )


def _significance(figures: Diagnosis) -> Iterator[Diagnostic]:
    background = figures.background
    meaning = (
        "the largest distance (Kolmogorov and Smirnov) from the uniform distribution of the "
        "significance of queries to which nothing is related, each by the half of them that it is "
        "not in"
    )
    if background is None:
        yield Diagnostic("significance_fit", None, Verdict.UNKNOWN, meaning)
        yield Diagnostic("significant_cosine", None, Verdict.UNKNOWN, _SIGNIFICANT_COSINE)
        return
    fit = background.fit
    yield _judged(
        "significance_fit",
        fit.distance,
        fit.p < LEAST_P and fit.distance > 0.1,
        meaning,
        "one half of the unrelated queries is unlike the other here: take `significance` with care",
        p=fit.p,
        queries=fit.queries,
        quantiles=[
            {"expected": expected, "observed": observed}
            for expected, observed in zip(fit.expected, fit.observed, strict=True)
        ],
        method="empirical body, generalised Pareto tail",
        tail={
            "shape": background.survival.tail.shape,
            "scale": background.survival.tail.scale,
            "threshold": background.survival.threshold,
        },
        rows=background.rows,
    )
    yield from _null(background)


def _null(background: Background) -> Iterator[Diagnostic]:
    least = background.cosine_at(SIGNIFICANT)
    yield Diagnostic(
        "significant_cosine",
        least,
        Verdict.FINE,
        _SIGNIFICANT_COSINE,
        details={
            "typical": background.typical,
            "fields_left_out": list(background.left_out),
            "histogram": _histogram(background.survival.scores),
        },
    )


def _histogram(scores: NDArray[np.float64]) -> list[dict[str, float]]:
    """The number of scores in each bin of WIDTH, from the least to the largest."""
    bins = np.floor(scores / WIDTH).astype(np.int64)
    counts = np.bincount(bins - bins.min())
    first = int(bins.min())
    return [
        {"from": round((first + place) * WIDTH, 6), "queries": int(count)}
        for place, count in enumerate(counts)
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def diagnostic_of(plain: Mapping[str, Any]) -> Diagnostic:
    """One of those that :func:`report` lists; raises KeyError or ValueError for something else."""
    return Diagnostic(
        plain["name"],
        plain["value"],
        Verdict(plain["verdict"]),
        plain["meaning"],
        plain["remedy"],
        plain["details"],
    )


def report(figures: Diagnosis) -> dict[str, Any]:
    """All of it as one JSON object."""
    return {
        "collection": figures.collection,
        "model": figures.model,
        "documents": figures.documents,
        "chunks": figures.chunks,
        "sampled": figures.sampled,
        "seconds": figures.seconds,
        "diagnostics": [
            {
                "name": one.name,
                "value": one.value,
                "verdict": str(one.verdict),
                "meaning": one.meaning,
                "remedy": one.remedy,
                "details": dict(one.details),
            }
            for one in explain(figures)
        ],
    }
