"""The material that a method is given, and the result it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from indexer.collection import Collection
from indexer.embedding.checkpoint import Checkpoint
from indexer.embedding.embedder import Embedder
from indexer.learning.examples import Examples
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.progress import Tell
from indexer.learning.split import Splitting
from indexer.learning.trained import Figure, Setting, TrainedKind


class Material(StrEnum):
    """The material of a method: queries with what answers them, or texts or pictures alone."""

    PAIRS = "pairs"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One training: the data, the model as it is, and where the work is kept meanwhile.

    ``checkpoint`` gives the model's files, which only some methods need. ``workspace`` is a folder
    for checkpoints, and ``digest`` tells this training from others there; ``options`` are of the
    method's own class; 0 ``threads`` leaves the number to torch. ``pictures`` are those of the
    examples, None where none are learned from.
    """

    examples: Examples
    embedder: Embedder
    checkpoint: Callable[[], Checkpoint]
    collection: Collection | None
    splitting: Splitting
    options: Any
    workspace: Path
    digest: str
    resume: bool
    tell: Tell
    threads: int = 0
    pictures: KeptPictures | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a training, not yet written: ``write`` fills an empty folder with it.

    ``notes`` are sentences for who trains, such as a reason why training ended early.
    """

    kind: TrainedKind
    write: Callable[[Path], None]
    figures: tuple[Figure, ...]
    settings: Mapping[str, Setting]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lessons:
    """The material that a method learns from, and the class of what can be set."""

    material: Material
    options: type[Any]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to train: what it learns from, what can be set, and the function that does it.

    ``pictured`` is the same of a model that embeds images, where it learns from pictures: None for
    a method to which these are documents like others.
    """

    name: str
    summary: str
    material: Material
    options: type[Any]
    train: Callable[[TrainingRun], Outcome]
    pictured: Lessons | None = None

    def learns(self, *, pictures: bool) -> Lessons:
        """The material and the settings, of a model that embeds images or of another."""
        if pictures and self.pictured is not None:
            return self.pictured
        return Lessons(self.material, self.options)
