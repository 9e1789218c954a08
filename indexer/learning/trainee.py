"""A model that is being trained: texts to unit vectors with gradients, and what is written of it.

Batches are cut by length, so that hardly anything is padding, and computed in bf16 where the
processor has it. Weights stay float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from indexer.documents import Vectors
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import TextRole
from indexer.embedding.tokenizer import Ids, ModelTokenizer
from indexer.embedding.torch_engine import TorchEngine, describe, hushed, load_model
from indexer.errors import InvalidInput

BUDGET: Final = 2_048
"""Tokens of a forward pass on a processor; more make it no faster, and take memory."""

GPU_BUDGET: Final = 65_536
EMBED_BLOCK: Final = 1_024
"""Texts tokenised together where no gradients are needed."""


class Trainee:
    """A sentence-transformers model, its tokenizer, and the parameters that training changes."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        frozen_layers: int = 0,
        dropout: bool = False,
        threads: int = 0,
        device: str | None = None,
    ) -> None:
        """Raises ModelError for a model that torch cannot load, InvalidInput for too few layers."""
        if threads:
            torch.set_num_threads(threads)
        self._model = load_model(checkpoint, device)
        self._setup = describe(self._model)
        self._tokenizer = ModelTokenizer(self._setup)
        self._engine = TorchEngine(self._model, self._setup)
        self._dropout = dropout
        self._freeze(frozen_layers)
        self._reduced = _computes_bf16(self._model.device.type)

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        return self._model.device

    @property
    def precision(self) -> str:
        """The number format of its products, in a word."""
        return "bf16" if self._reduced else "f32"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters that are trained, by name."""
        return {name: one for name, one in self._model.named_parameters() if one.requires_grad}

    def tokens(self, texts: Sequence[str], role: TextRole) -> list[Ids]:
        """The texts as the model's inputs."""
        return [encoded.ids for encoded in self._tokenizer.ids(texts, role)]

    def plan(self, sequences: Sequence[Ids]) -> list[Batch]:
        """The sequences in batches of like length."""
        budget = GPU_BUDGET if self.device.type == "cuda" else BUDGET
        return list(plan_batches(sequences, range(len(sequences)), budget, self._setup.pad_id))

    def forward(self, batch: Batch, role: TextRole) -> Tensor:
        """(rows, d) float32 of unit length, as training has it: with gradients and dropout."""
        with self._computing():
            return self._engine.unit_vectors(batch, role)

    def encode(self, sequences: Sequence[Ids], role: TextRole) -> Tensor:
        """(n, d) float32 of unit length in the order of the sequences; see :meth:`forward`."""
        batches = self.plan(sequences)
        rows = torch.cat([self.forward(batch, role) for batch in batches])
        places = np.concatenate([batch.places for batch in batches])
        return rows[torch.from_numpy(np.argsort(places)).to(rows.device)]

    @contextmanager
    def training(self) -> Iterator[None]:
        """Compute as training does: with dropout, if that was chosen."""
        self._model.train(self._dropout)
        try:
            yield
        finally:
            self._model.eval()

    def embed(self, texts: Sequence[str], role: TextRole) -> Vectors:
        """(n, d) unit vectors as the model stands, without gradients or dropout."""
        vectors = np.empty((len(texts), self._setup.dimension), np.float32)
        for start in range(0, len(texts), EMBED_BLOCK):
            block = self.tokens(texts[start : start + EMBED_BLOCK], role)
            with torch.inference_mode():
                vectors[start : start + len(block)] = self.encode(block, role).cpu().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Write it as a folder that sentence-transformers loads."""
        with hushed():
            self._model.eval().save(str(folder), create_model_card=False)

    def _computing(self) -> AbstractContextManager[object]:
        if not self._reduced:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _freeze(self, count: int) -> None:
        """Leave the lowest layers as they are, and all that comes before them."""
        if not count:
            return
        layers = _layers(self._model)
        if count >= len(layers):
            raise InvalidInput(
                f"frozen_layers must be less than the model's {len(layers)} layers, got {count}"
            )
        inner = self._model[0]
        trained = {id(one) for layer in layers[count:] for one in layer.parameters()}
        for parameter in inner.parameters():
            parameter.requires_grad = id(parameter) in trained


def _layers(model: torch.nn.Module) -> Sequence[torch.nn.Module]:
    """The layers of a transformer: the longest list of modules there is; empty without one."""
    lists = [one for one in model.modules() if isinstance(one, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=()))


def _computes_bf16(device: str) -> bool:
    """Return whether products in bf16 are faster than in float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and "avx512_bf16" in flags.read_text()
