"""Texts to vectors: the table of backends, and the models' files, tokens and batches.

Importing the package imports no model library: a backend's module does that when it opens a model.
Models that read two texts together are in ``cross_encoders``; work on vectors is above.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from indexer.embedding.backends import BackendSpec, ModelRequest, Unsuitable, open_model
from indexer.embedding.checkpoint import DEFAULT_MODEL, HUB_ORGANISATION
from indexer.embedding.embedder import (
    CANARIES,
    Backend,
    Embedder,
    Embeddings,
    Identity,
    Input,
    Precision,
    Runtime,
    TextRole,
    Tokens,
)
from indexer.embedding.external.addresses import EXTERNAL
from indexer.errors import MissingExtra

if TYPE_CHECKING:
    from indexer.embedding.images.tower import ImageTower

log = logging.getLogger(__name__)

_HASHING: Final = re.compile(r"hashing(-images)?(?:-(\d{1,6}))?")


def _open_hashing(request: ModelRequest) -> Embedder:
    from indexer.embedding.hashing_engine import DIMENSION, open_hashing

    name = _HASHING.fullmatch(request.model)
    sees, dimension = name.groups() if name else (None, None)
    return open_hashing(int(dimension or DIMENSION), sees=bool(sees))


def _open_external(request: ModelRequest) -> Embedder:
    from indexer.embedding.external.engine import open_external

    return open_external(request.model, request.key)


def _open_compiled(request: ModelRequest) -> Embedder:
    from indexer.embedding.openvino.model_cache import open_compiled

    embedder = open_compiled(
        request.checkpoint, request.cache, request.precision, request.threads, request.memory
    )
    if not request.checkpoint.images:
        return embedder
    images = _open_images(request)
    return embedder if images is None else embedder.seeing(images)


def _open_images(request: ModelRequest) -> ImageTower | None:
    """The images' half of a model; by torch if its graph is not faithful, None if not at all."""
    from indexer.embedding.images.compiled import open_compiled_tower

    try:
        return open_compiled_tower(
            request.checkpoint, request.cache, request.precision, request.threads
        )
    except MissingExtra as problem:
        log.warning("model %s embeds texts only here: %s", request.model, problem)
        return None
    except Unsuitable as problem:
        from indexer.embedding.torch_engine import open_torch_images

        log.warning("images of model %s are left to torch: %s", request.model, problem)
        return open_torch_images(request.checkpoint)


def _is_static(request: ModelRequest) -> bool:
    from indexer.embedding.static.model import is_static

    return is_static(request.checkpoint.folder)


def _open_static(request: ModelRequest) -> Embedder:
    from indexer.embedding.static.engine import open_static

    return open_static(request.checkpoint)


def _open_torch(request: ModelRequest) -> Embedder:
    from indexer.embedding.torch_engine import open_torch

    return open_torch(request.checkpoint, request.precision, request.threads)


def _has_gpu() -> bool:
    """Return whether torch can compute on a GPU; torch is not imported where there is no driver."""
    if not Path("/proc/driver/nvidia/version").exists():
        return False
    try:
        import torch
    except ModuleNotFoundError:
        log.warning("torch is not installed: models run on the processor, not on the GPU")
        return False
    return torch.cuda.is_available()


EMBEDDERS: Final[Sequence[BackendSpec[Embedder]]] = (
    BackendSpec(_open_hashing, Backend.HASHING, names=_HASHING),
    BackendSpec(_open_external, names=EXTERNAL),
    BackendSpec(_open_static, suits=_is_static),
    BackendSpec(_open_compiled, Backend.OPENVINO, turn=lambda: 1),
    BackendSpec(
        _open_torch,
        Backend.TORCH,
        turn=lambda: 0 if _has_gpu() else 2,
        precisions=frozenset(Precision) - {Precision.INT8},
    ),
)
"""The backends that embed texts: a new one is a module beside this one, and a row here."""


def open_embedder(
    model: str,
    *,
    cache: Path,
    backend: Backend = Backend.AUTO,
    precision: Precision = Precision.AUTO,
    threads: int = 0,
    memory: int = 0,
    key: str = "",
) -> Embedder:
    """The embedder of a model: the default's name, a folder, a hub's name, or ``hashing-<d>``.

    A name may also be an address, as indexer.embedding.external has it, which is shown the ``key``.
    Converted models are kept in ``cache``; ``threads`` of 0 means all cores. What only saves time
    is left out where the process would hold more than ``memory`` bytes; 0 means no bound. Raises
    ModelError for a model that cannot be loaded or trusted, MissingExtra for one whose library is
    not installed.
    """
    request = ModelRequest(model, cache, precision, threads, memory, key)
    return open_model(EMBEDDERS, request, backend)


__all__ = [
    "CANARIES",
    "DEFAULT_MODEL",
    "HUB_ORGANISATION",
    "Backend",
    "Embedder",
    "Embeddings",
    "Identity",
    "Input",
    "Precision",
    "Runtime",
    "TextRole",
    "Tokens",
    "open_embedder",
]
