"""The method ``distance``: a map of queries and of documents, as a model of its own.

It is a learned Mahalanobis distance, with documents mapped beforehand, so that the index is one of
inner products still. The model is the one before with a linear layer at its end, which embeds new
documents; of stored ones the vectors are mapped. How maps are fitted is in
indexer.learning.query_map.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from indexer.embedding.adapter import Adapter
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.torch_engine import hushed, load_model
from indexer.errors import InvalidInput
from indexer.learning.methods.adapter import fit_maps
from indexer.learning.query_map import BOTH
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.trained import TrainedKind

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def train_distance(run: TrainingRun) -> Outcome:
    """Fit the map, and add it to the model; raises InvalidInput for too few judged queries."""
    checkpoint = run.checkpoint()
    fitted = fit_maps(run, BOTH)

    def write(folder: Path) -> None:
        with hushed():
            mapped_model(checkpoint, fitted.served).save(str(folder), create_model_card=False)
        fitted.write(folder)

    return Outcome(TrainedKind.DISTANCE, write, fitted.figures, fitted.settings)


def mapped_model(checkpoint: Checkpoint, adapter: Adapter) -> SentenceTransformer:
    """The model whose vectors are those of another, mapped on both sides."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    model = load_model(checkpoint)
    size = adapter.dimension
    if model.truncate_dim:
        raise InvalidInput("its vectors are cut to fewer dimensions, which no map can follow")
    layer = Dense(size, size, bias=False, activation_function=torch.nn.Identity())
    whole = np.eye(size, dtype=np.float32) + adapter.left @ adapter.right
    with torch.no_grad():
        layer.linear.weight.copy_(torch.from_numpy(whole.T.copy()))
    modules: list[Any] = [*model.children(), Normalize(), layer, Normalize()]
    prompts = {name: prompt or "" for name, prompt in model.prompts.items()}
    return SentenceTransformer(
        modules=modules,
        device=str(model.device),
        prompts=prompts,
        default_prompt_name=model.default_prompt_name,
    ).eval()
