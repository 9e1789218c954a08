"""Training a model by gradient descent, whatever the method: examples in, an outcome out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import InvalidInput
from indexer.evaluation.statistics import Values, randomisation_p
from indexer.learning.checkpoints import Checkpoints
from indexer.learning.examples import Example, Examples
from indexer.learning.learner import Learner
from indexer.learning.options import Tuning, settings
from indexer.learning.picture_trainee import PictureTrainee
from indexer.learning.progress import Progress
from indexer.learning.run import Outcome, TrainingRun
from indexer.learning.split import QUERIES
from indexer.learning.trained import Figure, Setting, TrainedKind
from indexer.learning.trainee import Trainee
from indexer.learning.training_loop import Course, Loop, Objective
from indexer.learning.trial import MEASURE, Embed, Trial, divide


@dataclass(frozen=True, slots=True)
class Descent:
    """A training, which examples serve its loss, and what it trains for.

    ``texts`` says that texts are trained, beside pictures where there are any. ``opened`` gives
    what is trained by these examples: without it, the whole model. ``as_it_was`` embeds by the
    model before, where what is trained does not begin as that.
    """

    run: TrainingRun
    tuning: Tuning
    serves: Callable[[Example], bool]
    objective: Callable[[Learner], Objective]
    towers: int = 1
    texts: bool = True
    opened: Callable[[Examples], Learner] | None = None
    as_it_was: Embed | None = None


@dataclass(frozen=True, slots=True)
class Descended:
    """A model that was trained, the course of it, and its figures."""

    trainee: Learner
    tuning: Tuning
    course: Course
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def outcome(self, more: Mapping[str, Setting]) -> Outcome:
        """The outcome, with further settings to record."""
        recorded = {
            **settings(self.tuning), **more,
            "precision": self.trainee.precision, "steps": self.course.step,
            "best_step": self.course.best_step,
        }  # fmt: skip
        return Outcome(TrainedKind.MODEL, self._write, self.figures, recorded, self.notes)

    def _write(self, folder: Path) -> None:
        self.trainee.save(folder)


def descend(descent: Descent) -> Descended:
    """Train, and measure on the queries held out before and after.

    Raises InvalidInput if too few examples are left to train by.
    """
    run, tuning = descent.run, descent.tuning
    parts = divide(run.examples, run.splitting)
    places = [place for place in parts.train if descent.serves(run.examples[place])]
    if len(places) < 2:
        raise InvalidInput(
            f"too few examples: of {len(run.examples)}, {len(places)} can be trained by, since "
            "others are held out, or are none that the loss can use: give more, or another loss"
        )
    chosen = run.examples.at(places)
    trainee = descent.opened(chosen) if descent.opened else _whole(descent)
    objective = descent.objective(trainee)
    as_it_was = descent.as_it_was or trainee.embed
    before = _ranks(parts.held_out, as_it_was, run, "measuring the model as it is")
    course = Loop(
        trainee, objective, chosen, tuning,
        measure=lambda: _mean(parts.validation.ranks(trainee.embed)),
        checkpoints=Checkpoints(run.workspace), plan=run.digest, tell=run.tell,
    ).run(resume=run.resume)  # fmt: skip
    after = _ranks(parts.held_out, trainee.embed, run, "measuring the trained model")
    figures = _figures(before, after)
    return Descended(trainee, tuning, course, figures, tuple(_notes(course, figures, len(places))))


def _whole(descent: Descent) -> Learner:
    """The whole model, of texts, or of both where there are pictures among the examples."""
    run, tuning = descent.run, descent.tuning
    if not run.pictures:
        return Trainee.open(
            run.checkpoint(),
            frozen_layers=tuning.frozen_layers,
            dropout=tuning.dropout,
            threads=run.threads,
            towers=descent.towers,
        )
    if tuning.frozen_layers or tuning.dropout or descent.towers > 1:
        raise InvalidInput("frozen_layers, dropout and towers are of texts alone: leave them out")
    return PictureTrainee.open(
        run.checkpoint(), run.pictures, threads=run.threads, texts=descent.texts
    )


def _ranks(trial: Trial, embed: Embed, run: TrainingRun, phase: str) -> Values:
    run.tell(Progress(phase, 0, 1))
    return trial.ranks(embed)


def _figures(before: Values, after: Values) -> tuple[Figure, ...]:
    """The mean reciprocal ranks of queries held out; none if there are no such queries."""
    if not len(before):
        return ()
    p = randomisation_p(after - before)
    return (Figure(QUERIES, MEASURE, _mean(before), _mean(after), len(before), p),)


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else math.nan


def _notes(course: Course, figures: Sequence[Figure], trained_by: int) -> list[str]:
    notes = [f"trained by {trained_by:,} examples in {course.step:,} steps"]
    if math.isnan(course.before):
        notes.append("no queries are left to tell by when to end: the last weights were kept")
    elif course.best <= course.before or any(one.after <= one.before for one in figures):
        notes.append("on queries held out it is no better than the model as it was")
    if course.best_step < course.step:
        notes.append(
            f"the weights are those after step {course.best_step:,}: later ones were no better on "
            "queries held out"
        )
    return notes
