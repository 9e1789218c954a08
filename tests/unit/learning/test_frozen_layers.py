"""Lower layers that stay as they are, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import CONVERTIBLE

from indexer.embedding import TextRole
from indexer.embedding.checkpoint import find_checkpoint
from indexer.errors import InvalidInput
from indexer.learning.learner import encode
from indexer.learning.trainee import Trainee

TEXTS = ["the quick brown fox", "a lazy dog jumps over the text of a document", "meaning"]


@pytest.mark.parametrize("architecture", CONVERTIBLE)
def test_what_is_kept_gives_the_same_vectors(architecture: str, tmp_path: Path) -> None:
    """Upper layers that begin with what was kept give the vectors of the whole model."""
    folder = CONVERTIBLE[architecture](tmp_path / architecture)
    checkpoint = find_checkpoint(str(folder), tmp_path)
    whole, frozen = (Trainee.open(checkpoint, frozen_layers=count, threads=1) for count in (0, 1))
    expected = whole.embed(TEXTS, TextRole.DOCUMENT)
    for _ in range(2):
        found = frozen.embed(TEXTS, TextRole.DOCUMENT)
        assert np.vecdot(expected, found).min() > 0.999


def test_a_text_goes_through_once(bert: Path, tmp_path: Path) -> None:
    """The frozen layer computes a text the first time only, and none is left without gradients."""
    trainee = Trainee.open(find_checkpoint(str(bert), tmp_path), frozen_layers=1, threads=1)
    seen: list[int] = []
    layer = trainee._model[0].auto_model.encoder.layer[0].attention
    layer.register_forward_hook(lambda *_: seen.append(1))
    for _ in range(3):
        encode(trainee, TEXTS, TextRole.DOCUMENT).sum().backward()
    assert len(seen) == len(trainee.plan(TEXTS, TextRole.DOCUMENT))
    assert all(
        one.grad is not None for name, one in trainee.parameters.items() if "pooler" not in name
    )
    assert torch.isfinite(next(iter(trainee.parameters.values()))).all()


@pytest.mark.parametrize("count", [2, 3])
def test_one_layer_is_left_to_train(count: int, bert: Path, tmp_path: Path) -> None:
    """A model is not frozen as a whole."""
    with pytest.raises(InvalidInput, match="less than the model's 2 layers"):
        Trainee.open(find_checkpoint(str(bert), tmp_path), frozen_layers=count)
