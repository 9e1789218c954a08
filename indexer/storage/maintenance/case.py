"""A collection that is being checked, with helpers shared by the checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from indexer.reports import Step, Tell
from indexer.storage.sqlite.records import Generation, Owners
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store

MOST_FINDINGS: Final = 20
"""Findings of one kind that are reported, at most; a damaged disk gives thousands."""

_TELL_EVERY: Final = 1_000

RESTORE: Final = "restore the collection from a backup"
RE_EMBED: Final = (
    "restore the collection from a backup, or compute all vectors anew from the stored texts: "
    "`bearing reindex --model` with the collection's own model"
)
REPLACE: Final = "delete the document and index it again, or restore a backup"


@dataclass(frozen=True, slots=True)
class Case:
    """A collection that is being checked."""

    folder: Path
    store: Store
    tell: Tell

    def steps(self, name: str, total: int) -> Callable[[int], None]:
        """A callback for one check's progress that reports only some of its steps."""
        every = max(1, min(_TELL_EVERY, total // 100))

        def tell(done: int) -> None:
            if done % every == 0 or done == total:
                self.tell(Step(name, done, total))

        return tell


def blocks(snapshot: Snapshot, generation: Generation) -> Iterator[tuple[int, int, Owners]]:
    """Number, checksum and owners of each block, in order."""
    for number, checksum, owners in snapshot.select(
        "SELECT block, checksum, owners FROM blocks WHERE generation = ? ORDER BY block",
        (generation.number,),
    ):
        yield number, checksum, np.frombuffer(owners, "<i4")
