"""Explanations of hits: the best passages, and the words that carry the cosine of the best one.

The words of the query that a hit matched come from the collection, with the hit.

Words are attributed by occlusion: a passage, which is embedded with its document's title, is
embedded again without a word, and the word's effect is the drop of the cosine to the query.
(Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
https://doi.org/10.1007/978-3-319-10590-1_53; for words, as erasure: Li, Monroe and Jurafsky,
"Understanding neural networks through representation erasure", 2016,
https://arxiv.org/abs/1612.08220.) It shows what the score depends on, one word at a time: two
synonyms may each have no effect, as either one is enough. The part of the cosine that no
word has for itself is the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from indexer.documents import StoredVectors, Vector, normalise
from indexer.queries import Explanation, Hit, Passage, Query, ScoredPassage, WordAttribution
from indexer.retrieval.sans_io import Need, Staged, Work
from indexer.scripts import CHARACTER, UNSPACED

DEFAULT_EXPLAIN: Final = 3
"""Hits that are explained where no number is given."""

PASSAGES: Final = 3
"""Passages of a document that are given at most."""

WORDS: Final = 48
"""Different words of a passage that are tried at most: each costs a text to embed."""

LEAST_EFFECT: Final = 0.01
"""Words of less effect are not told: a model in bf16 is no more exact, and readers care no more."""

_RUN: Final = rf"[^\W{UNSPACED}]+(?:['\u2019\u02bc][^\W{UNSPACED}]+)*"
_WORD: Final = re.compile(rf"{CHARACTER}|{_RUN}(?:-\n{_RUN})?")
"""A word with apostrophes, also hyphenated at the end of a line; without spaces, a character."""

Span: TypeAlias = tuple[int, int]
"""Start and end of some characters of a text."""


@dataclass(frozen=True, slots=True)
class Occlusion:
    """A hit's title and best passage, and the words to leave out of them one at a time.

    ``spans`` are, for each word, its places in ``content``, which begins with ``heading``
    characters of the title; ``left_out`` is the number of words that are not tried.
    """

    content: str
    heading: int
    spans: tuple[tuple[Span, ...], ...]
    left_out: int

    @property
    def texts(self) -> list[str]:
        """The texts to embed: the whole content, then the content without each word in turn."""
        return [self.content, *(_without(self.content, spans) for spans in self.spans)]


def occlude(hit: Hit, asked: str = "", most: int = WORDS) -> Occlusion:
    """The different words of a hit's title and best passage, at most this many.

    Words of the text that was asked come first, then those of the title, then the longest. Case
    makes no difference, and a word is left out wherever it occurs. An only word is not left out:
    nothing would remain to embed.
    """
    heading = hit.document.prefix
    found: dict[str, list[Span]] = {}
    for text, offset in ((heading, 0), (hit.passage.text, len(heading))):
        for word, (start, end) in _words_in(text):
            found.setdefault(word, []).append((offset + start, offset + end))
    wanted = {word for word, _ in _words_in(asked)}

    def place(word: str) -> tuple[bool, bool, int]:
        return word not in wanted, found[word][0][0] >= len(heading), -len(word)

    words = sorted(found, key=place)
    chosen = tuple(tuple(found[word]) for word in words[:most]) if len(found) > 1 else ()
    content = heading + hit.passage.text
    return Occlusion(content, len(heading), chosen, len(found) - len(chosen))


def explained(query: Query, hits: Sequence[Hit]) -> Staged[Sequence[Hit]]:
    """The hits, the first ``query.explain`` of them with their explanations.

    Without a query vector, as in a search by examples, the explanation is the best passage alone.
    """
    chosen = hits[: query.explain]
    if not chosen:
        return hits
    if query.vector is None:
        told = [
            replace(hit, explanation=Explanation((_best_passage(hit),), terms=hit.terms))
            for hit in chosen
        ]
        return [*told, *hits[len(chosen) :]]
    unit: Vector = normalise(np.asarray(query.vector)[None, :])[0]
    stored = yield Need(Work.VECTORS, [hit.document.id for hit in chosen])
    occlusions = [occlude(hit, query.text or "") for hit in chosen]
    texts = [text for occlusion in occlusions for text in occlusion.texts]
    vectors = iter((yield Need(Work.TEXTS, texts)))
    told = []
    for hit, one, occlusion in zip(chosen, stored, occlusions, strict=True):
        cosines = [float(next(vectors) @ unit) for _ in occlusion.texts]
        words = tuple(_words(hit, occlusion, cosines))
        whole = cosines[0] if hit.scores.dense is None else hit.scores.dense
        explanation = Explanation(
            _passages(hit, one, unit),
            words,
            words_left_out=occlusion.left_out,
            rest=whole - sum(word.effect for word in words),
            terms=hit.terms,
        )
        told.append(replace(hit, explanation=explanation))
    return [*told, *hits[len(chosen) :]]


def _words_in(text: str) -> Iterator[tuple[str, Span]]:
    """The words of a text as they are compared, and where they stand."""
    for match in _WORD.finditer(text):
        yield match[0].casefold().replace("\u2019", "'"), match.span()


def _without(text: str, spans: Sequence[Span]) -> str:
    parts, end = [], 0
    for start, following in spans:
        parts.append(text[end:start])
        end = following
    return "".join([*parts, text[end:]])


def _words(hit: Hit, occlusion: Occlusion, cosines: Sequence[float]) -> Iterator[WordAttribution]:
    """The words of LEAST_EFFECT or more, by falling effect, with their places."""
    effects = np.array(cosines[0]) - np.array(cosines[1:])
    heading, offset = occlusion.heading, hit.passage.start - occlusion.heading
    for place in np.argsort(-effects, kind="stable"):
        if abs(effects[place]) < LEAST_EFFECT:
            continue
        spans = occlusion.spans[place]
        yield WordAttribution(
            occlusion.content[slice(*spans[0])],
            float(effects[place]),
            spans=tuple((offset + a, offset + b) for a, b in spans if a >= heading),
            title_spans=tuple(span for span in spans if span[0] < heading),
        )


def _best_passage(hit: Hit) -> ScoredPassage:
    return ScoredPassage(hit.passage, hit.scores.dense)


def _passages(hit: Hit, stored: StoredVectors | None, unit: Vector) -> tuple[ScoredPassage, ...]:
    """The document's passages with the largest cosines, best first.

    Only the hit's own passage if the document, or the collection's model, has changed since.
    """
    spans = [(c.start, c.end) for c in stored.chunks] if stored else []
    unchanged = (hit.passage.start, hit.passage.end) in spans
    if stored is None or not unchanged or stored.vectors.shape[1] != len(unit):
        return (_best_passage(hit),)
    cosines = np.clip(stored.vectors @ unit, -1.0, 1.0)
    return tuple(
        ScoredPassage(Passage.of(hit.document, *spans[i]), float(cosines[i]))
        for i in np.argsort(-cosines, kind="stable")[:PASSAGES]
    )
