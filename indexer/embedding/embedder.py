"""The interface of embedders, and the identity of models.

Nothing here imports a model library; implementations are files beside this one, and the table
that names them is in the package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Vectors
from indexer.errors import ModelMismatch
from indexer.index_choice import USUAL_CHUNKING, Chunking, CutBy
from indexer.pictures import Fit, Fitted, Pixels

CANARIES: Final = (
    "",
    "Direction carries meaning, magnitude does not.",
    "The quick brown fox jumps over the lazy dog. 0123456789",
    "Ein Satz auf Deutsch, 一句中文, جملة عربية, и немного по-русски 🧭",
    "def cosine(a, b):\n    return a @ b / (norm(a) * norm(b))",
)
"""Texts whose vectors tell whether a model is the one that filled a collection."""

CANARY_COSINE: Final = 0.999
"""Below this the model is a different one; precisions and backends of one model stay above."""


class Backend(StrEnum):
    """The library that computes vectors; AUTO is torch where there is a GPU, else OpenVINO."""

    AUTO = "auto"
    OPENVINO = "openvino"
    TORCH = "torch"
    HASHING = "hashing"


class Precision(StrEnum):
    """The number format a model computes in; AUTO is the fastest that keeps the float32 vectors.

    INT8 changes the vectors (cosines near 0.99), so it is used only where asked for.
    """

    AUTO = "auto"
    BF16 = "bf16"
    F32 = "f32"
    INT8 = "int8"


class TextRole(StrEnum):
    """The side of a search that a text is on; models may have a prompt for each."""

    QUERY = "query"
    DOCUMENT = "document"


class Modality(StrEnum):
    """A kind of input that a model embeds; all kinds of one model share a space."""

    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the model's input.

    ``ids`` is (n,) int32 with special tokens and prompt, cut to the window. ``spans`` is (t, 2)
    int32: the characters that each token of the *whole* text stands for, without special tokens
    and prompt. ``truncated`` says that the text was longer than the window, ``unknown`` that the
    model knows no word of it: see indexer.embedding.vocabulary.
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    truncated: bool
    unknown: bool = False


Input: TypeAlias = str | Tokens

Image: TypeAlias = "Pixels | Fitted"
"""An image of any size, or one that is already in the form that the model wants."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of the inputs, the indices of truncated inputs, and tokens embedded.

    ``unknown`` are the indices of inputs of which the model knows no word.
    """

    vectors: Vectors
    truncated: tuple[int, ...]
    tokens: int
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Runtime:
    """The backend that computes the vectors: for reports, not for identity."""

    backend: str
    device: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """The images' part of a model's identity.

    ``weights`` is a digest of all the model's files, ``setup`` one of how pixels are prepared,
    ``canaries`` are the vectors of the images of indexer.embedding.images.canaries.
    """

    weights: str
    setup: str
    canaries: Vectors

    def require(self, other: ImageIdentity | None, names: tuple[str, str]) -> None:
        """Raise ModelMismatch, naming both models, unless ``other`` gives the same vectors."""
        mine, theirs = names
        if other is None:
            raise ModelMismatch(
                f"the collection was filled by model {mine!r}, which embeds images, but the model "
                f"at hand, {theirs!r}, does not: open it with its own model"
            )
        for what in ("weights", "setup"):
            if getattr(self, what) != getattr(other, what):
                raise ModelMismatch(
                    f"the collection was filled by model {mine!r}, but images have another {what} "
                    f"in the model at hand, {theirs!r}: open it with its own model"
                )
        cosine = float(np.vecdot(self.canaries, other.canaries).min())
        if not cosine >= CANARY_COSINE:
            raise ModelMismatch(
                f"model {theirs!r} gives images other vectors than {mine!r} did when it filled "
                f"the collection (cosine {cosine:.5f} on known images): is the backend at fault?"
            )


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a model: two models agree if their identities do.

    ``weights`` is the SHA-256 of all weight files, ``setup`` a digest of all others that determine
    the vectors (tokenizer, pooling, further modules, prompts, truncation), ``canaries`` the vectors
    of CANARIES, (len(CANARIES), dimension) float32. ``essence`` is a digest of only those parts of
    the files of ``setup`` that determine vectors, which stays the same when a model is saved again;
    "" where it is not known. ``images`` is the part of a model that embeds images, too: without
    it, as of a collection of texts, any model agrees whose texts do. ``chunking`` is how documents
    are cut before they are embedded. It belongs to a collection's vectors and to no model: models
    agree whatever it is, while vectors of another are to be made anew.
    """

    name: str
    weights: str
    setup: str
    dimension: int
    window: int
    pooling: str
    prompts: Mapping[str, str]
    canaries: Vectors
    essence: str = ""
    images: ImageIdentity | None = None
    chunking: Chunking = USUAL_CHUNKING

    @property
    def fingerprint(self) -> str:
        """The text by which a collection records the model that something belongs to."""
        cut = "" if self.chunking == USUAL_CHUNKING else f"-{self.chunking.mark}"
        return f"{self.weights[:24]}.{self.setup[:24]}.{self.dimension}{cut}"

    @property
    def mark(self) -> str:
        """The text by which vectors record their model; see :meth:`made`."""
        return f"{self.fingerprint}.{self.essence[:24]}"

    def made(self, mark: str) -> bool:
        """Return whether vectors with this mark, or fingerprint, are of a model that agrees."""
        weights, setup, dimension, essence = self.mark.split(".")
        match mark.split("."):
            case [its_weights, its_setup, its_dimension, *rest]:
                same = (its_weights, its_dimension) == (weights, dimension)
                return same and (its_setup == setup or (essence != "" and rest == [essence]))
        return False

    def require(self, other: Identity) -> None:
        """Raise ModelMismatch, naming both, unless ``other`` gives the same vectors."""
        for what in ("weights", "setup", "dimension", "window"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if what == "setup" and self.essence and self.essence == other.essence:
                continue
            if mine != theirs:
                raise ModelMismatch(
                    f"the collection was filled by model {self.name!r} ({what} {_short(mine)}), "
                    f"but the model at hand is {other.name!r} ({what} {_short(theirs)}): "
                    "open it with its own model, or index into another collection"
                )
        cosine = float(np.einsum("ij,ij->i", self.canaries, other.canaries).min())
        if not cosine >= CANARY_COSINE:
            raise ModelMismatch(
                f"model {other.name!r} gives other vectors than {self.name!r} did when it filled "
                f"the collection (cosine {cosine:.5f} on known texts): is the backend at fault?"
            )
        if self.images is not None:
            self.images.require(other.images, (self.name, other.name))

    def encode(self) -> str:
        """The identity as JSON, without the essence: versions before it refuse the field.

        They refuse a chunking too, as they must, since they would cut otherwise.
        """
        fields: dict[str, object] = {
            "name": self.name,
            "weights": self.weights,
            "setup": self.setup,
            "dimension": self.dimension,
            "window": self.window,
            "pooling": self.pooling,
            "prompts": dict(self.prompts),
            "canaries": self.canaries.astype(np.float32).tolist(),
        }
        if self.images is not None:
            fields["images"] = {
                "weights": self.images.weights,
                "setup": self.images.setup,
                "canaries": self.images.canaries.astype(np.float32).tolist(),
            }
        if self.chunking != USUAL_CHUNKING:
            fields["chunking"] = self.chunking.plain
        return json.dumps(fields)

    @classmethod
    def decode(cls, encoded: str) -> Identity:
        """The identity that :meth:`encode` wrote."""
        fields = json.loads(encoded)
        fields["canaries"] = np.asarray(fields["canaries"], dtype=np.float32)
        if images := fields.get("images"):
            canaries = np.asarray(images.pop("canaries"), dtype=np.float32)
            fields["images"] = ImageIdentity(**images, canaries=canaries)
        if cut := fields.get("chunking"):
            fields["chunking"] = Chunking(cut["size"], cut["overlap"], CutBy(cut["by"]))
        return cls(**fields)


def _short(value: object) -> str:
    return str(value)[:12]


@runtime_checkable
class Embedder(Protocol):
    """Texts, or images too, in; unit vectors out. Safe to call from several threads.

    Use it as a context manager, or close it.
    """

    @property
    def identity(self) -> Identity:
        """The identity of the model."""
        ...

    @property
    def runtime(self) -> Runtime:
        """The backend and device it runs on."""
        ...

    @property
    def room(self) -> int:
        """The number of a document's tokens that fit beside special tokens and prompt."""
        ...

    def tokenize(self, texts: Sequence[str], role: TextRole = TextRole.DOCUMENT) -> list[Tokens]:
        """The texts as the model's inputs, to be passed to :meth:`embed` later."""
        ...

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """Unit vectors in the order of the inputs, which may be many: memory stays bounded.

        Equal inputs are embedded once. Raises InvalidVector, naming the index, for a zero or
        non-finite vector.
        """
        ...

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input it embeds."""
        ...

    @property
    def fit(self) -> Fit:
        """The form in which it takes images. Raises InvalidInput if it embeds texts only."""
        ...

    def embed_images(self, images: Sequence[Image]) -> Vectors:
        """Unit vectors, (n, d) float32, in the order of the images, in the space of the texts.

        Equal images are embedded once. Raises InvalidInput if it embeds texts only, or something is
        no image, InvalidVector, naming the index, for a zero or non-finite vector.
        """
        ...

    def warm(self) -> None:
        """Spend time and memory now so that short texts, one or a few at a time, are faster later.

        For long-running processes, such as a service; texts may be embedded meanwhile. Once is
        enough.
        """
        ...

    def close(self) -> None:
        """Release its resources."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...
