"""The command ``index``: files into a collection, once or in step with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NoReturn

import typer

from indexer.cli.index import Shown, index_reads
from indexer.cli.options import Data, ExitCode, Json, LanguageOption, Model, Name, open_library
from indexer.cli.sync import SyncOptions, sources_of, sync_sources
from indexer.errors import InvalidInput
from indexer.ingestion.pruning import USUAL_SHARE, parse_share
from indexer.ingestion.shards import Shard
from indexer.library import DEFAULT_COLLECTION
from indexer.readers import (
    Fields,
    Read,
    check_ocr,
    check_paths,
    input_parts,
    known_formats,
    read_paths,
)
from indexer.readers.reading import VectorTrust
from indexer.sources.crawl_bounds import Bounds

_TRUST: Final = {
    None: VectorTrust.CHECKED,
    True: VectorTrust.TRUSTED,
    False: VectorTrust.IGNORED,
}


def index(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help=f"{', '.join(name for name, _ in known_formats())}, folders of them, "
            "or - for JSON Lines on standard input.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    model: Model = None,
    language: LanguageOption = None,
    id_field: Annotated[str | None, typer.Option(help="Field of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(help="Field of the text.")] = None,
    title_field: Annotated[str | None, typer.Option(help="Field of the title.")] = None,
    vector_field: Annotated[
        str | None, typer.Option(help="Field of a record's own vector.", show_default="vector")
    ] = None,
    trust_vectors: Annotated[
        bool | None,
        typer.Option(
            "--trust-vectors/--ignore-vectors",
            help="Take the vectors of records for the model's own, or none of them.",
            show_default="those with the fingerprint of the collection's model",
        ),
    ] = None,
    ocr: Annotated[
        str | None,
        typer.Option(
            envvar="BEARING_OCR",
            metavar="LANGUAGES",
            help="Read text in the pictures of PDFs, in these languages, such as eng+deu.",
            show_default=False,
        ),
    ] = None,
    gps: Annotated[
        bool,
        typer.Option("--gps", help="Keep where photos were taken, too: latitude, longitude."),
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write what was rejected and why, as JSON Lines.",
            show_default="<data>/<collection>.rejects.jsonl, the next number if that is kept",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Index the I-th of N parts of the documents, as another process does each of the "
            "others; for collections in a database.",
        ),
    ] = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync",
            help="Keep the collection in step with each PATH, or with --sql: what is gone there "
            "goes here, too, what moved keeps its vectors, and files that are as they were are not "
            "read.",
        ),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --sync: the name of what is at PATH, with which its ids begin.",
            show_default="the folder's own name, however PATH is spelled",
        ),
    ] = None,
    prune_at_most: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="With --sync: if more of a source's documents would go at once, none does.",
        ),
    ] = f"{USUAL_SHARE:.0%}",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --sync: say what would happen, and change nothing."),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="With --sync: go on, and follow each change until Ctrl-C (extra watch)."
        ),
    ] = False,
    sql: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Index rows of this database instead of files, as SQLAlchemy names it: "
            "postgresql://user@host/name, sqlite:///file.db. Needs --query.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            metavar="SELECT",
            help="With --sql: the query whose rows are documents, or @FILE that holds it.",
            show_default=False,
        ),
    ] = None,
    cursor_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="With --sql: a column that only grows, such as updated_at; the next run goes on "
            "from its last value.",
            show_default=False,
        ),
    ] = None,
    crawl: Annotated[
        bool,
        typer.Option(
            "--crawl",
            help="Fetch a website: PATH is the URL of a page, whose links are followed on its "
            "host, or of a sitemap.",
        ),
    ] = False,
    max_pages: Annotated[
        int, typer.Option(min=1, help="With --crawl: the most pages that are visited.")
    ] = Bounds().pages,
    max_depth: Annotated[
        int, typer.Option(min=0, help="With --crawl: the most links from the start to a page.")
    ] = Bounds().depth,
    as_json: Json = False,
) -> None:
    """Read files and store their documents; what is stored and unchanged is skipped.

    Fields that are not id, text or title become metadata. Call it again after an interruption:
    it continues where it stopped.
    """
    fields = Fields(
        id=id_field,
        text=text_field,
        title=title_field,
        ocr=ocr or None,
        vector=vector_field,
        vectors=_TRUST[trust_vectors],
    )
    check_ocr(fields.ocr)
    _require_both(sql, query, cursor_column)

    def kept() -> SyncOptions:
        return SyncOptions(fields, parse_share(prune_at_most), source, model, language, rejects)

    if sql is not None and query is not None:
        if paths or shard:
            raise InvalidInput("--sql is for a query alone: leave out PATH and --shard")
        _require_follows("--sql", sync, source, dry_run, watch)
        from indexer.cli.index_place import index_sql
        from indexer.cli.sql import SqlOptions

        chosen = SqlOptions(sql, query, cursor_column, fields, model, language, rejects)
        index_sql(chosen, data, collection, kept() if sync else None, dry_run, as_json)
    if not paths:
        raise InvalidInput("nothing to index: give a PATH, - for standard input, or --sql URL")
    if crawl or any("://" in path for path in paths):
        from indexer.cli.elsewhere import ElsewhereOptions, folder_of, website_of
        from indexer.cli.index_place import index_elsewhere

        if url := website_of(paths, crawl) or folder_of(paths):
            if shard:
                raise InvalidInput("what is elsewhere is read by one process: leave --shard out")
            _require_follows(url, sync, source, dry_run, watch)
            bounds = Bounds(pages=max_pages, depth=max_depth)
            asked = ElsewhereOptions(url, fields, bounds, model, language, rejects)
            step = kept() if sync else None
            index_elsewhere(asked, data, collection, step, crawl, dry_run, as_json)
    if sync:
        _sync(
            paths,
            data,
            collection,
            kept(),
            shard=shard,
            dry_run=dry_run,
            watch=watch,
            as_json=as_json,
        )
    _require_sync(source, dry_run, watch)
    with open_library(data, model) as library, _standard_input(paths) as stdin:
        check_paths(paths)
        own = [path for path in (library.folder, rejects) if path]

        def reads(pictures: bool) -> Iterator[Read]:
            return read_paths(paths, replace(fields, pictures=pictures), stdin=stdin, skip=own)

        parts = input_parts(paths, skip=own)
        done = index_reads(
            library,
            collection,
            reads,
            parts,
            model=model,
            language=language,
            rejects=rejects,
            shard=Shard.parse(shard) if shard else None,
            gps=gps,
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


def _require_sync(source: str | None, dry_run: bool, watch: bool) -> None:
    if source is not None or dry_run or watch:
        raise InvalidInput(
            "--source, --dry-run and --watch are for what is kept in step: give --sync, too"
        )


def _require_follows(what: str, sync: bool, source: str | None, dry_run: bool, watch: bool) -> None:
    """Raise InvalidInput for options that a place elsewhere cannot follow."""
    if not sync:
        _require_sync(source, dry_run, watch)
    elif watch:
        raise InvalidInput(
            f"{what} tells of no changes to --watch: run --sync now and then, as by cron"
        )


def _require_both(url: str | None, query: str | None, cursor_column: str | None) -> None:
    """Raise InvalidInput unless a database and a query are given together."""
    if url is None and (query is not None or cursor_column is not None):
        raise InvalidInput("--query and --cursor-column are for a database: give --sql URL, too")
    if url is not None and query is None:
        raise InvalidInput('--sql needs a query: give --query "select id, text from ..."')


def _sync(
    paths: list[str],
    data: str | None,
    collection: str,
    options: SyncOptions,
    *,
    shard: str | None,
    dry_run: bool,
    watch: bool,
    as_json: bool,
) -> NoReturn:
    if dry_run and watch:
        raise InvalidInput("--dry-run changes nothing, so that there is nothing to --watch")
    if shard is not None:
        raise InvalidInput("--sync is for one process: leave --shard out")
    sources = sources_of(paths, options.name)
    with open_library(data, options.model) as library:
        if watch:
            from indexer.cli.watch import watch_sources

            watch_sources(library, collection, sources, options, as_json=as_json)
            raise typer.Exit(ExitCode.DONE)
        done: Shown
        if dry_run:
            from indexer.cli.foresight import foresee_sources

            done = foresee_sources(library, collection, sources, options)
        else:
            done = sync_sources(library, collection, sources, options)
    done.show(as_json)
    raise typer.Exit(done.exit_code)
