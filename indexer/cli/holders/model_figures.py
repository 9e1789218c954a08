"""Trained models as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from indexer.cli.messages import Figures
from indexer.learning.gate import promotion
from indexer.learning.models import BrokenModel, Models
from indexer.learning.trained import Trained
from indexer.library import Library


def all_figures(library: Library) -> Sequence[Figures]:
    """All that was trained, each with the collections it serves, or why it cannot be read."""
    models = Models.of(library.config)
    serving = promotion.serving(library, models)
    return [_figures(one, serving.get(one.name, ())) for one in models.all()]


def _figures(one: Trained | BrokenModel, serves: Sequence[str]) -> Figures:
    """One as a JSON object, with the collections it serves."""
    if isinstance(one, BrokenModel):
        return {"name": one.name, "error": str(one.error)}
    return {**asdict(one), "serves": list(serves)}
