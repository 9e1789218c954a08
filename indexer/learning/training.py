"""One training from beginning to end: examples, the method, and a folder with its record."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from indexer.collection import Collection
from indexer.embedding.checkpoint import Checkpoint, find_checkpoint
from indexer.embedding.embedder import Embedder
from indexer.errors import AlreadyExists, InvalidInput, ModelError
from indexer.learning.card import CARD, write_card
from indexer.learning.evidence import JUDGED, JudgedQueries, keep_evidence
from indexer.learning.examples import Example, Examples
from indexer.learning.examples_checks import gather
from indexer.learning.gate.attempts import note_attempt
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.models import Models, write_record
from indexer.learning.options import settings
from indexer.learning.progress import Tell
from indexer.learning.run import Material, Method, Outcome, TrainingRun
from indexer.learning.split import Splitting
from indexer.learning.trained import Base, Trained, TrainingData
from indexer.readers import Rejection

NO_EFFECT: Final = frozenset({"checkpoint_seconds"})
"""Options that make no difference to what is trained."""


@dataclass(frozen=True, slots=True)
class Training:
    """An order to train: the model, the method, and the name under which the result is kept.

    ``source`` says in words where the examples are from; ``collection`` is None if there is none.
    ``pictures`` are filled as examples are found, None where none are learned from.
    """

    name: str
    method: Method
    options: Any
    source: str
    models: Models
    embedder: Embedder
    collection: Collection | None
    cache: Path
    splitting: Splitting
    resume: bool = False
    threads: int = 0
    pictures: KeptPictures | None = None

    @property
    def material(self) -> Material:
        """The material that the method learns from."""
        return self.method.learns(pictures=self.pictures is not None).material

    @property
    def workspace(self) -> Path:
        """The folder of its checkpoints."""
        return self.models.path(self.name).with_name(f".{self.name}.training")


@dataclass(frozen=True, slots=True)
class Done:
    """A result of training: the record, its folder, and sentences about it."""

    trained: Trained
    folder: Path
    notes: tuple[str, ...]


def train(
    training: Training,
    found: Iterable[Example | Rejection],
    on_reject: Callable[[Rejection], None],
    tell: Tell,
) -> Done:
    """Train by the examples found, and write the result with its record.

    Raises AlreadyExists if the name is taken, InvalidInput for too few examples, ModelError for a
    model that cannot be trained. Interrupted, it leaves a checkpoint, and no result.
    """
    if training.models.path(training.name).exists():
        raise AlreadyExists(f"there is already a model {training.name!r}: give another name")
    rejected = 0

    def refuse(rejection: Rejection) -> None:
        nonlocal rejected
        rejected += 1
        on_reject(rejection)

    start = time.monotonic()
    with gather(found, refuse, training.material) as examples:
        if not len(examples):
            raise InvalidInput(f"{training.source} holds no example to train by")
        data = _describe(examples, training.source, rejected)
        outcome = training.method.train(_run(training, examples, tell))
        trained = _record(training, outcome, data, time.monotonic() - start)
        with training.models.writing(training.name) as folder:
            outcome.write(folder)
            keep_evidence(folder, examples, training.splitting)
            write_record(folder, trained)
            if not (folder / CARD).exists():
                write_card(folder, trained)
    shutil.rmtree(training.workspace, ignore_errors=True)
    judged = JudgedQueries.read(training.models.path(training.name) / JUDGED)
    note_attempt(training.models.folder, judged.digest, trained.digest)
    return Done(trained, training.models.path(training.name), outcome.notes)


def _run(training: Training, examples: Examples, tell: Tell) -> TrainingRun:
    embedder = training.embedder
    decisive = {
        "data": examples.digest,
        "method": training.method.name,
        "options": {k: v for k, v in settings(training.options).items() if k not in NO_EFFECT},
        "model": embedder.identity.fingerprint,
        "splitting": repr(training.splitting),
    }
    return TrainingRun(
        examples=examples,
        embedder=embedder,
        checkpoint=lambda: _files(embedder, training.cache),
        collection=training.collection,
        splitting=training.splitting,
        options=training.options,
        workspace=training.workspace,
        digest=hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
        resume=training.resume,
        tell=tell,
        threads=training.threads,
        pictures=training.pictures,
    )


def _files(embedder: Embedder, cache: Path) -> Checkpoint:
    if embedder.runtime.backend == "hashing":
        raise ModelError(f"model {embedder.identity.name!r} has no weights that could be trained")
    return find_checkpoint(embedder.identity.name, cache)


def _describe(examples: Examples, source: str, rejected: int) -> TrainingData:
    queries = _distinct(one.query_id for one in examples)
    documents = _distinct(one.document for one in examples)
    return TrainingData(source, examples.digest, queries, len(examples), documents, rejected)


def _distinct(keys: Iterable[str]) -> int:
    """The number of different keys, by hashes of them, which take less memory."""
    hashes = np.fromiter((hash(key) for key in keys), np.int64)
    return len(np.unique(hashes))


def _record(training: Training, outcome: Outcome, data: TrainingData, seconds: float) -> Trained:
    identity = training.embedder.identity
    collection = training.collection.name if training.collection is not None else None
    return Trained(
        name=training.name,
        kind=outcome.kind,
        method=training.method.name,
        base=Base(identity.name, identity.mark, identity.dimension, collection),
        data=data,
        settings={**settings(training.options), **outcome.settings},
        splitting=training.splitting,
        figures=outcome.figures,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
    )
