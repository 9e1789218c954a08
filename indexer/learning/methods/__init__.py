"""The table of methods: a new one is a module beside this one, and a row here.

Nothing here imports a model library: a method's module does that when it trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from indexer.learning.methods.contrastive_options import ContrastiveOptions
from indexer.learning.run import Material, Method, Outcome, TrainingRun


def _train_contrastive(run: TrainingRun) -> Outcome:
    from indexer.learning.methods.contrastive import train_contrastive

    return train_contrastive(run)


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(
                "contrastive",
                "queries find their texts among those of a batch",
                Material.PAIRS,
                ContrastiveOptions,
                _train_contrastive,
            ),
        )
    }
)
"""All methods, by name."""
