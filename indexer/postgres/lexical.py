"""The words of one state: postings in a table, and BM25 by its formula, computed by the server.

The parts of a score are whole numbers, in units that make the largest possible score 2**52: so
float64 holds each sum exactly, and it is the same in whatever order its parts come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from indexer.engine import Bag, Key, Scope
from indexer.lexical.analyzer import MOST_WORDS, Analyzer
from indexer.lexical.bm25 import K1, B, idf
from indexer.postgres.reading import Reading
from indexer.postgres.scope import scope_of

_BITS: Final = 52

_HOLDING: Final = """
SELECT word, count(*) FROM @posting WHERE word = ANY(%s) GROUP BY word
"""
_SCORES: Final = f"""
SELECT p.document, sum(round(q.worth * ({K1 + 1} * p.frequency
    / (p.frequency + {K1} * ({1 - B} + {B} * p.length / %s::float8))))) AS score
FROM unnest(%s::text[], %s::float8[]) AS q(word, worth)
JOIN @posting p ON p.word = q.word WHERE {{scope}}
GROUP BY p.document
"""  # noqa: S608 - constants
_BEST: Final = f"""
SELECT s.document, s.score FROM (
    {_SCORES} ORDER BY score DESC FETCH FIRST %s ROWS WITH TIES) s
JOIN @document d ON d.number = s.document ORDER BY s.score DESC, d.id LIMIT %s
"""  # noqa: S608 - constants


class PostgresLexical:
    """See indexer.engine.LexicalState."""

    def __init__(
        self,
        reading: Reading,
        analyzer: Analyzer,
        documents: int,
        words: int,
        holding: dict[str, int],
    ) -> None:
        """``holding`` are counts of this very state that are known, and will be added to."""
        self._reading = reading
        self._analyzer = analyzer
        self._documents = documents
        self._words = words
        self._holding = holding

    @property
    def mean_length(self) -> float:
        """The mean number of words of a document."""
        return self._words / max(self._documents, 1) or 1.0

    def words(self, text: str) -> list[str]:
        """The words of a text in the form in which they are compared, in order."""
        return self._analyzer.words(text)

    def asked(self, text: str) -> Bag:
        """The words of a query; of very many, only the rarest."""
        bag = self._analyzer.asked(text)
        if len(bag) <= MOST_WORDS:
            return bag
        holding = self._counted(bag)
        rarest = sorted(bag, key=holding.__getitem__)[:MOST_WORDS]
        return {word: bag[word] for word in rarest}

    def worth(self, bag: Bag) -> dict[str, float]:
        """The weight of each word in the BM25 score: its idf times its weight in the query."""
        holding = self._counted(bag)
        return {word: weight * idf(self._documents, holding[word]) for word, weight in bag.items()}

    def best(self, bag: Bag, k: int, scope: Scope) -> list[tuple[Key, float]]:
        """The k documents of highest BM25 score that contain a word, best first, ties by id."""
        within = scope_of(scope)
        if not bag or not k or not within.total:
            return []
        unit, arguments = self._arguments(bag)
        condition, scoped = within.sql("p.document")
        statement = _BEST.format(scope=condition)
        rows = self._reading.rows(statement, [*arguments, *scoped, k, k])
        return [(Key(document), score * unit) for document, score in rows]

    def score(self, bag: Bag, keys: Sequence[Key]) -> list[float]:
        """The BM25 score of each of these documents; 0 for one without any of the words."""
        if not bag or not keys:
            return [0.0] * len(keys)
        unit, arguments = self._arguments(bag)
        statement = _SCORES.format(scope="p.document = ANY(%s)")
        scores = dict(self._reading.rows(statement, [*arguments, list(keys)]))
        return [scores.get(key, 0) * unit for key in keys]

    def _arguments(self, bag: Bag) -> tuple[float, list[Any]]:
        """The unit of scores, and the arguments that give scores in it."""
        worth = self.worth(bag)
        most = (K1 + 1) * sum(worth.values())
        unit = 2.0 ** (math.frexp(most)[1] - _BITS)
        return unit, [self.mean_length, list(worth), [one / unit for one in worth.values()]]

    def _counted(self, words: Iterable[str]) -> dict[str, int]:
        """The number of documents that contain each word."""
        new = [word for word in words if word not in self._holding]
        if new:
            counted = dict(self._reading.rows(_HOLDING, [new]))
            self._holding.update({word: counted.get(word, 0) for word in new})
        return self._holding
