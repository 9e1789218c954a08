"""The commands of the service, and those of the library beside them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.access.roles import Role
from indexer.cli import messages
from indexer.cli.group import no_commands
from indexer.cli.messages import Figures
from indexer.cli.options import Data, Json, Model, Name, Reranker, open_library
from indexer.engines import is_lasting
from indexer.errors import BearingError, InvalidInput, MissingExtra
from indexer.library import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from app.settings import Settings

GIVING_WAY: Final = 10
"""By how much the process that fills the demonstration lets searches go first: see nice(1)."""

PORTS_TRIED: Final = 20
"""The ports that the demonstration tries, from the wished one on."""


def run() -> None:
    """Run the command that the process was called with.

    The library's commands are imported for none of the service's: that takes as long as a tenth of
    its start.
    """
    own = (serve, demo, key, mcp)
    app = no_commands() if _asked() in {command.__name__ for command in own} else _all_others()
    for command in own:
        app.command()(command)
    app()


def _asked() -> str:
    """The first word that the process was called with."""
    return next(iter(sys.argv[1:]), "")


def _all_others() -> typer.Typer:
    from indexer.cli.app import commands

    return commands()


Host = Annotated[
    str | None,
    typer.Option(
        help="Address to listen on; other than loopback only with BEARING_API_KEYS, "
        "or BEARING_INSECURE=1.",
        show_default="127.0.0.1, or BEARING_HOST",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Port to listen on; 0 picks a free one.",
        show_default="8000, or BEARING_PORT",
    ),
]


Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Processes that answer, each with a model of its own.",
        show_default="1, or BEARING_WORKERS",
    ),
]


def serve(
    data: Data = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection", "-c", metavar="NAME", help="Make sure that this collection is there."
        ),
    ] = None,
    model: Model = None,
    reranker: Reranker = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Answer searches over HTTP until interrupted; see /docs there for how to ask."""
    settings = _settings(data, model, host, port, workers=workers, reranker=reranker)
    if collection is not None:
        _require_lasting(settings, "the collection is made before the service starts")
        with open_library(data, model) as library:
            library.obtain(collection, model)
    _serve(settings, {} if as_json else None)


def demo(
    data: Data = None,
    collection: Name = DEFAULT_COLLECTION,
    model: Model = None,
    host: Host = None,
    port: Port = None,
    as_json: Json = False,
) -> None:
    """Serve the documentation of this Python's standard library, which is indexed meanwhile.

    A second time nothing is embedded again.
    """
    from indexer.cli.index import terminable

    settings = _settings(data, model, host, port)
    _require_lasting(settings, "another process indexes the documents")
    with terminable(), ExitStack() as filling:
        _serve(
            settings,
            {"collection": collection} if as_json else None,
            tries=PORTS_TRIED,
            once_serving=lambda: filling.enter_context(_filling(data, collection, model)),
        )


@contextmanager
def _filling(data: str | None, collection: str, model: str | None) -> Iterator[None]:
    """A separate process that indexes the demonstration; when ended, it keeps what is embedded."""
    process = get_context("spawn").Process(target=_fill, args=(data, collection, model))
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: SIGTERM ends the process
    process.start()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _fill(data: str | None, collection: str, model: str | None) -> None:
    from indexer.cli import output
    from indexer.cli.index import index_reads
    from indexer.readers.standard_library import read_standard_library, standard_library_parts

    os.nice(GIVING_WAY)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with open_library(data, model) as library:
            done = index_reads(
                library,
                collection,
                lambda _: read_standard_library(),
                standard_library_parts(),
                model=model,
            )
    except (BearingError, KeyboardInterrupt) as error:
        output.note(f"bearing: {error or 'interrupted'}")
    else:
        done.warn()
        output.note(output.summary_text(done.summary, collection))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # which commits what is embedded


def key(
    name: Annotated[str, typer.Option(help="What the audit log calls it.", metavar="NAME")] = "",
    role: Annotated[
        Role, typer.Option(help="What it may do; each may do what those before it may.")
    ] = Role.SEARCH,
    as_json: Json = False,
) -> None:
    """Make a key, and the line that lets it in, which does not tell the key.

    The key is shown once: give it to its user. The line goes into BEARING_API_KEYS or the file
    that BEARING_API_KEYS_FILE names.
    """
    from app.access.keys import make_secret, write_entry

    secret = make_secret()
    entry = write_entry(secret, role, name)
    if as_json:
        messages.say_json({"key": secret, "entry": entry, "role": role.value})
    else:
        typer.echo(f"key   {secret}\nline  {entry}")


def mcp(data: Data = None, model: Model = None) -> None:
    """Let an assistant search, over standard input and output (Model Context Protocol)."""
    try:
        from app.mcp import serve_stdio
    except ModuleNotFoundError as error:
        raise MissingExtra("mcp", "mcp") from error
    with suppress(KeyboardInterrupt):
        serve_stdio(_settings(data, model, None, None))


def _settings(
    data: str | None,
    model: str | None,
    host: str | None,
    port: int | None,
    **others: object,
) -> Settings:
    from app.settings import load_settings

    return load_settings(data=data, model=model, host=host, port=port, **others)


def _require_lasting(settings: Settings, why: str) -> None:
    """Raise InvalidInput for collections that would be lost in between."""
    if not is_lasting(str(settings.data)):
        raise InvalidInput(f"{settings.data} cannot be used here, since {why}: say --data DIR")


def _serve(
    settings: Settings,
    figures: Figures | None,
    tries: int = 1,
    once_serving: Callable[[], None] = lambda: None,
) -> None:
    """Serve, and print the address once it answers; with ``figures``, as one JSON object."""
    from app.main import bind, serve
    from app.workers import run_workers

    run = serve if settings.workers == 1 else run_workers
    with bind(settings.host, settings.port, tries) as listener:
        port = listener.getsockname()[1]
        if settings.port not in (0, port):
            messages.note(f"port {settings.port} is taken: using {port}")
        url = _url(settings, port)

        def say_where() -> None:
            if figures is not None:
                messages.say_json({**figures, "url": url})
            else:
                messages.note(
                    f"Open {url} in a browser, or {url}docs for the API. Ctrl-C stops it."
                )
            once_serving()

        with suppress(KeyboardInterrupt):  # raised again after an orderly stop
            run(settings, listener, say_where)


def _url(settings: Settings, port: int) -> str:
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{settings.root_path}/"
