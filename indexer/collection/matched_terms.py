"""Which words of a query a document holds, and where: for the explanation of a hit."""

from __future__ import annotations

import re
from typing import Final

from indexer.documents import Document
from indexer.engine import Bag, LexicalState
from indexer.lexical.bm25 import shares
from indexer.queries import MatchedTerm

_UNSPACED: Final = "\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_RUN: Final = rf"[^\W_{_UNSPACED}]+"
_PIECE: Final = re.compile(rf"[{_UNSPACED}]|{_RUN}(?:-\n{_RUN})?")
"""What may be a word: a run of letters and digits, also one that a hyphen parts at the end of a
line; where words have no spaces, each character."""


def matching_terms(lexical: LexicalState, bag: Bag, document: Document) -> tuple[MatchedTerm, ...]:
    """The words of a query that a document holds, by falling part of its score."""
    found = lexical.words(document.content)
    held = shares(found, lexical.worth(bag), lexical.mean_length)
    spans: dict[str, list[tuple[int, int]]] = {word: [] for word in held}
    known: dict[str, tuple[str, ...]] = {}
    for piece in _PIECE.finditer(document.text):
        text = piece[0]
        if text not in known:
            known[text] = tuple({*lexical.words(text)} & held.keys())
        for word in known[text]:
            spans[word].append(piece.span())
    terms = [
        MatchedTerm(_as_written(document, word, spans[word]), score, tuple(spans[word]))
        for word, score in held.items()
    ]
    return tuple(sorted(terms, key=lambda term: (-term.score, term.text)))


def _as_written(document: Document, word: str, spans: list[tuple[int, int]]) -> str:
    """The word as it stands first in the text; the stem, if only the title holds it."""
    return document.text[slice(*spans[0])] if spans else word
