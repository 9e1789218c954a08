"""The command ``similarity``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from indexer.cli import messages, output
from indexer.cli.holders import Comparison, hold
from indexer.cli.options import ApiKey, Data, Json, Model, Name, Url
from indexer.errors import InvalidInput
from indexer.library import DEFAULT_COLLECTION
from indexer.similarity import Measure


def similarity(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Texts to compare; none: the lines of standard input."),
    ] = None,
    data: Data = None,
    url: Url = None,
    api_key: ApiKey = None,
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

    The model is the collection's if that exists and no model is given.
    """
    a = _texts(texts, file)
    asked = Comparison(a, against or None, metric or [], temperature)
    with hold(data, url, api_key, model=model) as holder:
        compared = holder.compare(collection, asked)
    for side, places in compared.truncated.items():
        for at in places:
            messages.note(
                f"text {at} of {side} is longer than the model's window: its end is left out"
            )
    if as_json:
        messages.say_json({**compared.matrices, "metrics": compared.metrics})
        return
    for name, matrix in {**compared.matrices, **compared.metrics}.items():
        messages.say(output.matrix_table(name, matrix, a, against or a))


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
