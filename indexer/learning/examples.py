"""Training examples: a query with a text, document or picture that answers it, kept on disk.

Reading them is in ``examples_files``, ``examples_collection`` and ``examples_pictures``; checking
them in ``examples_checks``.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, Self, overload

from indexer.documents import Document
from indexer.learning.items import Item, View

TEXT_CHARACTERS: Final = 32_768
"""A text is cut to as many characters: models read its beginning only, and lines may be long."""

MOST_NEGATIVES: Final = 64
"""Negatives of an example that are kept."""


@dataclass(frozen=True, slots=True)
class Example:
    """A query and one text for it, by its text, or by the id of a document; or one picture.

    ``grade`` is how well they fit: None if it was not said, which counts as fitting; 0 or less says
    that they do not. ``negatives`` are texts that do not answer the query. ``place`` is the file
    with the line, ``picture`` the key of what answers, if that is a picture: then ``positive`` is
    empty, and so is ``query`` where the picture has no caption.
    """

    query: str
    query_id: str
    positive: str
    positive_id: str | None = None
    negatives: tuple[str, ...] = ()
    grade: float | None = None
    place: str = ""
    picture: str = ""

    @property
    def document(self) -> str:
        """The identity of what answers: the document's id, else a digest of the text or picture."""
        if self.positive_id is not None:
            return self.positive_id
        return self.picture or text_id(self.positive)

    @property
    def answer(self) -> Item:
        """The text that answers, or the picture as it is."""
        return View(self.picture) if self.picture else self.positive

    @property
    def asked(self) -> str:
        """The text by which it falls into a part: the query, or what stands for one."""
        return self.query or self.document

    @property
    def fits(self) -> bool:
        """Return whether the text answers the query."""
        return self.grade is None or self.grade > 0


@dataclass(frozen=True, slots=True)
class Unread:
    """An example that a picture answers which is still to be read: a file, bytes, or a document's.

    If it cannot be read, that is a rejection of the example.
    """

    example: Example
    image: Path | bytes | Document


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
        fields = asdict(example)
        if not example.picture:
            del fields["picture"]  # so that digests of texts are those that they always were
        encoded = json.dumps(fields).encode() + b"\n"  # lone surrogates stay escaped
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
