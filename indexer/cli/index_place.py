"""The command ``index`` for what is elsewhere: queries, websites and remote folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import typer

from indexer.cli.elsewhere import ElsewhereOptions, index_folder, index_website, place_of
from indexer.cli.foresight import foresee_place
from indexer.cli.index import Shown
from indexer.cli.options import open_library
from indexer.cli.sql import SqlOptions, index_query, query_place
from indexer.cli.sync import SyncOptions
from indexer.cli.sync_place import sync_place
from indexer.collection import Collection
from indexer.library import Library
from indexer.sources.places import Place


def index_sql(
    options: SqlOptions,
    data: str | None,
    collection: str,
    step: SyncOptions | None,
    dry_run: bool,
    as_json: bool,
) -> NoReturn:
    """Store the rows of a query, or keep a collection in step with them by ``step``, and end."""
    if step is not None:
        _keep_in_step(data, collection, query_place(options), step, dry_run, as_json)
    with open_library(data, options.model) as library:
        done = index_query(library, collection, options)
    _end(done, as_json)


def index_elsewhere(
    options: ElsewhereOptions,
    data: str | None,
    collection: str,
    step: SyncOptions | None,
    crawl: bool,
    dry_run: bool,
    as_json: bool,
) -> NoReturn:
    """Store a website or a remote folder, or keep a collection in step with it, and end."""
    if step is not None:
        place = place_of(options, crawl=crawl)
        _keep_in_step(data, collection, place, step, dry_run, as_json)
    index = index_website if crawl else index_folder
    with open_library(data, options.model) as library:
        done = index(library, collection, options)
    _end(done, as_json)


def _keep_in_step(
    data: str | None,
    collection: str,
    place: Callable[[Collection], Place],
    step: SyncOptions,
    dry_run: bool,
    as_json: bool,
) -> NoReturn:
    carry_out: Callable[[Library, str, Callable[[Collection], Place], SyncOptions], Shown]
    carry_out = foresee_place if dry_run else sync_place
    with open_library(data, step.model) as library:
        done = carry_out(library, collection, place, step)
    _end(done, as_json)


def _end(done: Shown, as_json: bool) -> NoReturn:
    done.show(as_json)
    raise typer.Exit(done.exit_code)
