"""Learning from texts or pictures alone, by two views of each: SimCLR."""

from __future__ import annotations

from dataclasses import replace

from indexer.learning.contrast import Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.learner import Learner
from indexer.learning.methods.other_options import ViewsOptions
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.views import ViewsObjective


def train_simclr(run: TrainingRun) -> Outcome:
    """A model for which two views of a text are near, and those of different texts far apart.

    Likewise of pictures: texts stay as they are then.
    """
    options: ViewsOptions = replace(
        run.options, dropout=run.options.views != "crops" and not run.pictures
    )
    temperature = Temperature(options.temperature, learned=options.learn_temperature)

    def objective(_: Learner) -> ViewsObjective:
        return ViewsObjective(
            temperature,
            crops=options.views != "dropout",
            shares=(options.least_share, options.most_share),
            seed=options.seed,
        )

    done = descend(Descent(run, options, lambda _: True, objective, texts=False))
    return done.outcome({"temperature_after": round(temperature.value, 5)})
