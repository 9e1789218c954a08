"""Texts into words, by the rules of a language: Tantivy's tokenizer, stemmers and folding.

Only this module uses Tantivy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from indexer.index_choice import Language
from indexer.lexical.spelling import parted, unified

Bag: TypeAlias = Mapping[str, float]
"""Words with their weights."""

RULES: Final = 2
"""Raise it whenever texts become other words, so that indexes by older rules are not used."""

MOST_WORD_BYTES: Final = 80
"""Longer runs, which are not words, are left out."""

MOST_NEW_WORDS: Final = 1_024
MOST_WORDS: Final = 256
"""The first different words of a query, of which the rarest, this many, are searched for."""

_WORD: Final = r"[\p{L}\p{N}\p{M}]+"
"""A run of letters, digits and marks."""

_ENGLISH_FUNCTION_WORDS: Final = """
a about above after again against all am an and any are as at be because been before being
below between both but by can could d did do does doing down during each few for from
further had has have having he her here hers herself him himself his how i if in into is it
its itself just ll m me more most my myself no nor not now of off on once only or other
ought our ours ourselves out over own re s same she should so some such t than that the
their theirs them themselves then there these they this those through to too under until up
ve very was we were what when where which while who whom why will with would you your yours
yourself yourselves
"""
_WITHOUT_LIST: Final = frozenset(
    {
        Language.NONE,
        Language.ARABIC,
        Language.GREEK,
        Language.ROMANIAN,
        Language.TAMIL,
        Language.TURKISH,
    }
)


class Analyzer:
    """Texts to words: lower case, without accents, stemmed by a language's rules.

    A compound name, or a word hyphenated at the end of a line, gives its parts and the whole.
    Scripts without spaces between words, and Korean, give characters, pairs and triples of them:
    see indexer.lexical.spelling.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._all = _chain(language, None)
        self._contents = _chain(language, _function_words(language))

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        plain = self._unified(text)
        found: list[str] = self._all.analyze(plain if plain.isascii() else parted(plain))
        return found

    def asked(self, text: str) -> Bag:
        """The words of a query, with their frequencies.

        Words such as "the" are left out, unless there are no others; and of a very long query all
        but its first different words.
        """
        plain = parted(self._unified(text), asked=True)
        counts = Counter(self._contents.analyze(plain) or self._all.analyze(plain))
        return {word: float(counts[word]) for word in list(counts)[:MOST_NEW_WORDS]}

    def _unified(self, text: str) -> str:
        plain = unified(text)
        if self.language is Language.TURKISH:
            plain = plain.replace("I", "\u0131")
        # its lower case has two characters
        return plain if plain.isascii() else plain.replace("İ", "i")


def _chain(language: Language, dropped: Filter | None) -> TextAnalyzer:
    builder = TextAnalyzerBuilder(Tokenizer.regex(_WORD))
    builder = builder.filter(Filter.remove_long(MOST_WORD_BYTES)).filter(Filter.lowercase())
    if dropped is not None:
        builder = builder.filter(dropped)
    if language in (Language.NONE, Language.ENGLISH):
        builder = builder.filter(Filter.ascii_fold())
    if language is not Language.NONE:
        builder = builder.filter(Filter.stemmer(language.value))
    # last, since stemmers of other languages need the accents
    return builder.filter(Filter.ascii_fold()).build()


def _function_words(language: Language) -> Filter | None:
    if language is Language.ENGLISH:  # Tantivy's own list has 33 words, and lacks "what" or "how"
        return Filter.custom_stopword(_ENGLISH_FUNCTION_WORDS.split())
    return None if language in _WITHOUT_LIST else Filter.stopword(language.value)
