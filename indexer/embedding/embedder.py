"""What every way to embed offers, and how a model is told from another.

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

CANARIES: Final = (
    "",
    "Direction carries meaning, magnitude does not.",
    "The quick brown fox jumps over the lazy dog. 0123456789",
    "Ein Satz auf Deutsch, 一句中文, جملة عربية, и немного по-русски 🧭",
    "def cosine(a, b):\n    return a @ b / (norm(a) * norm(b))",
)
"""Texts whose vectors show that a model is the one that filled a collection."""

CANARY_COSINE: Final = 0.999
"""Below this a model is another one; precisions and backends stay above."""


class Backend(StrEnum):
    """What computes vectors; AUTO is torch where there is a GPU, else OpenVINO."""

    AUTO = "auto"
    OPENVINO = "openvino"
    TORCH = "torch"
    HASHING = "hashing"


class Precision(StrEnum):
    """In what numbers a model computes; AUTO is the fastest that keeps the float32 vectors.

    INT8 changes the vectors (cosines near 0.99), so it is used only where asked for.
    """

    AUTO = "auto"
    BF16 = "bf16"
    F32 = "f32"
    INT8 = "int8"


class TextRole(StrEnum):
    """Which side of a search a text is on; models may have a prompt for each."""

    QUERY = "query"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the model takes it.

    ``ids`` is (n,) int32 with special tokens and prompt, cut to the window. ``spans`` is (t, 2)
    int32: the characters that each token of the *whole* text stands for, without special tokens
    and prompt. ``truncated`` says that the text was longer than the window.
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    truncated: bool


Input: TypeAlias = str | Tokens


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of the inputs, the indices of inputs that were cut, tokens spent."""

    vectors: Vectors
    truncated: tuple[int, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Runtime:
    """What computes the vectors: for reports, not for identity."""

    backend: str
    device: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a model this one: two models agree if these agree.

    ``weights`` is the SHA-256 of all weight files, ``setup`` a digest of all others that decide
    the vectors (tokenizer, pooling, further modules, prompts, truncation), ``canaries`` the
    vectors of CANARIES, (len(CANARIES), dimension) float32. ``essence`` is a digest of what of
    the files of ``setup`` decides vectors, which stays when a model is saved again; "" where it
    is not known.
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

    @property
    def fingerprint(self) -> str:
        """What a collection keeps to say which model something is of."""
        return f"{self.weights[:24]}.{self.setup[:24]}.{self.dimension}"

    @property
    def mark(self) -> str:
        """What vectors carry to say which model they are of; see :meth:`made`."""
        return f"{self.fingerprint}.{self.essence[:24]}"

    def made(self, mark: str) -> bool:
        """Whether vectors with this mark, or fingerprint, are of a model that agrees."""
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

    def encode(self) -> str:
        """The identity as JSON, less the essence: versions that do not know it refuse the field."""
        return json.dumps(
            {
                "name": self.name,
                "weights": self.weights,
                "setup": self.setup,
                "dimension": self.dimension,
                "window": self.window,
                "pooling": self.pooling,
                "prompts": dict(self.prompts),
                "canaries": self.canaries.astype(np.float32).tolist(),
            }
        )

    @classmethod
    def decode(cls, encoded: str) -> Identity:
        """The identity that :meth:`encode` wrote."""
        fields = json.loads(encoded)
        fields["canaries"] = np.asarray(fields["canaries"], dtype=np.float32)
        return cls(**fields)


def _short(value: object) -> str:
    return str(value)[:12]


@runtime_checkable
class Embedder(Protocol):
    """Texts in, unit vectors out. Safe to call from several threads.

    Use it as a context manager, or close it.
    """

    @property
    def identity(self) -> Identity:
        """Which model this is."""
        ...

    @property
    def runtime(self) -> Runtime:
        """What it runs on."""
        ...

    @property
    def room(self) -> int:
        """How many tokens of a document's text fit the window beside special tokens and prompt."""
        ...

    def tokenize(self, texts: Sequence[str], role: TextRole = TextRole.DOCUMENT) -> list[Tokens]:
        """The texts as the model takes them; to be handed to :meth:`embed` at will."""
        ...

    def embed(self, inputs: Sequence[Input], role: TextRole = TextRole.DOCUMENT) -> Embeddings:
        """Unit vectors in the order of the inputs, which may be many: memory stays bounded.

        Equal inputs cost one. Raises InvalidVector, naming the index, for a vector that has no
        direction.
        """
        ...

    def warm(self) -> None:
        """Spend time and memory now so that single short texts, and a few, take less from then on.

        For a process that answers for long: a service at its start. Once is enough.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...
