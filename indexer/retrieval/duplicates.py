"""Documents that are copies of others: equal or similar texts, and pictures that show the same.

Pictures are candidates by their hashes, all against all, or by their vectors, each with its
nearest; their thumbnails then tell what one is to the other (indexer.analysis.likeness). Texts are
similar by their vectors, from the cosine on at which diagnostics take them for near duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.analysis.geometry import near_duplicate
from indexer.analysis.likeness import (
    HASHES_DIFFER,
    SIDE,
    Glimpse,
    Likeness,
    Look,
    difference_hash,
    glimpse,
    relation,
)
from indexer.ann.faiss_index import RowIds, near_rows
from indexer.collection import Collection
from indexer.documents import Document, Vectors, normalise
from indexer.matrix_threads import threads_for_product
from indexer.parts import NO_PARTS
from indexer.pictures import Fit
from indexer.queries import Query, SearchOf
from indexer.readers.pictures import Decoded, read_pictures
from indexer.reports import Step, Tell

NEAREST: Final = 5
"""Pictures that each is held against, by its vector, and by its hash of those after it."""

SAMPLED: Final = 2_048
"""Texts whose cosines to each other tell how alike unrelated ones are."""

SAME_TEXT: Final = "same text"
SIMILAR_TEXT: Final = "similar text"

ALL_PAIRS: Final = 100_000
"""With more texts, looking for each one's nearest takes less time than holding all against all."""

LOOKS: Final = 4_096
"""Pictures of which what was computed is kept while they are held against others: 30 kB each."""

PAGE: Final = 256
_BLOCK: Final = 2_048
_BILINEAR: Final = 2
_FIT: Final = Fit(SIDE, SIDE, None, _BILINEAR)

Pair = tuple[int, int]
"""Places of two pictures, the smaller first."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document that is a copy, and what it is.

    ``kind`` is one of Likeness, SAME_TEXT or SIMILAR_TEXT; ``cosine``, of a similar text, is that
    to the document it is listed with.
    """

    id: str
    kind: str
    cosine: float | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """The copy as a JSON object."""
        told: dict[str, Any] = {"id": self.id, "kind": str(self.kind)}
        return told if self.cosine is None else told | {"cosine": round(self.cosine, 4)}


@dataclass(frozen=True, slots=True)
class Duplicates:
    """A document and its copies. Of pictures it is the one of most pixels, of texts the first."""

    id: str
    copies: tuple[Duplicate, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """The group as a JSON object."""
        return {"id": self.id, "copies": [one.plain for one in self.copies]}


@dataclass(frozen=True, slots=True)
class Found:
    """The groups of a collection: pictures first, each kind in the order of indexing.

    ``looked`` of its ``documents`` were held against each other.
    """

    collection: str
    documents: int
    looked: int
    groups: tuple[Duplicates, ...]

    @property
    def copies(self) -> int:
        """The number of documents that are copies of another."""
        return sum(len(group.copies) for group in self.groups)

    @property
    def plain(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "collection": self.collection,
            "documents": self.documents,
            "looked": self.looked,
            "groups": len(self.groups),
            "copies": self.copies,
            "duplicates": [group.plain for group in self.groups],
        }


@dataclass(slots=True)
class _Pictures:
    """The pictures of a collection, row by row; ``seen`` is (n, SIDE, SIDE) uint8."""

    ids: list[str] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)
    parts: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, documents: Sequence[Document], collection: Collection) -> None:
        """Look at the thumbnails of these documents; one that cannot be read is left out."""
        small = {one.id: collection.thumbnail(one.id) or b"" for one in documents}
        for one, read in zip(documents, read_pictures(list(small.values()), _FIT), strict=True):
            if isinstance(read, Decoded) and one.picture is not None:
                self.ids.append(one.id)
                self.pixels.append(one.picture.width * one.picture.height)
                self.parts.append(np.rint(glimpse(read.fitted.pixels)).astype(np.uint8))

    def seen(self, place: int) -> Glimpse:
        """A picture in small."""
        return self.parts[place].astype(np.float32)


@dataclass(slots=True)
class _Texts:
    """The texts of a collection: the ids of those that are equal, by their content."""

    equal: dict[bytes, list[str]] = field(default_factory=dict)

    def add(self, documents: Sequence[Document]) -> None:
        """Look at these documents."""
        for one in documents:
            self.equal.setdefault(one.content_hash, []).append(one.id)

    @property
    def firsts(self) -> list[str]:
        """The first document of each text."""
        return [ids[0] for ids in self.equal.values()]


