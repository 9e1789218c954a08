"""The values of fields counted in the matches of a search, against counting in Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from samples import random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors
from indexer.errors import InvalidQuery
from indexer.facets import LONGEST_COMMON, Facets
from indexer.filters import Metadata, key_of, matches, parse_filter
from indexer.queries import Mode, PageExclusions, Query

COUNT = 60
FIELDS = ("kind", "tags", "mixed", "absent")
MIXED: tuple[Any, ...] = (
    *(None, [], True, 1, 1.0, 2.5, "1", "", "a\x00", "x" * LONGEST_COMMON, "y" * 900),
    *("2024-03-01", "2024-03-01T01:00:00+01:00", ["2024-03-01", "2024-03-01T00:00Z", 1, 1]),
)


def facts(number: int) -> dict[str, Any]:
    """The metadata of a document."""
    chosen = random.Random(number)
    found = {"kind": chosen.choice(["cat", "dog", "owl"]), "n": number}
    if number % 3:
        found["tags"] = chosen.sample(["red", "green", "blue", 7], chosen.randrange(4))
    return found | {"mixed": MIXED[number % len(MIXED)]}


DOCUMENTS = {f"d{n}": facts(n) for n in range(COUNT)}
TEXTS = {id: "a moon" if place % 4 else "a sun" for place, id in enumerate(DOCUMENTS)}


@pytest.fixture
def vectors() -> Vectors:
    """One for each document, and one to ask by."""
    return random_units(COUNT + 1)


@pytest.fixture
def filled(collection: Collection, vectors: Vectors) -> Collection:
    """A collection in which documents were written, rewritten and deleted."""
    documents = [Document(id, TEXTS[id], None, held) for id, held in DOCUMENTS.items()]
    gone = [Document(f"gone{n}", "a moon", None, facts(n)) for n in range(5)]
    before = [replace(one, metadata={"kind": "cat", "absent": 1}) for one in documents[:9]]
    for some in (before, gone, documents):
        collection.put(
            [
                EmbeddedDocument(one, (Chunk(0, 0, 2),), vectors[place : place + 1])
                for place, one in enumerate(some)
            ]
        )
    collection.delete([one.id for one in gone])
    return collection


def counted(documents: Sequence[Metadata], field: str) -> tuple[int, dict[object, int]]:
    """The oracle: how many documents have a value, and how many have each."""
    holding, values = 0, {}
    for document in documents:
        held = document.get(field)
        own = {key_of(one) for one in (held if isinstance(held, list) else [held])}
        own -= {key_of(None)}
        holding += bool(own)
        for key in own:
            values[key] = values.get(key, 0) + 1
    return holding, values


def check(facets: Facets | None, documents: Sequence[Metadata]) -> None:
    """Raise AssertionError unless these are the facets of the documents."""
    assert facets is not None
    assert facets.documents == len(documents)
    assert [one.field for one in facets.fields] == list(FIELDS)
    for one in facets.fields:
        holding, values = counted(documents, one.field)
        assert (one.documents, one.distinct) == (holding, len(values)), one
        listed = {key: n for key, n in values.items() if len(str(key[1])) <= LONGEST_COMMON}  # type: ignore[index]
        assert {key_of(each.value): each.documents for each in one.values} == listed
        counts = [each.documents for each in one.values]
        assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("condition", [None, {"n": {"$gte": 20}}, {"n": -1}], ids=str)
def test_facets_count_what_could_be_hits(
    filled: Collection, vectors: Vectors, condition: Any
) -> None:
    """Whatever k is: all that pass the filter, hold a word, or score enough."""
    passing = {id: held for id, held in DOCUMENTS.items() if matches(parse_filter(condition), held)}
    asked = Query(
        text="moon", vector=vectors[-1], k=3, filter=parse_filter(condition), facets=FIELDS
    )
    for mode in (Mode.DENSE, Mode.HYBRID):
        check(filled.search([replace(asked, mode=mode)])[0].facets, list(passing.values()))
    lexical = [held for id, held in passing.items() if "moon" in TEXTS[id]]
    check(filled.search([replace(asked, mode=Mode.LEXICAL)])[0].facets, lexical)
    near = {
        id
        for id, cosine in zip(DOCUMENTS, vectors[:-1] @ vectors[-1], strict=True)
        if cosine >= 0.1
    }
    check(
        filled.search([replace(asked, min_score=0.1)])[0].facets,
        [held for id, held in passing.items() if id in near],
    )
    like = Query(like=("d3",), filter=parse_filter(condition), facets=FIELDS)
    check(filled.search([like])[0].facets, [held for id, held in passing.items() if id != "d3"])


def test_a_count_is_the_total_of_the_search_narrowed_to_the_value(
    filled: Collection, vectors: Vectors
) -> None:
    """So whoever clicks on a value finds as many documents as it says."""
    query = Query(vector=vectors[-1], k=1, facets=FIELDS)
    facets = filled.search([query])[0].facets
    assert facets is not None
    for field in facets.fields:
        for value in field.values:
            narrow = replace(query, filter=parse_filter({field.field: value.value}), facets=())
            assert filled.search([narrow])[0].total == value.documents


def test_no_more_values_come_than_are_asked_for(filled: Collection, vectors: Vectors) -> None:
    """The most common ones, and of equals the first by kind and value."""
    query = Query(vector=vectors[-1], facets=FIELDS)
    whole = filled.search([query])[0].facets
    few = filled.search([replace(query, facet_values=2)])[0].facets
    assert whole and few
    for all_values, two in zip(whole.fields, few.fields, strict=True):
        assert two == replace(all_values, values=all_values.values[:2])
    everywhere = [
        tuple((str(key_of(v.value)), v.documents) for v in one.values) for one in whole.fields
    ]
    assert everywhere[0] == tuple(sorted(everywhere[0], key=lambda pair: (-pair[1], pair[0])))


def test_facets_that_cannot_be_true_are_refused(filled: Collection) -> None:
    """Of later pages, or where it is not known which documents reach a bound."""
    given: dict[str, Any] = {"text": "x", "facets": ("kind",)}
    for wrong in (
        {"cursor": "c", "exclusions": PageExclusions("0")},
        {"min_score": 0.5, "mode": Mode.HYBRID},
        {"min_score": 0.5, "rerank": 5},
        {"facets": (), "facet_depth": 5},
        {"facet_values": 0},
        {"facet_depth": 0},
    ):
        with pytest.raises(InvalidQuery, match=r"facet|min_score"):
            Query(**given | wrong)
    Query(**given, min_score=0.5, mode=Mode.HYBRID, facet_depth=9)
