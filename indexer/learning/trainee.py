"""A model that is being trained: texts to unit vectors with gradients, and what is written of it.

Batches are cut by length, so that hardly anything is padding, and computed in bf16 where the
processor has it. Weights stay float32.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch
from torch import Tensor
from torch.nn import Parameter

from indexer.documents import Vectors
from indexer.embedding.batching import Batch, plan_batches
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import TextRole
from indexer.embedding.tokenizer import ModelTokenizer
from indexer.embedding.torch_engine import TorchEngine, describe, hushed, load_model
from indexer.errors import InvalidInput
from indexer.learning.frozen_layers import FrozenLayers
from indexer.learning.items import Item
from indexer.learning.learner import embed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUDGET: Final = 2_048
"""Tokens of a forward pass on a processor; more make it no faster, and take memory."""

GPU_BUDGET: Final = 65_536
_BF16: Final = re.compile(r"\b(?:avx512_bf16|amx_bf16|bf16)\b")
"""A processor's word for products in bf16, on x86 or ARM."""


class Trainee:
    """A sentence-transformers model, its tokenizer, and the parameters that training changes."""

    def __init__(
        self, model: SentenceTransformer, *, frozen_layers: int = 0, dropout: bool = False
    ) -> None:
        """Raises InvalidInput if there are not more layers than are to be frozen."""
        self._model, self._dropout = model, dropout
        self._setup = describe(model)
        self._tokenizer = ModelTokenizer(self._setup)
        self._engine = TorchEngine(model, self._setup)
        self._budget = GPU_BUDGET if model.device.type == "cuda" else BUDGET
        self._reduced = computes_bf16(model.device.type)
        self._frozen = None
        if frozen_layers:
            self._frozen = FrozenLayers(model, frozen_layers, self._setup.pad_id, self._budget)

    @classmethod
    def open(
        cls,
        checkpoint: Checkpoint,
        *,
        frozen_layers: int = 0,
        dropout: bool = False,
        threads: int = 0,
        towers: int = 1,
    ) -> Self:
        """The model of a folder, on the best device there is; raises ModelError, InvalidInput.

        Two ``towers`` are two copies of it, one for each side of a search.
        """
        model = load_model(checkpoint) if towers == 1 else _two_towers(load_model(checkpoint))
        if threads:
            torch.set_num_threads(threads)
        return cls(model, frozen_layers=frozen_layers, dropout=dropout)

    def copy(self) -> Self:
        """A copy with weights of its own, all of which it computes with."""
        return type(self)(copy.deepcopy(self._model))

    @property
    def device(self) -> torch.device:
        """The device it computes on."""
        return self._model.device

    @property
    def dimension(self) -> int:
        """The number of components of its vectors."""
        return self._setup.dimension

    @property
    def precision(self) -> str:
        """The number format of its products, in a word."""
        return "bf16" if self._reduced else "f32"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters that are trained, by name."""
        return {name: one for name, one in self._model.named_parameters() if one.requires_grad}

    def plan(self, items: Sequence[Item], role: TextRole) -> list[Batch]:
        """The texts in batches of like length; raises InvalidInput for a picture."""
        return self.plan_texts(list(map(_text, items)), role)

    def plan_texts(self, texts: Sequence[str], role: TextRole) -> list[Batch]:
        """See :meth:`plan`."""
        sequences = [encoded.ids for encoded in self._tokenizer.ids(texts, role)]
        places = range(len(sequences))
        return list(plan_batches(sequences, places, self._budget, self._setup.pad_id))

    def forward(self, batch: Batch, role: TextRole) -> Tensor:
        """(rows, d) float32 of unit length, as training has it: with gradients and dropout."""
        with self._computing():
            if self._frozen is None:
                return self._engine.unit_vectors(batch, role)
            return self._frozen.forward(batch, lambda one: self._engine.unit_vectors(one, role))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Compute as training does: with dropout, if that was chosen."""
        self._model.train(self._dropout)
        if self._frozen is not None:
            self._frozen.rest()
        try:
            yield
        finally:
            self._model.eval()

    def embed(self, items: Sequence[Item], role: TextRole) -> Vectors:
        """(n, d) unit vectors as the model stands, without gradients or dropout."""
        return embed(self, items, role)

    def save(self, folder: Path) -> None:
        """Write it as a folder that sentence-transformers loads."""
        with hushed():
            self._model.eval().save(str(folder), create_model_card=False)

    def _computing(self) -> AbstractContextManager[object]:
        return computing(self.device.type, reduced=self._reduced)


def computing(device: str, *, reduced: bool) -> AbstractContextManager[object]:
    """Compute products in bf16, if they are to be reduced."""
    return torch.autocast(device, torch.bfloat16) if reduced else nullcontext()


def _text(item: Item) -> str:
    if not isinstance(item, str):
        raise InvalidInput(
            "a picture, and the model embeds texts only: train one that embeds images, by "
            "--model minilm-efficientnet-lite0 or a CLIP"
        )
    return item


def _two_towers(model: SentenceTransformer) -> SentenceTransformer:
    """The model with a copy of it for documents; raises InvalidInput if it has two already."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Router

    modules: list[Any] = list(model.children())
    prompts = {name: prompt or "" for name, prompt in model.prompts.items()}
    if any(isinstance(module, Router) for module in modules):
        raise InvalidInput("the model has a tower for each side already: train it with towers=1")
    router = Router.for_query_document(
        query_modules=modules, document_modules=[copy.deepcopy(module) for module in modules]
    )
    return SentenceTransformer(
        modules=[router],
        device=str(model.device),
        prompts=prompts,
        default_prompt_name=model.default_prompt_name,
        truncate_dim=model.truncate_dim,
    ).eval()


def computes_bf16(device: str) -> bool:
    """Return whether products in bf16 are faster than in float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    facts = Path("/proc/cpuinfo")
    return facts.is_file() and bool(_BF16.search(facts.read_text()))
