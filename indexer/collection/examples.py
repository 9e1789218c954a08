"""Queries that a collection could be asked: short, in its own words, and spread over what it holds.

Vectors of a sample are taken in an order in which each stands for as much as possible of what those
before it leave out, so the first few are of different subjects, and none is an odd one out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from indexer.documents import Document, Vectors
from indexer.engine import EngineState, Key
from indexer.scripts import FULL_STOPS, UNSPACED

SAMPLED: Final = 200
LONGEST: Final = 60
"""Characters of a query at most."""
FEWEST_WORDS: Final = 2
TRIED: Final = 3
"""Documents that are read for each query that is wanted; some have no words to be asked by."""

_SEED: Final = 20
_SENTENCE_END: Final = re.compile(rf"[.!?:;](?:\s|$)|[{FULL_STOPS}]|\n\s*\n")
_WORD: Final = re.compile(r"[^\W\d_]{3,}|(?:(?![a-zA-Z])[^\W\d_]){2,}")
"""A word that says something: "part ii" has one. Short ones do in scripts with more in a letter."""

_UNSPACED: Final = re.compile(f"[{UNSPACED}]{{4,}}")
"""Several words of a script that writes no spaces between them."""


def example_queries(state: EngineState, count: int) -> list[str]:
    """At most ``count`` queries, each of another document; the same state gives the same ones."""
    sample = state.sample(SAMPLED, _SEED)
    order = [Key(int(sample.keys[place])) for place in spread(sample.vectors, TRIED * count)]
    documents = state.documents(dict.fromkeys(order))
    return list(_different(documents, order))[:count]


def spread(vectors: Vectors, count: int) -> list[int]:
    """The places of ``count`` unit vectors, each the one that adds most to what is near to one."""
    cosines = vectors @ vectors.T  # (n, n)
    nearest = np.full(len(vectors), -1, dtype=np.float32)  # of each to one that was taken, (n,)
    taken: list[int] = []
    for _ in range(min(count, len(vectors))):
        gains = np.maximum(cosines - nearest, 0).sum(axis=1)
        gains[taken] = -1
        taken.append(int(gains.argmax()))
        nearest = np.maximum(nearest, cosines[taken[-1]])
    return taken


def phrase(document: Document) -> str | None:
    """A title of several words, else the first sentence; None where it is long or has no words."""
    for text in (document.title or "", _SENTENCE_END.split(document.text.strip(), maxsplit=1)[0]):
        words = " ".join(text.split()).rstrip(".:;,")
        if len(words) <= LONGEST and _asks(words):
            return words
    return None


def _asks(words: str) -> bool:
    """Return whether a text is of several words: a name or a number is no question."""
    spaced = " " in words and len(_WORD.findall(words)) >= FEWEST_WORDS
    return spaced or _UNSPACED.search(words) is not None


def _different(documents: dict[Key, Document], order: list[Key]) -> Iterator[str]:
    seen: set[str] = set()
    for key in dict.fromkeys(order):
        found = phrase(documents[key]) if key in documents else None
        if found and found.casefold() not in seen:
            seen.add(found.casefold())
            yield found
