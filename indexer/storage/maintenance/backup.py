"""One state of a collection in one file, and back.

A backup is a tar archive of the store, the vectors of each generation, and the sealed index if
there is one; its last member is a manifest with the SHA-256 of each. It is of one committed
state, even while writing goes on: the store is copied inside a read transaction, and of the
vector files, which are append-only, the rows counted by this state.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

from indexer.errors import (
    AlreadyExists,
    CollectionBusy,
    Damaged,
    InvalidInput,
    NotFound,
    OtherFormat,
    StorageFailed,
)
from indexer.reports import Backup, Step, Tell
from indexer.storage.ann import index_file
from indexer.storage.ann.chosen_kind import FILE as CHOICE
from indexer.storage.generation.row_table import VECTORS, generation_folder
from indexer.storage.kept_files import CALIBRATIONS, adapter_file
from indexer.storage.kept_lines import LINES, SALT
from indexer.storage.maintenance.manifest import FORMAT, MANIFEST, Manifest, Member
from indexer.storage.runtime.durable_files import sync_folder
from indexer.storage.runtime.locks import try_lock
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store, check_format
from indexer.storage.sqlite.upgrade import newer

MOST_MANIFEST_BYTES: Final = 1_000_000
_MEMBER: Final = re.compile(
    r"store\.sqlite|index\.json|calibration\.json|adapter-[0-9a-f]{24}\.bin|"
    r"feedback\.(jsonl|salt)|"
    r"generations/[1-9][0-9]{0,8}/(vectors\.f32|sealed\.json|sealed-[0-9a-f-]+\.faiss)"
)
_PART_BYTES: Final = 1 << 20
_NOTED: Final = "backed-up"
"""An empty file whose modification time is that of the last backup."""


# Backup


def back_up(folder: Path, target: Path, tell: Tell) -> Backup:
    """Write the present state of the collection in a folder to a new file, durably or not at all.

    Raises AlreadyExists if there is a file of that name, and Damaged if vectors have changed since
    they were written, rather than back them up.
    """
    if not (folder / STORE).is_file():
        raise NotFound(f"there is no collection in {folder}")
    if target.exists():
        raise AlreadyExists(f"{target} already exists: a backup never overwrites, choose another")
    if not target.parent.is_dir():
        raise InvalidInput(f"{target.parent} is no folder: make it first")
    store = Store(folder / STORE)
    try:
        with _drafted(target) as draft:
            manifest = _write(store, folder, target, draft, tell)
        _note(folder)
        return _described(target, manifest)
    except OSError as error:
        raise StorageFailed(f"cannot back up to {target}: {error.strerror}") from error
    finally:
        store.close()


def last_backup(folder: Path) -> float | None:
    """The time of the last backup of a collection, in seconds since 1970; None if not known."""
    try:
        return (folder / _NOTED).stat().st_mtime
    except OSError:
        return None


def _note(folder: Path) -> None:
    """Record the time, unless the folder is read-only, which does not prevent a backup."""
    with suppress(OSError):
        (folder / _NOTED).touch()


def _described(path: Path, manifest: Manifest) -> Backup:
    return Backup(
        str(path),
        manifest.collection,
        manifest.model,
        manifest.documents,
        manifest.chunks,
        sum(member.bytes for member in manifest.members),
    )


@contextmanager
def _drafted(target: Path) -> Iterator[BinaryIO]:
    """A file beside the target that takes its name at the end, durably, or is removed.

    One that a killed backup left is overwritten; its lock shows that no process is writing to it.
    """
    draft = target.with_name(f".{target.name}.draft")
    with _claimed(draft) as file:
        try:
            file.truncate(0)
            yield file
            file.flush()
            os.fsync(file.fileno())
            _name(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    sync_folder(target.parent)


def _claimed(draft: Path) -> BinaryIO:
    while True:
        file = os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        if not try_lock(file):
            file.close()
            raise CollectionBusy(f"another process is writing {draft}: wait for it")
        with suppress(FileNotFoundError):  # another backup has just renamed it
            # The name may stand for another file by now, which this lock would not guard.
            if os.fstat(file.fileno()).st_ino == draft.stat().st_ino:
                return file
        file.close()


def _name(draft: Path, target: Path) -> None:
    """Rename a draft to its target, unless there is a file of that name."""
    try:
        target.hardlink_to(draft)  # unlike a rename, a link never replaces a file
    except FileExistsError as error:
        raise AlreadyExists(f"{target} was created meanwhile: choose another name") from error
    except OSError:  # on a file system without links there is nothing better
        if target.exists():
            raise AlreadyExists(f"{target} was created meanwhile: choose another name") from None
        draft.rename(target)


def _write(store: Store, folder: Path, target: Path, draft: BinaryIO, tell: Tell) -> Manifest:
    copy = target.with_name(f".{target.name}.store")
    copy.unlink(missing_ok=True)
    try:
        with ExitStack() as files:
            manifest, sources = _freeze(store, folder, copy, files, tell)
            file = files.enter_context(copy.open("rb"))
            sources.insert(0, _Source(STORE, copy.stat().st_size, partial(_parts, file)))
            writer = _Writer(draft, sum(source.size for source in sources), tell)
            return writer.write(sources, manifest)
    finally:
        copy.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file to be backed up, or its committed bytes."""

    name: str
    size: int
    parts: Callable[[], Iterable[bytes]]


