"""What is opened, and how: the settings of the library and the data directory they name.

This is the only module that knows every implementation: it turns a collection's name into a
LocalCollection and a model's name into an Embedder.
"""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import platformdirs

from indexer.collection import (
    Backup,
    Collection,
    IndexChoice,
    IndexKind,
    Language,
    Tell,
    Verification,
)
from indexer.embedding import DEFAULT_MODEL, Backend, Precision, open_embedder
from indexer.embedding.embedder import Embedder, Identity
from indexer.embedding.reranking import Reranker, open_reranker
from indexer.errors import AlreadyExists, InvalidInput, NotFound, StorageFailed

if TYPE_CHECKING:
    from indexer.storage.collection import LocalCollection

DEFAULT_COLLECTION: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_Member = TypeVar("_Member", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Config:
    """Where data is and how texts are embedded; each field is the variable BEARING_<FIELD>."""

    data: Path = Path("data")
    cache: Path = Path(platformdirs.user_cache_dir("bearing"))
    model: str = DEFAULT_MODEL
    backend: Backend = Backend.AUTO
    precision: Precision = Precision.AUTO
    threads: int = 0
    index: IndexKind = IndexKind.AUTO
    target_recall: float = 0.99
    index_memory_mb: int = 0
    language: Language = Language.ENGLISH
    reranker: str = ""

    @property
    def index_choice(self) -> IndexChoice:
        """Which index collections keep, unless one was chosen for them."""
        megabytes = self.index_memory_mb
        return IndexChoice(self.index, self.target_recall, megabytes * 1_000_000 or None)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: object) -> Self:
        """The settings that were given (not None), else the environment's, else the defaults.

        Raises InvalidInput, which names the variable and what is allowed.
        """
        config = cls()
        for name, read in _READERS.items():
            variable = f"BEARING_{name.upper()}"
            value = given.pop(name, None)
            if value is None:
                value = environment.get(variable) or None
            if value is not None:
                config = replace(config, **{name: read(variable, str(value))})
        if given:
            raise TypeError(f"no such settings: {', '.join(given)}")
        return config


def _path(_: str, value: str) -> Path:
    return Path(value).expanduser()


def _text(_: str, value: str) -> str:
    return value


