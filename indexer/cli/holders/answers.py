"""Answers to searches, read from the JSON that a service sends: see ``POST /search``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from indexer.documents import Document
from indexer.facets import CountedValue, Facets, FieldCounts
from indexer.queries import (
    Answer,
    Explanation,
    Grade,
    Hit,
    MatchedTerm,
    Mode,
    Passage,
    ScoreBreakdown,
    ScoredPassage,
    WordAttribution,
)

Plain: TypeAlias = Mapping[str, Any]
"""A JSON object."""


def answer_of(plain: Plain) -> Answer:
    """The answer; raises KeyError, TypeError or ValueError for what is none."""
    return Answer(
        hits=tuple(_hit(one) for one in plain["hits"]),
        mode=Mode(plain["mode"]),
        exact=plain["exact"],
        truncated=plain["truncated"],
        total=plain["total"],
        cursor=plain["cursor"],
        candidates=plain["candidates"],
        significance=plain["significance"],
        unknown_fields=tuple(plain["unknown_fields"]),
        unknown=plain.get("unknown", False),
        behind=plain.get("behind", False),
        facets=_facets(plain["facets"]) if "facets" in plain else None,
    )


def map_figures(
    documents: int,
    fitted: int,
    late: int,
    kept: Plain | None,
    seconds: float,
    clusters: Sequence[Plain],
) -> dict[str, Any]:
    """A map as commands print it; ``kept`` is how well it keeps neighbours, if that is known."""
    return {
        "documents": documents,
        "fitted": fitted,
        "late": late,
        "neighbours_kept": kept and kept["mean"],
        "neighbours_kept_interval": kept and [kept["low"], kept["high"]],
        "k": kept and kept["k"],
        "sampled": kept and kept["documents"],
        "seconds": seconds,
        "clusters": list(clusters),
    }


def map_of(plain: Plain) -> dict[str, Any]:
    """The answer of ``GET /map``, as commands print it; raises KeyError or TypeError."""
    names = ("documents", "fitted", "late", "neighbours_kept", "seconds", "clusters")
    return map_figures(*(plain[name] for name in names))


def _hit(plain: Plain) -> Hit:
    grade = plain.get("grade")
    explanation = plain.get("explanation")
    return Hit(
        document=Document.stored(
            plain["id"], plain.get("text", ""), plain.get("title"), plain.get("metadata", {})
        ),
        score=plain["score"],
        passage=_passage(plain.get("passage", {})),
        probability=plain.get("probability"),
        scores=ScoreBreakdown(**plain["scores"]),
        group=plain.get("group"),
        relevance=plain.get("relevance"),
        grade=None if grade is None else Grade(grade),
        explanation=None if explanation is None else _explanation(explanation),
        unknown=plain.get("unknown", False),
    )


def _passage(plain: Plain) -> Passage:
    return Passage(
        plain.get("text", ""),
        plain.get("start", 0),
        plain.get("end", 0),
        plain.get("page"),
        tuple(plain.get("headings", ())),
    )


def _explanation(plain: Plain) -> Explanation:
    return Explanation(
        passages=tuple(ScoredPassage(_passage(one), one["score"]) for one in plain["passages"]),
        words=tuple(
            WordAttribution(
                one["text"], one["effect"], _spans(one["spans"]), _spans(one["title_spans"])
            )
            for one in plain["words"]
        ),
        words_left_out=plain["words_left_out"],
        rest=plain["rest"],
        terms=tuple(
            MatchedTerm(one["text"], one["score"], _spans(one["spans"])) for one in plain["terms"]
        ),
    )


def _spans(plain: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in plain)


def _facets(plain: Plain) -> Facets:
    return Facets(plain["documents"], tuple(_counts(*each) for each in plain["fields"].items()))


def _counts(field: str, plain: Plain) -> FieldCounts:
    values = tuple(CountedValue(one["value"], one["documents"]) for one in plain["values"])
    return FieldCounts(field, plain["documents"], plain["distinct"], values)
