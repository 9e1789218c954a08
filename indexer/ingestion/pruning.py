"""The documents that a source no longer gives, deleted after a run that saw all of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from indexer.collection import Collection
from indexer.errors import InvalidInput
from indexer.origins import Claim

USUAL_SHARE: Final = 0.3
"""The share of a source's documents that may go at once without being asked for."""

FEW: Final = 10
"""Documents that may go whatever their share, as long as others stay."""

_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Doomed:
    """The documents that a source no longer gives, of ``total`` that it claims.

    ``moved`` of them live on under another id. ``foreign`` ones are left out: their content is not
    what the source gave.
    """

    ids: tuple[str, ...]
    moved: int
    foreign: tuple[str, ...]
    total: int

    @property
    def lost(self) -> int:
        """The number of documents whose content goes."""
        return len(self.ids) - self.moved

    def refusal(self, most: float) -> str | None:
        """The reason not to delete them, if that is more than a share of all; else None."""
        share = self.lost / max(self.total, 1)
        if share <= most or (self.lost <= FEW and self.lost < self.total):
            return None
        return (
            f"{self.lost:,} of {self.total:,} documents are no longer there ({share:.0%}); at most "
            f"{most:.0%} are deleted at once"
        )


@dataclass(frozen=True, slots=True)
class Pruned:
    """The outcome of pruning: documents deleted, or the reason why none was.

    ``foreign`` are the ids of those that stay since others have changed them.
    """

    deleted: int = 0
    foreign: tuple[str, ...] = ()
    refused: str | None = None


def parse_share(text: str) -> float:
    """The share that is written as ``30%`` or ``0.3``; raises InvalidInput."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidInput(f"a share is written as 30% or 0.3, from 0 to 100%, not {text!r}")
    return share


def doomed(
    collection: Collection,
    source: str,
    obsolete: Sequence[Claim],
    coming: Mapping[str, bytes] = MappingProxyType({}),
) -> Doomed:
    """The documents that only obsolete claims of a source hold.

    ``coming`` are documents, with the hashes of their contents, that are about to be claimed.
    """
    origins = collection.origins
    contents: defaultdict[str, set[bytes]] = defaultdict(set)
    for claim in obsolete:
        if claim.id not in coming:
            contents[claim.id].add(claim.content)
    ended = {(source, claim) for claim in obsolete}
    for batch in _batches(contents):
        for held in origins.claimed(batch):
            if held not in ended:
                contents.pop(held[1].id, None)
    stored = _stored(collection, contents)
    ids = tuple(id for id in contents if stored.get(id) in contents[id])
    foreign = tuple(id for id in contents if id in stored and stored[id] not in contents[id])
    going = {id: stored[id] for id in ids}
    staying = _staying(collection, going) | set(coming.values())
    moved = sum(content in staying for content in going.values())
    return Doomed(ids, moved, foreign, origins.count(source) if ids else 0)


def _staying(collection: Collection, going: Mapping[str, bytes]) -> set[bytes]:
    """The contents of documents that go which are also stored under an id that stays."""
    alike = collection.origins.alike(set(going.values()))
    ids = {id for ids in alike.values() for id in ids} - going.keys()
    return set(_stored(collection, ids).values())


def _stored(collection: Collection, ids: Names[str]) -> dict[str, bytes]:
    stored: dict[str, bytes] = {}
    for batch in _batches(ids):
        stored |= collection.origins.contents(batch)
    return stored


def prune(collection: Collection, source: str, gone: Names[str], most: float) -> Pruned:
    """Delete what a source no longer gives, unless that is more than a share of its documents.

    To be called after a run that saw all of it. Killed at any moment, it can be called again.
    """
    obsolete = collection.origins.obsolete(source, gone)
    if not gone and not obsolete:
        return Pruned()
    found = doomed(collection, source, obsolete)
    refused = found.refusal(most)
    if refused:
        return Pruned(refused=refused)
    deleted = sum(collection.delete(batch) for batch in _batches(found.ids))
    collection.origins.forget(source, gone)
    return Pruned(deleted, found.foreign)


def _batches(ids: Names[str]) -> Iterator[list[str]]:
    every = list(ids)
    return (every[start : start + _BATCH] for start in range(0, len(every), _BATCH))
