"""The commands of the service, and those of the library beside them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

import typer

from app.access.roles import Role
from indexer.cli import messages
from indexer.cli.app import asked_command, commands
from indexer.cli.group import no_commands
from indexer.cli.messages import Figures
from indexer.cli.options import ApiKey, Data, Json, Model, Reranker, open_library
from indexer.engines import is_lasting
from indexer.errors import InvalidInput, MissingExtra, Unreadable
from indexer.library import DEFAULT_COLLECTION, check_name

if TYPE_CHECKING:
    from app.settings import Settings

PHOTOS: Final = "photos"
"""The collection of the demonstration's photos."""

PORTS_TRIED: Final = 20
"""The ports that the demonstration tries, from the wished one on."""


def run() -> None:
    """Run the command that the process was called with.

    The library's commands are imported for none of the service's: that takes as long as a tenth of
    its start.
    """
    own = (serve, demo, key, token, mcp)
    asked = asked_command()
    app = no_commands() if asked in {command.__name__ for command in own} else commands(asked)
    for command in own:
        app.command()(command)
    app()


Host = Annotated[
    str | None,
    typer.Option(
        help="Address to listen on; other than loopback only with BEARING_API_KEYS, "
        "or BEARING_INSECURE=1.",
        show_default="127.0.0.1, or BEARING_HOST",
    ),
]
BoundCollections = Annotated[
    str, typer.Option(help="The only collections it may use, between commas.", metavar="NAMES")
]
BoundFilter = Annotated[
    str,
    typer.Option("--filter", help="Only documents that pass, as JSON, in each.", metavar="JSON"),
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
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Show the documents of this folder instead.",
            exists=True,
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    collection: Annotated[
        str | None,
        typer.Option(
            "--collection",
            "-c",
            envvar="BEARING_COLLECTION",
            help="Which collection.",
            metavar="NAME",
            show_default="default; photos with --images",
        ),
    ] = None,
    images: Annotated[
        bool,
        typer.Option(
            "--images",
            help="Show photos, FOLDER's or some of the extra photos, by a model of texts and "
            "images: minilm-efficientnet-lite0, unless another is set.",
        ),
    ] = False,
    model: Model = None,
    host: Host = None,
    port: Port = None,
    as_json: Json = False,
) -> None:
    """Serve the documentation of this Python's standard library, which is indexed meanwhile.

    Or photos, with --images, or a folder of your own. A second time nothing is embedded again.
    """
    from app.demonstration import Demonstration, filling, sample_photos
    from indexer.cli.index import terminable
    from indexer.embedding.checkpoint import PHOTO_MODEL

    if images and model is None and not os.environ.get("BEARING_MODEL"):
        model = PHOTO_MODEL
    name = collection or (PHOTOS if images else DEFAULT_COLLECTION)
    paths = (str(folder),) if folder else sample_photos() if images else ()
    settings = _settings(data, model, host, port)
    _require_lasting(settings, "another process indexes the documents")
    if images:
        with open_library(data, model) as library:  # so that the page finds the collection
            library.obtain(name, model)
    with terminable(), ExitStack() as stack:
        shown = Demonstration(data, name, model, paths)
        _serve(
            settings,
            {"collection": name} if as_json else None,
            tries=PORTS_TRIED,
            page="" if name == DEFAULT_COLLECTION else f"?{urlencode({'c': name})}",
            once_serving=lambda: stack.enter_context(filling(shown)),
        )


def key(
    name: Annotated[str, typer.Option(help="What the audit log calls it.", metavar="NAME")] = "",
    role: Annotated[
        Role, typer.Option(help="What it may do; each may do what those before it may.")
    ] = Role.SEARCH,
    collections: BoundCollections = "",
    filter_text: BoundFilter = "",
    expires: Annotated[
        str,
        typer.Option(
            help="When it ends: 30d, 12h or 15m from now, or a date or time.", metavar="WHEN"
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a key, and the line that lets it in, which does not tell the key.

    The key is shown once: give it to its user. The line goes into the file that
    BEARING_API_KEYS_FILE names, or, if nothing binds it, into BEARING_API_KEYS.
    """
    from app.access.keys import make_secret, write_entry

    secret = make_secret()
    entry = write_entry(secret, role, name, **_bounds(collections, filter_text, expires))
    if as_json:
        messages.say_json({"key": secret, "entry": entry, "role": role.value})
    else:
        typer.echo(f"key   {secret}\nline  {entry}")


def token(
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="The service that makes it.")
    ] = "http://localhost:8000",
    api_key: ApiKey = None,
    minutes: Annotated[
        float, typer.Option(help="How long it is good for, at most a day.", metavar="MINUTES")
    ] = 15.0,
    role: Annotated[
        Role, typer.Option(help="What it may do; at most what its key may.")
    ] = Role.SEARCH,
    collections: BoundCollections = "",
    filter_text: BoundFilter = "",
    rate: Annotated[
        str, typer.Option(help="Requests that it may make, such as 5/second.", metavar="RATE")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a token of a key: a key for a page, that ends soon and may do a part of what that may.

    It is printed alone, to be put into a page. The service needs BEARING_TOKEN_SECRET for that.
    """
    from indexer.remote_service import connect

    rights = {"minutes": minutes, "role": role.value, **_bounds(collections, filter_text, "")}
    with connect(url, api_key) as service:
        made = service.call("POST", "/tokens", rights | ({"rate": rate} if rate else {}))
    if as_json:
        messages.say_json(made)
    else:
        typer.echo(made["token"])
        messages.note(f"good until {made['expires']}; the audit log calls it {made['number']}")


def _bounds(collections: str, filter_text: str, expires: str) -> dict[str, object]:
    """The part of a key's line that says its bounds; raises InvalidInput."""
    from app.access.keys import end_of
    from indexer.readers.records import parse_json

    said: dict[str, object] = {}
    if collections:
        said["collections"] = [check_name(one.strip()) for one in collections.split(",")]
    if filter_text:
        try:
            said["filter"] = parse_json(filter_text.encode("utf-8", "surrogateescape"))
        except Unreadable as error:
            raise InvalidInput(f"--filter {filter_text[:80]!r}: {error}") from error
    if expires:
        said["expires"] = end_of(expires)
    return said


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
    page: str = "",
    once_serving: Callable[[], None] = lambda: None,
) -> None:
    """Serve, and print the address once it answers; with ``figures``, as one JSON object.

    ``page`` is the query of the address that people are shown.
    """
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
                    f"Open {url}{page} in a browser, or {url}docs for the API. Ctrl-C stops it."
                )
            once_serving()

        with suppress(KeyboardInterrupt):  # raised again after an orderly stop
            run(settings, listener, say_where)


def _url(settings: Settings, port: int) -> str:
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{settings.root_path}/"
