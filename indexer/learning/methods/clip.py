"""Learning from pairs as CLIP does: both sides find each other, by a temperature that is learned.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021. The
two towers are one model, with its prompts for either side, or two that begin equal.
"""

from __future__ import annotations

from indexer.learning.contrast import Contrast, ContrastiveObjective, Loss, Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.methods.other_options import ClipOptions
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.trainee import Trainee


def train_clip(run: TrainingRun) -> Outcome:
    """A model trained by CLIP's symmetric loss: no negative is left out, the scale is learned."""
    options: ClipOptions = run.options
    temperature = Temperature(options.temperature, learned=True)
    contrast = Contrast(
        Loss.INFO_NCE, both=True, near_duplicate=None, margin=0.0, negatives=0, dimensions=()
    )

    def objective(trainee: Trainee) -> ContrastiveObjective:
        return ContrastiveObjective(contrast, temperature, trainee.device)

    done = descend(Descent(run, options, lambda one: one.fits, objective, options.towers))
    return done.outcome({"temperature_after": round(temperature.value, 5)})
