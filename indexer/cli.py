"""The commands of the library. What they do is elsewhere; here is how they are called.

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage, 3 done but some inputs were rejected.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from indexer import console, installation
from indexer.assessing import calibrate, diagnose, draw_map
from indexer.collection import Collection, IndexChoice, IndexKind
from indexer.config import DEFAULT_COLLECTION, Library
from indexer.documents import ExampleText, Fusion, Mode, Query, Strategy
from indexer.embedding import Embedder, open_embedder
from indexer.errors import BearingError, InvalidInput, NotFound
from indexer.evaluating import evaluate
from indexer.explaining import DEFAULT_EXPLAIN
from indexer.filters import Filter, parse_filter
from indexer.indexing import index_reads
from indexer.interpreter import tune_interpreter
from indexer.options import (
    Data,
    Exact,
    ExitCode,
    Json,
    LanguageOption,
    Model,
    ModeOption,
    Name,
    Reranker,
    open_library,
)
from indexer.readers import Fields, check_ocr, read_paths, total_bytes
from indexer.refining import DEFAULT_RERANK
from indexer.reindexing import reindex as reindex_documents
from indexer.search import search_timed
from indexer.similarity import Measure, cosine, pairwise, softmax

COVARIANCE_SAMPLES: Final = 10_000
"""How many stored vectors mahalanobis takes its covariance from, at most."""


class Commands(TyperGroup):
    """Commands whose errors become one clear line and an exit code.

    With --json they become ``{"error", "exit_code"}`` too, so that standard output always holds
    one object.
    """

    def main(self, args: Sequence[str] | None = None, *given: Any, **extra: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Run the command that the arguments name."""
        _open_standard_files()
        words = sys.argv[1:] if args is None else list(args)
        return super().main(words, *given, obj="--json" in words, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer names no public type for either
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            if ctx.parent is None:  # the outermost; typer itself then tells people
                _tell_program(ctx, error.format_message(), ExitCode.USAGE)
            raise
        except InvalidInput as error:
            _fail(ctx, str(error), ExitCode.USAGE)
        except BearingError as error:
            _fail(ctx, str(error), ExitCode.FAILED)
        except KeyboardInterrupt as error:
            _fail(ctx, str(error) or "interrupted", ExitCode.FAILED)


def _fail(ctx: Any, message: str, code: ExitCode) -> NoReturn:  # noqa: ANN401 - as above
    console.note(f"bearing: {message}")
    _tell_program(ctx, message, code)
    raise typer.Exit(code)


def _tell_program(ctx: Any, message: str, code: ExitCode) -> None:  # noqa: ANN401 - as above
    if ctx.obj:
        console.say_json({"error": message, "exit_code": int(code)})


def _open_standard_files() -> None:
    """Put /dev/null where a standard file is closed.

    Else the next file that is opened takes its number, and whatever libraries print would be
    written into a collection.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _say_version(wanted: bool) -> None:
    if wanted:
        console.say(f"bearing {installation.version()}")
        raise typer.Exit(ExitCode.DONE)


def commands() -> typer.Typer:
    """The commands, ready to be called or added to."""
    app = typer.Typer(
        name="bearing",
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        callback=common,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Documents in, ranked answers out: embedding retrieval with exact cosine scores. "
        "Settings not given here are taken from BEARING_* variables.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs were rejected.",
    )
    for command in (index, search, evaluate, similarity, stats, reindex, rebuild, compact):
        app.command()(command)
    for assessment in (calibrate, diagnose):
        app.command()(assessment)
    app.command("map")(draw_map)
    for upkeep in (verify, backup, restore):
        app.command()(upkeep)
    collections = typer.Typer(
        cls=Commands,
        invoke_without_command=True,
        callback=list_collections,
        help="List, create and delete collections.",
    )
    collections.command("list")(list_collections)
    collections.command("create")(create_collection)
    collections.command("delete")(delete_collection)
    app.add_typer(collections, name="collections")
    return app


def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, help="Say which version this is.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command that the process was called with."""
    tune_interpreter()
    commands()()


# index


def index(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="JSON Lines, JSON, CSV, TSV, Parquet, text, Markdown, HTML, PDF, "
            "folders of them, or - for JSON Lines on standard input.",
            show_default=False,
        ),
    ],
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    model: Model = None,
    language: LanguageOption = None,
    id_field: Annotated[str | None, typer.Option(help="Field of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(help="Field of the text.")] = None,
    title_field: Annotated[str | None, typer.Option(help="Field of the title.")] = None,
    ocr: Annotated[
        str | None,
        typer.Option(
            envvar="BEARING_OCR",
            metavar="LANGUAGES",
            help="Read text in the pictures of PDFs, in these languages, such as eng+deu.",
            show_default=False,
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write what was rejected and why, as JSON Lines.",
            show_default="<data>/<collection>.rejects.jsonl",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read files and store their documents; what is stored and unchanged is skipped.

    Fields that are not id, text or title become metadata. Call it again after an interruption:
    it goes on where it was.
    """
    fields = Fields(id=id_field, text=text_field, title=title_field, ocr=ocr or None)
    check_ocr(fields.ocr)
    with open_library(data, model) as library, _standard_input(paths) as stdin:
        own = [library.config.data, *([rejects] if rejects else [])]
        reads = read_paths(paths, fields, stdin=stdin, skip=own)
        total = total_bytes(paths, skip=own)
        done = index_reads(
            library, collection, reads, total, model=model, language=language, rejects=rejects
        )
    done.show(as_json)
    raise typer.Exit(done.exit_code)


@contextmanager
def _standard_input(paths: Iterable[str]) -> Iterator[BinaryIO | None]:
    """Standard input if it is to be read.

    Opened anew: a thread that still waits in ``sys.stdin`` would abort the interpreter's exit.
    """
    if "-" not in paths:
        yield None
        return
    stdin = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    yield stdin  # left open for the same reason


# search


def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY", help="What to search for; several words are one query."),
    ] = None,
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    condition: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help='As {"year": {"$gte": 2020}}.'),
    ] = None,
    mode: ModeOption = Mode.DENSE,
    fusion: Annotated[
        Fusion, typer.Option(help="How a hybrid search makes one ranking of two.")
    ] = Fusion.CONVEX,
    exact: Exact = False,
    min_score: Annotated[float | None, typer.Option(help="Leave out hits that score less.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Give probabilities: softmax(score / temperature).")
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Instead of a query: near this document; repeatable."),
    ] = None,
    unlike: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="And away from it; repeatable.")
    ] = None,
    like_text: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="The same with a text of your own.")
    ] = None,
    unlike_text: Annotated[list[str] | None, typer.Option(metavar="TEXT")] = None,
    strategy: Annotated[
        Strategy, typer.Option(help="Rank by the mean of the examples, or by the best of them.")
    ] = Strategy.MEAN,
    reranker: Reranker = None,
    rerank: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="DEPTH",
            help="How many of the best hits are scored anew.",
            show_default=f"{DEFAULT_RERANK} with --reranker, else none",
        ),
    ] = None,
    diversity: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Choose hits unlike each other: 0 not at all, 1 only so."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=1, help="How many hits later stages, and fusion, choose from.")
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Give k groups of hits, by a field of the metadata."),
    ] = None,
    group_size: Annotated[int, typer.Option(min=1, help="How many hits of each group.")] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which words of the best hits carry the score.")
    ] = False,
    cursor: Annotated[
        str | None,
        typer.Option(help="Go on where an answer's cursor says (see --json), all else as it was."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the documents closest in meaning to a query, or to other documents."""
    asked = Query(
        text=" ".join(query) if query else None,
        like=(*(like or ()), *map(ExampleText, like_text or ())),
        unlike=(*(unlike or ()), *map(ExampleText, unlike_text or ())),
        strategy=strategy,
        k=k,
        filter=_parse_filter(condition),
        mode=mode,
        fusion=fusion,
        min_score=min_score,
        exact=exact,
        candidates=candidates,
        rerank=rerank or (DEFAULT_RERANK if reranker else None),
        diversity=diversity,
        group_by=group_by,
        group_size=group_size,
        explain=DEFAULT_EXPLAIN if explain else 0,
        temperature=temperature,
        cursor=cursor,
    )
    with open_library(data, reranker=reranker) as library:
        opened = library.open(collection)
        judge = library.reranker() if asked.rerank else None
        done = search_timed(opened, library.embedder(opened), [asked], judge)
    (answer,) = done.answers
    if answer.truncated:
        console.note("the query is longer than the model's window: its end was not searched for")
    if as_json:
        console.say_json(console.answer_figures(asked, answer, done.embed_ms, done.search_ms))
    elif answer.hits:
        console.say(console.answer_table(asked, answer))
    else:
        console.note("nothing found")


def _parse_filter(given: str | None) -> Filter | None:
    if given is None:
        return None
    try:
        return parse_filter(json.loads(given))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(f"--filter is not JSON ({error}): {given[:80]!r}") from error


# similarity


def similarity(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Texts to compare; none: the lines of standard input."),
    ] = None,
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    model: Model = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the lines of a file as texts.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Compare with these instead of with each other."),
    ] = None,
    metric: Annotated[
        list[Measure] | None, typer.Option(help="Further measures; may be repeated.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Give probabilities: row-wise softmax(similarity / temperature)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare texts with each other: cosine similarity, distance, and other measures.

    The model is the collection's if it is there and no model is given.
    """
    a = _texts(texts, file)
    with (
        open_library(data, model) as library,
        _comparing(library, collection, model) as (embedder, stored),
    ):
        embedded = embedder.embed([*a, *(against or [])])
        samples = _samples(stored, metric or [], collection)
    left = embedded.vectors[: len(a)]
    right = embedded.vectors[len(a) :] if against else left
    close = cosine(left, right)
    matrices = {"similarity": close, "distance": 1.0 - close}
    metrics = {
        str(one): pairwise(one, left, right, samples=samples) for one in dict.fromkeys(metric or [])
    }
    if temperature is not None:
        matrices["probabilities"] = softmax(close, temperature)
    for place in embedded.truncated:
        side, at = ("a", place) if place < len(a) else ("b", place - len(a))
        console.note(f"text {at} of {side} is longer than the model's window: its end is left out")
    if as_json:
        lists = {name: matrix.tolist() for name, matrix in matrices.items()}
        lists["metrics"] = {name: matrix.tolist() for name, matrix in metrics.items()}
        console.say_json(lists)
        return
    for name, matrix in (matrices | metrics).items():
        console.say(console.matrix_table(name, matrix.tolist(), a, against or a))


def _texts(given: list[str] | None, file: Path | None) -> list[str]:
    if given and file:
        raise InvalidInput("give texts or --file, not both")
    if given:
        return given
    try:
        lines = (file.read_text("utf-8") if file else sys.stdin.read()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {file or 'standard input'}: {error}") from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InvalidInput("there is no text to compare: give some, or --file, or lines on stdin")
    return texts


@contextmanager
def _comparing(
    library: Library, name: str, model: str | None
) -> Iterator[tuple[Embedder, Collection | None]]:
    """The model to compare with, and the collection if there is one."""
    try:
        stored = library.open(name)
    except NotFound:
        stored = None
    if stored is not None and model is None:
        yield library.embedder(stored), stored
        return
    config = library.config
    with open_embedder(
        config.model,
        cache=config.cache,
        backend=config.backend,
        precision=config.precision,
        threads=config.threads,
    ) as embedder:
        yield embedder, stored


def _samples(stored: Collection | None, metrics: list[Measure], name: str) -> Any:  # noqa: ANN401
    if Measure.MAHALANOBIS not in metrics:
        return None
    if stored is None:
        raise NotFound(f"mahalanobis needs a collection, and there is no {name!r}")
    return stored.sample(COVARIANCE_SAMPLES)


# collections


def stats(data: Data = None, collection: Name = DEFAULT_COLLECTION, as_json: Json = False) -> None:
    """Tell what is in a collection, and how it is searched."""
    with open_library(data) as library:
        figures = asdict(library.open(collection).describe())
    if as_json:
        console.say_json(figures)
        return
    readable = {
        "bytes": console.readable_bytes(figures["bytes"]),
        "backed_up": console.readable_time(figures["backed_up"]),
    }
    shown = figures | readable | figures["index"]
    del shown["index"]
    console.say(console.facts_table(shown))


def reindex(
    model: Annotated[
        str, typer.Option("--model", help="The new model: hub name or folder.", show_default=False)
    ],
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    as_json: Json = False,
) -> None:
    """Move a collection to another model; searching and writing go on meanwhile.

    Interrupted, it changes nothing; the same command goes on where it was.
    """
    with open_library(data) as library:
        stored = library.open(collection)
        before = stored.identity.name
        moved = reindex_documents(stored, library.model(model), console.moving_line)
    figures = {**asdict(moved), "collection": collection, "from": before, "to": model}
    if as_json:
        console.say_json(figures)
    else:
        console.say(f"{collection!r} went over from {before} to {model}: {moved.total:,} documents")


def compact(
    data: Data = None, collection: Name = DEFAULT_COLLECTION, as_json: Json = False
) -> None:
    """Free what deleted and replaced documents take, and leave no byte of them."""
    with open_library(data) as library:
        stored = library.open(collection)
        before = stored.describe().bytes
        complete = stored.compact()
        after = stored.describe().bytes
    if as_json:
        console.say_json({"bytes_before": before, "bytes_after": after, "complete": complete})
    else:
        sizes = f"{console.readable_bytes(before)} before, {console.readable_bytes(after)} now"
        console.say(f"compacted {collection!r}: {sizes}")
    if not complete:
        console.note("bearing: a search elsewhere holds on to what was deleted: compact again")
        raise typer.Exit(ExitCode.FAILED)


def rebuild(
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    kind: Annotated[
        IndexKind | None,
        typer.Option(help="Which index to keep from now on.", show_default="as is"),
    ] = None,
    target_recall: Annotated[
        float | None, typer.Option(help="The recall to reach, above 0 and below 1.")
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, metavar="MB", help="The most memory it may take.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Build the index anew, and measure its recall; searching and writing go on meanwhile.

    What is chosen here stays the collection's choice.
    """
    with open_library(data) as library:
        default = library.config.index_choice
        chosen = IndexChoice(
            kind or default.kind,
            default.target_recall if target_recall is None else target_recall,
            default.memory_bytes if memory is None else memory * 1_000_000,
        )
        keep = kind is None and target_recall is None and memory is None
        built = library.open(collection).rebuild(None if keep else chosen)
    if as_json:
        console.say_json({"collection": collection, "index": dict(built.index)})
    else:
        console.say(console.facts_table(built.index))


def verify(
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    with_model: Annotated[
        bool, typer.Option("--model/--no-model", help="Check the model's vectors too.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Check all that a collection keeps: texts, metadata, vectors, index and model.

    It reads, and repairs nothing. Exit code 1 says that something is wrong.
    """
    with open_library(data) as library, console.stepping() as tell:
        found = library.verify(collection, tell, with_model=with_model)
    if as_json:
        console.say_json({**asdict(found), "sound": found.sound})
    else:
        console.say(console.verification_text(found))
    raise typer.Exit(ExitCode.DONE if found.sound else ExitCode.FAILED)


def backup(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A new file; .tar suits it.", show_default=False),
    ],
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    as_json: Json = False,
) -> None:
    """Write a collection to one file, as it is now; searching and writing go on meanwhile."""
    with open_library(data) as library, console.stepping() as tell:
        made = library.back_up(collection, file, tell)
    if as_json:
        console.say_json(asdict(made))
    else:
        size = console.readable_bytes(made.bytes)
        console.say(f"backed up {collection!r} to {file}: {made.documents:,} documents, {size}")


def restore(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What backup has written.", show_default=False),
    ],
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    as_json: Json = False,
) -> None:
    """Make a collection of a backup; one that is there is never overwritten.

    A backup that is not what was written is refused, and leaves nothing behind.
    """
    with open_library(data) as library, console.stepping() as tell:
        made = library.restore(file, collection, tell)
    if as_json:
        console.say_json({**asdict(made), "collection": collection, "of": made.collection})
    else:
        console.say(f"restored {made.documents:,} documents of {made.model} to {collection!r}")


def list_collections(
    ctx: typer.Context,
    data: Data = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", metavar="NAME", help="Only this one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the collections."""
    if ctx.invoked_subcommand is not None:
        for name in ctx.params:
            source = ctx.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise InvalidInput(f"give options after {ctx.invoked_subcommand!r}, not before it")
        return
    with open_library(data) as library:
        names = library.names() if collection is None else [collection]
        descriptions = [library.open(name).describe() for name in names]
    if as_json:
        console.say_json({"collections": [asdict(one) for one in descriptions]})
    elif descriptions:
        console.say(console.description_table(descriptions))
    else:
        console.note(f"there are no collections in {library.config.data}")


NewName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)]


def create_collection(
    name: NewName,
    data: Data = None,
    model: Model = None,
    language: LanguageOption = None,
    as_json: Json = False,
) -> None:
    """Make an empty collection for a model."""
    with open_library(data, model) as library:
        figures = asdict(library.create(name, model, language).describe())
    if as_json:
        console.say_json(figures)
    else:
        console.say(f"created {name!r} for {figures['model']}")


def delete_collection(
    name: NewName,
    data: Data = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a collection with all its documents."""
    with open_library(data) as library:
        documents = library.open(name).describe().documents
        if not yes:
            _confirm(f"Delete {name!r} with {documents:,} documents?")
        library.delete(name)
    if as_json:
        console.say_json({"deleted": name, "documents": documents})
    else:
        console.say(f"deleted {name!r} with {documents:,} documents")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} Say --yes to delete without being asked")
    typer.confirm(question, err=True, abort=True)
