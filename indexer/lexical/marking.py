"""The places of a query's words in a text, for whoever shows both."""

from __future__ import annotations

from indexer.index_choice import Language
from indexer.lexical.analyzer import Analyzer
from indexer.lexical.pieces import pieces, taken_for
from indexer.lexical.spelling import Span


class Marker:
    """The words of one query, to be found in texts; by the rules of a language."""

    def __init__(self, language: Language, query: str) -> None:
        self._analyzer = Analyzer(language)
        self._asked = frozenset(self._analyzer.asked(query))

    def spans(self, text: str) -> list[Span]:
        """The places of these words, in order; those of a row of characters may overlap."""
        found = [
            (start, end)
            for spelled, start, end in pieces(text)
            if taken_for(self._analyzer.asked(spelled)) in self._asked
        ]
        return sorted(found)
