"""How a model is opened: by the table of those that can, embedders and rerankers alike.

The tables are in the packages ``indexer.embedding`` and ``indexer.embedding.cross_encoders``; what
runs a model is a file beside this one. Nothing here imports a model library.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

from indexer.embedding.checkpoint import Checkpoint, find_checkpoint
from indexer.embedding.embedder import Backend, Precision
from indexer.errors import ModelError

_Opened = TypeVar("_Opened")

log = logging.getLogger(__name__)


class Unsuitable(ModelError):
    """A model that a backend cannot run, or not faithfully, though another may; says why."""


@dataclass(frozen=True)
class ModelRequest:
    """Which model is to be opened; ``cache`` keeps what is converted, 0 ``threads`` means all."""

    model: str
    cache: Path
    precision: Precision = Precision.AUTO
    threads: int = 0
    find: Callable[[str, Path], Checkpoint] = find_checkpoint

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The model's files, looked for once. Raises ModelError."""
        return self.find(self.model, self.cache)


@dataclass(frozen=True, slots=True)
class BackendSpec(Generic[_Opened]):
    """A way to run models, by the name of a backend, or of the models that are its own.

    ``open`` raises Unsuitable for a model that another row may run. ``turn`` says when AUTO tries
    it, the least first; without it, never. ``precisions`` are those that it can take over.
    """

    open: Callable[[ModelRequest], _Opened]
    backend: Backend | None = None
    names: re.Pattern[str] | None = None
    turn: Callable[[], int] | None = None
    precisions: frozenset[Precision] = frozenset(Precision)


def open_model(
    table: Sequence[BackendSpec[_Opened]], request: ModelRequest, backend: Backend
) -> _Opened:
    """The model as the first row opens it that owns its name, then by backend, then by turn.

    A backend that is not in the table leaves the choice, as AUTO does.
    """
    for spec in table:
        if spec.names and spec.names.fullmatch(request.model):
            return spec.open(request)
    for spec in table:
        if spec.backend is backend:
            return spec.open(request)
    return _open_by_turn(table, request)


def _open_by_turn(table: Sequence[BackendSpec[_Opened]], request: ModelRequest) -> _Opened:
    turns = [(spec.turn(), spec) for spec in table if spec.turn]
    first, *others = (spec for _, spec in sorted(turns, key=lambda each: each[0]))
    specs = [first, *(spec for spec in others if request.precision in spec.precisions)]
    for spec, other in pairwise(specs):
        try:
            return spec.open(request)
        except Unsuitable as problem:
            log.warning(
                "model %s runs on %s, which is slower: %s", request.model, other.backend, problem
            )
    return specs[-1].open(request)
