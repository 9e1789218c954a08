"""Shared by the commands: options with one meaning, exit codes, and the library they open."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any

import typer

from indexer.cli import messages
from indexer.config import Config
from indexer.engines import is_lasting
from indexer.errors import InvalidInput
from indexer.filters import parse_filter
from indexer.index_choice import Chunking, CutBy, Language
from indexer.library import Library
from indexer.parts import CHOICES
from indexer.queries import Mode


class ExitCode(IntEnum):
    """The exit codes of commands."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REJECTED = 3


Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        envvar="BEARING_DATA",
        help="Directory of the collections, or a URL (memory:).",
        show_default="./data",
        metavar="DIR",
    ),
]
Name = Annotated[
    str,
    typer.Option(
        "--collection",
        "-c",
        envvar="BEARING_COLLECTION",
        help="Which collection.",
        metavar="NAME",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and no more.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A sentence-transformers model by hub name or folder. It is chosen when a collection "
        "is made; given again, it must be the same.",
        show_default="all-MiniLM-L6-v2, or BEARING_MODEL",
    ),
]
LanguageOption = Annotated[
    Language | None,
    typer.Option(
        help="The language by whose rules words are stemmed, for the modes lexical and hybrid. It "
        "is chosen when a collection is made; given again, it must be the same.",
        show_default="english, or BEARING_LANGUAGE",
    ),
]
Reranker = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A cross-encoder to score the best hits anew by: hub name or folder.",
        show_default="none, or BEARING_RERANKER",
    ),
]
ModeOption = Annotated[Mode, typer.Option(help="How queries are held against documents.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Ask a running service, as http://localhost:8000, instead of collections here.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="BEARING_API_KEY",
        metavar="KEY",
        help="Its key; better given as a variable, since others see a command's words.",
    ),
]
ChunkSize = Annotated[
    int | None,
    typer.Option(
        metavar="TOKENS",
        help="The most tokens of a chunk, its title included.",
        show_default="what the model has room for",
    ),
]
ChunkOverlap = Annotated[
    int | None,
    typer.Option(
        metavar="TOKENS",
        help="The most tokens that a chunk repeats of the one before.",
        show_default="a tenth",
    ),
]
ChunkBy = Annotated[
    CutBy | None,
    typer.Option(
        help="Where long documents are cut: at the best pause, at sentences alone, or into "
        "sections or pages, each a chunk of its own.",
        show_default="pauses",
    ),
]
Condition = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help='As {"year": {"$gte": 2020}}.'),
]
FieldNames = Annotated[
    str | None,
    typer.Option(
        "--fields", metavar="NAMES", help=f"With --json: of each document, by commas: {CHOICES}."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Exact = Annotated[bool, typer.Option("--exact", help="Compare every vector.")]


def open_library(
    data: str | None, model: str | None = None, reranker: str | None = None
) -> Library:
    """The library of a data directory, with the other settings from the environment."""
    given = {"data": data, "model": model, "reranker": reranker}
    config = Config.from_environment(os.environ, **given)
    if not is_lasting(str(config.data)):
        messages.note(f"{config.data} is forgotten when this command ends")
    return Library(config)


def read_filter(given: str | None) -> Mapping[str, Any] | None:
    """The filter that an option has as JSON; raises InvalidInput."""
    if given is None:
        return None
    try:
        condition = json.loads(given)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(f"--filter is not JSON ({error}): {given[:80]!r}") from error
    parse_filter(condition)
    return dict(condition or {})


def read_chunking(size: int | None, overlap: int | None, by: CutBy | None) -> Chunking | None:
    """The chunking that options ask for; None if none was given. Raises InvalidInput."""
    if size is None and overlap is None and by is None:
        return None
    return Chunking(size, overlap, by or CutBy.PAUSES)


def split_names(given: str | None) -> list[str] | None:
    """The names in an option, which has commas between them."""
    return None if given is None else [name for name in given.split(",") if name]


def confirm(question: str) -> None:
    """Ask a person, and end the command if the answer is no; raises InvalidInput without one."""
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} Say --yes to delete without being asked")
    typer.confirm(question, err=True, abort=True)
