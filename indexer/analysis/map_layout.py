"""A collection's documents on a plane: laid out together, or placed among those laid out before.

A document is represented by the mean direction of its chunks. Up to 100,000 documents, drawn at
random, are laid out together; all others, and those added later, are placed by their nearest
neighbours among these. When many have been added, all are laid out again, starting from their old
places. The share of neighbours that the map preserves is measured whenever it changes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.analysis.cluster_labels import marking_words
from indexer.analysis.map_drawing import Clock, Drawing, Numbers
from indexer.analysis.picture_names import names_in, told_by_camera
from indexer.analysis.tsne import NEIGHBOURS, Places, fit_square, place, principal_places, project
from indexer.ann.faiss_index import (
    AnnIndex,
    cluster_directions,
    exact_search,
    score_rows,
    threads_to_use,
)
from indexer.ann.recall import estimate_recall, share_found
from indexer.documents import Document, Vectors
from indexer.index_choice import IndexKind
from indexer.lexical.analyzer import Analyzer
from indexer.lexical.pieces import pieces, taken_for
from indexer.reports import Cluster, NeighboursKept, Step, Tell

GROWN: Final = 0.25
"""All are laid out again when this share, of the number last laid out, has been added."""

CANDIDATES: Final = 256
"""The rows of the index that are scored exactly: of 128, 99 of 100 nearest are among 30,000."""

ANCHORS: Final = 10
MOST_CLUSTERS: Final = 24
KEPT_K: Final = 10
LABEL_DOCUMENTS: Final = 20_000
LABEL_CHARACTERS: Final = 400

_BATCH: Final = 2_048
_PAGE: Final = 2_000
_SEED: Final = 8


@dataclass(frozen=True, slots=True)
class Sizes:
    """The number of documents laid out together at most, and the number the map is measured on.

    From ``indexed`` on, neighbours are found by an index, in a quarter of the time.
    """

    fitted: int = 100_000
    measured: int = 1_000
    indexed: int = 10_000


class Means(Protocol):
    """The mean directions of documents' chunks."""

    numbers: Numbers
    """The numbers of all documents, rising."""

    def of(self, chosen: Numbers) -> Vectors:
        """(m, d) float32 unit rows for m indices into ``numbers``: see :func:`mean_directions`."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One state of a collection, of which a map is drawn.

    ``instance``, ``model`` and ``clock`` are those of its drawing. ``changed`` are the numbers of
    documents whose content is another than in the last drawing. ``documents`` gives those of some
    documents that still exist, by number.
    """

    instance: str
    model: str
    clock: Clock
    means: Means
    changed: Sequence[int]
    analyzer: Analyzer
    documents: Callable[[Sequence[int]], Mapping[int, Document]]


