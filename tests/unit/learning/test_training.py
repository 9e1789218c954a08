"""Training from beginning to end, on a small model with random weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from small_models import MODELS

from indexer.embedding import Backend, Embedder, TextRole, open_embedder
from indexer.embedding.checkpoint import find_checkpoint
from indexer.embedding.hashing_engine import open_hashing
from indexer.errors import AlreadyExists, InvalidInput, ModelError
from indexer.learning.contrast import Temperature
from indexer.learning.evidence import JUDGED, SEEN, JudgedQueries, Seen
from indexer.learning.examples import Examples
from indexer.learning.learner import encode
from indexer.learning.methods import METHODS
from indexer.learning.methods.other_options import MomentumOptions
from indexer.learning.momentum import MomentumObjective
from indexer.learning.progress import Progress
from indexer.learning.run import TrainingRun
from indexer.learning.split import Splitting
from indexer.learning.trainee import Trainee
from indexer.learning.training import Done, Training

from .conftest import pairs, run

Make = Callable[..., Training]


def weights(done: Done) -> dict[str, Any]:
    """The weights that were written."""
    return load_file(done.folder / "model.safetensors")


def same(one: Done, other: Done) -> bool:
    """Return whether two trainings gave the same weights, to the bit."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_training_helps_and_is_recorded(training: Make) -> None:
    """Held-out queries find their texts better than before, as the record and the card say."""
    done = run(training("contrastive", "epochs=4"), pairs(160))
    figure = done.trained.figures[0]
    assert figure.after > figure.before + 0.05
    card = (done.folder / "README.md").read_text()
    assert f"{figure.after:.4f}" in card and done.trained.data.sha256 in card
    assert done.trained.data.pairs == 160


def test_what_was_held_out_is_kept_for_the_gate(training: Make) -> None:
    """The folder has the queries held out with their documents, and knows those trained on."""
    done = run(training("contrastive"), pairs(80))
    judged, seen = JudgedQueries.read(done.folder / JUDGED), Seen.read(done.folder / SEEN)
    assert len(judged.queries) == done.trained.figures[0].queries > 3
    assert not any(seen.has_query(text) for text in judged.queries.values())
    trained = [one for one in pairs(80) if seen.has_query(one.query)]
    assert len(trained) > 40
    assert all(seen.has_document(one.document) for one in trained)


def test_written_as_sentence_transformers_reads_it(
    training: Make, bert: Path, tmp_path: Path
) -> None:
    """SentenceTransformer gives the vectors of the written model that Bearing gives: other ones."""
    from sentence_transformers import SentenceTransformer

    done = run(training("contrastive"), pairs(40))
    texts = ["the quick vector", "a lazy model of words"]
    theirs = SentenceTransformer(str(done.folder), device="cpu").encode(texts)
    cache = tmp_path / "cache"
    with open_embedder(str(done.folder), cache=cache, backend=Backend.TORCH, threads=1) as mine:
        vectors = mine.embed(texts).vectors
    assert np.vecdot(vectors, theirs).min() > 0.9999
    before = SentenceTransformer(str(bert), device="cpu").encode(texts)
    assert np.vecdot(vectors, before).max() < 0.9999


class Killed(Exception):
    """Stands for the end of a process."""


def test_resumed_is_as_uninterrupted(training: Make) -> None:
    """A training that was killed goes on from its checkpoint to the same weights, to the bit."""
    whole = run(
        training("contrastive", "checkpoint_seconds=0", "dropout=true", name="a"), pairs(60)
    )

    def kill(progress: Progress) -> None:
        if progress.phase == "training" and progress.step == 3:
            raise Killed

    cut = training("contrastive", "checkpoint_seconds=0", "dropout=true", name="b")
    with pytest.raises(Killed):
        run(cut, pairs(60), kill)
    assert not cut.models.names().count("b")
    steps: list[int] = []
    resumed = run(replace(cut, resume=True), pairs(60), lambda told: steps.append(told.step))
    assert min(step for step in steps if step) > 2
    assert same(whole, resumed)
    assert not cut.workspace.exists()


def test_another_seed_gives_another_model(training: Make) -> None:
    """Seeds decide: with equal ones weights are equal, with others not."""
    one, again, other = (
        run(training("contrastive", f"seed={seed}", name=name), pairs(40))
        for seed, name in ((1, "one"), (1, "again"), (2, "other"))
    )
    assert same(one, again)
    assert not same(one, other)