def _freeze(
    store: Store, folder: Path, copy: Path, files: ExitStack, tell: Tell
) -> tuple[Manifest, list[_Source]]:
    """One state: the store copied, and its other files open, so that they outlast their deletion.

    The read transaction ends here, so that it does not hold up the store's log for longer.
    """
    while True:
        with store.reading() as snapshot:
            try:
                sources = list(_sources(snapshot, folder, files))
            except FileNotFoundError as error:
                with store.reading() as newest:
                    if newest.generations() != snapshot.generations():
                        continue  # another generation has replaced this one
                raise Damaged(f"{error.filename} is missing: see `bearing verify`") from error
            snapshot.copy_to(copy, lambda done, total: tell(Step("store", done, total)))
            counts = snapshot.counts()
            model = snapshot.identity(snapshot.generation().number).name
        return Manifest(FORMAT, folder.name, model, counts.documents, counts.chunks, ()), sources


def _sources(snapshot: Snapshot, folder: Path, files: ExitStack) -> Iterator[_Source]:
    searched = snapshot.generation().number
    for number, rows in snapshot.select("SELECT generation, rows FROM generations"):
        path = generation_folder(folder, number) / VECTORS
        name = f"generations/{number}/{VECTORS}"
        row_bytes = snapshot.identity(number).dimension * 4
        if rows == 0:
            yield _Source(name, 0, list)
            continue
        file = files.enter_context(path.open("rb"))
        size = rows * row_bytes
        if number == searched:
            blocks = [
                (count * row_bytes, checksum) for count, checksum in _blocks(snapshot, number)
            ]
            yield _Source(name, size, partial(_checked_parts, file, path, blocks))
        else:
            yield _Source(name, size, partial(_parts, file, size))
    yield from _index_sources(snapshot, folder, files)
    adapters = [adapter_file(snapshot.identity(number)) for number in snapshot.generations()]
    for kept in (CHOICE, CALIBRATIONS, *adapters, SALT, LINES):
        if (folder / kept).exists():
            yield _small(kept, (folder / kept).read_bytes())


def _blocks(snapshot: Snapshot, generation: int) -> Iterator[tuple[int, int]]:
    """Rows and checksum of each block."""
    lines = snapshot.select(
        "SELECT length(owners) / 4, checksum FROM blocks WHERE generation = ? ORDER BY block",
        (generation,),
    )
    return ((rows, checksum) for rows, checksum in lines)


