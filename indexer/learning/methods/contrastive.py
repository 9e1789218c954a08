"""Contrastive learning from pairs: InfoNCE with the negatives of a batch, triplets, grades.

InfoNCE: van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from indexer.errors import InvalidInput
from indexer.learning.contrast import GRADED, Contrast, ContrastiveObjective, Loss, Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.examples import Example, Examples
from indexer.learning.learner import Learner
from indexer.learning.methods.contrastive_options import ContrastiveOptions
from indexer.learning.mining import mine
from indexer.learning.progress import Progress
from indexer.learning.run import Outcome, TrainingRun


def train_contrastive(run: TrainingRun) -> Outcome:
    """A model trained so that queries find their texts among those of a batch.

    Raises InvalidInput if too few examples have what the loss takes.
    """
    options: ContrastiveOptions = run.options
    loss = Loss(options.loss)
    temperature = Temperature(options.temperature, learned=options.learn_temperature)
    contrast = Contrast(
        loss, options.both, options.near_duplicate, options.margin,
        options.negatives + options.mined, options.matryoshka,
    )  # fmt: skip

    def objective(trainee: Learner) -> ContrastiveObjective:
        return ContrastiveObjective(contrast, temperature, trainee.device)

    with _mined(run, options) as examples:
        mined = replace(run, examples=examples)
        done = descend(Descent(mined, options, lambda one: _serves(one, loss), objective))
    return done.outcome({"temperature_after": round(temperature.value, 5)})


@contextmanager
def _mined(run: TrainingRun, options: ContrastiveOptions) -> Iterator[Examples]:
    """The examples, with negatives from the collection if that was asked for."""
    if not options.mined:
        yield run.examples
        return
    if run.collection is None:
        raise InvalidInput("mined negatives come from a collection: name one by --collection")
    run.tell(Progress("looking for negatives in the collection", 0, 1))
    with Examples() as found:
        for one in mine(
            run.examples, run.collection, run.embedder,
            count=options.mined, below=options.mined_below,
        ):  # fmt: skip
            found.add(one)
        yield found


def _serves(example: Example, loss: Loss) -> bool:
    """Return whether a loss can use an example."""
    if loss in GRADED:
        return example.grade is not None
    return example.fits and (loss is not Loss.TRIPLET or bool(example.negatives))
