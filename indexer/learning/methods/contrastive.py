"""Contrastive learning from pairs: InfoNCE with the negatives of a batch, triplets, grades.

InfoNCE: van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018.
"""

from __future__ import annotations

from indexer.learning.contrast import GRADED, Contrast, ContrastiveObjective, Loss, Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.examples import Example
from indexer.learning.methods.contrastive_options import ContrastiveOptions
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.trainee import Trainee


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

    def objective(trainee: Trainee) -> ContrastiveObjective:
        return ContrastiveObjective(contrast, temperature, trainee.device)

    done = descend(Descent(run, options, lambda one: _serves(one, loss), objective))
    return done.outcome({"temperature_after": round(temperature.value, 5)})


def _serves(example: Example, loss: Loss) -> bool:
    """Return whether a loss can use an example."""
    if loss in GRADED:
        return example.grade is not None
    return example.fits and (loss is not Loss.TRIPLET or bool(example.negatives))
