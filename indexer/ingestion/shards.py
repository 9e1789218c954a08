"""Shards of what is indexed: several processes share the documents by a hash of their ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

from indexer.documents import Document
from indexer.errors import InvalidInput
from indexer.readers import Illustrated, Read

_FORM: Final = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")


@dataclass(frozen=True, slots=True)
class Shard:
    """The part ``number``, from 1, of ``count``; each document is in one of them."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard that is written as ``2/8``; raises InvalidInput."""
        found = _FORM.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise InvalidInput(f"a shard is written as 2/8, the second of eight, not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def holds(self, id: str) -> bool:
        """Return whether the document with this id is in it, whenever and wherever one asks."""
        digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def of(self, reads: Iterable[Read]) -> Iterator[Read]:
        """The reads of its documents; rejections are told by the first shard alone."""
        for read in reads:
            item = read.item.document if isinstance(read.item, Illustrated) else read.item
            if self.holds(item.id) if isinstance(item, Document) else self.number == 1:
                yield read
