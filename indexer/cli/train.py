"""The command ``train``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from indexer.cli import messages
from indexer.cli.index import terminable
from indexer.cli.options import Data, ExitCode, Json, Model, open_library
from indexer.cli.progress import training_progress
from indexer.cli.rejects import RejectsFile, reason_lines
from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding.embedder import Embedder, Modality
from indexer.errors import InvalidInput
from indexer.filters import Pictured
from indexer.learning.examples import Example, Unread
from indexer.learning.examples_collection import documents_of, unlabelled
from indexer.learning.examples_files import Found, read_examples
from indexer.learning.examples_pictures import unlabelled_pictures, with_pictures
from indexer.learning.kept_pictures import KeptPictures
from indexer.learning.methods import METHODS
from indexer.learning.models import Models
from indexer.learning.options import read_options
from indexer.learning.run import Material, Method
from indexer.learning.split import Splitting
from indexer.learning.trained import Figure
from indexer.learning.training import Done, Training
from indexer.learning.training import train as train_model
from indexer.library import DEFAULT_COLLECTION, Library
from indexer.readers import Fields, Illustrated, Rejection, read_paths

HELD_OUT_SHARE: Final = 0.2
SIGNIFICANT: Final = 0.05
LEAST_P: Final = 0.0001


def train(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PAIRS",
            help="Pairs, triplets, grades, clicks or captions in JSON Lines, CSV or Parquet; "
            "folders in BEIR's layout; for methods that need no labels, texts or pictures.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            metavar="NAME",
            help="Whose model is trained further, and where documents are looked up by id.",
            show_default=f"{DEFAULT_COLLECTION}, if there is one and no --model",
        ),
    ] = None,
    from_collection: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Take the examples from a collection's own documents: titles with their texts, "
            "or the two halves of a text.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    method: Annotated[
        str, typer.Option(help=f"How to train: {', '.join(METHODS)}.")
    ] = "contrastive",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE,...",
            help="Train otherwise: epochs, batch, temperature and others of the method; may be "
            "repeated.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Which judgements of folders in BEIR's layout.",
            show_default="train, or the only ones there are",
        ),
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="The share of queries, and of documents, to judge by.")
    ] = HELD_OUT_SHARE,
    name: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="NAME",
            help="What the trained model is called.",
            show_default="<collection>-<method>, with a number if that is taken",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of an interrupted training.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write what was rejected and why, as JSON Lines.",
            show_default="<data>/models/<name>.rejects.jsonl",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model further on pairs of queries and what answers them.

    What is written loads in sentence-transformers as it does here. Call it again with --resume
    after an interruption.
    """
    chosen = _method(method)
    given = collection or from_collection
    with open_library(data, model) as library, ExitStack() as opened:
        models = Models.of(library.config)
        stored = _collection(library, given, model)
        trained_for = stored.name if stored is not None else "model"
        called = name or _free_name(models, f"{trained_for}-{chosen.name}")
        models.path(called)  # which refuses what is no name
        embedder = _embedder(library, stored, model)
        kept = _pictures(library, embedder, chosen)
        if kept is not None:
            opened.enter_context(kept)
        lessons = chosen.learns(pictures=kept is not None)
        options = read_options(lessons.options, settings or ())
        source = ", ".join(paths or ()) or f"the documents of {from_collection!r}"
        training = Training(
            called, chosen, options, source, models, embedder, stored, library.config.cache,
            _splitting(held_out), resume, library.config.threads, kept,
        )  # fmt: skip
        found = _examples(library, paths or (), from_collection, training, split)
        messages.note(f"training {embedder.identity.name} by {chosen.name} on {source}")
        rejected = RejectsFile(models.folder, called, rejects)
        try:
            with rejected, terminable():
                done = _train(training, found, rejected)
        finally:  # they may be why nothing was left to train by
            _tell_rejected(rejected)
    _show(done, as_json)
    raise typer.Exit(ExitCode.REJECTED if rejected.reasons() else ExitCode.DONE)


def _method(name: str) -> Method:
    if name not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)}; got {name!r}")
    return METHODS[name]


def _splitting(held_out: float) -> Splitting:
    if not 0 <= held_out <= 0.8:
        raise InvalidInput(f"--held-out must be from 0 to 0.8, got {held_out}")
    return Splitting(held_out=held_out)


