"""Documents, chunks and vectors: the data that is stored.

Nothing here knows a file, a model or an index. Arrays are named by their shape:

* :data:`Vector` is (d,) float32; :data:`Vectors` is (n, d) float32, rows of unit length
  unless a docstring says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.errors import InvalidDocument, InvalidVector
from indexer.facets import FieldCounts
from indexer.filters import Metadata, is_encodable, scalar_problem
from indexer.pictures import Picture, PictureFiles

_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)
"""One for all documents: json.dumps makes one for each, which takes longer than to encode."""

Vector: TypeAlias = NDArray[np.float32]
"""(d,) float32."""

Vectors: TypeAlias = NDArray[np.float32]
"""(n, d) float32, rows of unit length."""

MAX_ID_BYTES: Final = 512
MAX_KEYS: Final = 256
MAX_KEY_CHARACTERS: Final = 256
MAX_METADATA_BYTES: Final = 65_536
UNIT_TOLERANCE: Final = 1e-3

_ESCAPED: Final = 6
"""Bytes of a character in JSON, at most: that of a control character."""

_NUMBER_BYTES: Final = 25
_AROUND: Final = 6
"""Bytes of quotes, colons, commas and brackets, at most."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Document:
    """A user's document. Checked when created: raises InvalidDocument.

    The text of one with a picture is its caption, or empty.
    """

    id: str
    text: str
    title: str | None = None
    metadata: Metadata = field(default_factory=dict)
    picture: Picture | None = None

    def __post_init__(self) -> None:
        _check_id(self.id)
        for name, value in (
            ("text", self.text),
            ("title", "" if self.title is None else self.title),
        ):
            if not isinstance(value, str):
                raise InvalidDocument(f"document {self.id!r}: {name} must be a string")
            if not is_encodable(value):
                raise InvalidDocument(
                    f"document {self.id!r}: {name} holds a lone surrogate, not valid Unicode"
                )
        _check_metadata(self.id, self.metadata)

    @classmethod
    def stored(
        cls,
        id: str,
        text: str,
        title: str | None,
        metadata: Metadata,
        picture: Picture | None = None,
    ) -> Document:
        """A document that was checked when it was stored, without another check."""
        document, put = object.__new__(cls), object.__setattr__
        put(document, "id", id)
        put(document, "text", text)
        put(document, "title", title)
        put(document, "metadata", metadata)
        put(document, "picture", picture)
        return document

    @property
    def prefix(self) -> str:
        """The text embedded before the document's own: the title and a space, or nothing."""
        return f"{self.title} " if self.title else ""

    @property
    def content(self) -> str:
        """The embedded text if the document fits one chunk (the title in front, as in BEIR)."""
        return self.prefix + self.text

    @property
    def content_hash(self) -> bytes:
        """A hash of 16 bytes of all that is embedded or shown; independent of the metadata."""
        digest = hashlib.blake2b(digest_size=16)
        seen = self.picture
        # One that the collection keeps from now on, or no longer, is stored anew.
        picture = () if seen is None else (seen.sha256, "" if seen.place is None else "in place")
        for part in (self.title or "", self.text, *picture):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8, "little"))
            digest.update(encoded)
        return digest.digest()

    @property
    def facts(self) -> tuple[str, str | None]:
        """The metadata and the facts of the picture, encoded: what is replaced without embedding.

        A picture's content is none of them: it is in :attr:`content_hash`.
        """
        picture = None if self.picture is None else self.picture.encode()
        return encode_metadata(self.metadata), picture


def _check_id(given: object) -> None:
    if not isinstance(given, str) or not given:
        raise InvalidDocument(f"a document's id must be a non-empty string, got {given!r}")
    if not is_encodable(given) or len(given.encode()) > MAX_ID_BYTES:
        raise InvalidDocument(
            f"a document's id must be valid Unicode of at most {MAX_ID_BYTES} bytes: {given[:80]!r}"
        )
    if _CONTROL.search(given):
        raise InvalidDocument(f"a document's id must not hold control characters: {given[:80]!r}")


def _check_metadata(id: str, metadata: object) -> None:
    if not isinstance(metadata, Mapping):
        raise InvalidDocument(f"document {id!r}: metadata must be an object")
    if len(metadata) > MAX_KEYS:
        raise InvalidDocument(f"document {id!r}: metadata has more than {MAX_KEYS} keys")
    for key, value in metadata.items():
        if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARACTERS:
            raise InvalidDocument(
                f"document {id!r}: a metadata key must be a string of 1 to "
                f"{MAX_KEY_CHARACTERS} characters, got {str(key)[:80]!r}"
            )
        if key.startswith("$") or not is_encodable(key):
            raise InvalidDocument(
                f"document {id!r}: metadata key {key!r} must be valid Unicode and not start with $"
            )
        for element in value if isinstance(value, list | tuple) else (value,):
            problem = _scalar_problem(element)
            if problem:
                raise InvalidDocument(f"document {id!r}: metadata {key!r}: {problem}")
    if sum(map(_most_bytes, metadata, metadata.values())) <= MAX_METADATA_BYTES:
        return  # surely, without writing it all down
    size = len(encode_metadata(metadata).encode())
    if size > MAX_METADATA_BYTES:
        raise InvalidDocument(
            f"document {id!r}: metadata takes {size} bytes, at most {MAX_METADATA_BYTES}"
        )


