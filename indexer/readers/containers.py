"""Files that hold files: what archives and mails have in common.

A process with limits unpacks, and passes on one member at a time; each is written to a temporary
folder, under a name of our own, and read by its own format. How many there may be, how large and
how deep is bounded over all that is within a file.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from indexer.errors import Unreadable
from indexer.readers.extracted import MAX_PACKAGE_BYTES, Extracted, read_extracted
from indexer.readers.isolation import Limits, Stopped, stream_isolated
from indexer.readers.reading import Member, Read, Rejection
from indexer.readers.sources import Allowance, Source

MAX_CONTAINER_BYTES: Final = 4 * 2**30
MAX_DEPTH: Final = 4
MAX_MEMBERS: Final = 100_000
LEAST_ALLOWED: Final = 64 * 2**20
MOST_ALLOWED: Final = 16 * 2**30
MAX_RATIO: Final = 100
"""Bytes that a byte of a file may unpack to, beyond LEAST_ALLOWED; texts pack to a tenth."""

BLOCK_BYTES: Final = 1 << 20
LIMITS: Final = Limits(cpu_seconds=3_600, wall_seconds=300, output_bytes=256 * 2**20)
HIDDEN: Final = "__MACOSX"


def read_container(
    source: Source,
    format: str,
    module: str,
    **options: Any,  # noqa: ANN401 - options of the module's report
) -> Iterator[Read | Member]:
    """The documents and members that ``report`` of a module's file finds.

    It yields an item of ``extracted`` fields, or one that names a ``member`` (with the mark that
    parts it from the name of the file), followed by its ``data`` in blocks, or by a ``problem``.
    """
    if source.depth >= MAX_DEPTH:
        raise Unreadable(f"within {source.depth} other files: that deep nothing is read")
    allowance = source.allowance or allowed(source.size)
    inside = replace(source, allowance=allowance)
    with source.unpacked(MAX_CONTAINER_BYTES) as file, TemporaryDirectory() as folder:
        items = stream_isolated(Path(module), file, LIMITS, **options)
        try:
            yield from _read(inside, format, items, Path(folder) / "member")
        except Stopped as error:
            raise Unreadable(str(error)) from error


def allowed(size: int) -> Allowance:
    """The files and bytes that may be unpacked of a file of this size."""
    return Allowance(MAX_MEMBERS, min(max(LEAST_ALLOWED, size * MAX_RATIO), MOST_ALLOWED))


def blocks(stream: BinaryIO | Any) -> Iterator[dict[str, str]]:  # noqa: ANN401 - or alike
    """The items that pass on the bytes of a member."""
    while block := stream.read(BLOCK_BYTES):
        yield {"data": base64.b64encode(block).decode()}


def is_hidden(name: str) -> bool:
    """Return whether a member is one that folders would skip, too."""
    parts = (part for part in PurePosixPath(name).parts if part != "..")
    return any(part.startswith(".") or part == HIDDEN for part in parts)


def _read(
    source: Source, format: str, items: Iterable[Mapping[str, Any]], path: Path
) -> Iterator[Read | Member]:
    assert source.allowance is not None
    name: str | None = None
    for item in items:
        if name is not None and "data" not in item and "problem" not in item:
            yield Member(path, f"{source.name}{name}", name)
            name = None
        if "member" in item:
            source.allowance.take(members=1)
            name = item["member"]
            path.write_bytes(b"")
        elif "data" in item:
            _append(source, path, base64.b64decode(item["data"]))
        elif "problem" in item:
            yield source.gives(Rejection(f"{source.name}{name or ''}", item["problem"]), 0)
            name = None
        elif "extracted" in item:
            yield from read_extracted(source, format, Extracted(**item["extracted"]))
    if name is not None:
        yield Member(path, f"{source.name}{name}", name)


def _append(source: Source, path: Path, data: bytes) -> None:
    assert source.allowance is not None
    source.allowance.take(bytes=len(data))
    with path.open("ab") as file:
        file.write(data)
        if file.tell() > MAX_PACKAGE_BYTES:
            raise Unreadable(f"holds a file of more than {MAX_PACKAGE_BYTES:,} bytes: unpack it")