def _collection(library: Library, name: str | None, model: str | None) -> Collection | None:
    if name is None and (model is not None or DEFAULT_COLLECTION not in library.names()):
        return None
    return library.open(name or DEFAULT_COLLECTION)


def _embedder(library: Library, stored: Collection | None, model: str | None) -> Embedder:
    if stored is None or model is not None:
        return library.model(model or library.config.model)
    if stored.page(Pictured(), limit=1).documents:
        return library.filling(stored)
    return library.embedder(stored)


def _free_name(models: Models, wanted: str) -> str:
    """The name itself, or with the first number by which no finished model is called."""
    taken = set(models.names())
    numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (wanted, *numbered) if name not in taken)


def _pictures(library: Library, embedder: Embedder, method: Method) -> KeptPictures | None:
    """The place for pictures, if the model embeds any and the method learns from them."""
    if method.pictured is None or Modality.IMAGE not in embedder.modalities:
        return None
    return KeptPictures(embedder.fit, max_pixels=library.config.max_pixels)


def _examples(
    library: Library,
    paths: Sequence[str],
    from_collection: str | None,
    training: Training,
    split: str | None,
) -> Iterator[Example | Rejection]:
    """The examples, with pictures read where they are learned from."""
    sees = Modality.IMAGE in training.embedder.modalities
    source = training.collection
    if from_collection is not None:
        if paths:
            raise InvalidInput("give files or --from-collection, not both")
        source = library.open(from_collection)
        found = _unlabelled(documents_of(source), training)
    elif not paths:
        raise InvalidInput("nothing to train by: give files of pairs, or --from-collection NAME")
    elif training.material is Material.TEXTS:
        fields = Fields(pictures=training.pictures is not None)
        found = _unlabelled((read.item for read in read_paths(_corpora(paths), fields)), training)
    else:
        found = read_examples(paths, source, split, pictures=sees)
    if training.pictures is None:
        return (one.example if isinstance(one, Unread) else one for one in found)
    return with_pictures(found, training.pictures, source)


def _unlabelled(
    documents: Iterable[Document | Illustrated | Rejection], training: Training
) -> Iterator[Found]:
    if training.pictures is not None:
        return unlabelled_pictures(documents, training.material)
    texts = (one for one in documents if not isinstance(one, Illustrated))  # none, unless asked for
    return unlabelled(texts, training.material)


def _corpora(paths: Sequence[str]) -> list[str]:
    """The paths, and of folders in BEIR's layout only the documents."""
    corpora = [Path(path) / "corpus.jsonl" for path in paths]
    return [
        str(corpus) if corpus.is_file() else path
        for path, corpus in zip(paths, corpora, strict=True)
    ]


def _train(training: Training, found: Iterator[Example | Rejection], rejected: RejectsFile) -> Done:
    try:
        with training_progress() as tell:
            return train_model(training, found, rejected.add, tell)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            "interrupted; run the same command again with --resume to go on from the last "
            "checkpoint"
        ) from interrupt


def _tell_rejected(rejected: RejectsFile) -> None:
    if reasons := rejected.reasons():
        count = sum(one.inputs for one in reasons)
        messages.note(f"{messages.counted(count, 'input')} rejected, see {rejected.path}:")
        messages.note("\n".join(reason_lines(reasons)))


def _show(done: Done, as_json: bool) -> None:
    for sentence in done.notes:
        messages.note(sentence)
    if as_json:
        messages.say_json({**asdict(done.trained), "folder": str(done.folder)})
    else:
        messages.say("\n".join(_lines(done)))


def _lines(done: Done) -> Iterator[str]:
    yield f"{done.trained.name!r} is trained: {done.folder}"
    for one in done.trained.figures:
        yield (
            f"{one.measure}, held out by {one.split} ({one.queries:,} asked): "
            f"{one.before:.4f} before, {one.after:.4f} now{_chance(one)}"
        )


def _chance(figure: Figure) -> str:
    if figure.p is None:
        return ""
    told = "p < 0.0001" if figure.p < LEAST_P else f"p {figure.p:.4f}"
    return f" ({told}{'' if figure.p < SIGNIFICANT else ', which may be chance'})"
