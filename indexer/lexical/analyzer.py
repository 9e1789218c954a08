"""How texts become words, by the rules of a language: Tantivy's tokenizer, stemmers and folding.

Nothing of Tantivy is known elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from indexer.index_choice import Language

Bag: TypeAlias = Mapping[str, float]
"""Words with their weights."""

MOST_WORD_BYTES: Final = 80
"""Longer words, which are none, are left out."""

MOST_NEW_WORDS: Final = 1_024
MOST_WORDS: Final = 256
"""Of the first so many different words of a query, so many of the rarest are searched for."""

_UNSPACED: Final = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Yi}"
)
_WORD: Final = rf"[{_UNSPACED}]|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"
"""A run of letters, digits and marks; in scripts without spaces between words, each character."""

LINE_HYPHEN: Final = "-\n"
_PARTED: Final = re.compile(rf"(?<![^\W\d_])([^\W\d_]+){LINE_HYPHEN}([^\W\d_]+)")

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

    A word that a hyphen parts at the end of a line is three: its parts, and the whole.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._all = _chain(language, None)
        self._contents = _chain(language, _function_words(language))

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        found: list[str] = self._all.analyze(_unified(text))
        return found

    def asked(self, text: str) -> Bag:
        """The words that a query asks for, with how often it says them.

        Words such as "the" are left out, unless there are no others; and of a very long query
        all but its first different words.
        """
        unified = _unified(text)
        counts = Counter(self._contents.analyze(unified) or self._all.analyze(unified))
        return {word: float(counts[word]) for word in list(counts)[:MOST_NEW_WORDS]}


def _chain(language: Language, dropped: Filter | None) -> TextAnalyzer:
    builder = TextAnalyzerBuilder(Tokenizer.regex(_WORD))
    builder = builder.filter(Filter.remove_long(MOST_WORD_BYTES)).filter(Filter.lowercase())
    if dropped is not None:
        builder = builder.filter(dropped)
    if language in (Language.NONE, Language.ENGLISH):
        builder = builder.filter(Filter.ascii_fold())
    if language is not Language.NONE:
        builder = builder.filter(Filter.stemmer(language.value))
    # other languages' stemmers know the accents of theirs, so these go last
    return builder.filter(Filter.ascii_fold()).build()


def _function_words(language: Language) -> Filter | None:
    if language is Language.ENGLISH:  # Tantivy's own list has 33 words, and lacks "what" or "how"
        return Filter.custom_stopword(_ENGLISH_FUNCTION_WORDS.split())
    return None if language in _WITHOUT_LIST else Filter.stopword(language.value)


def _unified(text: str) -> str:
    """One spelling for what looks the same: composed accents, ligatures, full-width letters.

    Behind a word that is parted at the end of a line stands the whole.
    """
    whole = _PARTED.sub(r"\g<0> \1\2", text) if LINE_HYPHEN in text else text
    return whole if whole.isascii() else unicodedata.normalize("NFKC", whole)