def find_duplicates(collection: Collection, tell: Tell, most: int | None = None) -> Found:
    """All documents that have copies, with these.

    With ``most`` only so many documents, those that were indexed first, are held against each
    other; it takes time in proportion, and memory.
    """
    pictures, texts = _Pictures(), _Texts()
    total = collection.describe().documents
    done = 0
    for page in _pages(collection, most):
        texts.add([one for one in page if one.picture is None])
        if seen := [one for one in page if one.picture is not None]:
            pictures.add(seen, collection)
        done += len(page)
        tell(Step("documents", done, total if most is None else min(total, most)))
    groups = (
        *_groups(pictures, _alike(pictures, collection, tell)),
        *_text_groups(texts, collection, tell),
    )
    return Found(collection.name, total, done, groups)


def _pages(collection: Collection, most: int | None) -> Iterator[Sequence[Document]]:
    """The documents in the order of indexing, a page at a time, at most so many."""
    left, cursor = most, None
    while left is None or left > 0:
        page = collection.page(cursor=cursor, limit=PAGE if left is None else min(PAGE, left))
        yield page.documents
        cursor = page.cursor
        left = None if left is None else left - len(page.documents)
        if cursor is None:
            return


def _alike(pictures: _Pictures, collection: Collection, tell: Tell) -> dict[Pair, Likeness]:
    """The relations of pictures to each other, pair by pair."""
    found: dict[Pair, Likeness] = {}
    pairs = sorted({*_by_hash(pictures), *_by_vector(pictures, collection)})
    look = lru_cache(LOOKS)(lambda at: Look(pictures.seen(at)))
    for done, pair in enumerate(pairs, start=1):
        with threads_for_product(0):
            like = relation(*map(look, pair))
        if like is not None:
            found[pair] = like
        tell(Step("pairs", done, len(pairs)))
    return found


def _by_hash(pictures: _Pictures) -> Iterator[Pair]:
    """The pairs whose hashes, or one's and the mirrored other's, are nearly the same."""
    count = len(pictures.ids)
    if not count:
        return
    hashes = np.stack([difference_hash(pictures.seen(at)) for at in range(count)])
    turned = np.stack([difference_hash(pictures.seen(at)[:, ::-1]) for at in range(count)])
    # The product of two hashes as signs is the number of bits they share less those they do not.
    least = hashes.shape[1] - 2 * HASHES_DIFFER
    both = [np.where(one, 1, -1).astype(np.float32) for one in (hashes, turned)]
    for start in range(0, count, _BLOCK):
        rows = both[0][start : start + _BLOCK]
        near = np.zeros((len(rows), count), np.bool_)
        for columns in both:
            near |= rows @ columns.T >= least
        for row, matches in enumerate(near, start=start):
            later = row + 1 + np.flatnonzero(matches[row + 1 :])
            yield from ((row, other) for other in later[:NEAREST].tolist())


def _by_vector(pictures: _Pictures, collection: Collection) -> Iterator[Pair]:
    """Each picture with its nearest by vector."""
    for pair, _ in _nearest(pictures.ids, collection, SearchOf.IMAGE):
        yield pair


def _nearest(
    ids: Sequence[str], collection: Collection, of: SearchOf
) -> Iterator[tuple[Pair, float]]:
    """Each of these documents with its nearest among them, and the cosine."""
    places = {id: place for place, id in enumerate(ids)}
    image = of is SearchOf.IMAGE
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        asked = [Query(like=(id,), k=NEAREST, of=of, by_image=image, parts=NO_PARTS) for id in some]
        for id, answer in zip(some, collection.search(asked), strict=True):
            for hit in answer.hits:
                other = places.get(hit.document.id)
                if other is not None:
                    yield (min(places[id], other), max(places[id], other)), hit.score


def _groups(pictures: _Pictures, alike: Mapping[Pair, Likeness]) -> Iterator[Duplicates]:
    """The groups of pictures that are linked, one by another, each led by its largest."""
    for members in _linked(alike, len(pictures.ids)):
        best = max(members, key=lambda at: (pictures.pixels[at], -at))
        copies = [
            Duplicate(pictures.ids[at], _relation(at, best, alike))
            for at in sorted(members)
            if at != best
        ]
        yield Duplicates(pictures.ids[best], tuple(copies))


def _text_groups(texts: _Texts, collection: Collection, tell: Tell) -> Iterator[Duplicates]:
    """The groups of texts that are equal or similar, each led by its first."""
    firsts = texts.firsts
    same = {ids[0]: ids[1:] for ids in texts.equal.values()}
    linked = {first: members for members in _near(firsts, collection, tell) for first in members}
    for place, id in enumerate(firsts):
        members = sorted(linked.get(place, {place}))
        if members[0] == place:
            similar = [firsts[at] for at in members[1:]]
            if copies := [*_equal(same[id]), *_similar(id, similar, same, collection)]:
                yield Duplicates(id, tuple(copies))