def test_other_data_is_not_resumed(training: Make) -> None:
    """A checkpoint of other data or settings is refused, rather than mixed in."""
    started = training("contrastive", "checkpoint_seconds=0")

    def kill(progress: Progress) -> None:
        if progress.step == 2:
            raise Killed

    with pytest.raises(Killed):
        run(started, pairs(40), kill)
    with pytest.raises(InvalidInput, match="other data or settings"):
        run(replace(started, resume=True), pairs(41))


def test_frozen_layers_stay(training: Make, bert: Path) -> None:
    """The frozen layers and the word vectors are written as they were, the others are not."""
    before = load_file(bert / "model.safetensors")
    after = weights(run(training("contrastive", "frozen_layers=1"), pairs(40)))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(".layer.1." in name for name in changed)


def test_gradients_by_parts_are_the_same(training: Make) -> None:
    """A batch too large for its gradients at once gives the same model, up to rounding."""
    at_once = run(training("contrastive", "dropout=true", name="a"), pairs(40))
    parted = run(training("contrastive", "dropout=true", "cached_tokens=1", name="b"), pairs(40))
    for name, one in weights(at_once).items():
        assert np.allclose(one, weights(parted)[name], atol=2e-3), name


@pytest.mark.parametrize(
    ("words", "change"),
    [
        (("loss=triplet",), {"negatives": ("a word is 0",)}),
        (("loss=cosent",), {"grade": 1.0}),
        (("loss=angle",), {"grade": 1.0}),
        (("learn_temperature=true", "dimensions=16/8"), {"negatives": ("a word is 0", "1 2 3")}),
    ],
    ids=["triplet", "cosent", "angle", "matryoshka"],
)
def test_every_loss_trains(words: tuple[str, ...], change: dict[str, Any], training: Make) -> None:
    """Each loss goes down over a training."""
    found: list[float] = []
    given = [replace(one, **change) for one in pairs(40)]
    if "grade" in change:
        given = [replace(one, grade=float(place % 3)) for place, one in enumerate(given)]
    run(
        training("contrastive", "epochs=6", "learning_rate=0.001", *words),
        given,
        lambda told: found.append(told.loss),
    )
    losses = [loss for loss in found if np.isfinite(loss)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_what_cannot_be_trained_is_refused(training: Make, tmp_path: Path) -> None:
    """A taken name, too few examples, and a model without weights are refused with the reason."""
    run(training("contrastive"), pairs(40))
    with pytest.raises(AlreadyExists, match="'trained'"):
        run(training("contrastive"), pairs(40))
    with pytest.raises(InvalidInput, match="too few examples: of 40, 0 can be trained by"):
        run(training("contrastive", "loss=triplet", name="b"), pairs(40))
    with pytest.raises(InvalidInput, match="no example"):
        run(training("contrastive", name="c"), [])
    with open_hashing(32) as hashing, pytest.raises(ModelError, match="no weights"):
        run(training("contrastive", name="d", embedder=hashing), pairs(40))


CASES = {
    "moco": ("moco", "queue=24", "momentum=0.9", "learn_temperature=true"),
    "clip": ("clip",),
    "dropout": ("simclr", "views=dropout"),
    "crops": ("simclr", "views=both"),
}
"""A method, with settings."""

LEARNING = ("epochs=4", "learning_rate=0.001", "checkpoint_seconds=0", "patience=9")


@pytest.mark.parametrize("case", CASES)
def test_every_method_trains(case: str, training: Make) -> None:
    """Each method's loss goes down."""
    method, *words = CASES[case]
    found: list[float] = []
    run(training(method, *LEARNING, *words), pairs(60), lambda told: found.append(told.loss))
    losses = [loss for loss in found if np.isfinite(loss)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.parametrize(
    "case",
    [one if one == "moco" else pytest.param(one, marks=pytest.mark.long) for one in CASES],
)
def test_every_method_resumes(case: str, training: Make) -> None:
    """A checkpoint leads to the weights of an unbroken run; MoCo's holds more than the others'."""
    method, *words = CASES[case]
    words = (*LEARNING, *words, "epochs=1")
    whole = run(training(method, *words, name="whole"), pairs(60))

    def kill(progress: Progress) -> None:
        if progress.step == 3 and progress.phase == "training":
            raise Killed

    cut = training(method, *words, name="cut")
    with pytest.raises(Killed):
        run(cut, pairs(60), kill)
    assert same(whole, run(replace(cut, resume=True), pairs(60)))


def test_a_queue_holds_what_came_last(embedder: Embedder, tmp_path: Path) -> None:
    """MoCo's negatives are the last texts, embedded by weights that follow at their own pace."""
    trainee = Trainee.open(find_checkpoint(embedder.identity.name, tmp_path), threads=1)
    objective = MomentumObjective(
        trainee, Temperature(0.1, learned=False), queue=5, momentum=0.75, near_duplicate=0.99
    )
    given = pairs(9)
    before = trainee.embed([one.positive for one in given], TextRole.DOCUMENT)
    for start in (0, 3, 6):
        batch = given[start : start + 3]
        vectors = encode(trainee, [one.query for one in batch], TextRole.QUERY)
        assert float(objective.loss(batch, [vectors.detach()])) > 0
        objective.stepped()
    assert np.allclose(objective.tensors()["queue"], before[-5:], atol=1e-5)
    name, parameter = next(iter(trainee.parameters.items()))
    start = parameter.detach().clone()
    with torch.no_grad():
        parameter.add_(1.0)
    objective.stepped()
    assert torch.allclose(objective.tensors()[f"weights.{name}"], start + 0.25, atol=1e-6)


def test_torch_is_asked_for_where_it_is_missing(
    bert: Path, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where torch is not installed, as in the smaller image, the error says what to do."""
    checkpoint = find_checkpoint(str(bert), tmp_path)
    with Examples() as examples:
        given = TrainingRun(
            examples=examples, embedder=embedder, checkpoint=lambda: checkpoint, collection=None,
            splitting=Splitting(), options=MomentumOptions(), workspace=tmp_path, digest="",
            resume=False, tell=lambda _: None,
        )  # fmt: skip
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(ModelError, match="install torch"):
            METHODS["moco"].train(given)


def test_two_towers_go_apart(training: Make, tmp_path: Path) -> None:
    """CLIP's towers are one model unless two are asked for: then each side has weights of its own.

    They are written as sentence-transformers routes them, and Bearing's vectors are its.
    """
    from sentence_transformers import SentenceTransformer

    done = run(training("clip", "towers=2"), pairs(40))
    theirs = SentenceTransformer(str(done.folder), device="cpu")
    texts = ["the quick vector", "a lazy model of words"]
    cache = tmp_path / "cache"
    with open_embedder(str(done.folder), cache=cache, backend=Backend.TORCH, threads=1) as mine:
        queries, documents = (mine.embed(texts, role).vectors for role in TextRole)
    assert np.vecdot(queries, theirs.encode_query(texts)).min() > 0.9999
    assert np.vecdot(documents, theirs.encode_document(texts)).min() > 0.9999
    assert np.vecdot(queries, documents).max() < 0.9999
    with pytest.raises(InvalidInput, match="frozen_layers"):
        run(training("clip", "towers=2", "frozen_layers=1", name="b"), pairs(40))


def test_without_held_out_queries_the_last_weights_are_kept(training: Make) -> None:
    """Where nothing tells when to end, training goes on to its end, and says so."""
    words = ("epochs=2", "evaluations=8", "patience=1")
    none = Splitting(held_out=0, validation=0)
    done = run(training("contrastive", *words, splitting=none), pairs(40))
    assert done.trained.settings["best_step"] == done.trained.settings["steps"] == 10
    assert done.trained.figures == ()
    assert "the last weights were kept" in done.notes[1]
    assert "nothing is known of how good it is" in (done.folder / "README.md").read_text()


def test_a_loss_that_explodes_is_told(training: Make) -> None:
    """It ends with an error that says what to change, and no model is written."""
    exploding = training("contrastive", "learning_rate=1e30", "clip=1e30", "epochs=4")
    with pytest.raises(ModelError, match="lower learning_rate"):
        run(exploding, pairs(40))
    assert exploding.models.names() == []


@pytest.mark.parametrize("architecture", ["static", "modernbert", "qwen3"])
def test_other_architectures_train(architecture: str, training: Make, tmp_path: Path) -> None:
    """Static embeddings and decoders are trained as encoders are, and keep their prompts."""
    folder = MODELS[architecture](tmp_path / architecture)
    cache = tmp_path / "cache"
    with open_embedder(str(folder), cache=cache, backend=Backend.TORCH, threads=1) as opened:
        done = run(training("contrastive", embedder=opened), pairs(40))
        with open_embedder(str(done.folder), cache=cache, backend=Backend.TORCH) as after:
            assert after.identity.prompts == opened.identity.prompts
            before, now = (one.embed(["the quick vector"]).vectors for one in (opened, after))
            assert not np.allclose(before, now, atol=1e-5)
