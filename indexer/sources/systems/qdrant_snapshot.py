"""A snapshot of Qdrant: of a collection, or of one of its shards, opened by Qdrant Edge.

It is unpacked into a temporary folder, which takes as much room as it, and is never written to.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.errors import MissingExtra, Unreadable
from indexer.sources.systems.holding import PAGE, Entry, Holding, Place, Vector, one_vector, only

if TYPE_CHECKING:
    from qdrant_edge import EdgeShard

SUFFIX: Final = ".snapshot"

_SEGMENTS: Final = "segments"
"""The folder that every shard has."""

_SHARD: Final = re.compile(r"(?:\./)?(?:(\d+)/)?(.+)")
"""The name of a file in a snapshot: below the number of its shard in that of a collection."""


@contextmanager
def open_snapshot(place: Place) -> Iterator[Holding]:
    """The points of a snapshot's shards; a payload is the record of its point."""
    path = Path(place.at)
    if not path.is_file():
        raise Unreadable(f"no such file: {place.at!r}")
    name = only("collection", [path.name.removesuffix(SUFFIX)], place.name)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bearing-qdrant-")))
        shards = [_opened(one) for one in _unpacked(path, folder)]
        for shard in shards:
            stack.callback(shard.close)
        named = one_vector(_vector_names(shards), place.vector)

        def entries() -> Iterator[Entry]:
            for shard in shards:
                for point in _points(shard):
                    vector = _vector(point.vector, named)
                    yield Entry(str(point.id), dict(point.payload or {}), vector)

        yield Holding(name, sum(one.info().points_count for one in shards), entries)


def _unpacked(path: Path, folder: Path) -> Iterator[Path]:
    """The folder of each shard."""
    with tarfile.open(path, "r:") as archive:
        numbers = sorted({_shard_of(member.name) for member in _files(archive)})
        for number in numbers:
            own = folder / f"shard-{number or 'alone'}"
            own.mkdir()
            packed = folder / "shard.tar"
            _pack(archive, number, packed)
            _edge().unpack_snapshot(str(packed), str(own))
            packed.unlink()
            yield own


def _files(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files of shards; raises Unreadable if there are none, or anything but files."""
    members = archive.getmembers()
    if any(not (one.isreg() or one.isdir()) or one.issparse() for one in members):
        raise Unreadable(f"{archive.name!s} holds links or the like: it is no snapshot of Qdrant")
    found = [one for one in members if one.isreg() and _inner(one.name).startswith(_SEGMENTS)]
    if not found:
        raise Unreadable(
            f"{archive.name!s} is no snapshot of a collection or shard: it holds no segments. One "
            "of all of Qdrant holds those of its collections: unpack it, and give each"
        )
    yield from found


def _shard_of(name: str) -> str:
    matched = _SHARD.fullmatch(name)
    return (matched and matched[1]) or ""


def _inner(name: str) -> str:
    matched = _SHARD.fullmatch(name)
    return matched[2] if matched else name


def _pack(archive: tarfile.TarFile, number: str, target: Path) -> None:
    """Write the files of a shard as a snapshot of its own."""
    with tarfile.open(target, "w:") as packed:
        for member in archive.getmembers():
            if member.isreg() and _shard_of(member.name) == number:
                content = archive.extractfile(member)
                packed.addfile(member.replace(name=_inner(member.name)), content)


def _edge() -> type[EdgeShard]:
    try:
        from qdrant_edge import EdgeShard
    except ImportError as error:
        raise MissingExtra("qdrant-edge-py", "qdrant") from error
    shard: type[EdgeShard] = EdgeShard
    return shard


def _opened(folder: Path) -> EdgeShard:
    return _edge().load(str(folder))


def _points(shard: EdgeShard) -> Iterator[Any]:
    from qdrant_edge import ScrollRequest

    offset: Any = None
    while True:
        points, offset = shard.scroll(
            ScrollRequest(offset=offset, limit=PAGE, with_payload=True, with_vector=True)
        )
        yield from points
        if offset is None:
            return


def _vector_names(shards: Sequence[EdgeShard]) -> set[str]:
    """The names of the dense vectors of the first point; none where they have no names."""
    for shard in shards:
        for point in _points(shard):
            given = point.vector
            if not isinstance(given, Mapping):
                return set()
            return {name for name, one in given.items() if isinstance(one, list)}
    return set()


def _vector(given: object, named: str | None) -> Vector | None:
    one = given.get(named) if isinstance(given, Mapping) else given
    return np.asarray(one, np.float32) if isinstance(one, list) else None
