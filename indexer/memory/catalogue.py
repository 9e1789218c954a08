"""The collections in this process's memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NoReturn

from indexer.aliases import aliases_of, missing, require_free, require_unnamed, taken
from indexer.embedding.embedder import Identity
from indexer.errors import AlreadyExists, NotFound, Unsupported
from indexer.index_choice import IndexChoice, Language
from indexer.memory.engine import ADVICE, MemoryEngine


class MemoryCatalogue:
    """See indexer.engine.Catalogue."""

    place = "memory"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[str, MemoryEngine] = {}
        self._aliases: dict[str, str] = {}

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        return sorted(self._engines)

    def version(self, name: str) -> object:
        """The engine object itself: a later collection of the same name has another."""
        return self._engines.get(name)

    def open(self, name: str, choice: IndexChoice | None = None) -> MemoryEngine:
        """The collection with this name; every search is exact, whatever index is chosen."""
        del choice
        try:
            return self._engines[name]
        except KeyError:
            raise NotFound(f"there is no collection {name!r}") from None

    def availability(self) -> None:
        """None: it has no parts."""

    def upgrade(self, name: str) -> bool:
        """Return False: no other version has written a collection; raises NotFound."""
        self.open(name)
        return False

    def create(self, name: str, identity: Identity, language: Language) -> None:
        """Create an empty collection."""
        with self._lock:
            if name in self._engines:
                raise AlreadyExists(f"collection {name!r} already exists")
            require_free(name, self._aliases)
            self._engines[name] = MemoryEngine(name, identity, language)

    def delete(self, name: str) -> None:
        """Forget a collection."""
        with self._lock:
            opened = self.open(name)
            require_unnamed(name, aliases_of(name, self._aliases))
            opened.delete_all()
            del self._engines[name]

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        return dict(self._aliases)

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before."""
        with self._lock:
            self.open(collection)
            if alias in self._engines:
                raise taken(alias)
            before = self._aliases.get(alias)
            self._aliases[alias] = collection
            return before

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        with self._lock:
            if alias not in self._aliases:
                raise missing(alias, self._aliases)
            del self._aliases[alias]

    def verify(self, *_: object, **__: object) -> NoReturn:
        """Refuse: there is nothing on a disk to verify."""
        raise Unsupported("verification", "memory", ADVICE)

    def back_up(self, *_: object, **__: object) -> NoReturn:
        """Refuse: collections in memory have no backups."""
        raise Unsupported("backup", "memory", ADVICE)

    def restore(self, *_: object, **__: object) -> NoReturn:
        """Refuse: collections in memory have no backups."""
        raise Unsupported("restoring", "memory", ADVICE)

    def collection_of(self, *_: object) -> NoReturn:
        """Refuse: collections in memory have no backups."""
        raise Unsupported("restoring", "memory", ADVICE)

    def close(self) -> None:
        """Forget all collections."""
        with self._lock:
            self._engines.clear()