def _checked_parts(
    file: IO[bytes], path: Path, blocks: Sequence[tuple[int, int]]
) -> Iterator[bytes]:
    """The committed rows, block by block; raises Damaged at one with a wrong checksum."""
    for size, checksum in blocks:
        data = file.read(size)
        if zlib.crc32(data) != checksum:
            raise Damaged(
                f"{path} is not what was written, so it is not backed up: see `bearing verify`"
            )
        yield data


def _index_sources(snapshot: Snapshot, folder: Path, files: ExitStack) -> Iterator[_Source]:
    """The sealed index and its description if they fit this state: derived, so dispensable."""
    generation = snapshot.generation()
    place = generation_folder(folder, generation.number)
    try:
        description = (place / index_file.DESCRIPTION).read_bytes()
        record = json.loads(description)
        if record["rows"] > generation.rows:
            return
        file = files.enter_context((place / Path(record["file"]).name).open("rb"))
    except (OSError, ValueError, KeyError, TypeError):
        return
    name = f"generations/{generation.number}"
    size = os.fstat(file.fileno()).st_size
    yield _Source(f"{name}/{Path(record['file']).name}", size, partial(_parts, file))
    yield _small(f"{name}/{index_file.DESCRIPTION}", description)


def _small(name: str, data: bytes) -> _Source:
    return _Source(name, len(data), lambda: [data])


def _parts(file: IO[bytes], size: int | None = None) -> Iterator[bytes]:
    """The first ``size`` bytes of a file, or all, in parts."""
    file.seek(0)
    left = os.fstat(file.fileno()).st_size if size is None else size
    while left and (part := file.read(min(left, _PART_BYTES))):
        left -= len(part)
        yield part


class _Writer:
    """Writes an archive's members one after the other, and keeps their digests for the manifest."""

    def __init__(self, file: BinaryIO, total: int, tell: Tell) -> None:
        self._file = file
        self._total = total
        self._tell = tell
        self._done = 0

    def write(self, sources: Iterable[_Source], manifest: Manifest) -> Manifest:
        """Write all members and the manifest, which makes the archive a backup."""
        with tarfile.open(fileobj=self._file, mode="w") as archive:
            members = tuple(self._add(archive, source) for source in sources)
            manifest = replace(manifest, members=members)
            self._add(archive, _small(MANIFEST, manifest.encode()))
        return manifest

    def _add(self, archive: tarfile.TarFile, source: _Source) -> Member:
        """Write a member of the declared length; raises Damaged if the file is shorter."""
        stream = _Stream(source.parts(), self._count)
        try:
            archive.addfile(_entry(source.name, source.size), stream)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno is not None:
                raise
            raise Damaged(f"{source.name} is shorter than was committed: see verify") from error
        return Member(source.name, source.size, stream.digest.hexdigest())

    def _count(self, read: int) -> None:
        self._done += read
        self._tell(Step("archive", min(self._done, self._total), self._total))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """A member's header: the same for the same state, independent of time and user."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


class _Stream:
    """Parts read like a file, and their SHA-256."""

    def __init__(self, parts: Iterable[bytes], count: Callable[[int], None]) -> None:
        self._parts = iter(parts)
        self._left = memoryview(b"")
        self._count = count
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Up to this many bytes, fewer at the end."""
        taken = bytearray()
        while len(taken) < size:
            if not self._left:
                part = next(self._parts, None)
                if part is None:
                    break
                self._left = memoryview(part)
                self._count(len(part))
            more = self._left[: size - len(taken)]
            self._left = self._left[len(more) :]
            taken += more
        self.digest.update(taken)
        return bytes(taken)


# Restore


