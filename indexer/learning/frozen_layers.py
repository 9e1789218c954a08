"""The lower layers of a transformer that stay as they are: what they make of a text is kept.

The upper layers begin with it, so that each text goes through the lower ones once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from indexer.embedding.batching import Batch, plan_batches
from indexer.errors import InvalidInput

Forward: TypeAlias = Callable[[Batch], Tensor]
"""A batch through the whole model."""

States: TypeAlias = NDArray[np.float16]
"""(tokens, width) what a layer makes of a text."""

MOST_BYTES: Final = 1 << 30
"""States that are kept, at most; those of further texts are computed each time."""


class FrozenLayers:
    """The lowest layers of a model, with their outputs of texts that came before."""

    def __init__(self, model: nn.Module, count: int, pad_id: int, budget: int) -> None:
        """Freeze ``count`` layers and all else that is not above them in the transformer.

        Raises InvalidInput unless at least one layer is left.
        """
        layers = _layers(model)
        if not 0 < count < len(layers):
            raise InvalidInput(
                f"frozen_layers must be less than the model's {len(layers)} layers, got {count}"
            )
        self._lower: Sequence[nn.Module] = layers[:count]
        self._pad_id, self._budget = pad_id, budget
        self._kept: dict[bytes, States] = {}
        self._bytes = 0
        self._wrapped = False
        trained = {id(one) for layer in layers[count:] for one in layer.parameters()}
        transformer = next(iter(model.children()))
        for parameter in transformer.parameters():
            parameter.requires_grad = id(parameter) in trained

    def rest(self) -> None:
        """Let the frozen layers compute without dropout."""
        for layer in self._lower:
            layer.eval()

    def forward(self, batch: Batch, whole: Forward) -> Tensor:
        """The output of ``whole``, where frozen layers compute only what is new in the batch."""
        states = self._states(batch, whole)
        with self._giving(states):
            return whole(batch)

    def _states(self, batch: Batch, whole: Forward) -> Tensor:
        """(rows, length, width) float32 what the frozen layers make of a batch."""
        texts = [
            batch.ids[row, :length] for row, length in enumerate(batch.lengths[: len(batch.ids)])
        ]
        keys = [text.tobytes() for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._kept}
        found = dict(self._compute(fresh, whole))
        rows = [found[key] if key in found else self._kept[key] for key in keys]
        joined = np.zeros((*batch.ids.shape, rows[0].shape[1]), np.float32)
        for row, state in enumerate(rows):
            joined[row, : len(state)] = state
        return torch.from_numpy(joined)

    def _compute(
        self, fresh: dict[bytes, NDArray[np.int32]], whole: Forward
    ) -> Iterator[tuple[bytes, States]]:
        keys, texts = list(fresh), list(fresh.values())
        for part in plan_batches(texts, range(len(texts)), self._budget, self._pad_id):
            states = self._reach(part, whole).half().cpu().numpy()
            for row, place in enumerate(part.places.tolist()):
                state = states[row, : part.lengths[row]].copy()
                yield keys[place], state
                if self._bytes + state.nbytes <= MOST_BYTES:
                    self._kept[keys[place]] = state
                    self._bytes += state.nbytes

    def _reach(self, batch: Batch, whole: Forward) -> Tensor:
        """(rows, length, width) the output of the last frozen layer; what follows is left out."""

        def stop(_: nn.Module, __: Any, output: Any) -> None:  # noqa: ANN401 - as torch has it
            raise _Reached(output)

        handle = self._lower[-1].register_forward_hook(stop)
        try:
            with torch.no_grad():
                whole(batch)
        except _Reached as reached:
            self._wrapped = isinstance(reached.output, tuple)
            states: Tensor = reached.output[0] if self._wrapped else reached.output
            return states.detach()
        finally:
            handle.remove()
        raise InvalidInput("this model does not use its layers one after the other: freeze none")

    @contextmanager
    def _giving(self, states: Tensor) -> Iterator[None]:
        """Let the last frozen layer give these states, and those before it pass on their input."""

        def passes(hidden: Tensor, *_: object, **__: object) -> object:
            return (hidden,) if self._wrapped else hidden

        def gives(hidden: Tensor, *_: object, **__: object) -> object:
            given = states.to(hidden.device)
            return (given,) if self._wrapped else given

        for layer in self._lower[:-1]:
            layer.forward = passes
        self._lower[-1].forward = gives
        try:
            yield
        finally:
            for layer in self._lower:
                del layer.forward


class _Reached(Exception):
    """Ends a forward pass with the output of a layer."""

    def __init__(self, output: Any) -> None:  # noqa: ANN401 - as the layer has it
        super().__init__()
        self.output = output


def _layers(model: nn.Module) -> list[nn.Module]:
    """The layers of a transformer: the longest list of modules there is; empty without one."""
    lists = [one for one in model.modules() if isinstance(one, nn.ModuleList)]
    return list(max(lists, key=len, default=()))
