"""The choice of the segments to merge in an index of words: few stay, and none is merged often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from indexer.lexical.inverted_index import Part
from indexer.lexical.segments import Segment, merge

MOST_POSTINGS: Final = 1 << 25
"""Segments are not merged into larger ones, so that time and memory of a merge are bounded."""

GROWTH: Final = 2
"""A segment is merged with all smaller ones unless it has this many times their postings."""

MOST_DEAD: Final = 0.25


def merged_parts(parts: Sequence[Part], hold: Callable[[Segment], Part]) -> list[Part]:
    """The same documents in few segments with few dead ones; ``hold`` stores a new segment."""
    kept = list(parts)
    for group in to_merge(kept):
        merged = merge([one.segment for one in group], [one.live for one in group])
        kept = [part for part in kept if part not in group]
        kept.append(hold(merged))
    return kept


def to_merge(parts: Sequence[Part], most: int = MOST_POSTINGS) -> list[list[Part]]:
    """Groups of segments to merge, so that each is much larger than all smaller ones together.

    So there are few, of sizes that grow as the powers of three, and a document is merged only as
    often as there are sizes. Segments of more than half of the ``most`` postings are left as they
    are. One with many dead documents is merged in any case, if need be by itself.
    """
    small = sorted((part for part in parts if _size(part) <= most // 2), key=_size)
    sizes = [_size(part) for part in small]
    last = max((i for i in range(1, len(sizes)) if sizes[i] <= GROWTH * sum(sizes[:i])), default=-1)
    groups: list[list[Part]] = [[]]
    for part in small[: last + 1]:
        if sum(map(_size, groups[-1])) + _size(part) > most:
            groups.append([])
        groups[-1].append(part)
    alone = [*small[last + 1 :], *(part for part in parts if _size(part) > most // 2)]
    groups += [[part] for part in alone]
    return [group for group in groups if len(group) > 1 or any(map(_is_much_dead, group))]


def _size(part: Part) -> int:
    """The approximate number of live postings."""
    return len(part.segment.ordinals) * part.documents // part.segment.documents


def _is_much_dead(part: Part) -> bool:
    return part.documents < (1 - MOST_DEAD) * part.segment.documents
