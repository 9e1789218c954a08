"""The words of a query that a document contains, with their places, for explaining a hit."""

from __future__ import annotations

from indexer.documents import Document
from indexer.engine import Bag, LexicalState
from indexer.lexical.bm25 import shares
from indexer.lexical.pieces import pieces, taken_for
from indexer.queries import MatchedTerm


def matching_terms(lexical: LexicalState, bag: Bag, document: Document) -> tuple[MatchedTerm, ...]:
    """The words of a query that a document contains, by falling share of its score."""
    found = lexical.words(document.content)
    held = shares(found, lexical.worth(bag), lexical.mean_length)
    spans: dict[str, list[tuple[int, int]]] = {word: [] for word in held}
    known: dict[str, str] = {}
    for spelled, start, end in pieces(document.text):
        if spelled not in known:
            known[spelled] = taken_for(lexical.asked(spelled))
        if (word := known[spelled]) in spans:
            spans[word].append((start, end))
    terms = [
        MatchedTerm(_as_written(document, word, spans[word]), score, tuple(spans[word]))
        for word, score in held.items()
    ]
    return tuple(sorted(terms, key=lambda term: (-term.score, term.text)))


def _as_written(document: Document, word: str, spans: list[tuple[int, int]]) -> str:
    """The word as first written in the text; its stem if only the title contains it."""
    return document.text[slice(*spans[0])] if spans else word
