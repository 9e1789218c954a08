"""Learning from pairs as CLIP does: both sides find each other, by a temperature that is learned.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021. Of
texts, the two towers are one model, with its prompts for either side, or two that begin equal. Of
pictures and captions, they are those of the model: trained whole, or frozen, and then a projection
of each is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from indexer.documents import Vectors
from indexer.embedding.embedder import TextRole
from indexer.errors import InvalidInput
from indexer.learning.contrast import Contrast, ContrastiveObjective, Loss, Temperature
from indexer.learning.descent import Descent, descend
from indexer.learning.examples import Examples
from indexer.learning.frozen_towers import FrozenTowers, Projections
from indexer.learning.items import Item
from indexer.learning.kept_pictures import embed_by
from indexer.learning.learner import Learner
from indexer.learning.methods.other_options import ClipOptions, PictureOptions
from indexer.learning.run import Outcome, TrainingRun

SYMMETRIC = Contrast(
    Loss.INFO_NCE, both=True, near_duplicate=None, margin=0.0, negatives=0, dimensions=()
)


def train_clip(run: TrainingRun) -> Outcome:
    """A model trained by CLIP's symmetric loss, with a scale that is learned.

    Of texts no negative is left out; of pictures those whose captions, or which themselves, are
    nearly those of the pair.
    """
    if isinstance(run.options, PictureOptions):
        return _train_pictures(run, run.options)
    options: ClipOptions = run.options
    temperature = Temperature(options.temperature, learned=True)

    def objective(trainee: Learner) -> ContrastiveObjective:
        return ContrastiveObjective(SYMMETRIC, temperature, trainee.device)

    done = descend(Descent(run, options, lambda one: one.fits, objective, options.towers))
    return done.outcome({"temperature_after": round(temperature.value, 5)})


def _train_pictures(run: TrainingRun, options: PictureOptions) -> Outcome:
    pictures = run.pictures
    if not pictures:
        raise InvalidInput(
            "no example has a picture, by which this model is trained: give records with a field "
            "image, or train a model of texts (--model all-MiniLM-L6-v2)"
        )
    temperature = Temperature(options.temperature, learned=True)
    contrast = replace(SYMMETRIC, near_duplicate=options.near_duplicate, near_queries=True)

    def objective(trainee: Learner) -> ContrastiveObjective:
        return ContrastiveObjective(contrast, temperature, trainee.device)

    def towers(examples: Examples) -> FrozenTowers:
        form = Projections(options.size, options.hidden, options.left_out)
        found = FrozenTowers.open(
            run.checkpoint(), pictures, form, threads=run.threads, seed=options.seed
        )
        found.look((one.picture for one in examples if one.picture), run.tell)
        return found

    def as_it_was(items: Sequence[Item], role: TextRole) -> Vectors:
        return embed_by(run.embedder, pictures, items, role)

    descent = Descent(run, options, lambda one: one.fits, objective)
    if options.frozen:  # projections begin by chance, which says nothing of the model
        descent = replace(descent, opened=towers, as_it_was=as_it_was)
    done = descend(descent)
    return done.outcome({"temperature_after": round(temperature.value, 5)})
