"""An index of FAISS beside a file of records: the n-th vector is that of the n-th record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.errors import InvalidInput, Unreadable
from indexer.readers.json_lines import read_json_line_values
from indexer.readers.sources import Source, is_packed
from indexer.sources.systems.holding import Entry, Holding, Place, Vector

if TYPE_CHECKING:
    import faiss

_EXACT: Final = ("IndexFlatIP", "IndexFlatL2", "IndexFlat", "IndexIVFFlat", "IndexHNSWFlat")
"""Indexes that keep vectors as they were given; others keep them roughly."""


@contextmanager
def open_faiss(place: Place) -> Iterator[Holding]:
    """The vectors of an index file, and the records of a file of JSON Lines (``texts``)."""
    if place.texts is None:
        raise InvalidInput("FAISS keeps no texts: give their JSON Lines by --texts FILE")
    index = _read(place.at)
    path = Path(place.texts)
    if not path.is_file():
        raise Unreadable(f"no such file: {place.texts!r}")
    source = Source(path, path.name, path.stat().st_size, compressed=is_packed(path))

    def entries() -> Iterator[Entry]:
        number = 0
        for number, (_, record) in enumerate(read_json_line_values(source), start=1):
            if not isinstance(record, dict):
                raise Unreadable(f"{source.name}: record {number} is no object")
            if number > index.ntotal:
                break
            given = _own_id(record)
            yield Entry(given or f"{source.name}:{number}", record, index.reconstruct(number - 1))
        if number != index.ntotal:
            raise Unreadable(
                f"{place.at} has {index.ntotal:,} vectors, but {place.texts} another number of "
                "records: they do not belong together"
            )

    yield Holding(Path(place.at).name, index.ntotal, entries)


def _own_id(record: dict[str, Any]) -> str | None:
    found = record.get("_id", record.get("id"))
    return None if found is None else str(found)


def _read(at: str) -> faiss.Index:
    import faiss

    if not Path(at).is_file():
        raise Unreadable(f"no such file: {at!r}")
    try:
        index = faiss.read_index(at)
    except RuntimeError as error:
        raise Unreadable(f"{at!r} is no index of FAISS: {str(error)[-200:]}") from error
    kind = type(index).__name__
    if kind not in _EXACT:
        raise Unreadable(
            f"{at!r} is a {kind}, which keeps no vectors by number as they were: index the texts "
            f"by `bearing index`; read are {', '.join(_EXACT)}"
        )
    if hasattr(index, "make_direct_map"):
        index.make_direct_map()
    return index


def vectors_by_number(path: Path) -> Callable[[int], Vector | None]:
    """The vectors of an index file by the numbers they were added with.

    None for all where the file is none of FAISS, or keeps them only roughly.
    """
    import faiss

    try:
        index = faiss.read_index(str(path))
    except RuntimeError:
        return lambda _: None
    if isinstance(index, faiss.IndexIDMap):
        numbers = faiss.vector_to_array(index.id_map).tolist()
        places = {number: place for place, number in enumerate(numbers)}
        inner = faiss.downcast_index(index.index)
        if type(inner).__name__ not in _EXACT:
            return lambda _: None
        # The outer index owns the inner one, and is kept by this function.
        return lambda number: (
            inner.reconstruct(places[number]) if number in places and index else None
        )
    if type(index).__name__ not in _EXACT:
        return lambda _: None
    if not isinstance(index, faiss.IndexIVFFlat):
        return lambda number: index.reconstruct(number) if number < index.ntotal else None
    index.set_direct_map_type(faiss.DirectMap.Hashtable)

    def found(number: int) -> Vector | None:
        try:
            vector: Vector = index.reconstruct(number)
        except RuntimeError:  # there is none of that number
            return None
        return vector

    return found
