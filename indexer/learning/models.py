"""The folder of trained models and maps, by name.

Each is a folder, whole or not there: it is written beside under another name, made durable, and
renamed. ``bearing.json`` in it is its record; what else is there is its method's.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indexer.config import Config
from indexer.embedding.checkpoint import RECORD
from indexer.engines import local_folder
from indexer.errors import AlreadyExists, BearingError, InvalidInput, NotFound, StorageFailed
from indexer.learning.trained import Trained

FOLDER: Final = "models"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class BrokenModel:
    """A folder of a trained model whose record cannot be read."""

    name: str
    error: BearingError


class Models:
    """The trained models and maps in one folder, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, config: Config) -> Models:
        """Those beside the collections, or where BEARING_MODELS says."""
        if config.models is not None:
            return cls(config.models)
        folder = local_folder(str(config.data))
        if folder is None:
            raise InvalidInput(
                f"collections at {config.data} have no folder for trained models: name one by "
                "BEARING_MODELS"
            )
        return cls(folder / FOLDER)

    def names(self) -> list[str]:
        """The names of all, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(
            one.name
            for one in self.folder.iterdir()
            if _NAME.fullmatch(one.name) and (one / RECORD).is_file()
        )

    def path(self, name: str) -> Path:
        """The folder that a name has, or would have; raises InvalidInput for no valid name."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"a model's name is 1 to 64 letters, digits, '-', '_' and '.', beginning with a "
                f"letter or digit; got {name[:80]!r}"
            )
        return self.folder.absolute() / name

    def read(self, name: str) -> Trained:
        """The record of one; raises NotFound, Damaged or OtherFormat."""
        path = self.path(name) / RECORD
        try:
            written = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            there = ", ".join(self.names()) or "none"
            raise NotFound(f"no model {name!r} was trained (there are: {there})") from None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageFailed(f"cannot read {path}: {error}") from error
        try:
            return Trained.decode(written)
        except BearingError as error:
            raise type(error)(f"{path}: {error}") from error

    def all(self) -> list[Trained | BrokenModel]:
        """The records of all, and those that cannot be read; sorted by name."""
        return [self._read_or_tell(name) for name in self.names()]

    def _read_or_tell(self, name: str) -> Trained | BrokenModel:
        try:
            return self.read(name)
        except BearingError as error:
            return BrokenModel(name, error)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """An empty folder to fill, ``bearing.json`` with it; it gets the name when all is there.

        Raises AlreadyExists if the name is taken, before or meanwhile. If filling it fails, nothing
        is left.
        """
        place = self.path(name)
        self._require_free(place)
        draft = place.with_name(f".{name}.{uuid.uuid4().hex}.new")
        try:
            draft.mkdir(parents=True)
            yield draft
            if not (draft / RECORD).is_file():
                raise ValueError(f"{RECORD} is missing")
            _sync(draft)
            self._require_free(place)
            draft.rename(place)  # fails if a folder with files came meanwhile
            _sync_folder(self.folder)
        except OSError as error:
            raise StorageFailed(f"cannot write {place}: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def amend(self, trained: Trained) -> None:
        """Replace the record of one, durably; raises NotFound or StorageFailed."""
        self.read(trained.name)
        write_record(self.path(trained.name), trained)

    def delete(self, name: str) -> None:
        """Delete one with its files; raises NotFound. It is gone in one step."""
        place = self.path(name)
        if not place.is_dir():
            self.read(name)
        grave = place.with_name(f".{name}.{uuid.uuid4().hex}.deleted")
        try:
            place.rename(grave)
        except OSError as error:
            raise StorageFailed(f"cannot delete {place}: {error.strerror}") from error
        shutil.rmtree(grave, ignore_errors=True)

    def _require_free(self, place: Path) -> None:
        if place.exists():
            raise AlreadyExists(f"there is already a model {place.name!r}: give another name")


def write_record(folder: Path, trained: Trained) -> None:
    """Write or replace the record in a folder, durably; raises StorageFailed."""
    path = folder / RECORD
    draft = folder / f".{RECORD}.{uuid.uuid4().hex}.draft"
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(trained.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageFailed(f"cannot write {path}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    """Make a folder durable, with all that is in it."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