def restore(source: Path, folder: Path, tell: Tell) -> Backup:
    """Make a collection from a backup: whole, durable and as it was, or not at all.

    Raises AlreadyExists if the folder exists, Damaged if the backup has changed since it was
    written, OtherFormat if a newer version wrote it.
    """
    if not source.is_file():
        raise NotFound(f"there is no backup {source}")
    if folder.exists():
        raise AlreadyExists(
            f"collection {folder.name!r} already exists: restore under another name"
        )
    draft = folder.parent / f".{folder.name}.restored"
    try:
        with _claimed_folder(draft):
            try:
                manifest = _unpack(source, draft, tell)
                check_format(draft / STORE, f"the backup {source}")
                _sync_tree(draft)
                draft.rename(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        sync_folder(folder.parent)
    except OSError as error:
        if folder.exists():
            raise AlreadyExists(f"collection {folder.name!r} already exists") from error
        raise StorageFailed(f"cannot restore {source}: {error.strerror or error}") from error
    return _described(source, manifest)


def collection_of(source: Path) -> str:
    """The name of the collection that a backup was made of, as the backup says; see `restore`."""
    if not source.is_file():
        raise NotFound(f"there is no backup {source}")
    try:
        with tarfile.open(source, "r:") as archive:
            for entry in archive:
                if entry.name == MANIFEST:
                    return _read_manifest(source, archive, entry).collection
    except tarfile.TarError as error:
        raise Damaged(f"{source} is no backup, or is truncated or damaged ({error})") from error
    except OSError as error:
        raise StorageFailed(f"cannot read {source}: {error.strerror or error}") from error
    raise Damaged(f"{source} is truncated: it ends before its manifest")


@contextmanager
def _claimed_folder(draft: Path) -> Iterator[None]:
    """An empty folder that one process at a time fills; leftovers of a killed one are removed."""
    draft.mkdir(exist_ok=True)
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not try_lock(descriptor):
            raise CollectionBusy(f"another process is restoring into {draft}: wait for it")
        for left in draft.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
    finally:
        os.close(descriptor)


def _unpack(source: Path, draft: Path, tell: Tell) -> Manifest:
    """Write the members of a backup to a folder, checked against the manifest."""
    found: list[Member] = []
    total = source.stat().st_size
    try:
        with tarfile.open(source, "r:") as archive:
            for entry in archive:
                if entry.name == MANIFEST:
                    manifest = _read_manifest(source, archive, entry)
                    _compare(source, manifest, found)
                    return manifest
                found.append(_extract(source, archive, entry, draft))
                tell(Step("files", archive.offset, total))
    except tarfile.TarError as error:
        raise Damaged(f"{source} is no backup, or is truncated or damaged ({error})") from error
    raise Damaged(f"{source} is truncated: it ends before its manifest")


def _extract(source: Path, archive: tarfile.TarFile, entry: tarfile.TarInfo, draft: Path) -> Member:
    file = archive.extractfile(entry) if entry.isreg() else None
    if file is None or not _MEMBER.fullmatch(entry.name):
        raise Damaged(f"{source} is no backup: it holds {entry.name[:80]!r}")
    path = draft / entry.name
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as target:
        while part := file.read(_PART_BYTES):
            digest.update(part)
            target.write(part)
        target.flush()
        os.fsync(target.fileno())
    return Member(entry.name, entry.size, digest.hexdigest())


def _read_manifest(source: Path, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Manifest:
    file = archive.extractfile(entry)
    try:
        if file is None or entry.size > MOST_MANIFEST_BYTES:
            raise ValueError("it is none")  # noqa: TRY301 - one message for all its faults
        manifest = Manifest.decode(file.read())
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{source}: its manifest is not what was written ({error})") from error
    if manifest.format != FORMAT:
        raise OtherFormat(newer(f"the backup {source}", manifest.format, FORMAT))
    return manifest


def _compare(source: Path, manifest: Manifest, found: list[Member]) -> None:
    """Raise Damaged, naming the file, unless the members found match the manifest."""
    there: dict[str, Any] = {member.name: member for member in found}
    for member in manifest.members:
        if there.pop(member.name, None) != member:
            raise Damaged(f"{source}: {member.name} is not what was backed up")
    if there:
        raise Damaged(f"{source} holds {next(iter(there))}, which is not in its manifest")


def _sync_tree(folder: Path) -> None:
    """Make the entries of a folder and of its subfolders durable."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    sync_folder(folder)
