"""The collections in a folder on this machine: each is a folder with its name.

The engine is imported when a collection is opened, since it imports FAISS.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from indexer.aliases import aliases_of, missing, require_free, require_unnamed, taken
from indexer.embedding.embedder import Identity
from indexer.engine import Embedders
from indexer.errors import NotFound, StorageFailed
from indexer.index_choice import IndexChoice, Language
from indexer.reports import Backup, Tell, Verification
from indexer.storage.aliases import AliasFile
from indexer.storage.runtime.locks import writer_lock
from indexer.storage.sqlite.schema import STORE

if TYPE_CHECKING:
    from indexer.storage.engine import LocalEngine

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class LocalCatalogue:
    """See indexer.engine.Catalogue."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aliases = AliasFile(folder)
        self._engines: WeakValueDictionary[str, LocalEngine] = WeakValueDictionary()

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def names(self) -> list[str]:
        """The names of all collections, sorted."""
        try:
            if not self._folder.is_dir():
                return []
            entries = [one for one in self._folder.iterdir() if _NAME.fullmatch(one.name)]
        except PermissionError as error:
            raise _unreadable(self._folder) from error
        return sorted(entry.name for entry in entries if _holds_store(entry))

    def version(self, name: str) -> object:
        """The inode of its store's file; None if there is none."""
        try:
            return (self._folder / name / STORE).stat().st_ino
        except PermissionError as error:
            raise _unreadable(self._folder / name) from error
        except OSError:
            return None

    def open(self, name: str, choice: IndexChoice | None = None) -> LocalEngine:
        """An engine for a collection that exists; raises NotFound or Damaged."""
        from indexer.storage.engine import LocalEngine

        engine = self._engines[name] = LocalEngine(self._there(name), choice)
        return engine

    def availability(self) -> None:
        """None: it has no parts."""

    def upgrade(self, name: str) -> bool:
        """Return False: a collection is brought up to date when it is opened, as here."""
        self.open(name).close()
        return False

    def create(self, name: str, identity: Identity, language: Language) -> None:
        """Create an empty collection, durably; raises AlreadyExists."""
        from indexer.storage.engine import LocalEngine

        self._make_folder()
        with self._aliases.locked():
            require_free(name, self._aliases.read())
            LocalEngine.create(self._folder / name, identity, language).close()

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it; raises NotFound or CollectionBusy."""
        folder = self._there(name)
        engine = self._engines.get(name)  # it lets threads share the right to write
        lock = engine.writing if engine else writer_lock(folder).held
        with lock("delete"), self._aliases.locked():
            require_unnamed(name, aliases_of(name, self._aliases.read()))
            grave = self._folder / f".{name}.{uuid.uuid4().hex}.deleted"
            try:
                folder.rename(grave)
            except OSError as error:
                raise StorageFailed(f"cannot delete {name!r}: {error.strerror}") from error
        shutil.rmtree(grave, ignore_errors=True)

    def aliases(self) -> Mapping[str, str]:
        """The collection that each alias names."""
        return self._aliases.read()

    def point(self, alias: str, collection: str) -> str | None:
        """Let an alias name a collection from now on, and return the one it named before."""
        self._there(collection)
        with self._aliases.locked():
            if self.version(alias) is not None:
                raise taken(alias)
            self._there(collection)
            aliases = dict(self._aliases.read())
            before = aliases.get(alias)
            self._aliases.write({**aliases, alias: collection})
        return before

    def unpoint(self, alias: str) -> None:
        """Forget an alias; raises NotFound."""
        if alias not in self._aliases.read():
            raise missing(alias, self._aliases.read())
        with self._aliases.locked():
            aliases = dict(self._aliases.read())
            if aliases.pop(alias, None) is not None:
                self._aliases.write(aliases)

    def verify(self, name: str, embedders: Embedders | None, tell: Tell) -> Verification:
        """The findings of a check of a collection, even of one that cannot be opened."""
        from indexer.storage.maintenance.verification import verify

        return verify(self._there(name), embedders, tell)

    def back_up(self, name: str, target: Path, tell: Tell) -> Backup:
        """Write one state to a new file; writing to it may go on."""
        from indexer.storage.maintenance.backup import back_up

        return back_up(self._there(name), target, tell)

    def restore(self, source: Path, name: str, tell: Tell) -> Backup:
        """Make a new collection from a backup."""
        from indexer.storage.maintenance.backup import restore

        self._make_folder()
        require_free(name, self._aliases.read())
        return restore(source, self._folder / name, tell)

    def collection_of(self, source: Path) -> str:
        """The name of the collection that a backup was made of."""
        from indexer.storage.maintenance.backup import collection_of

        return collection_of(source)

    def close(self) -> None:
        """Nothing to release."""

    def _there(self, name: str) -> Path:
        if self.version(name) is None:
            there = ", ".join(self.names()) or "none"
            raise NotFound(f"there is no collection {name!r} (there are: {there})")
        return self._folder / name

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"cannot create {self._folder}: {error.strerror}") from error
        self.names()  # fails with a reason where the folder may not be entered


def _holds_store(folder: Path) -> bool:
    """True of a collection, and of a folder that cannot be looked into: opening that says so."""
    try:
        return (folder / STORE).is_file()
    except PermissionError:
        return True


def _unreadable(folder: Path) -> StorageFailed:
    return StorageFailed(
        f"{folder} cannot be read: it belongs to another user; give this one the right to, or name "
        "another data directory by --data or BEARING_DATA"
    )