def _most_bytes(key: str, value: object) -> int:
    """The bytes that a field of an object may take as JSON, at most; a list's by its elements."""
    elements = value if isinstance(value, list | tuple) else (value,)
    held = sum(len(one) if isinstance(one, str) else _NUMBER_BYTES for one in elements)
    return _ESCAPED * (len(key) + held) + _AROUND * (1 + len(elements))


def _scalar_problem(value: object) -> str | None:
    if value is not None and not isinstance(value, str | int | float):
        return (
            "a value must be a string, number, boolean, null or a list of them, "
            f"got {type(value).__name__}"
        )
    return scalar_problem(value)


def encode_metadata(metadata: Metadata) -> str:
    """Metadata as canonical JSON: equal objects give equal strings."""
    return _ENCODER.encode(dict(metadata))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document's text, from start to end; ``position`` counts its chunks.

    ``unknown`` says that the model knows no word of it, so that its vector says nothing.
    """

    position: int
    start: int
    end: int
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class EmbeddedDocument:
    """A document, its chunks, and their vectors: (len(chunks), d) float32 unit rows.

    ``model`` is the mark of the model that computed them (see Identity); a collection refuses them
    if it has moved to another model since. With None they are accepted unchecked. ``files`` are
    those of its picture; without them the stored ones stay.
    """

    document: Document
    chunks: tuple[Chunk, ...]
    vectors: Vectors
    truncated: bool = False
    model: str | None = None
    files: PictureFiles | None = None

    @property
    def unknown(self) -> bool:
        """True if its model knows no word of one of its chunks."""
        return any(chunk.unknown for chunk in self.chunks)

    def __post_init__(self) -> None:
        if not self.chunks or len(self.chunks) != len(self.vectors):
            raise InvalidDocument(
                f"document {self.document.id!r}: {len(self.chunks)} chunks "
                f"but {len(self.vectors)} vectors"
            )


@dataclass(frozen=True, slots=True)
class BroughtVectors:
    """Vectors that come with a document: (n, d) numbers, n > 0, of any length.

    ``chunks`` are the passages they are of; None stands for one over the whole text. ``model`` is
    the fingerprint given with them, None where the user vouches for them. ``place`` is where they
    stood, for errors.
    """

    vectors: NDArray[np.floating]
    model: str | None
    place: str
    chunks: tuple[Chunk, ...] | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """A document's chunks with their vectors, (len(chunks), d) float32 unit rows."""

    chunks: tuple[Chunk, ...]
    vectors: Vectors


class Change(StrEnum):
    """The change that storing a document would make."""

    NEW = "new"
    CONTENT = "content"
    METADATA = "metadata"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents in their order, and the cursor to the next (None at the end).

    If it was asked for, ``total`` is the number on all pages, ``facets`` are counted over these,
    and ``unknown_fields`` are those asked for that no document has.
    """

    documents: tuple[Document, ...]
    cursor: str | None
    total: int | None = None
    unknown_fields: tuple[str, ...] = ()
    facets: tuple[FieldCounts, ...] = ()


_LEAST_SQUARE: Final = 1e-200
"""Between this and its inverse, a sum of squares has lost nothing to overflow or underflow."""


def normalise(vectors: NDArray[np.floating], name: str = "vector") -> Vectors:
    """(n, d) rows scaled to unit length, float32.

    Raises InvalidVector, which names the first row that is zero or not finite. If a row is very
    long or short, its components are first scaled by the largest, so that no row overflows or
    vanishes (cf. LAPACK dnrm2); what becomes of a row does not depend on the others.
    """
    exact = np.asarray(vectors, dtype=np.float64)
    squares = np.einsum("ij,ij->i", exact, exact)
    ordinary = (squares > _LEAST_SQUARE) & (squares < 1 / _LEAST_SQUARE)
    if ordinary.all():
        plain: Vectors = (exact / np.sqrt(squares)[:, None]).astype(np.float32)
        return plain
    largest = np.abs(exact).max(axis=1, initial=0.0)
    for index in np.flatnonzero(~(np.isfinite(largest) & (largest > 0))):
        problem = "is zero" if largest[index] == 0 else "is not finite"
        raise InvalidVector(f"{name} {index} {problem}: a direction is needed")
    exact = exact / np.where(ordinary, 1.0, largest)[:, None]
    squares = np.einsum("ij,ij->i", exact, exact)
    unit: Vectors = (exact / np.sqrt(squares)[:, None]).astype(np.float32)
    return unit


def check_unit(vectors: Vectors, ids: Sequence[str]) -> None:
    """Raise InvalidVector, naming its id, unless every row is finite and of unit length."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_TOLERANCE))
    if wrong.size:
        index = int(wrong[0])
        raise InvalidVector(
            f"the vector of {ids[index]!r} has length {norms[index]:.6g}, not 1: refused"
        )
