"""The command ``search``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from indexer.cli import output
from indexer.cli.options import Data, Exact, Json, Name, Reranker, open_library
from indexer.collection import Collection
from indexer.documents import Vector
from indexer.errors import InvalidInput
from indexer.filters import Filter, parse_filter
from indexer.library import DEFAULT_COLLECTION, Library
from indexer.parts import CHOICES, PASSAGES, Parts, asked_parts
from indexer.queries import (
    ExampleText,
    Fusion,
    Merge,
    Mode,
    Query,
    SearchOf,
    Strategy,
    usual_mode,
)
from indexer.reports import FieldSummary
from indexer.retrieval.explanation import DEFAULT_EXPLAIN
from indexer.retrieval.reranking import DEFAULT_RERANK
from indexer.retrieval.search import search_timed
from indexer.workspace import embed_images

FIELDS_NAMED: Final = 100
"""Fields that a message names, at most."""


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
    mode: Annotated[
        Mode | None,
        typer.Option(
            help="How the query is held against documents.",
            show_default="hybrid, but dense for examples and with --min-score",
        ),
    ] = None,
    fusion: Annotated[
        Fusion, typer.Option(help="How a hybrid search makes one ranking of two.")
    ] = Fusion.CONVEX,
    exact: Exact = False,
    min_score: Annotated[float | None, typer.Option(help="Leave out hits that score less.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Give probabilities: softmax(cosine / temperature).")
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
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Instead of a query: what is like this image."),
    ] = None,
    of: Annotated[SearchOf, typer.Option(help="Only images, only texts, or both.")] = SearchOf.ALL,
    merge: Annotated[
        Merge,
        typer.Option(help="How hits of images and of texts make one answer, if both are found."),
    ] = Merge.RANKS,
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
    facets: Annotated[
        list[str] | None,
        typer.Option(
            "--facet", metavar="FIELD", help="Count a field's values in all matches; repeatable."
        ),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=f"With --json: of each document, by commas: {CHOICES}."),
    ] = None,
    passages_only: Annotated[
        bool, typer.Option("--passages-only", help="With --json: leave out whole texts.")
    ] = False,
    cursor: Annotated[
        str | None,
        typer.Option(help="Go on where an answer's cursor says (see --json), all else as it was."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the documents that answer a query, or that are like an image or other documents."""
    text = " ".join(query) if query else None
    depth = rerank or (DEFAULT_RERANK if reranker else None)
    ask = partial(
        Query,
        text=text,
        like=(*(like or ()), *map(ExampleText, like_text or ())),
        unlike=(*(unlike or ()), *map(ExampleText, unlike_text or ())),
        strategy=strategy,
        k=k,
        filter=_parse_filter(condition),
        mode=mode or usual_mode(text, min_score, depth),
        fusion=fusion,
        min_score=min_score,
        exact=exact,
        candidates=candidates,
        rerank=depth,
        diversity=diversity,
        group_by=group_by,
        group_size=group_size,
        explain=DEFAULT_EXPLAIN if explain else 0,
        temperature=temperature,
        cursor=cursor,
        facets=tuple(dict.fromkeys(facets or ())),
        of=of,
        merge=merge,
        by_image=image is not None,
        parts=_parts(fields, passages_only=passages_only, as_json=as_json),
    )
    asked = ask() if image is None else None
    with open_library(data, reranker=reranker) as library:
        opened = library.open(collection)
        asked = asked or ask(vector=_seen(library, opened, image))
        judge = library.reranker() if asked.rerank else None
        done = search_timed(opened, library.embedder(opened), [asked], judge)
        (answer,) = done.answers
        language = opened.language
        if answer.unknown_fields:
            output.note(_unknown(answer.unknown_fields, opened.fields(FIELDS_NAMED, 1)))
    if answer.behind:
        output.note("a standby answered, as there is no primary: the newest changes may be missing")
    if answer.truncated:
        output.note("the query is longer than the model's window: its end was not searched for")
    if answer.unknown:
        output.note(
            "the model knows no word of the query, so what is near to it in meaning is not known. "
            + output.UNKNOWN_REMEDY
        )
    if as_json:
        output.say_json(output.answer_figures(asked, answer, done.embed_ms, done.search_ms))
        return
    if answer.facets is not None:
        output.say(output.facets_table(answer.facets))
    if answer.hits:
        output.say(output.answer_table(asked, answer, language))
    else:
        output.note("nothing found")


def _parts(fields: str | None, *, passages_only: bool, as_json: bool) -> Parts:
    """The parts of documents to print; a table shows no whole texts."""
    names = None if fields is None else [name for name in fields.split(",") if name]
    asked = asked_parts(names, passages_only=passages_only)
    return asked if as_json else PASSAGES


def _seen(library: Library, collection: Collection, image: Path | None) -> Vector | None:
    """The vector of an image among a collection's texts; None without one."""
    if image is None:
        return None
    vector: Vector = embed_images(library.seeing(collection), [image])[0]
    return vector


def _unknown(unknown: Sequence[str], known: Sequence[FieldSummary]) -> str:
    named = ", ".join(repr(name) for name in unknown)
    there = ", ".join(each.name for each in known) or "none"
    return f"no document has the field {named}; there are: {there}"


def _parse_filter(given: str | None) -> Filter | None:
    if given is None:
        return None
    try:
        return parse_filter(json.loads(given))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(f"--filter is not JSON ({error}): {given[:80]!r}") from error