def _near(firsts: Sequence[str], collection: Collection, tell: Tell) -> list[set[int]]:
    """The sets of places of texts that are linked, each near another: see ``near_duplicate``.

    All are held against each other, or each against its nearest where they are very many.
    """
    least = _least_cosine(firsts, collection)
    if len(firsts) > ALL_PAIRS:
        found = _nearest(firsts, collection, SearchOf.TEXT)
        return _linked((pair for pair, cosine in found if cosine >= least), len(firsts))
    directions = np.zeros((len(firsts), collection.identity.dimension), np.float32)
    for start in range(0, len(firsts), PAGE):
        own = _directions(firsts[start : start + PAGE], collection)
        for place, one in enumerate(own, start=start):
            if one is not None:
                directions[place] = one
        tell(Step("vectors", start + len(own), len(firsts)))
    leaders = np.arange(len(firsts))
    for start in range(0, len(firsts), _BLOCK):
        known = directions[: start + _BLOCK]
        for places, others, _ in near_rows(known[start:], known, least):
            leaders = _joined(leaders, places + start, others)
        tell(Step("texts", len(known), len(firsts)))
    return _sets(leaders)


def _joined(leaders: RowIds, places: RowIds, others: RowIds) -> RowIds:
    """The leader of each place, (n,), with pairs of places linked: the first of all linked ones."""
    while True:
        ends = leaders[places], leaders[others]
        lower = np.arange(len(leaders))
        for end in ends:
            np.minimum.at(lower, end, np.minimum(*ends))
        while (lower != lower[lower]).any():
            lower = lower[lower]
        if (lower[leaders] == leaders).all():
            return leaders
        leaders = lower[leaders]


def _sets(leaders: RowIds) -> list[set[int]]:
    """The sets of places with the same leader that are more than one, in the order of these."""
    order = np.argsort(leaders, kind="stable")
    ends = np.flatnonzero(np.diff(leaders[order])) + 1
    return [set(own.tolist()) for own in np.split(order, ends) if len(own) > 1]


def _equal(ids: Iterable[str]) -> Iterator[Duplicate]:
    for id in ids:
        yield Duplicate(id, SAME_TEXT)


def _similar(
    id: str, others: Sequence[str], same: Mapping[str, Sequence[str]], collection: Collection
) -> Iterator[Duplicate]:
    """Texts that are similar to one, each with those equal to it, the nearest first."""
    if not others:
        return
    own, *rest = _directions([id, *others], collection)
    cosines = [0.0 if own is None or one is None else float(own @ one) for one in rest]
    for cosine, other in sorted(zip(cosines, others, strict=True), key=lambda one: -one[0]):
        for each in (other, *same[other]):
            yield Duplicate(each, SIMILAR_TEXT, min(cosine, 1.0))


def _least_cosine(ids: Sequence[str], collection: Collection) -> float:
    """The cosine from which texts are similar: see ``near_duplicate``; 1 for too few to say."""
    rng = np.random.default_rng(len(ids))
    drawn = rng.permutation(len(ids))[:SAMPLED].tolist()
    known = [one for one in _directions([ids[at] for at in drawn], collection) if one is not None]
    if len(known) < 2:
        return 1.0
    # The mean over all pairs of different texts, by the square of the sum of all.
    total, count = np.stack(known).sum(axis=0, dtype=np.float64), len(known)
    return near_duplicate(float(total @ total - count) / (count * (count - 1)))


def _directions(ids: Sequence[str], collection: Collection) -> list[Vectors | None]:
    """The direction of each document's mean vector, (d,) float32; None for one that is gone."""
    stored = collection.vectors(ids)
    return [
        None if one is None else normalise(one.vectors.mean(axis=0, dtype=np.float64)[None])[0]
        for one in stored
    ]


def _relation(at: int, best: int, alike: Mapping[Pair, Likeness]) -> Likeness:
    """The relation of a picture to the best of its group, or to another that links them."""
    direct = alike.get((min(at, best), max(at, best)))
    return direct or next(like for pair, like in alike.items() if at in pair)


def _linked(pairs: Iterable[Pair], count: int) -> list[set[int]]:
    """The sets of so many places that pairs connect, in the order of their first."""
    ends = np.array(list(pairs), np.int64).reshape(-1, 2)
    return _sets(_joined(np.arange(count), ends[:, 0], ends[:, 1]))
