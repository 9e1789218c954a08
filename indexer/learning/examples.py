"""Training examples: a query with a text or document that answers it, kept on disk.

Reading them is in ``examples_files`` and ``examples_collection``; checking, in ``examples_checks``.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from tempfile import TemporaryFile
from typing import Final, Self, overload

TEXT_CHARACTERS: Final = 32_768
"""A text is cut to as many characters: models read its beginning only, and lines may be long."""

MOST_NEGATIVES: Final = 64
"""Negatives of an example that are kept."""


@dataclass(frozen=True, slots=True)
class Example:
    """A query and one text for it, by its text, or by the id of a document.

    ``grade`` is how well they fit: None if it was not said, which counts as fitting; 0 or less says
    that they do not. ``negatives`` are texts that do not answer the query. ``place`` is the file
    with the line.
    """

    query: str
    query_id: str
    positive: str
    positive_id: str | None = None
    negatives: tuple[str, ...] = ()
    grade: float | None = None
    place: str = ""

    @property
    def document(self) -> str:
        """The identity of what answers: the document's id, else a digest of the text."""
        return self.positive_id if self.positive_id is not None else text_id(self.positive)

    @property
    def fits(self) -> bool:
        """Return whether the text answers the query."""
        return self.grade is None or self.grade > 0


def text_id(text: str) -> str:
    """The id of a text that was given without one: a digest of it."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Examples(Sequence[Example]):
    """Examples in a temporary file, read one at a time: memory holds a number for each.

    A context manager; closing deletes the file. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by close
        self._starts = array("Q")
        self._end = 0
        self._digest = sha256()

    def add(self, example: Example) -> None:
        """Append one."""
        encoded = json.dumps(asdict(example)).encode() + b"\n"  # lone surrogates stay escaped
        self._file.seek(self._end)
        self._file.write(encoded)
        self._starts.append(self._end)
        self._end += len(encoded)
        self._digest.update(encoded)

    @property
    def digest(self) -> str:
        """SHA-256 of all that was added, in its order."""
        return self._digest.hexdigest()

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._at(start) for start in self._starts[index]]
        return self._at(self._starts[index])

    def __iter__(self) -> Iterator[Example]:
        return (self[place] for place in range(len(self)))

    def keep(self, places: Sequence[int]) -> None:
        """Forget all but those at these places."""
        self._starts = array("Q", (self._starts[place] for place in places))

    def at(self, places: Sequence[int]) -> Examples:
        """Those at these places, in the same file, which is closed by closing these."""
        chosen = copy(self)
        chosen.keep(places)
        return chosen

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _at(self, start: int) -> Example:
        self._file.seek(start)
        fields = json.loads(self._file.readline())
        return Example(**{**fields, "negatives": tuple(fields["negatives"])})
