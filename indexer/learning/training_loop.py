"""The loop of gradient descent that the methods share: steps, evaluations, checkpoints, an end.

Equal settings and a seed give an equal result, interrupted or not: what is random in a step
depends on the seed and the step's number alone. A loss is computed on the vectors of a whole batch;
if its tokens are many, gradients are taken part by part, so that memory stays small (Gao et al.,
"Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_

from indexer.embedding.embedder import TextRole
from indexer.errors import InvalidInput, ModelError
from indexer.learning.checkpoints import Checkpoint, Checkpoints
from indexer.learning.examples import Example, Examples
from indexer.learning.items import Item
from indexer.learning.learner import Learner, Planned
from indexer.learning.options import Tuning
from indexer.learning.progress import Progress, Tell

LEAST_PROGRESS: Final = 1e-4
"""A measure that is better by less than this is not better."""


@dataclass(frozen=True, slots=True)
class Side:
    """Texts or pictures of a batch, and the side of a search that they are on."""

    items: Sequence[Item]
    role: TextRole


class Objective(Protocol):
    """The aim of a method: the texts or pictures of a batch, and a loss on their vectors."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Parameters of its own that are trained, by name."""
        ...

    def sides(self, batch: Sequence[Example], step: int) -> Sequence[Side]:
        """The texts or pictures to embed with gradients, side by side."""
        ...

    def loss(self, batch: Sequence[Example], vectors: Sequence[Tensor]) -> Tensor:
        """The loss on the vectors of each side, which have unit length."""
        ...

    def stepped(self) -> None:
        """Take note that the parameters have changed."""
        ...

    def tensors(self) -> Mapping[str, Tensor]:
        """The state that a checkpoint keeps of it, beside its parameters."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave."""
        ...


@dataclass(frozen=True, slots=True)
class Course:
    """The state of a training: steps done, their last loss, the measure over time, the best yet.

    ``best_step`` is 0 while nothing was better than the model as it was.
    """

    step: int = 0
    loss: float = math.nan
    measured: tuple[tuple[int, float], ...] = ()
    best_step: int = 0
    seconds: float = 0.0
    ended: bool = False

    @property
    def before(self) -> float:
        """The measure of the model as it was."""
        return self.measured[0][1]

    @property
    def best(self) -> float:
        """The best measure of the trained model; before training that of the model as it was."""
        return dict(self.measured)[self.best_step]


