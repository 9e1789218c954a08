"""The opening of models, by a table of backends; embedders and rerankers alike.

The tables are in the packages ``indexer.embedding`` and ``indexer.embedding.cross_encoders``; each
backend is a file beside this one. Nothing here imports a model library.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """The backend cannot run the model, or not faithfully, though another may; says why."""


@dataclass(frozen=True)
class ModelRequest:
    """The model to open; ``cache`` keeps converted models, 0 ``threads`` means all.

    ``memory`` is the bytes of the process that what only saves time stays within, 0 means no bound.
    ``key`` is shown to an external model.
    """

    model: str
    cache: Path
    precision: Precision = Precision.AUTO
    threads: int = 0
    memory: int = 0
    key: str = field(default="", repr=False)
    find: Callable[[str, Path], Checkpoint] = find_checkpoint

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The model's files, looked up once. Raises ModelError."""
        return self.find(self.model, self.cache)


@dataclass(frozen=True, slots=True)
class BackendSpec(Generic[_Opened]):
    """A backend, chosen by its name, or by the names of the models that only it runs.

    A model that ``suits`` it is opened by it unless another backend is named. ``open`` raises
    Unsuitable for a model that another row may run. ``turn`` gives the order in which AUTO tries
    it, smallest first; without it, AUTO does not. ``precisions`` are those it supports.
    """

    open: Callable[[ModelRequest], _Opened]
    backend: Backend | None = None
    names: re.Pattern[str] | None = None
    suits: Callable[[ModelRequest], bool] | None = None
    turn: Callable[[], int] | None = None
    precisions: frozenset[Precision] = frozenset(Precision)


def open_model(
    table: Sequence[BackendSpec[_Opened]], request: ModelRequest, backend: Backend
) -> _Opened:
    """The model, opened by the row of its name, else by backend, by what it suits, or in turn.

    A backend that is not in the table leaves the choice open, as AUTO does.
    """
    for spec in table:
        if spec.names and spec.names.fullmatch(request.model):
            return spec.open(request)
    for spec in table:
        if spec.backend is backend:
            return spec.open(request)
    for spec in table:
        if spec.suits and spec.suits(request):
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
