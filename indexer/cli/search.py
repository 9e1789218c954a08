"""The command ``search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from indexer.cli import messages
from indexer.cli.holders import Found, Search, hold
from indexer.cli.options import (
    ApiKey,
    Condition,
    Data,
    Exact,
    FieldNames,
    Json,
    Name,
    Reranker,
    Url,
    read_filter,
    split_names,
)
from indexer.documents import Vector
from indexer.library import DEFAULT_COLLECTION
from indexer.queries import (
    ExampleText,
    Fusion,
    Merge,
    Mode,
    SearchOf,
    Strategy,
    usual_mode,
)
from indexer.retrieval.explanation import DEFAULT_EXPLAIN
from indexer.retrieval.reranking import DEFAULT_RERANK

_NO_DIRECTION: Final[Vector] = np.zeros(1, np.float32)
"""In the place of an image's vector, which is known to whoever holds the collection."""


def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY", help="What to search for; several words are one query."),
    ] = None,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
    collection: Name = DEFAULT_COLLECTION,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    condition: Condition = None,
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
    fields: FieldNames = None,
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
    asked = Search(
        {
            "text": text,
            "like": (*(like or ()), *map(ExampleText, like_text or ())),
            "unlike": (*(unlike or ()), *map(ExampleText, unlike_text or ())),
            "strategy": strategy,
            "k": k,
            "mode": mode or usual_mode(text, min_score, depth),
            "fusion": fusion,
            "min_score": min_score,
            "exact": exact,
            "candidates": candidates,
            "rerank": depth,
            "diversity": diversity,
            "group_by": group_by,
            "group_size": group_size,
            "explain": DEFAULT_EXPLAIN if explain else 0,
            "temperature": temperature,
            "cursor": cursor,
            "facets": tuple(dict.fromkeys(facets or ())),
            "of": of,
            "merge": merge,
        },
        read_filter(condition),
        image,
        split_names(fields),
        passages_only,
        whole=as_json,
    )
    query_asked = asked.query(None if image is None else _NO_DIRECTION)
    with hold(data, url, api_key, reranker=reranker) as holder:
        found = holder.search(collection, asked)
    _warn(found)
    if as_json:
        messages.say_json(found.figures)
        return
    from indexer.cli import output

    answer = found.answer
    if answer.facets is not None:
        messages.say(output.facets_table(answer.facets))
    if answer.hits:
        messages.say(output.answer_table(query_asked, answer, found.language))
    else:
        messages.note("nothing found")


def _warn(found: Found) -> None:
    """Say what one should know of an answer."""
    answer = found.answer
    if answer.unknown_fields:
        named = ", ".join(repr(name) for name in answer.unknown_fields)
        there = ", ".join(found.fields) or "none"
        messages.note(f"no document has the field {named}; there are: {there}")
    if answer.behind:
        messages.note(
            "a standby answered, as there is no primary: the newest changes may be missing"
        )
    if answer.truncated:
        messages.note("the query is longer than the model's window: its end was not searched for")
    if answer.unknown:
        messages.note(
            "the model knows no word of the query, so what is near to it in meaning is not known. "
            + messages.UNKNOWN_REMEDY
        )
