"""A check of everything that a collection in a database keeps, against the documents' texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from indexer.documents import UNIT_TOLERANCE
from indexer.engine import Embedders
from indexer.lexical.analyzer import Analyzer
from indexer.model_check import check_model
from indexer.postgres.facts import facts_of
from indexer.postgres.state import PostgresState, document_of
from indexer.reports import Finding, Step, Tell, Verification

MOST_FINDINGS: Final = 20
ROWS: Final = 1_000

RESTORE: Final = "restore a backup of the database, or index the documents again"

_COUNTED: Final = """
SELECT (SELECT count(*) FROM @document), (SELECT coalesce(sum(length), 0) FROM @document)::bigint,
    count(*), count(DISTINCT document) FILTER (WHERE truncated),
    count(DISTINCT document) FILTER (WHERE unknown) FROM @chunk c
"""
_STRAYS: Final = {
    "chunks of no document": """
SELECT count(*) FROM @chunk c WHERE NOT EXISTS (
    SELECT FROM @document d WHERE d.number = c.document)""",
    "documents without a chunk": """
SELECT count(*) FROM @document d WHERE NOT EXISTS (
    SELECT FROM @chunk c WHERE c.document = d.number)""",
    "words of no document": """
SELECT count(*) FROM @posting p WHERE NOT EXISTS (
    SELECT FROM @document d WHERE d.number = p.document)""",
    "metadata of no document": """
SELECT count(*) FROM @fact f WHERE NOT EXISTS (
    SELECT FROM @document d WHERE d.number = f.document)""",
}
_TEXTS: Final = "SELECT id, title, text, metadata::text, number, hash, length FROM @document d"
_WORDS: Final = "SELECT document, word, frequency, length FROM @posting WHERE document = ANY(%s)"
_FACTS: Final = """
SELECT f.document, n.name, f.value FROM @fact f JOIN @field n ON n.number = f.field
WHERE f.document = ANY(%s)
"""


def verify(
    name: str, state: PostgresState, analyzer: Analyzer, embedders: Embedders | None, tell: Tell
) -> Verification:
    """The findings of all checks of one state."""
    findings = [*_counts(state), *_strays(state)]
    wrong_texts, wrong_words = _documents(state, analyzer, tell)
    findings += wrong_texts + wrong_words + _vectors(state, tell)
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
        *(counts.documents, state.header.words, counts.chunks),
        *(counts.truncated, counts.unknown),
    )
    ((*counted,),) = state.rows(_COUNTED)
    names = ("documents", "words", "chunks", "truncated documents", "unknown documents")
    for what, known, found in zip(names, kept, counted, strict=True):
        if known != found:
            yield Finding(
                "counter",
                f"{known} {what} are counted, and {found} are there",
                "totals and scores of words are wrong",
                RESTORE,
            )


def _strays(state: PostgresState) -> Iterator[Finding]:
    for what, statement in _STRAYS.items():
        ((found,),) = state.rows(statement)
        if found:
            yield Finding("tables", f"there are {found} {what}", "searches may fail", RESTORE)


def _documents(
    state: PostgresState, analyzer: Analyzer, tell: Tell
) -> tuple[list[Finding], list[Finding]]:
    """The faults of texts and metadata, and those of words."""
    texts: list[Finding] = []
    words: list[Finding] = []
    done = 0
    for rows in state.reading.stream(_TEXTS, (), ROWS):
        numbers = [row[4] for row in rows]
        stored_words = _grouped(state.rows(_WORDS, [numbers]))
        stored_facts = _grouped(state.rows(_FACTS, [numbers]))
        for row in rows:
            document, (number, digest, length) = document_of(row[:4]), row[4:]
            told = f"document {document.id!r}"
            if document.content_hash != bytes(digest):
                texts.append(
                    Finding("document", f"{told} is not what was written", "it is shown", RESTORE)
                )
            if {(fact.name, fact.value) for fact in facts_of(document.metadata)} != {
                (name, bytes(value)) for name, value in stored_facts.get(number, [])
            }:
                texts.append(
                    Finding("fact", f"{told} has other metadata", "filters miss it", RESTORE)
                )
            own = Counter(analyzer.words(document.content))
            expected = {(word, times, own.total()) for word, times in own.items()}
            if length != own.total() or expected != {*stored_words.get(number, [])}:
                words.append(
                    Finding("posting", f"{told} has other words", "searches miss it", RESTORE)
                )
        done += len(rows)
        tell(Step("documents", done, state.counts.documents))
    return texts, words


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
