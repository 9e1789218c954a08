"""Grouped searches, against walking through all documents from the best to the worst."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from local import create_local
from samples import DIMENSION, make_identity, random_units
from tries import tries

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.embedding.hashing_engine import open_hashing
from indexer.filters import kind_of
from indexer.queries import Answer, Hit, Query
from indexer.retrieval.search import search

MOMENT = ("2024-03-01", "2024-03-01T01:00:00+01:00")
VALUES = st.sampled_from(["a", "b", "c", 1, True, 1.5, None, "", *MOMENT])
FIELDS = st.one_of(VALUES, st.lists(VALUES, max_size=3), st.just("absent"))
VECTORS = random_units(60, seed=31)
QUERY = random_units(1, seed=32)[0]


@contextmanager
def filled(fields: list[Any]) -> Iterator[Collection]:
    """A collection of a document for each of these metadata values."""
    documents = [
        EmbeddedDocument(
            Document(f"d{i}", "a", metadata={} if value == "absent" else {"f": value}),
            (Chunk(0, 0, 1),),
            VECTORS[i : i + 1],
        )
        for i, value in enumerate(fields)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        create_local(Path(folder) / "things", make_identity()) as collection,
    ):
        collection.put(documents)
        yield collection


def ask(collection: Collection, **asked: Any) -> Answer:
    """The answer to a grouped query."""
    with open_hashing(DIMENSION) as embedder:
        return search(collection, embedder, [Query(vector=QUERY, group_by="f", **asked)])[0]


def shown(hits: tuple[Hit, ...]) -> list[tuple[object, str]]:
    """The group and id of each hit."""
    return [(named(hit.group), hit.document.id) for hit in hits]


def named(value: Any) -> tuple[object, object]:
    """A value with its kind; the texts of one moment are one."""
    return (kind_of(value), MOMENT[0] if value in MOMENT else value)


def walk(fields: list[Any], k: int, size: int) -> list[tuple[object, str]]:
    """All documents from the best on; each joins the best group that it names, or opens one."""
    groups: list[tuple[object, list[str]]] = []
    for i in sorted(range(len(fields)), key=lambda i: -float(VECTORS[i] @ QUERY)):
        held = fields[i] if isinstance(fields[i], list) else [fields[i]]
        keys = [named(v) for v in held if v is not None and v != "absent"]
        joined = next((group for group in groups if group[0] in keys), None)
        if joined is None:
            groups.append((keys[0] if keys else named(None), [f"d{i}"]))
        else:
            joined[1].append(f"d{i}")
    return [(key, id) for key, ids in groups[:k] for id in ids[:size]]


@given(
    st.lists(FIELDS, max_size=60),
    st.integers(1, 9),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 8)),
)
@settings(max_examples=tries(15), deadline=None)
def test_groups_are_those_of_walking_through_all_documents(
    fields: list[Any], k: int, size: int, candidates: int | None
) -> None:
    """However few documents are looked at together, the k best groups and their best hits come."""
    with filled(fields) as collection:
        answer = ask(collection, k=k, group_size=size, candidates=candidates)
    assert shown(answer.hits) == walk(fields, k, size)
    assert answer.total is None


@given(st.lists(FIELDS, max_size=60), st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=tries(8), deadline=None)
def test_groups_come_page_by_page(fields: list[Any], k: int, size: int) -> None:
    """Pages of groups are those of one long search: no group and no document comes twice."""
    with filled(fields) as collection:
        found: list[tuple[object, str]] = []
        asked: dict[str, Any] = {"k": k, "group_size": size}
        while True:
            answer = ask(collection, **asked)
            found += shown(answer.hits)
            if answer.cursor is None:
                break
            asked["cursor"] = answer.cursor
    assert found == walk(fields, len(fields) + 1, size)


def test_a_group_without_end_does_not_hide_the_others() -> None:
    """Where one value holds all but a few documents, the few are found behind them."""
    order = sorted(range(60), key=lambda i: -float(VECTORS[i] @ QUERY))
    fields: list[Any] = ["many"] * 60
    for value, place in enumerate(order[-5:]):
        fields[place] = value
    with filled(fields) as collection:
        answer = ask(collection, k=4, group_size=2, candidates=3)
        bounded = ask(collection, k=4, min_score=float(VECTORS[order[3]] @ QUERY) - 1e-6)
        diverse = ask(collection, k=4, diversity=0.5)
    assert [hit.group for hit in answer.hits] == ["many", "many", 0, 1, 2]
    assert [hit.group for hit in bounded.hits] == ["many"]
    assert len({hit.group for hit in diverse.hits}) == 4
    assert [hit.score for hit in answer.hits[:2]] == sorted(
        (hit.score for hit in answer.hits[:2]), reverse=True
    )


def test_what_is_asked_for_in_pages_keeps_its_filter() -> None:
    """A cursor of groups narrows the search's own filter, and replaces nothing of it."""
    from indexer.filters import parse_filter

    with filled(["a", "b", "a", "c", "b", "c"]) as collection:
        asked = Query(
            vector=QUERY, group_by="f", k=1, filter=parse_filter({"f": {"$in": ["a", "b"]}})
        )
        groups = []
        with open_hashing(DIMENSION) as embedder:
            for _ in range(3):
                (answer,) = search(collection, embedder, [asked])
                groups += [hit.group for hit in answer.hits]
                asked = replace(asked, cursor=answer.cursor or asked.cursor)
    assert sorted(groups) == ["a", "b"]
