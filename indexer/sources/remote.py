"""Folders of object stores and other machines, by fsspec: s3, gs, az, sftp and whatever it knows.

A file is fetched if the listing says that it has changed since it was read; nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

import orjson

from indexer.errors import BearingError, InvalidInput, MissingExtra, Unreadable
from indexer.readers.formats import GZIP, format_of, is_told_by_content, known_suffixes
from indexer.readers.reading import Rejection
from indexer.readers.sources import BUFFER_BYTES
from indexer.sources.fetched import Fetched, Unchanged

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MAX_FILE_BYTES: Final = 2 * 2**30
"""The most bytes of a file that are fetched."""

MAX_FILES: Final = 1_000_000

_REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FACTS: Final = (
    "ETag",
    "etag",
    "md5",
    "size",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
"""The facts of a listing by which a file that has changed is known, whatever a store calls them."""

_BY_ARROW: Final = ("s3", "gs", "abfs")
"""The schemes for which pyarrow brings a driver, where fsspec's own is not installed."""

Found: TypeAlias = Fetched | Unchanged | Rejection


def is_remote(path: str) -> bool:
    """Return whether a path is a URL."""
    return bool(_REMOTE.match(path))


@dataclass(slots=True)
class Folder:
    """A folder, or a file, by its URL; ``known`` are the stamps of files by their names.

    ``unreadable`` are the files that could not be fetched.
    """

    url: str
    known: Mapping[str, str] = field(default_factory=dict)
    files: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its URL without keys and options, with which the names of its files begin."""
        parts = urlsplit(self.url)
        if parts.scheme not in _BY_ARROW and not parts.password:
            return self.url.rstrip("/")
        bare = self.url.partition("?")[0] if parts.scheme in _BY_ARROW else self.url
        return bare.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1).rstrip("/")

    def check(self) -> None:
        """Raise InvalidInput, MissingExtra or Unreadable unless something is there."""
        with self._translated():
            system, path = self._opened()
            if not system.exists(path) and next(self._listed(system, path), None) is None:
                raise Unreadable(f"nothing is at {self.name}")

    def found(self) -> Generator[Found, None, None]:
        """Its files in the order of their names, hidden ones left out."""
        with self._translated(), TemporaryDirectory() as folder:
            system, path = self._opened()
            for name, facts in self._listed(system, path):
                self.files += 1
                if self.files > MAX_FILES:
                    raise Unreadable(f"more than {MAX_FILES:,} files: index parts of it")
                yield self._one(system, name, facts, Path(folder) / "file")

    def _one(
        self, system: AbstractFileSystem, name: str, facts: dict[str, Any], path: Path
    ) -> Found:
        stamp = _stamp(facts)
        if stamp and self.known.get(name) == stamp:
            return Unchanged(name)
        problem = _problem(name, facts.get("size"))
        if problem:
            return Rejection(name, problem)
        try:
            _save(system, facts["name"], path)
        except (OSError, Unreadable) as error:
            self.unreadable.append(name)
            return Rejection(name, f"cannot be fetched: {error}")
        return Fetched(name, PurePosixPath(name).name, path, stamp)

    def _opened(self) -> tuple[AbstractFileSystem, str]:
        try:
            import fsspec.core
        except ImportError as error:
            raise MissingExtra("fsspec", "remote") from error
        if "::" in self.url:
            raise InvalidInput(f"one place at a time: {self.name!r} names several")
        try:
            opened: tuple[AbstractFileSystem, str] = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            if urlsplit(self.url).scheme not in _BY_ARROW:
                raise InvalidInput(f"{self.name} cannot be opened: {error}") from error
            return _by_arrow(self.url)
        except ValueError as error:
            raise InvalidInput(f"{self.name} cannot be opened: {error}") from error
        return opened

    def _listed(
        self, system: AbstractFileSystem, path: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The names of files with the facts of the listing, a folder at a time."""
        if system.isfile(path):
            yield self.name, system.info(path)
            return
        start = path.rstrip("/")
        waiting = [start]
        while waiting:
            here = waiting.pop()
            inside = sorted(system.ls(here, detail=True), key=lambda one: str(one["name"]))
            folders: list[str] = []
            for facts in inside:
                inner = str(facts["name"]).rstrip("/")
                relative = inner.removeprefix(start).lstrip("/")
                if not relative or inner == here or PurePosixPath(inner).name.startswith("."):
                    continue
                if facts["type"] == "directory":
                    folders.append(inner)
                else:
                    yield f"{self.name}/{relative}", facts
            waiting.extend(reversed(folders))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever the libraries of stores raise, as Unreadable; without a password."""
        try:
            yield
        except (BearingError, GeneratorExit):
            raise
        except FileNotFoundError as error:
            raise Unreadable(f"nothing is at {self.name}") from error
        except Exception as error:
            reason = str(error).strip() or type(error).__name__
            password = urlsplit(self.url).password
            reason = reason.replace(password, "***") if password else reason
            raise Unreadable(f"{self.name} cannot be read: {reason[:300]}") from error


def _stamp(facts: Mapping[str, Any]) -> str:
    """The facts that tell a change; empty if there are none but the size."""
    told = {name: str(facts[name]) for name in _FACTS if facts.get(name) is not None}
    return orjson.dumps(told).decode() if told.keys() - {"size"} else ""


def _problem(name: str, size: object) -> str | None:
    """The reason not to fetch a file."""
    path = PurePosixPath(name)
    if format_of(path) is None and not is_told_by_content(path):
        known = f"known are {known_suffixes()}, each with or without {GZIP}"
        return f"unknown format {path.suffix!r}; {known}"
    if isinstance(size, int) and size > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES:,} bytes, the most that is fetched"
    return None


def _save(system: AbstractFileSystem, remote: str, path: Path) -> None:
    size = 0
    with system.open(remote, "rb") as there, path.open("wb") as here:
        while block := there.read(BUFFER_BYTES):
            size += here.write(block)
            if size > MAX_FILE_BYTES:
                raise Unreadable(f"larger than {MAX_FILE_BYTES:,} bytes, the most that is fetched")


def _by_arrow(url: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import FileSystem

    system, path = FileSystem.from_uri(url)
    return ArrowFSWrapper(system), str(path)
