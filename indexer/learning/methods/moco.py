"""Learning from pairs with a queue of negatives: MoCo."""

from __future__ import annotations

from indexer.learning.contrast import Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.methods.other_options import MomentumOptions
from indexer.learning.momentum import MomentumObjective
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.trainee import Trainee


def train_moco(run: TrainingRun) -> Outcome:
    """A model whose queries find their texts among many, embedded by a model that follows it."""
    options: MomentumOptions = run.options
    temperature = Temperature(options.temperature, learned=options.learn_temperature)

    def objective(trainee: Trainee) -> MomentumObjective:
        return MomentumObjective(
            trainee,
            temperature,
            queue=options.queue,
            momentum=options.momentum,
            near_duplicate=options.near_duplicate,
        )

    done = descend(Descent(run, options, lambda one: one.fits, objective))
    return done.outcome({"temperature_after": round(temperature.value, 5)})
