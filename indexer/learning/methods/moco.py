"""Learning with a queue of negatives: MoCo, from pairs of texts or two views of pictures."""

from __future__ import annotations

from indexer.learning.contrast import Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.learner import Learner
from indexer.learning.methods.other_options import MomentumOptions
from indexer.learning.momentum import MomentumObjective
from indexer.learning.picture_trainee import PictureTrainee
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.trainee import Trainee


def train_moco(run: TrainingRun) -> Outcome:
    """A model whose queries find their texts among many, embedded by a model that follows it.

    Where pictures are learned from, their views are the queries; texts stay as they are.
    """
    options: MomentumOptions = run.options
    temperature = Temperature(options.temperature, learned=options.learn_temperature)

    def objective(trainee: Learner) -> MomentumObjective:
        assert isinstance(trainee, Trainee | PictureTrainee)
        return MomentumObjective(
            trainee,
            temperature,
            queue=options.queue,
            momentum=options.momentum,
            near_duplicate=options.near_duplicate,
            seed=options.seed,
        )

    done = descend(Descent(run, options, lambda one: one.fits, objective, texts=False))
    return done.outcome({"temperature_after": round(temperature.value, 5)})