class Loop:
    """One training of a model."""

    def __init__(
        self,
        trainee: Learner,
        objective: Objective,
        examples: Examples,
        tuning: Tuning,
        *,
        measure: Callable[[], float],
        checkpoints: Checkpoints,
        plan: str,
        tell: Tell,
    ) -> None:
        """``plan`` is a digest of all that decides the result, by which checkpoints are known."""
        if len(examples) < 2:
            raise InvalidInput(f"{len(examples)} examples are too few to train by: give more")
        self._trainee, self._objective, self._examples = trainee, objective, examples
        self._tuning, self._measure = tuning, measure
        self._checkpoints, self._plan, self._tell = checkpoints, plan, tell
        self._parameters = {**trainee.parameters, **objective.parameters}
        self._optimizer = torch.optim.AdamW(
            list(self._parameters.values()),
            lr=tuning.learning_rate,
            weight_decay=tuning.weight_decay,
            fused=True,  # without the copies of all weights that it makes otherwise
        )
        self._best: dict[str, Tensor] = {}
        self._batch = min(tuning.batch, len(examples))
        self._per_epoch = len(examples) // self._batch
        self.steps = max(1, round(self._per_epoch * tuning.epochs))
        self._every = max(1, self.steps // tuning.evaluations)

    def run(self, *, resume: bool = False) -> Course:
        """Train to the end, or until nothing gets better, and leave the best weights in the model.

        With ``resume`` it goes on from the checkpoint; raises InvalidInput if that is of another
        training.
        """
        course = self._resumed() if resume and self._checkpoints.there else self._begun()
        start = time.monotonic() - course.seconds
        saved = time.monotonic()
        while not course.ended:
            course = self._advance(course, start)
            self._tell(self._progress(course))
            if time.monotonic() - saved >= self._tuning.checkpoint_seconds or course.ended:
                self._save(course)
                saved = time.monotonic()
        self._load(self._best)
        return course

    def _begun(self) -> Course:
        self._tell(Progress("measuring", 0, self.steps))
        course = Course(measured=((0, self._measure()),))
        self._tell(self._progress(course))
        return course

    def _advance(self, course: Course, start: float) -> Course:
        loss = self._take_step(course.step)
        course = replace(course, step=course.step + 1, loss=loss)
        if course.step % self._every == 0 or course.step == self.steps:
            course = self._evaluated(course)
        return replace(course, seconds=time.monotonic() - start)

    def _evaluated(self, course: Course) -> Course:
        value = self._measure()
        unknown = math.isnan(value)  # no query is held out: then the last weights are the best
        if unknown or not course.best_step or value > course.best + LEAST_PROGRESS:
            course = replace(course, best_step=course.step)
            self._best = {name: one.detach().clone() for name, one in self._parameters.items()}
        measured = (*course.measured, (course.step, value))
        late = sum(step > course.best_step for step, _ in measured)
        ended = course.step == self.steps or late >= self._tuning.patience
        return replace(course, measured=measured, ended=ended)

    # A step

    def _take_step(self, step: int) -> float:
        batch = self._batch_of(step)
        for group in self._optimizer.param_groups:
            group["lr"] = self._tuning.learning_rate * self._rate(step)
        with self._trainee.training():
            loss = self._backward(batch, step)
        if not math.isfinite(loss):
            raise ModelError(
                f"the loss of step {step + 1} is {loss}: lower learning_rate, or raise temperature"
            )
        clip_grad_norm_(self._parameters.values(), self._tuning.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._objective.stepped()
        return loss

    def _batch_of(self, step: int) -> list[Example]:
        epoch, place = divmod(step, self._per_epoch)
        order = np.random.default_rng([self._tuning.seed, epoch]).permutation(len(self._examples))
        chosen = order[place * self._batch : (place + 1) * self._batch]
        return [self._examples[int(index)] for index in chosen]

    def _rate(self, step: int) -> float:
        """The learning rate's share: a linear rise, then a linear fall to nothing."""
        warm = max(1, round(self.steps * self._tuning.warmup))
        if step < warm:
            return (step + 1) / warm
        return (self.steps - step) / max(1, self.steps - warm)

    def _backward(self, batch: Sequence[Example], step: int) -> float:
        sides = self._objective.sides(batch, step)
        parts = [part for place, side in enumerate(sides) for part in self._parts(place, side)]
        seeds = [self._tuning.seed * 1_000_003 + step * 1_009 + at for at in range(len(parts))]
        if sum(part.batch.size for part in parts) > self._tuning.cached_tokens:
            return self._backward_by_parts(batch, sides, list(zip(parts, seeds, strict=True)))
        rows = [self._forward(part, seed) for part, seed in zip(parts, seeds, strict=True)]
        loss = self._objective.loss(batch, _joined(sides, parts, rows))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _backward_by_parts(
        self, batch: Sequence[Example], sides: Sequence[Side], parts: list[tuple[_Part, int]]
    ) -> float:
        """First all vectors without gradients, then the loss's gradient, then part by part."""
        with torch.no_grad():
            rows = [self._forward(part, seed) for part, seed in parts]
        for row in rows:
            row.requires_grad_()
        loss = self._objective.loss(batch, _joined(sides, [part for part, _ in parts], rows))
        loss.backward()  # type: ignore[no-untyped-call]
        for (part, seed), row in zip(parts, rows, strict=True):
            if row.grad is not None:
                self._forward(part, seed).backward(row.grad)  # type: ignore[no-untyped-call]
        return loss.item()

    def _parts(self, place: int, side: Side) -> Iterator[_Part]:
        for batch in self._trainee.plan(side.items, side.role):
            yield _Part(place, batch, side.role)

    def _forward(self, part: _Part, seed: int) -> Tensor:
        torch.manual_seed(seed)  # so that dropout is the same whenever it is done
        return self._trainee.forward(part.batch, part.role)

    # Checkpoints

    def _save(self, course: Course) -> None:
        tensors = {f"model.{name}": one.detach() for name, one in self._parameters.items()}
        for name, parameter in self._parameters.items():
            for key, value in self._optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = value
        tensors |= {f"best.{name}": one for name, one in self._best.items()}
        tensors |= {f"objective.{name}": one for name, one in self._objective.tensors().items()}
        state = {"plan": self._plan, "course": _plain(course)}
        self._checkpoints.write(Checkpoint(tensors, state))

    def _resumed(self) -> Course:
        kept = self._checkpoints.read()
        if kept.state["plan"] != self._plan:
            raise InvalidInput(
                "the checkpoint is of a training with other data or settings: train without "
                "--resume, or as then"
            )
        groups = {
            head: {
                name.partition(".")[2]: tensor
                for name, tensor in kept.tensors.items()
                if name.startswith(f"{head}.")
            }
            for head in ("model", "optimizer", "best", "objective")
        }
        self._load(groups["model"])
        for name, parameter in self._parameters.items():
            self._optimizer.state[parameter] = {
                key.partition(".")[0]: tensor.to(parameter.device, copy=True)
                for key, tensor in groups["optimizer"].items()
                if key.partition(".")[2] == name
            }
        self._best = dict(groups["best"])
        self._objective.restore(groups["objective"])
        return _course(kept.state["course"])

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in tensors.items():
                self._parameters[name].copy_(tensor)

    def _progress(self, course: Course) -> Progress:
        measured = course.measured[-1][1]
        pairs = course.step * self._batch
        return Progress(
            "training", course.step, self.steps, course.loss, measured, pairs, course.seconds
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """A forward pass: a batch of the items of one side."""

    side: int
    batch: Planned
    role: TextRole


def _joined(sides: Sequence[Side], parts: Sequence[_Part], rows: Sequence[Tensor]) -> list[Tensor]:
    """The rows of each side, in the order of its items."""
    joined = []
    for place in range(len(sides)):
        own = [(part, row) for part, row in zip(parts, rows, strict=True) if part.side == place]
        order = np.argsort(np.concatenate([part.batch.places for part, _ in own]))
        whole = torch.cat([row for _, row in own])
        joined.append(whole[torch.from_numpy(order).to(whole.device)])
    return joined


def _plain(course: Course) -> dict[str, Any]:
    return {
        "step": course.step, "loss": course.loss, "measured": course.measured,
        "best_step": course.best_step, "seconds": course.seconds, "ended": course.ended,
    }  # fmt: skip


def _course(fields: Mapping[str, Any]) -> Course:
    measured = tuple((int(step), float(value)) for step, value in fields["measured"])
    return Course(**{**fields, "measured": measured})
