"""A check of everything that a collection in a database keeps, against the documents' texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from indexer.documents import UNIT_TOLERANCE
from indexer.engine import Embedders
from indexer.errors import Damaged
from indexer.lexical.bm25 import shares
from indexer.model_check import check_model
from indexer.pictures import Picture
from indexer.postgres.facts import facts_of
from indexer.postgres.rows import document_of
from indexer.postgres.state import PostgresState
from indexer.postgres.word_files import read_part, read_sealed
from indexer.readers.originals import is_in_place
from indexer.reports import Finding, Step, Tell, Verification

MOST_FINDINGS: Final = 20
ROWS: Final = 1_000

SAMPLE: Final = 512
SAMPLE_WORDS: Final = 8
"""Documents to look up, and words of each to search for."""

_ROUNDING: Final = 1e-9

REBUILD: Final = "run bearing rebuild"
RESTORE: Final = "restore a backup of the database, or index the documents again"

PUT_BACK: Final = "put the file back, or index it again where it is now"

_COUNTED: Final = """
SELECT (SELECT count(*) FROM @document), count(*),
    count(DISTINCT document) FILTER (WHERE truncated),
    count(DISTINCT document) FILTER (WHERE unknown) FROM @chunk c
"""
_STRAYS: Final = {
    "chunks of no document": """
SELECT count(*) FROM @chunk c WHERE NOT EXISTS (
    SELECT FROM @document d WHERE d.number = c.document)""",
    "documents without a chunk": """
SELECT count(*) FROM @document d WHERE NOT EXISTS (
    SELECT FROM @chunk c WHERE c.document = d.number)""",
    "metadata of no document": """
SELECT count(*) FROM @fact f WHERE NOT EXISTS (
    SELECT FROM @document d WHERE d.number = f.document)""",
    "files of pictures of no document": """
SELECT count(*) FROM @picture p WHERE NOT EXISTS (
    SELECT FROM @document d WHERE d.number = p.document AND d.picture IS NOT NULL)""",
}
_PICTURES: Final = """
SELECT id, picture, thumbnail IS NOT NULL, encode(sha256(original), 'hex')
FROM @document LEFT JOIN @picture ON document = number WHERE picture IS NOT NULL
"""
_TEXTS: Final = "SELECT id, title, text, metadata::text, picture, number, hash FROM @document d"
_SAMPLE: Final = """
SELECT number, id, title, text, metadata::text, picture FROM @document d
ORDER BY hashint8(number), number LIMIT %s
"""
_FACTS: Final = """
SELECT f.document, n.name, f.value FROM @fact f JOIN @field n ON n.number = f.field
WHERE f.document = ANY(%s)
"""


def verify(
    name: str, state: PostgresState, embedders: Embedders | None, tell: Tell
) -> Verification:
    """The findings of all checks of one state."""
    findings = [*_counts(state), *_strays(state), *_documents(state, tell), *_pictures(state)]
    wrong_words = [*_words(state)]
    findings += wrong_words + _vectors(state, tell)
    model, wrong = check_model(state.identity, embedders, tell)
    counts = state.counts
    return Verification(
        name,
        counts.documents,
        counts.chunks,
        counts.chunks,
        "graph" if state.header.sealed else "none",
        model,
        tuple([*findings, *wrong][:MOST_FINDINGS]),
        "damaged" if wrong_words else f"those of {counts.documents} documents",
    )


def _counts(state: PostgresState) -> Iterator[Finding]:
    counts = state.counts
    kept = (
        *(counts.documents, counts.chunks),
        *(counts.truncated, counts.unknown),
    )
    ((*counted,),) = state.rows(_COUNTED)
    names = ("documents", "chunks", "truncated documents", "unknown documents")
    for what, known, found in zip(names, kept, counted, strict=True):
        if known != found:
            yield Finding(
                "counter",
                f"{known} {what} are counted, and {found} are there",
                "totals are wrong",
                RESTORE,
            )


def _strays(state: PostgresState) -> Iterator[Finding]:
    for what, statement in _STRAYS.items():
        ((found,),) = state.rows(statement)
        if found:
            yield Finding("tables", f"there are {found} {what}", "searches may fail", RESTORE)


def _documents(state: PostgresState, tell: Tell) -> Iterator[Finding]:
    done = 0
    for rows in state.reading.stream(_TEXTS, (), ROWS):
        stored_facts = _grouped(state.rows(_FACTS, [[row[5] for row in rows]]))
        for row in rows:
            document, (number, digest) = document_of(row[:5]), row[5:]
            told = f"document {document.id!r}"
            if document.content_hash != bytes(digest):
                yield Finding("document", f"{told} is not what was written", "it is shown", RESTORE)
            if {(fact.name, fact.value) for fact in facts_of(document.metadata)} != {
                (name, bytes(value)) for name, value in stored_facts.get(number, [])
            }:
                yield Finding("fact", f"{told} has other metadata", "filters miss it", RESTORE)
        done += len(rows)
        tell(Step("documents", done, state.counts.documents))


def _pictures(state: PostgresState) -> Iterator[Finding]:
    """The pictures that are not what was stored, or no longer where they were indexed."""
    for rows in state.reading.stream(_PICTURES, (), ROWS):
        for id, encoded, is_shown, digest in rows:
            picture = Picture.decode(encoded)
            kept = picture.place is None
            if not is_shown:
                problem = f"the thumbnail of document {id!r} is lost"
                yield Finding("picture", problem, "it is not shown", RESTORE)
            if kept and digest != picture.sha256:
                problem = f"the picture of document {id!r} is not what was stored"
                yield Finding("picture", problem, "it is shown wrongly", RESTORE)
            if not kept and not is_in_place(picture):
                problem = f"the picture of document {id!r}, {picture.place}, is gone or changed"
                yield Finding("picture", problem, "another model cannot embed it", PUT_BACK)


def _words(state: PostgresState) -> Iterator[Finding]:
    """The faults of the index of words: its arrays, its documents, and scores of a sample."""
    for file in read_sealed(state.reading).files:
        try:
            read_part(state.reading, file)
        except Damaged as error:
            yield Finding("words", str(error), "the first search by words takes long", REBUILD)
    words, due = state.lexical, state.counts.documents
    if words.documents != due:
        problem = f"the index of words has {words.documents} documents, and {due} are there"
        yield Finding("words", problem, "searches by words miss some", REBUILD)
    for number, *row in state.rows(_SAMPLE, [SAMPLE]):
        document = document_of(row)
        own = words.words(document.content)
        bag = dict.fromkeys(own[:SAMPLE_WORDS], 1.0)
        expected = sum(shares(own, words.worth(bag), words.mean_length).values())
        if not np.isclose(words.matches(bag).scores([number])[0], expected, _ROUNDING, 0):
            problem = f"document {document.id!r} scores by its words otherwise than its text does"
            yield Finding("words", problem, "its scores are wrong", REBUILD)


def _grouped(rows: list[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for document, *rest in rows:
        found.setdefault(document, []).append(tuple(rest))
    return found


def _vectors(state: PostgresState, tell: Tell) -> list[Finding]:
    findings, done = [], 0
    for part in state.scan(ROWS):
        norms = np.linalg.norm(part.vectors.astype(np.float64), axis=1)
        for place in np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_TOLERANCE)):
            problem = f"a vector of document number {part.keys[place]} has length {norms[place]}"
            findings.append(Finding("chunk", problem, "its scores are no cosines", RESTORE))
        done += len(part.keys)
        tell(Step("vectors", done, state.counts.chunks))
    return findings