def _count(variable: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        raise InvalidInput(f"{variable} must be a whole number of 1 to 6 digits; got {value!r}")
    return int(value)


def _kind(variable: str, value: str) -> IndexKind:
    return _member(IndexKind, variable, value)


def _language(variable: str, value: str) -> Language:
    return _member(Language, variable, value)


def _share(variable: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise InvalidInput(f"{variable} must be a number above 0 and below 1; got {value!r}")
    return share


def _backend(variable: str, value: str) -> Backend:
    return _member(Backend, variable, value)


def _precision(variable: str, value: str) -> Precision:
    return _member(Precision, variable, value)


def _member(members: type[_Member], variable: str, value: str) -> _Member:
    try:
        return members(value.lower())
    except ValueError:
        allowed = ", ".join(members)
        raise InvalidInput(f"{variable} must be one of {allowed}; got {value!r}") from None


_READERS: Final[Mapping[str, Any]] = {
    "data": _path,
    "cache": _path,
    "model": _text,
    "backend": _backend,
    "precision": _precision,
    "threads": _count,
    "index": _kind,
    "target_recall": _share,
    "index_memory_mb": _count,
    "language": _language,
    "reranker": _text,
}
assert set(_READERS) == {field.name for field in fields(Config)}


def check_name(name: str) -> str:
    """The name itself; raises InvalidInput unless it can be a collection's."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"a collection's name is 1 to 64 letters, digits, '-' and '_', "
            f"beginning with a letter or digit; got {name[:80]!r}"
        )
    return name


@dataclass(frozen=True, slots=True)
class _Opened:
    collection: Collection
    folder: int | None


class Library:
    """A data directory: its collections, each opened once, and the models that they share.

    Safe to use from several threads; a context manager.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._collections: dict[str, _Opened] = {}
        self._embedders: dict[str, Embedder] = {}
        self._reranker: Reranker | None = None
        self._loading: dict[str, threading.Lock] = defaultdict(threading.Lock)

    @property
    def config(self) -> Config:
        """How it was opened."""
        return self._config

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def names(self) -> list[str]:
        """The names of the collections there are, sorted."""
        data = self._config.data
        if not data.is_dir():
            return []
        return sorted(
            entry.name
            for entry in data.iterdir()
            if _NAME.fullmatch(entry.name) and (entry / "store.sqlite").is_file()
        )

    def open(self, name: str) -> Collection:
        """A collection that exists; raises NotFound, which names those that do."""
        with self._lock:
            folder = self._folder_number(check_name(name))
            known = self._collections.get(name)
            if known is not None and known.folder == folder:
                return known.collection
            if known is not None:  # another process deleted it, and may have made it anew
                self._collections.pop(name).collection.close()
            self._folder(name)
            return self._opened(name)

    def create(
        self, name: str, model: str | None = None, language: Language | None = None
    ) -> Collection:
        """A new collection for a model and a language; raises AlreadyExists."""
        if self._exists(check_name(name)):
            raise AlreadyExists(f"collection {name!r} is there already")
        identity = self.model(model or self._config.model).identity
        self._make_data_folder()
        with self._lock:
            chosen = language or self._config.language
            _local().create(self._config.data / name, identity, chosen).close()
            return self._opened(name)

    def obtain(
        self, name: str, model: str | None = None, language: Language | None = None
    ) -> Collection:
        """A collection, made if there is none.

        Raises ModelMismatch if it is another model's, InvalidInput if it has another language.
        """
        if not self._exists(check_name(name)):
            try:
                return self.create(name, model, language)
            except AlreadyExists:  # another thread or process was first
                return self.obtain(name, model, language)
        collection = self.open(name)
        if model is not None:
            collection.identity.require(self.model(model).identity)
        if language is not None and collection.language is not language:
            raise InvalidInput(
                f"collection {name!r} was made for the language {collection.language}, not "
                f"{language}: index into a new collection"
            )
        return collection

    def adopt(self, name: str, identity: Identity) -> Collection:
        """A collection for vectors of a model that is not opened here, made if there is none.

        Raises ModelMismatch if another model filled it.
        """
        if not self._exists(check_name(name)):
            self._make_data_folder()
            with self._lock:
                _local().create(self._config.data / name, identity).close()
        collection = self.open(name)
        collection.identity.require(identity)
        return collection

    def delete(self, name: str) -> None:
        """Delete a collection with all that is in it; raises NotFound."""
        with self._lock:
            collection = self.open(name)
            with collection.writing("delete"):
                grave = self._config.data / f".{name}.{uuid.uuid4().hex}.deleted"
                try:
                    (self._config.data / name).rename(grave)
                except OSError as error:
                    raise StorageFailed(f"cannot delete {name!r}: {error.strerror}") from error
            self._collections.pop(name).collection.close()
            shutil.rmtree(grave, ignore_errors=True)

    def verify(self, name: str, tell: Tell, *, with_model: bool = True) -> Verification:
        """What is wrong with a collection, also with one that is too damaged to be opened.

        Without ``with_model`` the model is neither loaded nor checked. Raises NotFound.
        """
        from indexer.storage.checking import verify

        return verify(self._folder(name), self.model if with_model else None, tell)

    def back_up(self, name: str, target: Path, tell: Tell) -> Backup:
        """Write one state of a collection to a new file; writing to it may go on.

        Raises NotFound, AlreadyExists or Damaged.
        """
        from indexer.storage.backup import back_up

        return back_up(self._folder(name), target, tell)

    def restore(self, source: Path, name: str, tell: Tell) -> Backup:
        """Make a new collection of a backup; raises AlreadyExists, NotFound or Damaged."""
        from indexer.storage.backup import restore

        folder = self._config.data / check_name(name)
        self._make_data_folder()
        return restore(source, folder, tell)

    def embedder(self, collection: Collection) -> Embedder:
        """The model that filled a collection; raises ModelMismatch if it has changed since."""
        identity = collection.identity
        embedder = self.model(identity.name)
        identity.require(embedder.identity)
        return embedder

    def close(self) -> None:
        """Close all collections, then all models."""
        with self._lock:
            while self._collections:
                self._collections.popitem()[1].collection.close()
            while self._embedders:
                self._embedders.popitem()[1].close()
            if self._reranker is not None:
                self._reranker.close()
                self._reranker = None

    def _make_data_folder(self) -> None:
        try:
            self._config.data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"cannot create {self._config.data}: {error.strerror}") from error

    def _folder(self, name: str) -> Path:
        """The folder of a collection that exists; raises NotFound, which names those that do."""
        if not self._exists(check_name(name)):
            there = ", ".join(self.names()) or "none"
            raise NotFound(f"there is no collection {name!r} (there are: {there})")
        return self._config.data / name

    def _exists(self, name: str) -> bool:
        return self._folder_number(name) is not None

    def _folder_number(self, name: str) -> int | None:
        """What tells a collection from a later one of its name; None if there is none."""
        try:
            return (self._config.data / name / "store.sqlite").stat().st_ino
        except OSError:
            return None

    def _opened(self, name: str) -> Collection:
        collection: Collection = _local()(self._config.data / name, self._config.index_choice)
        self._collections[name] = _Opened(collection, self._folder_number(name))
        return collection

    def reranker(self) -> Reranker | None:
        """The cross-encoder that the settings name, opened once; None if they name none."""
        config = self._config
        if not config.reranker:
            return None
        with self._lock:
            loading = self._loading[f"reranker {config.reranker}"]
        with loading:
            if self._reranker is None:
                self._reranker = open_reranker(
                    config.reranker,
                    cache=config.cache,
                    backend=config.backend,
                    precision=config.precision,
                    threads=config.threads,
                )
            return self._reranker

    def model(self, name: str) -> Embedder:
        """An open model by name or path, opened once; a path means the same elsewhere too."""
        if "/" in name and Path(name).expanduser().is_dir():
            name = str(Path(name).expanduser().resolve())
        with self._lock:
            loading = self._loading[name]
        with loading:  # of its own, so that opening collections does not wait for models
            if name not in self._embedders:
                self._embedders[name] = open_embedder(
                    name,
                    cache=self._config.cache,
                    backend=self._config.backend,
                    precision=self._config.precision,
                    threads=self._config.threads,
                )
            return self._embedders[name]


def _local() -> type[LocalCollection]:
    """The implementation on this machine; imported here, since it brings FAISS along."""
    from indexer.storage.collection import LocalCollection

    return LocalCollection
