"""Answers as they travel, held against the schema that the OpenAPI document names."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.http.search_response import plain_answer
from app.schemas.search import SearchView
from indexer.documents import Document
from indexer.queries import (
    Answer,
    Explanation,
    Grade,
    Hit,
    MatchedTerm,
    Mode,
    Passage,
    Query,
    ScoreBreakdown,
    ScoredPassage,
    WordAttribution,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLACES = st.integers(0, 2**40)
MAYBE = st.none() | FLOATS
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXTS
METADATA = st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS, max_size=3), max_size=3)
SPANS = st.lists(st.tuples(PLACES, PLACES), max_size=2).map(tuple)
PASSAGES = st.builds(Passage, TEXTS, PLACES, PLACES)
EXPLANATIONS = st.builds(
    Explanation,
    st.lists(st.builds(ScoredPassage, PASSAGES, st.none() | FLOATS), max_size=2).map(tuple),
    st.lists(st.builds(WordAttribution, TEXTS, FLOATS, SPANS), max_size=2).map(tuple),
    PLACES,
    rest=MAYBE,
    terms=st.lists(st.builds(MatchedTerm, TEXTS, FLOATS, SPANS), max_size=2).map(tuple),
)
SCORES = st.builds(
    ScoreBreakdown, MAYBE, MAYBE, st.none() | PLACES, st.none() | PLACES, MAYBE, MAYBE
)
HITS = st.builds(
    Hit,
    st.builds(Document.stored, TEXTS, TEXTS, st.none() | TEXTS, METADATA),
    FLOATS,
    PASSAGES,
    probability=MAYBE,
    scores=SCORES,
    group=SCALARS,
    relevance=MAYBE,
    grade=st.none() | st.sampled_from(Grade),
    explanation=st.none() | EXPLANATIONS,
    unknown=st.booleans(),
)
ANSWERS = st.builds(
    Answer,
    st.lists(HITS, max_size=3).map(tuple),
    st.sampled_from(Mode),
    st.booleans(),
    st.booleans(),
    st.none() | PLACES,
    st.none() | TEXTS,
    PLACES,
    significance=MAYBE,
    unknown=st.booleans(),
)


def asked(*, grouped: bool) -> Query:
    """A query for all parts of its hits."""
    return Query(text="a", group_by="a" if grouped else None)


@given(ANSWERS, st.tuples(FLOATS, FLOATS, FLOATS), st.booleans())
def test_an_answer_is_what_its_schema_says(
    answer: Answer, took: tuple[float, float, float], grouped: bool
) -> None:
    """Whatever was found travels as the schema would write it: its fields, in order, its types."""
    took_ms = dict(zip(("embed", "search", "total"), took, strict=True))
    sent = orjson.dumps(plain_answer(asked(grouped=grouped), answer, took_ms))
    checked = SearchView.model_validate_json(sent, strict=True)
    assert orjson.dumps(checked.model_dump(mode="json", exclude_unset=True)) == sent


@given(ANSWERS, st.booleans())
def test_an_answer_tells_only_what_is_known(answer: Answer, grouped: bool) -> None:
    """What was not asked for or is not known is left out of a hit."""
    sent = plain_answer(asked(grouped=grouped), answer, {})
    for plain, hit in zip(sent["hits"], answer.hits, strict=True):
        assert ("group" in plain) == grouped
        for name in ("probability", "relevance", "grade", "explanation"):
            assert (name in plain) == (getattr(hit, name) is not None)
        assert None not in plain["scores"].values()
