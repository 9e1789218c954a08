"""Checkpoints of a training: one file, whole or not there, from which it goes on.

Tensors are kept as safetensors, which run no code when they are read; the rest is JSON beside them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from indexer.errors import Damaged, StorageFailed

NAME: Final = "checkpoint.safetensors"
_STATE: Final = "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a training at some step, by name, and what else it goes on with."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


class Checkpoints:
    """The checkpoint of one training, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    @property
    def there(self) -> bool:
        """Return whether there is one."""
        return self._path.is_file()

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace it in one step, durably; raises StorageFailed."""
        draft = self._path.with_suffix(".draft")
        tensors = {name: each.contiguous() for name, each in checkpoint.tensors.items()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, draft, {_STATE: json.dumps(checkpoint.state)})
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            draft.rename(self._path)
        except (OSError, SafetensorError) as error:
            raise StorageFailed(f"cannot write the checkpoint {self._path}: {error}") from error

    def read(self) -> Checkpoint:
        """The one there is; raises Damaged for a file that is none."""
        try:
            with safe_open(self._path, "pt") as file:
                state = json.loads((file.metadata() or {})[_STATE])
                return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, state)  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise Damaged(
                f"{self._path} is no checkpoint ({error}): train without --resume"
            ) from error

    def delete(self) -> None:
        """Delete it, and its folder if nothing else is there."""
        for path in (self._path, self._path.with_suffix(".draft")):
            path.unlink(missing_ok=True)
        if self._path.parent.is_dir() and not any(self._path.parent.iterdir()):
            self._path.parent.rmdir()
