"""The table of systems: a new one is a module beside this one, and a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Final, TypeAlias

from indexer.errors import BearingError, InvalidInput, Unreadable
from indexer.sources.systems.chroma import open_chroma
from indexer.sources.systems.faiss_files import open_faiss
from indexer.sources.systems.holding import Entry, Holding, Place
from indexer.sources.systems.lance import open_lance
from indexer.sources.systems.pgvector import open_pgvector
from indexer.sources.systems.qdrant import open_qdrant
from indexer.sources.systems.txtai import open_txtai

Opener: TypeAlias = Callable[[Place], AbstractContextManager[Holding]]
"""Opens a place for reading; raises InvalidInput, Unreadable, or MissingExtra."""

SYSTEMS: Final[Mapping[str, Opener]] = {
    "chroma": open_chroma,
    "faiss": open_faiss,
    "lancedb": open_lance,
    "pgvector": open_pgvector,
    "qdrant": open_qdrant,
    "txtai": open_txtai,
}


@contextmanager
def open_system(system: str, place: Place) -> Iterator[Holding]:
    """The contents of a system at a place; raises InvalidInput for a system that is not known.

    Whatever a system's library raises, here or while its entries are read, becomes Unreadable.
    """
    if system not in SYSTEMS:
        raise InvalidInput(f"no such system: {system!r}; known are {', '.join(SYSTEMS)}")
    with ExitStack() as stack:
        with _translated(system, place):
            found = stack.enter_context(SYSTEMS[system](place))

        def entries() -> Iterator[Entry]:
            with _translated(system, place):
                yield from found.entries()

        yield replace(found, entries=entries)


@contextmanager
def _translated(system: str, place: Place) -> Iterator[None]:
    try:
        yield
    except (BearingError, GeneratorExit):
        raise
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise Unreadable(f"{system} cannot be read at {place.at!r}: {reason[:300]}") from error