def mean_directions(parts: Vectors, firsts: Numbers) -> Vectors:
    """(m, d) the unit mean of each document's rows; ``firsts`` are the places where they begin.

    If the chunks of a document cancel out, its first represents it.
    """
    sums = np.add.reduceat(parts, firsts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    directions = np.where(lengths > 1e-6, sums, parts[firsts])
    means: Vectors = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return means


def draw(
    subject: Subject,
    old: Drawing | None,
    tell: Tell,
    *,
    anew: bool = False,
    sizes: Sizes = Sizes(),
) -> Drawing:
    """The map of a collection as it is now, given the last one of the same store and model.

    Raises MissingExtra.
    """
    started, means = time.monotonic(), subject.means
    kept = None if old is None else _unchanged(old, means, subject.changed)
    if old is None or kept is None or anew or _is_outgrown(old, kept, means):
        drawn = _lay_out(means, kept, sizes, tell)
    else:
        drawn = _fill_in(means, kept, tell)
    drawn = replace(drawn, instance=subject.instance, model=subject.model, clock=subject.clock)
    drawn = replace(drawn, kept=_measure(means, drawn.places, sizes.measured, tell))
    words = _words(subject.analyzer, subject.documents, drawn, tell)
    return replace(drawn, labels=_label(drawn, words), seconds=time.monotonic() - started)


def _unchanged(old: Drawing, means: Means, changed: Sequence[int]) -> Drawing:
    """The map without the documents that changed or were deleted."""
    left = np.isin(old.numbers, means.numbers) & ~np.isin(old.numbers, np.array(changed, int))
    return replace(
        old,
        numbers=old.numbers[left],
        places=old.places[left],
        clusters=old.clusters[left],
        fitted=old.fitted[left],
    )


def _is_outgrown(old: Drawing, kept: Drawing, means: Means) -> bool:
    """Return whether too many documents were added or deleted since the last layout."""
    late = len(means.numbers) - len(kept.numbers)
    left, fitted = int(np.count_nonzero(kept.fitted)), int(np.count_nonzero(old.fitted))
    return old.added + late > GROWN * old.basis or left < 0.5 * fitted


# Laying out


def _lay_out(means: Means, old: Drawing | None, sizes: Sizes, tell: Tell) -> Drawing:
    """All documents, at most so many of them laid out together."""
    count = len(means.numbers)
    drawn = np.sort(np.random.default_rng(_SEED).permutation(count)[: sizes.fitted])
    vectors = means.of(drawn)
    k = min(NEIGHBOURS, max(2, count // 4))
    cosines, nearest = _nearest_others(vectors, k, sizes.indexed, tell)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0))
    fitted = project(
        nearest,
        distances,
        _first_places(means.numbers[drawn], vectors, nearest, old),
        threads=threads_to_use(),
        tell=lambda done, total: tell(Step("places", done, total)),
    )
    centroids = cluster_directions(vectors, _cluster_count(count), _SEED)
    is_fitted = np.zeros(count, dtype=np.bool_)
    is_fitted[drawn] = True
    places = np.zeros((count, 2), dtype=np.float32)
    places[drawn] = fit_square(fitted)
    rest = np.flatnonzero(~is_fitted)
    places[rest] = _placed(means, rest, vectors, places[drawn], tell)
    clusters = _assigned(means, np.arange(count), centroids)
    return Drawing(
        "", "", (), means.numbers, places, clusters, is_fitted, centroids, (), None, count, 0, 0.0
    )


def _first_places(
    numbers: Numbers, vectors: Vectors, nearest: Numbers, old: Drawing | None
) -> Places:
    """Initial places: the old ones, if most documents have one; new ones amid their neighbours."""
    known = np.zeros(len(numbers), dtype=np.bool_)
    first = np.zeros((len(numbers), 2), dtype=np.float32)
    if old is not None:
        known, found = _find(numbers, old.numbers)
        first[known] = old.places[found]
    if np.count_nonzero(known) < 0.5 * len(numbers) or not len(numbers):
        return principal_places(vectors)
    beside = known[nearest][~known].astype(np.float32)
    around = np.einsum("nk,nkd->nd", beside, first[nearest[~known]])
    first[~known] = around / np.maximum(beside.sum(axis=1, keepdims=True), 1.0)
    return first


def _find(numbers: Numbers, among: Numbers) -> tuple[NDArray[np.bool_], Numbers]:
    """The mask of those of some rising numbers that are among others, and their indices there."""
    where = np.searchsorted(among, numbers)
    known = np.zeros(len(numbers), dtype=np.bool_)
    inside = where < len(among)
    known[inside] = among[where[inside]] == numbers[inside]
    return known, where[known]


def _nearest_others(
    vectors: Vectors, k: int, indexed: int, tell: Tell
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The cosines and places of each row's k nearest other rows, (n, k).

    Of many rows, by an index: nearly all of them, scored exactly.
    """
    count = len(vectors)
    k = min(k, max(count - 1, 0))
    cosines = np.zeros((count, k), dtype=np.float32)
    nearest = np.zeros((count, k), dtype=np.int64)
    index = AnnIndex.build(IndexKind.SCAN, vectors) if count >= indexed else None
    for part in _parts(np.arange(count)):
        tell(Step("neighbours", int(part[0]), count))
        if index is None:
            scores, found = exact_search(vectors[part], vectors, k + 1)
        else:
            _, rows = index.candidates(vectors[part], CANDIDATES, 0)
            scores, found = score_rows(vectors[part], vectors, rows, k + 1)
        other = found != part[:, None]
        other[other.all(axis=1), -1] = False  # a later one of many copies
        cosines[part] = scores[other].reshape(len(part), k)
        nearest[part] = found[other].reshape(len(part), k)
    return cosines, nearest


def _parts(places: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(places), _BATCH):
        yield places[start : start + _BATCH]


def _cluster_count(documents: int) -> int:
    return int(np.clip(np.sqrt(documents) / 3, 1, MOST_CLUSTERS)) if documents else 0


# Filling in


def _fill_in(means: Means, old: Drawing, tell: Tell) -> Drawing:
    """An old map with its missing documents placed among those that were laid out."""
    known, found = _find(means.numbers, old.numbers)
    late = np.flatnonzero(~known)
    places = np.zeros((len(known), 2), dtype=np.float32)
    clusters = np.zeros(len(known), dtype=np.int16)
    fitted = np.zeros(len(known), dtype=np.bool_)
    places[known], clusters[known], fitted[known] = (
        old.places[found], old.clusters[found], old.fitted[found],
    )  # fmt: skip
    if len(late):
        anchors = np.flatnonzero(fitted)
        places[late] = _placed(means, late, means.of(anchors), places[anchors], tell)
        clusters[late] = _assigned(means, late, old.centroids)
    return replace(
        old,
        numbers=means.numbers,
        places=places,
        clusters=clusters,
        fitted=fitted,
        added=old.added + len(late),
    )


def _placed(means: Means, chosen: Numbers, anchors: Vectors, known: Places, tell: Tell) -> Places:
    """Places for these documents, by their nearest anchors."""
    placed = np.zeros((len(chosen), 2), dtype=np.float32)
    for part in _parts(np.arange(len(chosen))):
        tell(Step("placing", int(part[0]), len(chosen)))
        cosines, nearest = exact_search(means.of(chosen[part]), anchors, ANCHORS)
        placed[part] = place(cosines, nearest, known)
    return placed


def _assigned(means: Means, chosen: Numbers, centroids: Vectors) -> NDArray[np.int16]:
    """The cluster of each of these documents: that of the nearest centroid."""
    clusters = np.zeros(len(chosen), dtype=np.int16)
    for part in _parts(np.arange(len(chosen))):
        clusters[part] = np.argmax(means.of(chosen[part]) @ centroids.T, axis=1)
    return clusters


# Quality


def _measure(means: Means, places: Places, most: int, tell: Tell) -> NeighboursKept | None:
    """The share of neighbours that the map preserves; None with too few documents."""
    count = len(places)
    k = min(KEPT_K, (count - 1) // 4)
    if k < 1:
        return None
    asked = np.sort(np.random.default_rng(_SEED).permutation(count)[:most])
    vectors = means.of(asked)
    nearest = np.full((len(asked), 0), 0.0, dtype=np.float32)
    for part in _parts(np.arange(count)):
        tell(Step("neighbours kept", int(part[0]), count))
        scores, found = exact_search(vectors, means.of(part), k + 1)
        scores = np.where(part[found] == asked[:, None], -np.inf, scores)
        nearest = -np.sort(-np.concatenate([nearest, scores], axis=1), axis=1)[:, :k]
    shares = [
        share_found(means.of(_beside(places, one, k)) @ vector, best)
        for one, vector, best in zip(asked.tolist(), vectors, nearest, strict=True)
    ]
    found_share = estimate_recall(np.array(shares), k)
    if len(asked) == count:
        return NeighboursKept(found_share.mean, found_share.mean, found_share.mean, k, count)
    return NeighboursKept(found_share.mean, found_share.low, found_share.high, k, len(asked))


def _beside(places: Places, one: int, k: int) -> Numbers:
    """The k nearest others on the map."""
    squares = np.square(places - places[one]).sum(axis=1)
    squares[one] = np.inf
    return np.argpartition(squares, k - 1)[:k]


# Labels


def regrouped(
    numbers: Numbers,
    places: Places,
    analyzer: Analyzer,
    documents: Callable[[Sequence[int]], Mapping[int, Document]],
) -> tuple[NDArray[np.int16], tuple[Cluster, ...]]:
    """Clusters of documents by where they are on a map, and labels by these documents' words.

    Of (n,) numbers and (n, 2) places in [-1, 1]. They are grouped as directions from a point above
    the middle of the map.
    """
    count = len(numbers)
    directions = np.ones((count, 3), np.float32)
    directions[:, :2] = places
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centroids = cluster_directions(directions, _cluster_count(count), _SEED)
    clusters = np.zeros(count, np.int16)
    if count:
        clusters[:] = np.argmax(directions @ centroids.T, axis=1)
    all_of_them = np.ones(count, np.bool_)
    drawn = Drawing(
        "", "", (), numbers, places, clusters, all_of_them, centroids, (), None, count, 0, 0.0
    )
    return clusters, _label(drawn, _words(analyzer, documents, drawn, lambda _: None))


def _words(
    analyzer: Analyzer,
    documents: Callable[[Sequence[int]], Mapping[int, Document]],
    drawn: Drawing,
    tell: Tell,
) -> list[Counter[str]]:
    """The number of documents of each cluster with each word, from a sample of the documents."""
    counters: list[Counter[str]] = [Counter() for _ in drawn.centroids]
    written: dict[str, Counter[str]] = {}
    cluster_of = dict(zip(drawn.numbers.tolist(), drawn.clusters.tolist(), strict=True))
    sample = np.random.default_rng(_SEED).permutation(drawn.numbers)[:LABEL_DOCUMENTS].tolist()

    @cache
    def stem(word: str) -> str:
        return taken_for(analyzer.asked(word))

    for start in range(0, len(sample), _PAGE):
        tell(Step("labels", start, len(sample)))
        for number, document in documents(sorted(sample[start : start + _PAGE])).items():
            spelled = _spelled(document, analyzer, stem)
            counters[cluster_of[number]].update(spelled.keys())
            for word, spelling in spelled.items():
                written.setdefault(word, Counter())[spelling] += 1
    usual = {word: spellings.most_common(1)[0][0] for word, spellings in written.items()}
    return [Counter({usual[word]: one[word] for word in one}) for one in counters]


def _spelled(document: Document, analyzer: Analyzer, stem: Callable[[str], str]) -> dict[str, str]:
    """The stems of a document's words, without function words, with their first spelling.

    A picture without a caption has those of its name, its camera and its month.
    """
    text = document.title or document.text[:LABEL_CHARACTERS]
    spelled: dict[str, str] = {}
    if document.picture is not None and not text.strip():
        text, spelled = names_in(document.id), dict(told_by_camera(document.metadata))
    asked = analyzer.asked(text)
    for piece in pieces(text):
        written = text[piece.start : piece.end].lower()
        if len(written) > 1 and written[0].isalpha() and (found := stem(piece.spelled)) in asked:
            spelled.setdefault(found, written)
    return spelled


def _label(drawn: Drawing, words: Sequence[Counter[str]]) -> tuple[Cluster, ...]:
    """Each cluster with its words, at its most central document on the map."""
    labels = []
    for cluster, marking in enumerate(marking_words(words)):
        places = drawn.places[drawn.clusters == cluster]
        x, y = _middle(places)
        labels.append(Cluster(marking, len(places), x, y))
    return tuple(labels)


def _middle(places: Places) -> tuple[float, float]:
    """The place nearest to the median of all: amid the largest part, not in a gap."""
    if not len(places):
        return 0.0, 0.0
    median = np.median(places, axis=0)
    x, y = places[int(np.argmin(np.square(places - median).sum(axis=1)))].tolist()
    return float(x), float(y)
