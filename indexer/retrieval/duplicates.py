"""Documents that are copies of others: equal texts, and pictures that show the same.

Pictures are candidates by their hashes, all against all, or by their vectors, each with its
nearest; their thumbnails then tell what one is to the other (indexer.analysis.likeness).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.analysis.likeness import (
    HASHES_DIFFER,
    SIDE,
    Glimpse,
    Likeness,
    difference_hash,
    glimpse,
    likeness,
)
from indexer.collection import Collection
from indexer.documents import Document
from indexer.parts import NO_PARTS
from indexer.pictures import Fit
from indexer.queries import Query, SearchOf
from indexer.readers.pictures import Decoded, read_pictures
from indexer.reports import Step, Tell

NEAREST: Final = 5
"""Pictures that each is held against, by its vector, and by its hash of those after it."""

PAGE: Final = 256
_BLOCK: Final = 2_048
_BILINEAR: Final = 2
_FIT: Final = Fit(SIDE, SIDE, None, _BILINEAR)

Pair = tuple[int, int]
"""Places of two pictures, the smaller first."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document that is a copy, and what it is: ``like`` is None for an equal text."""

    id: str
    like: Likeness | None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """A document and its copies. Of pictures it is the one of most pixels, of texts the first."""

    id: str
    copies: tuple[Duplicate, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """The group as a JSON object."""
        copies = [{"id": one.id, "kind": one.like or "same text"} for one in self.copies]
        return {"id": self.id, "copies": copies}


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


def find_duplicates(collection: Collection, tell: Tell) -> list[Duplicates]:
    """All documents that have copies, with these, in the order in which they were indexed."""
    pictures = _Pictures()
    texts: dict[bytes, list[str]] = {}
    total = collection.describe().documents
    done = 0
    for page in _pages(collection):
        for one in page:
            if one.picture is None:
                texts.setdefault(one.content_hash, []).append(one.id)
        if seen := [one for one in page if one.picture is not None]:
            pictures.add(seen, collection)
        done += len(page)
        tell(Step("documents", done, total))
    equal = (
        Duplicates(first, tuple(Duplicate(id, None) for id in rest))
        for first, *rest in texts.values()
        if rest
    )
    return [*_groups(pictures, _alike(pictures, collection, tell)), *equal]


def _pages(collection: Collection) -> Iterator[Sequence[Document]]:
    page = collection.page(limit=PAGE)
    yield page.documents
    while page.cursor is not None:
        page = collection.page(cursor=page.cursor, limit=PAGE)
        yield page.documents


def _alike(pictures: _Pictures, collection: Collection, tell: Tell) -> dict[Pair, Likeness]:
    """The relations of pictures to each other, pair by pair."""
    found: dict[Pair, Likeness] = {}
    pairs = sorted({*_by_hash(pictures), *_by_vector(pictures, collection)})
    for done, pair in enumerate(pairs, start=1):
        like = likeness(*map(pictures.seen, pair))
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
    places = {id: place for place, id in enumerate(pictures.ids)}
    for start in range(0, len(pictures.ids), PAGE):
        ids = pictures.ids[start : start + PAGE]
        asked = [
            Query(like=(id,), k=NEAREST, of=SearchOf.IMAGE, by_image=True, parts=NO_PARTS)
            for id in ids
        ]
        for id, answer in zip(ids, collection.search(asked), strict=True):
            for hit in answer.hits:
                other = places.get(hit.document.id)
                if other is not None:
                    yield min(places[id], other), max(places[id], other)


def _groups(pictures: _Pictures, alike: Mapping[Pair, Likeness]) -> Iterator[Duplicates]:
    """The groups of pictures that are linked, one by another, each led by its largest."""
    for members in _linked(alike):
        best = max(members, key=lambda at: (pictures.pixels[at], -at))
        copies = [
            Duplicate(pictures.ids[at], _relation(at, best, alike))
            for at in sorted(members)
            if at != best
        ]
        yield Duplicates(pictures.ids[best], tuple(copies))


def _relation(at: int, best: int, alike: Mapping[Pair, Likeness]) -> Likeness:
    """The relation of a picture to the best of its group, or to another that links them."""
    direct = alike.get((min(at, best), max(at, best)))
    return direct or next(like for pair, like in alike.items() if at in pair)


def _linked(pairs: Iterable[Pair]) -> list[set[int]]:
    """The sets of places that pairs connect, in the order of their first."""
    group_of: dict[int, set[int]] = {}
    for pair in pairs:
        joined = set(pair).union(*(group_of[at] for at in pair if at in group_of))
        for at in joined:
            group_of[at] = joined
    unique = {id(group): group for group in group_of.values()}
    return sorted(unique.values(), key=min)
