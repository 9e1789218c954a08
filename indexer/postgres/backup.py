"""Backups of collections in a database: the same files as those of a folder make.

So a backup of either is restored into the other. On its way a collection is kept in a folder of
its own beside the file, for which there must be space.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from indexer.engine import Catalogue, Engine
from indexer.errors import AlreadyExists, InvalidInput, NotFound, StorageFailed
from indexer.reports import Backup, Tell
from indexer.transfer import copy_collection

InFolder: TypeAlias = Callable[[Path], Catalogue]
"""Opens the collections in a folder."""


def back_up(engine: Engine, target: Path, in_folder: InFolder, tell: Tell) -> Backup:
    """Write one state of a collection to a new file."""
    if target.exists():
        raise AlreadyExists(f"{target} already exists: a backup never overwrites, choose another")
    if not target.parent.is_dir():
        raise InvalidInput(f"{target.parent} is no folder: make it first")
    with _beside(target, in_folder) as folder:
        with engine.reading() as state:
            folder.create(engine.name, state.identity, engine.language)
        copied = folder.open(engine.name)
        try:
            copy_collection(engine, copied, tell)
        finally:
            copied.close()
        return folder.back_up(engine.name, target, tell)


@contextmanager
def unpacked(source: Path, name: str, in_folder: InFolder, tell: Tell) -> Iterator[Engine]:
    """The collection of a backup, by a name, as long as it is needed."""
    if not source.is_file():
        raise NotFound(f"there is no backup {source}")
    with _beside(source, in_folder) as folder:
        folder.restore(source, name, tell)
        engine = folder.open(name)
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def _beside(file: Path, in_folder: InFolder) -> Iterator[Catalogue]:
    try:
        place = tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent)
    except OSError as error:
        raise StorageFailed(f"cannot write beside {file}: {error.strerror}") from error
    with place as folder:
        catalogue = in_folder(Path(folder))
        try:
            yield catalogue
        finally:
            catalogue.close()
