"""A collection written to a file, which is there as a whole or not at all."""

from __future__ import annotations

import gzip
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import orjson

from indexer.collection import Collection
from indexer.embedding.embedder import Identity
from indexer.errors import AlreadyExists, InvalidInput, StorageFailed
from indexer.export.lines import line_of
from indexer.export.parquet import ParquetTarget
from indexer.export.stored import PAGE, Exported, exported
from indexer.filters import Filter
from indexer.readers.formats import GZIP
from indexer.readers.vectors import CHUNKS_FIELD
from indexer.reports import Step, Tell

STANDARD_OUTPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Export:
    """The outcome of an export; ``model`` is the fingerprint, ``bytes`` the size of the file."""

    collection: str
    file: str
    model: str
    documents: int
    chunks: int
    bytes: int


class _Target(Protocol):
    def add(self, one: Exported) -> None:
        """Write a document, or keep it to be written."""
        ...

    def finish(self) -> None:
        """Write what is left."""
        ...

    def close(self) -> None:
        """Release what it holds besides the file, finished or not."""
        ...


class _LinesTarget:
    def __init__(self, file: BinaryIO, identity: Identity) -> None:
        self._file = file
        self._model = identity.mark

    def add(self, one: Exported) -> None:
        self._file.write(line_of(one, self._model))

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        pass


class _PackedTarget(_LinesTarget):
    def __init__(self, file: BinaryIO, identity: Identity) -> None:
        super().__init__(
            cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="wb", mtime=0)), identity
        )

    def close(self) -> None:
        self._file.close()


_TARGETS: Final[dict[str, Callable[[BinaryIO, Identity], _Target]]] = {
    ".parquet": ParquetTarget,
    ".jsonl": _LinesTarget,
    ".jsonl.gz": _PackedTarget,
    ".ndjson": _LinesTarget,
}


def export(
    collection: Collection,
    file: str,
    tell: Tell,
    condition: Filter | None = None,
    *,
    replace: bool = False,
) -> Export:
    """Write the documents that pass a filter to a new file, or as JSON Lines to standard output.

    The suffix tells the format. Nothing is left of a file that was not finished. Raises
    InvalidInput for another suffix, AlreadyExists unless what is there is to be replaced,
    StorageFailed, and what ``exported`` raises.
    """
    make = _target_of(file)
    if file == STANDARD_OUTPUT:
        counts = _write(collection, make, sys.stdout.buffer, tell, condition)
        return Export(collection.name, file, collection.identity.mark, *counts, 0)
    path = _new(file, replace=replace)
    try:
        with _whole(path) as opened:
            counts = _write(collection, make, opened, tell, condition)
        return Export(collection.name, file, collection.identity.mark, *counts, path.stat().st_size)
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Received:
    """An export that another process sends: of which collection, by which fingerprint's model.

    ``total`` is the number of documents, 0 if that is not known.
    """

    collection: str
    model: str
    total: int = 0


def write_lines(
    given: Received, lines: Iterable[bytes], file: str, tell: Tell, *, replace: bool = False
) -> Export:
    """Write an export's lines to a new file, or to standard output, as they are.

    Raises as ``export`` does, ValueError for a line that is no document, and what ``lines`` raises;
    then nothing is left.
    """
    if file == STANDARD_OUTPUT:
        counts = _copied(given, lines, sys.stdout.buffer, tell)
        sys.stdout.buffer.flush()
        return Export(given.collection, file, given.model, *counts, 0)
    if _target_of(file) is ParquetTarget:
        raise InvalidInput("a service sends JSON Lines: end the file by .jsonl or .jsonl.gz")
    path = _new(file, replace=replace)
    try:
        with _whole(path) as opened, _packed_if(file, opened) as target:
            counts = _copied(given, lines, target, tell)
        return Export(given.collection, file, given.model, *counts, path.stat().st_size)
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror or error}") from error


def _copied(
    given: Received, lines: Iterable[bytes], target: BinaryIO, tell: Tell
) -> tuple[int, int]:
    """The number of documents, and of their chunks."""
    documents = chunks = 0
    for line in lines:
        target.write(line)
        chunks += len(orjson.loads(line).get(CHUNKS_FIELD) or [None])
        documents += 1
        if documents % PAGE == 0:
            tell(Step("documents", documents, max(given.total, documents)))
    tell(Step("documents", documents, documents))
    return documents, chunks


@contextmanager
def _packed_if(file: str, opened: BinaryIO) -> Iterator[BinaryIO]:
    if not file.lower().endswith(GZIP):
        yield opened
        return
    with gzip.GzipFile(fileobj=opened, mode="wb", mtime=0) as packed:
        yield cast("BinaryIO", packed)


def _new(file: str, *, replace: bool) -> Path:
    path = Path(file)
    if path.exists() and not replace:
        raise AlreadyExists(f"{path} is there already: give another name, or --force to replace it")
    return path


def _target_of(file: str) -> Callable[[BinaryIO, Identity], _Target]:
    if file == STANDARD_OUTPUT:
        return _LinesTarget
    for suffix, make in _TARGETS.items():
        if file.lower().endswith(suffix):
            return make
    known = ", ".join(_TARGETS)
    raise InvalidInput(f"{file!r} tells no format to export to: end it by one of {known}")


def _write(
    collection: Collection,
    make: Callable[[BinaryIO, Identity], _Target],
    file: BinaryIO,
    tell: Tell,
    condition: Filter | None,
) -> tuple[int, int]:
    """The number of documents, and of their chunks."""
    identity = collection.identity
    total = collection.describe().documents if condition is None else 0
    documents = chunks = 0
    with closing(make(file, identity)) as target:
        for one in exported(collection, identity, condition):
            target.add(one)
            chunks += len(one.stored.chunks)
            documents += 1
            if documents % PAGE == 0:
                tell(Step("documents", documents, max(total, documents)))
        target.finish()
    tell(Step("documents", documents, documents))
    return documents, chunks


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file beside the path, which takes its place once it is written and durable."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
