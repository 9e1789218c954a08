"""The map of queries' vectors that serves a collection, kept beside it by its engine.

It belongs to one model; a collection that moves to another leaves it behind, and has it again when
it moves back. Unlike what is derived, it cannot be made again from what is stored: a damaged one
is an error, not left out.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from indexer.collection.targets import unit_vector
from indexer.embedding.adapter import Adapter, Serving
from indexer.embedding.embedder import Identity
from indexer.engine import Engine, Kept, KeptBytes
from indexer.errors import Damaged, InvalidInput, NotFound
from indexer.queries import Query


class Adapters:
    """The adapters of a collection, read again when they have changed."""

    def __init__(self, engine: Engine) -> None:
        self._name = engine.name
        self._keeper = engine.keeper(Kept.ADAPTER)
        self._reading = threading.Lock()
        self._known: tuple[KeptBytes | None, Identity | None, Serving] = (None, None, Serving())

    def of(self, identity: Identity) -> Adapter | None:
        """The adapter that maps queries for a model; None if there is none. Raises Damaged."""
        return self._read(identity).present

    def previous(self, identity: Identity) -> Adapter | None:
        """The adapter before it; None if there was none."""
        return self._read(identity).previous

    def replace(self, adapter: Adapter | None, identity: Identity) -> None:
        """Map queries by this adapter from now on, by none if it is None.

        Raises InvalidInput for one of another dimension.
        """
        if adapter is not None and adapter.dimension != identity.dimension:
            raise InvalidInput(
                f"adapter {adapter.name!r} maps vectors of {adapter.dimension} components, the "
                f"collection's have {identity.dimension}"
            )
        try:
            kept = self._read(identity)
        except Damaged:  # promoting again is how it is mended
            kept = Serving()
        self._keeper.write(identity, kept.replaced(adapter).encode())

    def roll_back(self, identity: Identity) -> Adapter | None:
        """Go back to the adapter before, and from there to none; raises NotFound if there is none.

        The one that is left is not gone back to: done twice by mistake, it serves no more.
        """
        kept = self._read(identity)
        if kept.present is None and kept.previous is None:
            raise NotFound(f"nothing was promoted in {self._name!r} that could be rolled back")
        self._keeper.write(identity, kept.rolled_back().encode())
        return kept.previous

    def serving(self, identity: Identity) -> Serving:
        """All that is kept of how a model serves; raises Damaged."""
        return self._read(identity)

    def arrive(self, identity: Identity, came_from: str, *, forced: bool) -> None:
        """Note that a model is about to take over, before it does."""
        try:
            kept = self._read_once(identity)
        except Damaged:
            kept = Serving()
        kept = replace(kept, came_from=came_from, forced=forced)
        self._keeper.write(identity, kept.encode())

    def _read_once(self, identity: Identity) -> Serving:
        """The same of a model that is not searched: what is known of the present one stays."""
        kept = self._keeper.read(identity)
        return self._decode(kept) if kept else Serving()

    def _read(self, identity: Identity) -> Serving:
        known = self._known
        kept = self._keeper.read(identity, known[0])
        if kept is known[0] and identity is known[1]:
            return known[2]
        with self._reading:  # one object for each adapter, which others are compared with
            known = self._known
            kept = self._keeper.read(identity, known[0])
            if kept is not known[0] or identity is not known[1]:
                found = self._decode(kept) if kept else Serving()
                known = self._known = kept, identity, found
            return known[2]

    def _decode(self, kept: KeptBytes) -> Serving:
        try:
            return Serving.decode(kept.content)
        except (ValueError, TypeError, KeyError, OSError, Damaged) as error:
            raise Damaged(
                f"the adapter of {self._name!r} is damaged ({error}): promote it again "
                f"(bearing promote), or restore a backup"
            ) from error


def mark_of(identity: Identity, adapter: Adapter | None) -> str:
    """The text by which something records the model, and the map of queries, that it belongs to."""
    return identity.fingerprint + (f"+{adapter.digest}" if adapter else "")


def adapted(queries: Sequence[Query], adapter: Adapter | None, identity: Identity) -> list[Query]:
    """The queries, those that are a text with the vector that the adapter makes of theirs.

    A vector that was given is taken as it is, and examples are documents: neither is mapped.
    """
    asked = [
        place
        for place, query in enumerate(queries)
        if query.text is not None
        and query.vector is not None
        and query.model is not None
        and identity.made(query.model)
    ]
    if adapter is None or not asked:
        return list(queries)
    vectors = [
        unit_vector(queries[place].vector, identity.dimension, "the query's vector")  # type: ignore[arg-type]
        for place in asked
    ]
    mapped = dict(zip(asked, adapter.apply(np.stack(vectors)), strict=True))
    return [
        replace(query, vector=mapped[place]) if place in mapped else query
        for place, query in enumerate(queries)
    ]
