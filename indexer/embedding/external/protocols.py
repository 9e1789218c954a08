"""The kinds of server: requests as each takes them, and the place of vectors in its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from indexer.embedding.external.addresses import Address

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A kind of server: the path below its address, a request's body, and an answer's vectors.

    ``vectors`` raises KeyError, TypeError, ValueError or IndexError for another answer.
    """

    path: str
    body: Callable[[Address, Sequence[str]], Body]
    vectors: Callable[[Any], list[Any]]


def _openai_body(address: Address, texts: Sequence[str]) -> Body:
    body = {"model": address.model, "input": list(texts), "encoding_format": "float"}
    return body if address.dimensions is None else body | {"dimensions": address.dimensions}


def _openai_vectors(answer: Any) -> list[Any]:  # noqa: ANN401 - a stranger's JSON
    data = sorted(answer["data"], key=lambda one: int(one["index"]))
    return [one["embedding"] for one in data]


def _ollama_body(address: Address, texts: Sequence[str]) -> Body:
    body = {"model": address.model, "input": list(texts), "truncate": True}
    return body if address.dimensions is None else body | {"dimensions": address.dimensions}


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "openai": Protocol("/embeddings", _openai_body, _openai_vectors),
    "tei": Protocol(
        "/embed",
        lambda _, texts: {"inputs": list(texts), "truncate": True, "normalize": True},
        list,
    ),
    "ollama": Protocol("/api/embed", _ollama_body, lambda answer: list(answer["embeddings"])),
}
