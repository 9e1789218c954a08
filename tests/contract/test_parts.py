"""The parts of documents that hits have, against the whole documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from samples import DIMENSION, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument
from indexer.parts import NO_PARTS, WHOLE, Parts, asked_parts
from indexer.queries import Answer, Mode, Passage, Query

TEXTS = (
    "one two three, four five six",
    "a\x00b\ue000c, and what comes after the NUL",
    "🧭 שלום \ue000\ue001, and \ue000\ue000 again",
    "in front \x00 behind it",
    "one page,\fand another page",
    "Start\n\nsome words and more\n\n\nBehind\n\nit",
)
HEADINGS = ["Start", "Start > Behind"]


def facts(number: int) -> dict[str, object]:
    """The metadata of a document; the last has headings, the first pages."""
    more = {0: {"pages": 1}, len(TEXTS) - 1: {"headings": HEADINGS}}
    return {"n": number, "a.b": ["x", None], "c": "\x00", **more.get(number, {})}


@pytest.fixture
def filled(collection: Collection) -> Collection:
    """A collection of texts in two chunks each, some with what databases cannot hold."""
    vectors = random_units(2 * len(TEXTS))
    collection.put(
        [
            EmbeddedDocument(
                Document(f"d{i}", text, f"Title {i}", facts(i)),
                (Chunk(0, 0, 9), Chunk(1, 9, len(text))),
                vectors[2 * i : 2 * i + 2],
            )
            for i, text in enumerate(TEXTS)
        ]
    )
    return collection


def told(answer: Answer, parts: Parts) -> list[Sequence[object]]:
    """These parts of an answer's hits, as they are in whole documents."""
    return [
        (
            hit.document.id,
            hit.score,
            hit.passage if parts.passage else Passage("", hit.passage.start, hit.passage.end),
            hit.document.text if parts.text else "",
            hit.document.title if parts.title else None,
            parts.metadata_of(hit.document.metadata),
        )
        for hit in answer.hits
    ]


@pytest.mark.parametrize(
    "names",
    [[], ["passage"], ["text"], ["title", "passage"], ["metadata"], ["metadata.a.b", "title"]],
    ids=lambda names: "+".join(names) or "nothing",
)
def test_hits_have_the_parts_that_are_asked_for_and_no_other(
    filled: Collection, names: Sequence[str]
) -> None:
    """They equal those of whole documents; all else is empty."""
    parts = asked_parts(names)
    query = Query(text="four behind and", vector=np.ones(DIMENSION), k=10)
    for mode in Mode:
        whole = filled.search([replace(query, mode=mode)])[0]
        part = filled.search([replace(query, mode=mode, parts=parts)])[0]
        assert whole.hits
        assert told(part, WHOLE) == told(whole, parts)


def test_queries_of_one_call_each_have_their_parts(filled: Collection) -> None:
    """Made together, each search has at least what it asked for."""
    query = Query(vector=np.ones(DIMENSION), k=10)
    (whole,) = filled.search([query])
    asked = [asked_parts(["title"]), asked_parts(["metadata.n"]), asked_parts(["passage"])]
    for parts, answer in zip(
        asked, filled.search([replace(query, parts=one) for one in asked]), strict=True
    ):
        assert told(answer, parts) == told(whole, parts)


def test_what_a_stage_needs_is_there(filled: Collection) -> None:
    """Groups need their field, and explanations the text, whatever is asked for."""
    query = Query(text="behind", mode=Mode.LEXICAL, k=1, explain=1, group_by="n", parts=NO_PARTS)
    (hit,) = filled.search([query])[0].hits
    assert hit.document.metadata["n"] in (3, 5)
    assert [term.text for term in hit.terms] == ["behind"]
