"""Archives (.zip, .tar, packed or not): each file within is read by its own format.

Hidden files are skipped, as in folders; links and devices are not followed, encrypted files are
rejected by name. Nothing is written under a name that the archive gives.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from indexer.errors import Unreadable
from indexer.readers.containers import MAX_MEMBERS, blocks, is_hidden, read_container
from indexer.readers.kinds import ENCRYPTED
from indexer.readers.packages import ENCRYPTED_FLAG
from indexer.readers.reading import Fields, Member, Read
from indexer.readers.sources import Source


def read_zip(source: Source, fields: Fields) -> Iterator[Read | Member]:  # noqa: ARG001
    """The files within."""
    yield from read_container(source, "zip", __file__, kind="zip")


def read_tar(source: Source, fields: Fields) -> Iterator[Read | Member]:  # noqa: ARG001
    """The files within."""
    yield from read_container(source, "tar", __file__, kind="tar")


def report(file: BinaryIO, kind: str) -> Iterator[dict[str, Any]]:
    """The members, in the order of the archive."""
    yield from (_zipped if kind == "zip" else _tarred)(file)


def _zipped(file: BinaryIO) -> Iterator[dict[str, Any]]:
    try:
        archive = ZipFile(file)
    except BadZipFile as error:
        raise Unreadable(f"not a ZIP archive, or damaged: {error}") from error
    with archive:
        members = [each for each in archive.infolist() if not each.is_dir()]
        _check_count(len(members))
        for each in members:
            if is_hidden(each.filename):
                continue
            yield _member(each.filename)
            if each.flag_bits & ENCRYPTED_FLAG:
                yield {"problem": ENCRYPTED}
                continue
            try:
                with archive.open(each) as stream:
                    yield from blocks(stream)
            except (BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
                yield {"problem": f"damaged, or packed in a way that is not known: {error}"}


def _tarred(file: BinaryIO) -> Iterator[dict[str, Any]]:
    try:
        with tarfile.open(fileobj=file) as archive:
            for count, each in enumerate(archive):
                _check_count(count)
                archive.members.clear()  # type: ignore[attr-defined] # they would fill the memory
                if each.isdir() or is_hidden(each.name):
                    continue
                yield _member(each.name)
                stream = archive.extractfile(each) if each.isreg() else None
                if stream is None:
                    yield {"problem": "a link or a device, which is not followed"}
                else:
                    yield from blocks(stream)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise Unreadable(f"not a tar archive, or damaged from here on: {error}") from error


def _member(name: str) -> dict[str, Any]:
    named = name.replace("\\", "/").lstrip("/")
    return {"member": f"/{named.encode('utf-8', 'backslashreplace').decode()}"}


def _check_count(count: int) -> None:
    if count > MAX_MEMBERS:
        raise Unreadable(f"holds more than {MAX_MEMBERS:,} files: unpack it")
