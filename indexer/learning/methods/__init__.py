"""The table of methods: a new one is a module beside this one, and a row here.

Nothing here imports a model library: a method's module does that when it trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from indexer.embedding.torch_engine import need_torch
from indexer.learning.methods.adapter_options import AdapterOptions
from indexer.learning.methods.contrastive_options import ContrastiveOptions
from indexer.learning.methods.other_options import (
    ClipOptions,
    MomentumOptions,
    PictureOptions,
    ViewsOptions,
)
from indexer.learning.run import Lessons, Material, Method, Outcome, TrainingRun


def _train_contrastive(run: TrainingRun) -> Outcome:
    need_torch(run.checkpoint())
    from indexer.learning.methods.contrastive import train_contrastive

    return train_contrastive(run)


def _train_moco(run: TrainingRun) -> Outcome:
    need_torch(run.checkpoint())
    from indexer.learning.methods.moco import train_moco

    return train_moco(run)


def _train_simclr(run: TrainingRun) -> Outcome:
    need_torch(run.checkpoint())
    from indexer.learning.methods.simclr import train_simclr

    return train_simclr(run)


def _train_clip(run: TrainingRun) -> Outcome:
    need_torch(run.checkpoint())
    from indexer.learning.methods.clip import train_clip

    return train_clip(run)


def _train_adapter(run: TrainingRun) -> Outcome:
    from indexer.learning.methods.adapter import train_adapter

    return train_adapter(run)


def _train_distance(run: TrainingRun) -> Outcome:
    need_torch(run.checkpoint())
    from indexer.learning.methods.distance import train_distance

    return train_distance(run)


_TABLE: Final = (
    Method(
        "contrastive",
        "queries find their texts among those of a batch",
        Material.PAIRS,
        ContrastiveOptions,
        _train_contrastive,
        Lessons(Material.PAIRS, ContrastiveOptions),
    ),
    Method(
        "moco",
        "queries find their texts among many, in a queue",
        Material.PAIRS,
        MomentumOptions,
        _train_moco,
        Lessons(Material.TEXTS, MomentumOptions),
    ),
    Method(
        "clip",
        "queries and texts find each other, by a temperature that is learned",
        Material.PAIRS,
        ClipOptions,
        _train_clip,
        Lessons(Material.PAIRS, PictureOptions),
    ),
    Method(
        "simclr",
        "two views of a text find each other; no labels are needed",
        Material.TEXTS,
        ViewsOptions,
        _train_simclr,
        Lessons(Material.TEXTS, ViewsOptions),
    ),
    Method(
        "adapter",
        "a map of queries' vectors, in seconds; documents stay as they are",
        Material.PAIRS,
        AdapterOptions,
        _train_adapter,
    ),
    Method(
        "distance",
        "a map of queries and documents, in seconds; stored vectors are mapped",
        Material.PAIRS,
        AdapterOptions,
        _train_distance,
    ),
)

METHODS: Final[Mapping[str, Method]] = MappingProxyType({one.name: one for one in _TABLE})
"""All methods, by name."""
