"""A collection from one engine into another: what was written to it, and what was learned of it.

Indexes and backgrounds of scores are derived, and made anew where they are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from indexer.documents import EmbeddedDocument
from indexer.engine import Engine, EngineState, Kept, Key
from indexer.errors import Damaged
from indexer.reports import Step, Tell

BATCH: Final = 500

_COPIED: Final = (Kept.CALIBRATIONS, Kept.ADAPTER)


def copy_collection(source: Engine, target: Engine, tell: Tell) -> None:
    """Put one state of a collection into an empty one of the same model, in the same order."""
    with source.reading() as state:
        total, done = state.counts.documents, 0
        for batch in _batches(state):
            target.put(batch)
            done += len(batch)
            tell(Step("documents", done, total))
        if done != total:
            raise Damaged(f"{source.name!r} counts {total} documents, and has {done}: see verify")
        for what in _COPIED:
            kept = source.keeper(what).read(state.identity)
            if kept is not None:
                target.keeper(what).write(state.identity, kept.content)
    if judgements := source.judgements.read():
        target.judgements.fill(judgements, source.judgements.secret())


def _batches(state: EngineState) -> Iterator[list[EmbeddedDocument]]:
    after = Key(0)
    while page := state.page(None, after, BATCH):
        keys = [key for key, _ in page]
        vectors, truncated = state.vectors(keys), state.truncated(keys)
        yield [
            EmbeddedDocument(document, vectors[key].chunks, vectors[key].vectors, key in truncated)
            for key, document in page
        ]
        after = keys[-1]
